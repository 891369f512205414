/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The hot set: what the guest writes in its last moments at the source.
 */
#ifndef XLM_SAVE_HOT_H
#define XLM_SAVE_HOT_H

#include "save/saver.h"

struct xlm_hot;

/* Watch what the guest writes from now on, telling the destination what it
 * does not expect, and sending what was written and has settled, in a thread
 * of its own: until xlm_hot_stop() the caller writes no record and uses none
 * of the sets, of which to_send is empty.  NULL with a reason. */
struct xlm_hot *xlm_hot_start(struct xlm_saver *saver);
/*
 * The guest has stopped.  Leaves in saver->sets.dirty what it wrote since the
 * last look, and in `hottest`, of the pages that it wrote last, hot_pages_max
 * of them, those that were not sent since.  Ends the watching also when it
 * fails.
 */
int xlm_hot_stop(struct xlm_hot *hot, struct xlm_pfn_set *hottest);

#endif
