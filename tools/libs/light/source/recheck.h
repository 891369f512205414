/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Has the domain's configuration, with all its devices, changed since the
 * destination was told about it?
 */
#ifndef LM_RECHECK_H
#define LM_RECHECK_H

#include <libxl.h>

#include "xlm.h"

/*
 * The part of a configuration that must not change while the domain moves, as
 * text, which the caller must free.  The domain's number and its memory target
 * are not part of it.  NULL with a reason.
 */
char *lm_config_told(libxl_ctx *ctx, libxl_domain_config *config,
                     struct xlm_context *xlm);
/* The same for JSON from a caller of the library. */
char *lm_config_told_json(libxl_ctx *ctx, const char *json,
                          struct xlm_context *xlm);
/*
 * Read the domain's configuration anew and compare it with `told`.  0: no
 * difference; else a libxl error with a reason that names what has changed:
 * "disks" for a disk that was attached, detached, or has another medium.
 */
int lm_recheck_config(libxl_ctx *ctx, uint32_t domid, const char *told,
                      struct xlm_context *xlm);

#endif
