/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When the devices of a guest that comes are started: early, while it still
 * runs at the source, or late, in the stop (pure, but for a look at files).
 */
#ifndef LM_BUILD_WAY_H
#define LM_BUILD_WAY_H

#include <stdbool.h>
#include <stddef.h>

#include <libxl.h>

#include "qemu_version.h"
#include "xlm.h"

/* What it depends on. */
struct lm_build_case {
    enum xlm_build asked;
    const libxl_domain_config *config;
    struct lm_qemu_version qemu; /* which libxl starts here */
    bool same_host;              /* the guest runs on this very host */
};

/* Late is always right; early only where this finds nothing.  True: late, and
 * in `why` the reason, without an end. */
bool lm_builds_late(const struct lm_build_case *what, char *why, size_t room);

/* This QEMU can load a state when it has loaded one. */
bool lm_loads_twice(const struct lm_qemu_version *qemu);

/* A back end in dom0 that is a process serves this disk, a QEMU as a rule. */
bool lm_disk_has_process(const libxl_device_disk *disk);

#endif
