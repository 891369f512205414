/* SPDX-License-Identifier: LGPL-2.1-or-later
 * In which forms pages go to the destination: what it knows, and what this
 * end's caller wants.
 */
#ifndef XLM_SAVE_FEATURES_H
#define XLM_SAVE_FEATURES_H

#include "save/saver.h"

/* Take POSTCOPY_FEATURES, which the destination sends before PREPARED or STATE
 * unless it is older. */
void xlm_save_take_features(struct xlm_saver *saver);
/* Call after PREPARED or STATE: there will be no other features.  Without
 * memory, pages go as they are. */
void xlm_save_begin_forms(struct xlm_saver *saver);

/* A compressor for a further connection, if pages may go compressed; close it.
 * NULL: they go as they are. */
struct xlm_compressor *xlm_save_open_compressor(struct xlm_saver *saver);
/* The form of pages of this kind, which go by this compressor (NULL: as they
 * are) unless they were requested: compressing would only delay what the guest
 * waits for. */
struct xlm_page_batch_form xlm_save_push_form(
    const struct xlm_saver *saver, enum xlm_push_kind kind,
    struct xlm_compressor *compressor);
/* The form of pages that go by this compressor; NULL: as they are. */
struct xlm_page_batch_form xlm_save_form(const struct xlm_saver *saver,
                                         struct xlm_compressor *compressor);

/* Pages that went in other forms than as their contents. */
struct xlm_save_forms {
    uint64_t zeroes;
    uint64_t repeated;
    uint64_t compressed;
    uint64_t compressed_octets;
};

/* Add what was written of the batch. */
void xlm_save_add_forms(struct xlm_save_forms *forms,
                        const struct xlm_page_batch *batch);
/* Move the numbers to the stats. */
void xlm_save_count_forms(struct xlm_save_forms *forms,
                          struct xlm_stats *stats);

#endif
