/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver takes of a guest that somebody sends: whoever may send one
 * with any configuration is root here.
 */
#ifndef XL_RECEIVE_POLICY_H
#define XL_RECEIVE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lists end with NULL and are the caller's; a NULL list is empty. */
struct xl_receive_policy {
    /* Paths of programs and of files that QEMU loads, or of directories of
     * them with a '/' at their end; beside those of this host's Xen. */
    const char *const *programs;
    /* What the path of a disk begins with. */
    const char *const *disks;
    /* Names of guests, with *, ? and [] as the shell has them; NULL: any. */
    const char *const *names;
    uint64_t memory_mib; /* the most that a guest may have; 0: any */
};

/* Room for the reason. */
#define XL_RECEIVE_POLICY_WHY_MAX 400

/*
 * Whether a guest may come, by its configuration as JSON, as libxl has
 * understood it.  What is not known to be harmless is not taken.  True; or
 * false with a reason for a person that says what would allow it.  Pure.
 */
bool xl_receive_policy_allows(const struct xl_receive_policy *policy,
                              const char *json,
                              char why[XL_RECEIVE_POLICY_WHY_MAX]);

/*
 * Whether root's own command is at the other end, by the names of the
 * processes that have started us, parent first, count of them: an ssh daemon
 * that let root in, or xl on this very host.  Shells between do not matter.
 * Anything else listens for whoever connects.  Pure.
 */
bool xl_receive_policy_is_own(const char *const *ancestors, size_t count);

#endif
