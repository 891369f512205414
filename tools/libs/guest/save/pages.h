/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages at the source, while no fault waits for a particular one.
 */
#ifndef XLM_SAVE_PAGES_H
#define XLM_SAVE_PAGES_H

#include "save/saver.h"

/* Find out which pages the guest has, and which of them are new since the last
 * call. */
int xlm_save_list_present(struct xlm_saver *saver);
/* Read which pages were dirtied and, with `clean`, clear the log.
 * saver->sets.dirty then has only pages that the guest has, without the device
 * model's. */
int xlm_save_read_dirty(struct xlm_saver *saver, bool clean);
/* Move those members of a set that the device model maps to device_send. */
void xlm_save_split_device(struct xlm_saver *saver, struct xlm_pfn_set *set);
/* Send the members of a set as PAGE_DATA, and take each one out of the set;
 * `sent` counts pages with contents. */
int xlm_save_send_set(struct xlm_saver *saver, struct xlm_pfn_set *set,
                      uint64_t *sent);
/* The same for at most `most` members from *at on; *at moves on. */
int xlm_save_send_some(struct xlm_saver *saver, struct xlm_pfn_set *set,
                       uint64_t *at, size_t most, uint64_t *sent);
/* Send these pages, at most XLM_BATCH_PAGES, as PAGE_DATA; `sent` as above.
 * Shows no progress and ignores abort_fd: for a thread other than the
 * caller's, while the caller's uses neither the channel nor these
 * functions. */
int xlm_save_send_pfns(struct xlm_saver *saver, size_t count,
                       const uint64_t *pfns, uint64_t *sent);
/* Add to the stats the forms of pages that another thread has counted here. */
void xlm_save_count_sent_forms(struct xlm_saver *saver);
/* Tell the destination that it lacks pages, in a list of POSTCOPY_PFNS records
 * from PFNS_BEGIN to PFNS_END: they become outstanding.  The pages of a list
 * part by part, at most XLM_LIST_PFNS in one; or all at once, at most as many;
 * or those of a set. */
int xlm_save_begin_list(struct xlm_saver *saver);
int xlm_save_add_to_list(struct xlm_saver *saver, const uint64_t *pfns,
                         size_t count);
int xlm_save_end_list(struct xlm_saver *saver);
int xlm_save_list_pfns(struct xlm_saver *saver, const uint64_t *pfns,
                       size_t count);
int xlm_save_list_outstanding(struct xlm_saver *saver,
                              const struct xlm_pfn_set *set);
/* The same for those of saver->sets.dirty that are not outstanding; the others
 * are taken out of that set. */
int xlm_save_list_dirty(struct xlm_saver *saver);
/* Handle POSTCOPY_EVICTED: the pages in it are resident from now on.  *last:
 * no other record belongs to the answer to the same list.  When all but the go
 * was sent a record may answer no list: the destination needs these pages to
 * become ready. */
int xlm_save_take_evicted(struct xlm_saver *saver, bool *last);

/* Add those of the pfns from `first` up to, but without, `end` that have
 * become pages to saver->sets.present and saver->sets.fresh. */
int xlm_save_find_new(struct xlm_saver *saver, uint64_t first, uint64_t end);

#endif
