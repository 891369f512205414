/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guests a receiver accepts: a peer that may send a guest with any
 * configuration is root on this host.
 */
#ifndef XL_RECEIVE_POLICY_H
#define XL_RECEIVE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lists end with NULL and stay the caller's; a NULL list is empty. */
struct xl_receive_policy {
    /* Paths of programs, and of files that QEMU loads; a path that ends with
     * '/' allows the whole directory.  Those of this host's Xen are always
     * allowed. */
    const char *const *programs;
    /* How the path of a disk may begin. */
    const char *const *disks;
    /* Names of guests, with *, ? and [] as in the shell; NULL: any. */
    const char *const *names;
    uint64_t memory_mib; /* most memory of a guest; 0: no limit */
};

/* Room for the reason. */
#define XL_RECEIVE_POLICY_WHY_MAX 400

/*
 * May a guest come that has this configuration, in JSON, as libxl has parsed
 * it?  Anything that is not known to be harmless is refused.  False: the
 * reason says what would allow it.  Pure.
 */
bool xl_receive_policy_allows(const struct xl_receive_policy *policy,
                              const char *json,
                              char why[XL_RECEIVE_POLICY_WHY_MAX]);

/*
 * Did root on the other host start this receiver, with its own command?  The
 * names of the processes above this one tell, parent first, `count` of them:
 * an ssh daemon that let root in, or xl on this very host.  Shells between do
 * not matter.  Any other receiver accepts connections from anywhere.  Pure.
 */
bool xl_receive_policy_is_own(const char *const *ancestors, size_t count);

#endif
