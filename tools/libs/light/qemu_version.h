/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which QEMU libxl will start on this host as a device model.
 */
#ifndef LM_QEMU_VERSION_H
#define LM_QEMU_VERSION_H

#include <stdbool.h>

struct lm_qemu_version {
    bool known;
    unsigned int major;
    unsigned int minor;
};

/* Read the version out of a program, which is not run: known is false for what
 * is no QEMU (a script around one, say). */
struct lm_qemu_version lm_qemu_version_of(const char *path);

/*
 * The version of the QEMU at `path`, as a configuration names it.  NULL: libxl
 * starts its own, whose place was chosen when libxl was built and which no
 * call tells: of those in all the places that are usual, the newest; known is
 * false when there is none.  (A script there starts another of them.)
 */
struct lm_qemu_version lm_qemu_version_here(const char *path);

#endif
