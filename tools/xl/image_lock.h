/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Locks on disk images and devices, as QEMU takes them: a QEMU that may write
 * to one shares that with no other, unless it was told to.
 */
#ifndef XL_IMAGE_LOCK_H
#define XL_IMAGE_LOCK_H

#include <sys/types.h>

enum xl_image_lock_state {
    XL_IMAGE_FREE, /* no program that locks images writes to it */
    XL_IMAGE_LOCKED_HERE,
    /* by none of this host's processes that were found */
    XL_IMAGE_LOCKED_ELSEWHERE,
    XL_IMAGE_UNKNOWN, /* it cannot be opened, or has no locks */
};

struct xl_image_lock {
    enum xl_image_lock_state state;
    pid_t pid;     /* of LOCKED_HERE */
    char name[32]; /* that process's, made harmless for a terminal */
};

/* Which process keeps others from writing to `path`?  Takes no lock.  `proc`
 * is the directory of processes: "/proc". */
struct xl_image_lock xl_image_lock_look(const char *path, const char *proc);

#endif
