/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A check whether a guest could be moved, which changes nothing: xl migrate
 * --postcopy --check.
 */
#ifndef XL_PREFLIGHT_H
#define XL_PREFLIGHT_H

#include "xl_context.h"

/* At the destination, for the configuration that came: write the findings to
 * the descriptor.  0, or -1. */
int xl_preflight_answer(struct xl_context *xl, libxl_domain_config *config,
                        const char *policy, int fd);

/* At the source: check this host, and show the findings of both hosts on
 * stdout.  0: no obstacle; -1: there is one, or it is not known whether there
 * is. */
int xl_preflight_show(struct xl_context *xl, uint32_t domid, int fd);

#endif
