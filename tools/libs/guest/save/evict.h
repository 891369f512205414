/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the destination makes absent while the guest runs at the source.
 */
#ifndef XLM_SAVE_EVICT_H
#define XLM_SAVE_EVICT_H

#include "save/saver.h"

/*
 * In a round of precopy, after a look at the log: have the destination evict
 * some pages now that are likely to be outstanding in the end, unless it is
 * still evicting others.  They are pages that the guest has written in a round
 * before and again in this one.  A round may still send them, which makes them
 * present again.
 */
int xlm_save_evict_early(struct xlm_saver *saver);

/* Precopy has ended: wait for the answer to the last of these lists. */
int xlm_save_await_early(struct xlm_saver *saver);

/* Have the destination evict all pages of the set, but for those that it has
 * evicted, and wait for it. */
int xlm_save_evict(struct xlm_saver *saver, struct xlm_pfn_set *set);

/* Pages a second, as the destination has said; 0: not known yet. */
uint64_t xlm_save_evict_rate(const struct xlm_saver *saver);

/* How long evicting this number of pages would take, in microseconds; 0: not
 * known yet. */
uint64_t xlm_save_evict_us(const struct xlm_saver *saver, uint64_t pages);

/* What the destination answers in the stop, to lists and with signs of life:
 * read what is there, while an answer is due; and read while a write has to
 * wait, from this call until another sets channel.while_blocked.  A
 * destination whose answers stay unread stops reading as well, in the end.  No
 * other thread may use the channel. */
int xlm_save_hear_all(struct xlm_saver *saver);
void xlm_save_hear_while_blocked(struct xlm_saver *saver);

#endif
