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
    XL_IMAGE_LOCKED_ELSEWHERE, /* by no process of this host that was found */
    XL_IMAGE_UNKNOWN,          /* it cannot be opened, or has no locks */
};

struct xl_image_lock {
    enum xl_image_lock_state state;
    pid_t pid;     /* of LOCKED_HERE */
    char name[32]; /* that process's, with nothing that a terminal obeys */
};

/* Who keeps others from writing to `path`?  Takes no lock.  `proc` is where
 * processes are looked for: "/proc". */
struct xl_image_lock xl_image_lock_look(const char *path, const char *proc);

#endif
