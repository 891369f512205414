/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest that ends, or that a program takes away, before it is complete.
 */
#ifndef XLM_RESTORE_GONE_H
#define XLM_RESTORE_GONE_H

#include "restore/restorer.h"

/* Is the guest, which ran here, destroyed or about to be? */
bool xlm_restore_guest_is_gone(struct xlm_restorer *restorer);
/* Call when it is.  0: the guest has ended, needs no more memory, and the
 * source is told so. -1: a program has taken it away incomplete, and the
 * source is told to keep what it has. */
int xlm_restore_end_with_guest(struct xlm_restorer *restorer);
/* POSTCOPY_SOURCE_LOST: outstanding pages never come.  Always -1. */
int xlm_restore_take_source_lost(struct xlm_restorer *restorer);
/* Call when every page is here. -1: a program has suspended the domain before,
 * and the domain is not given back to its guest. */
int xlm_restore_await_guest(struct xlm_restorer *restorer);

#endif
