/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Collects what xl must know of the domains of this host before they go.
 */
#ifndef XL_GATHER_H
#define XL_GATHER_H

#include "selection.h"
#include "xl_context.h"

/* Look at all domains but dom0, device models' and those that are going.  0,
 * or -1 with a message on stderr.  The caller must free them in either
 * case. */
int xl_gather(struct xl_context *xl, struct xl_candidates *candidates);
void xl_gather_free(struct xl_candidates *candidates);

#endif
