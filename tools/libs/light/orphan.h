/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest whose receiver was killed, and what becomes of it.
 */
#ifndef LM_ORPHAN_H
#define LM_ORPHAN_H

#include "destination.h"

/*
 * What is the matter with the guest of destination->identity, that nobody
 * receives here and of whose end nothing was noted?  What can be decided is,
 * and noted: one that never ran is destroyed.
 *
 * XLM_GUEST_RUNS: it can be taken over, with what is kept of it open;
 * XLM_GUEST_UNKNOWN: nothing is known of it, or the reason is in the context.
 */
enum xlm_guest_state lm_orphan_find(struct lm_destination *destination);

/* Take the place of its receiver, to the end, with the connection of the
 * destination.  *destination->resumed false: the source was not answered. */
int lm_orphan_take_over(struct lm_destination *destination);

#endif
