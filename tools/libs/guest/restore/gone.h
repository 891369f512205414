/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest that ends, or is taken away, before it is whole.
 */
#ifndef XLM_RESTORE_GONE_H
#define XLM_RESTORE_GONE_H

#include "restore/restorer.h"

/* The guest ran here and is destroyed, or about to be. */
bool xlm_restore_guest_is_gone(struct xlm_restorer *restorer);
/* Then.  0: it has ended, what has not come is not needed, and the source is
 * told that.  -1: somebody has taken it away half; the source is told to keep
 * what it has. */
int xlm_restore_end_with_guest(struct xlm_restorer *restorer);
/* POSTCOPY_SOURCE_LOST: what has not come never will.  Always -1. */
int xlm_restore_take_source_lost(struct xlm_restorer *restorer);
/* Every page is here.  -1: the domain was suspended by somebody before that,
 * and is not given back to its guest. */
int xlm_restore_await_guest(struct xlm_restorer *restorer);

#endif
