/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages on their way into the stream.
 */
#include "wire/page_batch.h"

#include <string.h>

#include "wire/record.h"

/* Prefetch this many pages ahead. */
#define PREFETCH_PAGES 8

void xlm_page_batch_begin(struct xlm_page_batch *batch, uint32_t type,
                          bool find_zeroes)
{
    batch->type = type;
    batch->find_zeroes = find_zeroes;
    batch->nr_entries = batch->nr_zeroes = batch->nr_runs = 0;
}

/* The first octets are zero, and each octet equals the one before it. */
static bool is_zero(const uint8_t *page)
{
    static const uint8_t zeroes[16];

    return !memcmp(page, zeroes, sizeof(zeroes)) &&
           !memcmp(page, page + sizeof(zeroes),
                   XLM_PAGE_SIZE - sizeof(zeroes));
}

/* Contents that lie directly behind the last ones extend their run. */
static bool extends_last(const struct xlm_page_batch *batch,
                         const uint8_t *contents)
{
    const struct iovec *last;

    if (!batch->nr_runs) {
        return false;
    }
    last = &batch->runs[batch->nr_runs - 1];
    return (const uint8_t *)last->iov_base + last->iov_len == contents;
}

static void add_contents(struct xlm_page_batch *batch, const void *contents)
{
    if (extends_last(batch, contents)) {
        batch->runs[batch->nr_runs - 1].iov_len += XLM_PAGE_SIZE;
    } else {
        batch->runs[batch->nr_runs++] =
            (struct iovec){(void *)contents, XLM_PAGE_SIZE};
    }
}

void xlm_page_batch_add(struct xlm_page_batch *batch, uint64_t pfn,
                        uint32_t type, const void *contents)
{
    if (contents && batch->find_zeroes) {
        /* The first look at a page waits for memory.  This address is mostly a
         * page to come; it need not be a page at all. */
        __builtin_prefetch((const uint8_t *)contents +
                           PREFETCH_PAGES * XLM_PAGE_SIZE);
    }
    if (contents && batch->find_zeroes && is_zero(contents)) {
        batch->zeroes[batch->nr_zeroes++] = xlm_entry(pfn, type);
        return;
    }
    batch->entries[batch->nr_entries++] = xlm_entry(pfn, type);
    if (contents) {
        add_contents(batch, contents);
    }
}

static int write_entries(struct xlm_context *ctx, struct xlm_channel *channel,
                         const struct xlm_page_batch *batch)
{
    struct xlm_wire_pfn_list head = {.count = batch->nr_entries};
    struct iovec parts[XLM_BATCH_PAGES + 2];

    parts[0] = (struct iovec){&head, sizeof(head)};
    parts[1] = (struct iovec){(void *)batch->entries,
                              batch->nr_entries * sizeof(batch->entries[0])};
    memcpy(parts + 2, batch->runs, batch->nr_runs * sizeof(parts[0]));
    return xlm_write_record(ctx, channel, batch->type, parts,
                            batch->nr_runs + 2);
}

int xlm_page_batch_write(struct xlm_context *ctx, struct xlm_channel *channel,
                         struct xlm_page_batch *batch)
{
    if (batch->nr_entries && write_entries(ctx, channel, batch)) {
        return -1;
    }
    return xlm_write_pfns(ctx, channel, XLM_REC_POSTCOPY_ZERO_PAGES,
                          batch->zeroes, batch->nr_zeroes);
}
