/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When the destination starts a guest's devices: early, while the guest still
 * runs at the source, or late, in the stop.  Pure, but for a look at files.
 */
#ifndef LM_BUILD_WAY_H
#define LM_BUILD_WAY_H

#include <stdbool.h>
#include <stddef.h>

#include <libxl.h>

#include "devices/qemu_version.h"
#include "xlm.h"

/* What the choice depends on. */
struct lm_build_case {
    enum xlm_build asked;
    const libxl_domain_config *config;
    struct lm_qemu_version qemu; /* the QEMU that libxl starts here */
    bool same_host;              /* the guest runs on this very host */
};

/* Late is always right; early is right where this function finds no reason
 * against it.  True: late, and `why` gets the reason, without a full stop. */
bool lm_builds_late(const struct lm_build_case *what, char *why, size_t room);

/* Can this QEMU load a second state after a first? */
bool lm_loads_twice(const struct lm_qemu_version *qemu);

/* Does a process in dom0, a QEMU as a rule, serve this disk? */
bool lm_disk_has_process(const libxl_device_disk *disk);

#endif
