/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-all, and xl migrate-recover --all.
 */
#ifndef XL_EVACUATE_H
#define XL_EVACUATE_H

#include "options.h"
#include "xl_context.h"

/* The latter, with its options, which stay the caller's.  An exit status. */
int xl_recover_all(struct xl_context *xl, const struct xl_options *options);

#endif
