/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Starts a guest again, for example after a reboot.
 */
#ifndef XL_START_AGAIN_H
#define XL_START_AGAIN_H

#include <stdint.h>

#include <libxl.h>

#include "xl_context.h"

/* Make a paused domain of this configuration and set *domid.  As with the
 * stock xl the creation lock is held meanwhile, and dom0 gives memory, where
 * xl.conf has autoballoon.  0, or a libxl error. */
int xl_start_again(struct xl_context *xl, libxl_domain_config *config,
                   uint32_t *domid);

#endif
