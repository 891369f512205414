/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the destination was told of a domain before it was stopped: its
 * configuration, with all of its devices.  Does it still hold?
 */
#ifndef LM_RECHECK_H
#define LM_RECHECK_H

#include <libxl.h>

#include "xlm.h"

/*
 * The part of a configuration that must not change while the domain is moved,
 * as text; malloc'ed.  What may differ is left out of it (the domain's number,
 * its memory target).  NULL with a reason.
 */
char *lm_config_told(libxl_ctx *ctx, libxl_domain_config *config,
                     struct xlm_context *xlm);
/* The same of the JSON that a caller of the library hands in. */
char *lm_config_told_json(libxl_ctx *ctx, const char *json,
                          struct xlm_context *xlm);
/*
 * Read the domain's configuration anew and compare.  0: it is as `told`; else
 * a libxl error with a reason that names what has changed: "disks" for a disk
 * that was attached, detached, or has another medium.
 */
int lm_recheck_config(libxl_ctx *ctx, uint32_t domid, const char *told,
                      struct xlm_context *xlm);

#endif
