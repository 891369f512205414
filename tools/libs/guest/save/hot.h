/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Hot pages: what the guest writes in its last moments at the source.
 */
#ifndef XLM_SAVE_HOT_H
#define XLM_SAVE_HOT_H

#include "save/saver.h"

struct xlm_hot;

/* Start a thread that watches what the guest writes.  It lists for the
 * destination pages that the destination does not expect, and sends pages that
 * were written and then left alone.  Until xlm_hot_stop() the caller must not
 * write a record, nor use the sets; to_send must be empty.  NULL with a
 * reason. */
struct xlm_hot *xlm_hot_start(struct xlm_saver *saver);
/*
 * The guest has stopped: end the watch, also on failure.  Leaves in
 * saver->sets.dirty what the guest wrote since the last look, and in `hottest`
 * up to hot_pages_max of the pages that it wrote last, without those sent
 * since.
 */
int xlm_hot_stop(struct xlm_hot *hot, struct xlm_pfn_set *hottest);

#endif
