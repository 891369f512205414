/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver reads before it has a guest: until then it does nothing but
 * wait for whoever has connected, and so that has to get on.
 */
#ifndef XL_PROLOGUE_H
#define XL_PROLOGUE_H

#include <stddef.h>
#include <stdint.h>

/* What a source has for all of it. */
#define XL_PROLOGUE_SECONDS 30

/* When a time of so many seconds from now is over, in milliseconds of the
 * monotonic clock. */
uint64_t xl_deadline(unsigned int seconds);

/*
 * Read exactly length octets before the deadline, however they come.  0, or -1
 * with errno: ETIMEDOUT, it is over; ECONNRESET, the other end is gone; others
 * as read(2)'s.
 */
int xl_read_until(int fd, void *buffer, size_t length, uint64_t deadline);

/* Have the kernel notice within a minute that the host at the other end of a
 * connection has died; no effect on what is no TCP connection. */
void xl_keep_alive(int fd);

#endif
