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

/* Read the version out of a program file, without running it.  `known` is
 * false for a file that is no QEMU, such as a script around one. */
struct lm_qemu_version lm_qemu_version_of(const char *path);

/*
 * The version of the QEMU at `path`, as a configuration names it.  NULL: libxl
 * starts its default, whose place was chosen when libxl was built; no call
 * returns that.  The function then takes the newest in the usual places, and
 * `known` is false when there is none.  A script in such a place may start
 * another QEMU: the version is then wrong.
 */
struct lm_qemu_version lm_qemu_version_here(const char *path);

#endif
