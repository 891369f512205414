/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest whose receiver was killed, and what becomes of it.
 */
#ifndef LM_ORPHAN_H
#define LM_ORPHAN_H

#include "destination/destination.h"

/*
 * Examine the guest of destination->identity: no process here receives it, and
 * there is no note of how it ended.  The function decides and notes what it
 * can: it destroys a guest that never ran.
 *
 * XLM_GUEST_RUNS: this process can take over, and the file that the receiver
 * kept is open.  XLM_GUEST_UNKNOWN: this host knows nothing of the guest, or
 * the reason is in the context.
 */
enum xlm_guest_state lm_orphan_find(struct lm_destination *destination);

/* Take the receiver's place, to the end, over the connection of the
 * destination.  With *destination->resumed false the source got no answer. */
int lm_orphan_take_over(struct lm_destination *destination);

#endif
