/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages on their way into the stream: collected, made smaller and written.
 *
 * A page that consists of one word of 64 bits, again and again, crosses the
 * wire as its pfn and that word; if the word is 0, as its pfn alone.  Contents
 * of other pages may be compressed.  All that if the reader knows the records.
 */
#ifndef XLM_PAGE_BATCH_H
#define XLM_PAGE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "context.h"
#include "wire/channel.h"
#include "wire/compress.h"
#include "wire/wire.h"

/* What the reader knows, of all that makes pages smaller. */
struct xlm_page_batch_form {
    bool zeroes;   /* POSTCOPY_ZERO_PAGES */
    bool repeated; /* POSTCOPY_REPEATED_PAGES */
    /* POSTCOPY_COMPRESSED, and this compresses; NULL: contents go as they
     * are.  The caller's, and its thread's. */
    struct xlm_compressor *compressor;
};

struct xlm_page_batch {
    uint32_t type; /* of the record: PAGE_DATA or POSTCOPY_PAGE_DATA */
    struct xlm_page_batch_form form;
    size_t nr_entries;
    uint64_t entries[XLM_BATCH_PAGES];
    size_t nr_zeroes;
    uint64_t zeroes[XLM_BATCH_PAGES];
    size_t nr_runs;
    struct iovec runs[XLM_BATCH_PAGES]; /* contents, side by side */
    size_t nr_repeated;
    uint64_t repeated[XLM_BATCH_PAGES];
    uint64_t words[XLM_BATCH_PAGES];
    /* Once it is written: pages whose contents went compressed, and the octets
     * that these took. */
    size_t nr_compressed;
    size_t compressed_octets;
};

/* Empty the batch; call before its first page. */
void xlm_page_batch_begin(struct xlm_page_batch *batch, uint32_t type,
                          const struct xlm_page_batch_form *form);

/* Add a page, at most XLM_BATCH_PAGES of them.  The contents are not copied,
 * and must stay until the batch is written.  NULL: no contents, as the type
 * says. */
void xlm_page_batch_add(struct xlm_page_batch *batch, uint64_t pfn,
                        uint32_t type, const void *contents);

/* How many pages it has, and the entry of page n in the order in which they
 * are written. */
size_t xlm_page_batch_count(const struct xlm_page_batch *batch);
uint64_t xlm_page_batch_entry(const struct xlm_page_batch *batch, size_t n);

/* Of how many records it consists. */
size_t xlm_page_batch_records(const struct xlm_page_batch *batch);

/* Write the pages as up to three records. */
int xlm_page_batch_write(struct xlm_context *ctx, struct xlm_channel *channel,
                         struct xlm_page_batch *batch);

#endif
