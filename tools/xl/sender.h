/*
 * What xl migrate and xl migrate-recover have in common.
 */
#ifndef XL_SENDER_H
#define XL_SENDER_H

#include <stdint.h>

#include "xl.h"

/* Ctrl-C, SIGTERM and SIGHUP become something that can be waited for, as they
 * stop a migration only as long as that is safe: a descriptor, or -1 having
 * said why. */
int xl_take_signals(void);

/* The value of --background-rate; ends the process when it is none. */
uint64_t xl_rate_option(const char *text);

/* Everything is at the destination, which has said so.  0, or -1 having said
 * why. */
int xl_destroy_source(struct xl_context *xl, uint32_t domid);

#endif
