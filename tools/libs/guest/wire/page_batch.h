/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages on their way into the stream: collected, checked for zeroes and
 * written.
 *
 * A page of zeroes crosses the wire as its pfn alone, if the reader knows that
 * record.
 */
#ifndef XLM_PAGE_BATCH_H
#define XLM_PAGE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "context.h"
#include "wire/channel.h"
#include "wire/wire.h"

struct xlm_page_batch {
    uint32_t type;    /* of the record: PAGE_DATA or POSTCOPY_PAGE_DATA */
    bool find_zeroes; /* the reader knows POSTCOPY_ZERO_PAGES */
    size_t nr_entries;
    uint64_t entries[XLM_BATCH_PAGES];
    size_t nr_zeroes;
    uint64_t zeroes[XLM_BATCH_PAGES];
    size_t nr_runs;
    struct iovec runs[XLM_BATCH_PAGES]; /* contents, side by side */
};

/* Empty the batch; call before its first page. */
void xlm_page_batch_begin(struct xlm_page_batch *batch, uint32_t type,
                          bool find_zeroes);

/* Add a page, at most XLM_BATCH_PAGES of them.  The contents are not copied,
 * and must stay until the batch is written.  NULL: no contents, as the type
 * says. */
void xlm_page_batch_add(struct xlm_page_batch *batch, uint64_t pfn,
                        uint32_t type, const void *contents);

/* Write the pages as one or two records. */
int xlm_page_batch_write(struct xlm_context *ctx, struct xlm_channel *channel,
                         struct xlm_page_batch *batch);

#endif
