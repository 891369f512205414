/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A look at whether a guest could be moved, which changes nothing: xl migrate
 * --postcopy --check.
 */
#ifndef XL_PREFLIGHT_H
#define XL_PREFLIGHT_H

#include "xl_context.h"

/* At the destination, with the configuration that came: what is found goes to
 * the descriptor.  0, or -1. */
int xl_preflight_answer(struct xl_context *xl, libxl_domain_config *config,
                        const char *policy, int fd);

/* At the source: look here, show that and what comes from the destination on
 * stdout.  0: nothing is in the way; -1: something is, or could not be found
 * out. */
int xl_preflight_show(struct xl_context *xl, uint32_t domid, int fd);

#endif
