/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages at the source, while nobody waits for a particular one.
 */
#ifndef XLM_SAVE_PAGES_H
#define XLM_SAVE_PAGES_H

#include "save/saver.h"

/* Find out which pages the guest has, and which of them it did not have at
 * the last call. */
int xlm_save_list_present(struct xlm_saver *saver);
/* Read, and clear when `clean`, which pages were dirtied; only pages that the
 * guest has are in saver->sets.dirty afterwards, without the device's. */
int xlm_save_read_dirty(struct xlm_saver *saver, bool clean);
/* Move a set's members that are the device's over to what is to be sent. */
void xlm_save_split_device(struct xlm_saver *saver, struct xlm_pfn_set *set);
/* Send the members of a set as PAGE_DATA, taking them out of the set as they
 * go; `sent` counts those with contents. */
int xlm_save_send_set(struct xlm_saver *saver, struct xlm_pfn_set *set,
                      uint64_t *sent);
/* The same for the first of them from *at on, at most `most`; *at moves on. */
int xlm_save_send_some(struct xlm_saver *saver, struct xlm_pfn_set *set,
                       uint64_t *at, size_t most, uint64_t *sent);
/* Send these pages, at most XLM_BATCH_PAGES, as PAGE_DATA; `sent` as above.
 * Shows no progress and does not look whether to abort: for a thread that is
 * not the caller's, while that uses neither the channel nor these functions.
 */
int xlm_save_send_pfns(struct xlm_saver *saver, size_t count,
                       const uint64_t *pfns, uint64_t *sent);
/* The caller's thread takes over what another has counted of these. */
void xlm_save_count_zeroes(struct xlm_saver *saver);
/* Tell the destination that it lacks these pages: a list of POSTCOPY_PFNS
 * records from PFNS_BEGIN to PFNS_END; they become outstanding. */
int xlm_save_list_outstanding(struct xlm_saver *saver,
                              const struct xlm_pfn_set *set);
/* The same for those of saver->sets.dirty that it does not expect yet; the
 * others are taken out. */
int xlm_save_list_dirty(struct xlm_saver *saver);
/* Take POSTCOPY_EVICTED: what it names is resident from now on.  *last: no
 * further one belongs to the same answer. */
int xlm_save_take_evicted(struct xlm_saver *saver, bool *last);
/* The same in answer to no list, once all was sent but the go: pages that the
 * destination needs to become ready. */
int xlm_save_take_needed(struct xlm_saver *saver);

/* Of pfns from `first` up to, without, `end` those that are pages and were
 * none join saver->sets.present and saver->sets.fresh. */
int xlm_save_find_new(struct xlm_saver *saver, uint64_t first, uint64_t end);

#endif
