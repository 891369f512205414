/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process that cleans up after a receiver that was killed.
 *
 * Until the go a domain that is being received is an incomplete copy.  If the
 * receiver dies it must not stay: it holds memory, and the name that the next
 * attempt needs.  A killed process can neither destroy it nor note that the
 * guest never ran here.  After the go the guest runs on, and another receiver
 * brings what it lacks; a guest that lacks nothing needs no pager any more.
 */
#ifndef XL_GUARD_H
#define XL_GUARD_H

#include <sys/types.h>

#include "xl_context.h"

struct xl_guard {
    pid_t pid;
    int fd; /* the guard waits until this is closed */
};

#define XL_GUARD_NONE ((struct xl_guard){.fd = -1})

/* Guard the domain that will be received under this name.  0, or -1 with a
 * message on stderr. */
int xl_guard_start(struct xl_guard *guard, const char *incoming_name);

/* Call at the go: from now on the guard must not destroy the domain.  Harmless
 * when there is no guard. */
void xl_guard_tell_ours(const struct xl_guard *guard, uint32_t domid);

/* Call when the guest is complete, or when nothing of it is left.  Harmless
 * when there is no guard. */
void xl_guard_release(struct xl_guard *guard);

/* The guard itself, a command: xl incoming-guard --postcopy NAME, with the
 * pipe as its stdin. */
int xl_main_guard(struct xl_context *xl, int argc, char **argv);

#endif
