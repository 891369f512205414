/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process that looks after what a receiver that was killed has left.
 *
 * Until the go a domain that is being received is a half built copy: when the
 * receiver dies it must not stay, as it holds memory and the name that the
 * next attempt needs.  A killed process cannot see to that itself, nor note
 * that the guest never ran here.  After the go the guest runs on, and what it
 * lacks comes by another receiver; one that lacks nothing needs no pager any
 * more.
 */
#ifndef XL_GUARD_H
#define XL_GUARD_H

#include <sys/types.h>

#include "xl_context.h"

struct xl_guard {
    pid_t pid;
    int fd; /* the guard waits for its other end to close */
};

#define XL_GUARD_NONE ((struct xl_guard){.fd = -1})

/* Guard the domain that is received under this name.  0, or -1 having said
 * why. */
int xl_guard_start(struct xl_guard *guard, const char *incoming_name);

/* From here on nothing may be cleaned up.  Harmless when there is no guard. */
void xl_guard_tell_ours(const struct xl_guard *guard, uint32_t domid);

/* The guest is whole, or nothing of it is left.  Harmless when there is no
 * guard. */
void xl_guard_release(struct xl_guard *guard);

/* The guard itself, a command of its own: xl incoming-guard --postcopy NAME,
 * with the pipe as its stdin. */
int xl_main_guard(struct xl_context *xl, int argc, char **argv);

#endif
