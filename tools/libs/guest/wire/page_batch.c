/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages on their way into the stream.
 */
#include "wire/page_batch.h"

#include <string.h>

#include "wire/record.h"

/* Prefetch this many pages ahead. */
#define PREFETCH_PAGES 8

void xlm_page_batch_begin(struct xlm_page_batch *batch, uint32_t type,
                          const struct xlm_page_batch_form *form)
{
    batch->type = type;
    batch->form = *form;
    batch->nr_entries = batch->nr_zeroes = batch->nr_runs = 0;
    batch->nr_repeated = 0;
    batch->nr_compressed = batch->compressed_octets = 0;
}

/* Each word equals the one before it.  Most pages differ in their first few
 * words, which are compared without a call. */
static bool is_repeated(const uint8_t *page, uint64_t *word)
{
    uint64_t second;

    memcpy(word, page, sizeof(*word));
    memcpy(&second, page + sizeof(*word), sizeof(second));
    return *word == second &&
           !memcmp(page, page + sizeof(*word), XLM_PAGE_SIZE - sizeof(*word));
}

/* True: the page needs no contents. */
static bool add_repeated(struct xlm_page_batch *batch, uint64_t entry,
                         const uint8_t *contents)
{
    uint64_t word;

    if (!is_repeated(contents, &word)) {
        return false;
    }
    if (!word) {
        batch->zeroes[batch->nr_zeroes++] = entry;
        return true;
    }
    if (batch->form.repeated) {
        batch->words[batch->nr_repeated] = word;
        batch->repeated[batch->nr_repeated++] = entry;
    }
    return batch->form.repeated;
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
    if (contents && batch->form.zeroes) {
        /* The first look at a page waits for memory.  This address is mostly a
         * page to come; it need not be a page at all. */
        __builtin_prefetch((const uint8_t *)contents +
                           PREFETCH_PAGES * XLM_PAGE_SIZE);
    }
    if (contents && batch->form.zeroes &&
        add_repeated(batch, xlm_entry(pfn, type), contents)) {
        return;
    }
    batch->entries[batch->nr_entries++] = xlm_entry(pfn, type);
    if (contents) {
        add_contents(batch, contents);
    }
}

size_t xlm_page_batch_count(const struct xlm_page_batch *batch)
{
    return batch->nr_entries + batch->nr_zeroes + batch->nr_repeated;
}

uint64_t xlm_page_batch_entry(const struct xlm_page_batch *batch, size_t n)
{
    if (n < batch->nr_entries) {
        return batch->entries[n];
    }
    n -= batch->nr_entries;
    return n < batch->nr_zeroes ? batch->zeroes[n]
                                : batch->repeated[n - batch->nr_zeroes];
}

size_t xlm_page_batch_records(const struct xlm_page_batch *batch)
{
    return !!batch->nr_entries + !!batch->nr_zeroes + !!batch->nr_repeated;
}

/* Entries, and contents or what stands for them. */
static int write_list(struct xlm_context *ctx, struct xlm_channel *channel,
                      uint32_t type, const uint64_t *entries, size_t count,
                      const struct iovec *rest, size_t nr_rest)
{
    struct xlm_wire_pfn_list head = {.count = count};
    struct iovec parts[XLM_BATCH_PAGES + 2];

    parts[0] = (struct iovec){&head, sizeof(head)};
    parts[1] = (struct iovec){(void *)entries, count * sizeof(*entries)};
    memcpy(parts + 2, rest, nr_rest * sizeof(parts[0]));
    return xlm_write_record(ctx, channel, type, parts, nr_rest + 2);
}

static int write_entries(struct xlm_context *ctx, struct xlm_channel *channel,
                         const struct xlm_page_batch *batch)
{
    return write_list(ctx, channel, batch->type, batch->entries,
                      batch->nr_entries, batch->runs, batch->nr_runs);
}

static int write_smaller(struct xlm_context *ctx, struct xlm_channel *channel,
                         struct xlm_page_batch *batch)
{
    struct xlm_compressor *compressor = batch->form.compressor;
    struct xlm_compressor_turn turn;
    struct iovec frame;
    int rc;

    if (xlm_compressor_begin(compressor, batch->runs, batch->nr_runs, &frame,
                             &turn)) {
        batch->nr_compressed = turn.octets >> XLM_PAGE_SHIFT;
        batch->compressed_octets = frame.iov_len;
        rc = write_list(ctx, channel, XLM_REC_POSTCOPY_COMPRESSED,
                        batch->entries, batch->nr_entries, &frame, 1);
    } else {
        rc = write_entries(ctx, channel, batch);
    }
    xlm_compressor_end(compressor, &turn);
    return rc;
}

static int write_repeated(struct xlm_context *ctx, struct xlm_channel *channel,
                          const struct xlm_page_batch *batch)
{
    const struct iovec words = {(void *)batch->words,
                                batch->nr_repeated * sizeof(batch->words[0])};

    return write_list(ctx, channel, XLM_REC_POSTCOPY_REPEATED_PAGES,
                      batch->repeated, batch->nr_repeated, &words, 1);
}

int xlm_page_batch_write(struct xlm_context *ctx, struct xlm_channel *channel,
                         struct xlm_page_batch *batch)
{
    if (batch->nr_entries &&
        (batch->form.compressor ? write_smaller(ctx, channel, batch)
                                : write_entries(ctx, channel, batch))) {
        return -1;
    }
    if (xlm_write_pfns(ctx, channel, XLM_REC_POSTCOPY_ZERO_PAGES,
                       batch->zeroes, batch->nr_zeroes)) {
        return -1;
    }
    return batch->nr_repeated ? write_repeated(ctx, channel, batch) : 0;
}
