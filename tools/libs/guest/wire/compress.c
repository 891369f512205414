/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Contents of pages, compressed before they are sent.
 */
#include "wire/compress.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "clock.h"
#include "policy/page.h"

/* The fastest of zstd's ordinary levels: higher ones gain little on memory,
 * and take several times as long. */
#define LEVEL 1
/* Octets of a sample. */
#define SAMPLE (64u << XLM_PAGE_SHIFT)
#define MOST ((size_t)XLM_BATCH_PAGES << XLM_PAGE_SHIFT)

struct xlm_compressor {
    struct xlm_compression policy;
    ZSTD_CCtx *zstd;
    /* The next two have room for a batch; NULL: not needed so far. */
    uint8_t *contents;
    uint8_t *frame;
};

struct xlm_compressor *xlm_compressor_open(enum xlm_compress wanted)
{
    struct xlm_compressor *compressor = calloc(1, sizeof(*compressor));

    if (compressor) {
        xlm_compression_init(&compressor->policy, wanted);
    }
    return compressor;
}

void xlm_compressor_close(struct xlm_compressor *compressor)
{
    if (compressor) {
        ZSTD_freeCCtx(compressor->zstd);
        free(compressor->contents);
        free(compressor->frame);
        free(compressor);
    }
}

static bool has_room(struct xlm_compressor *compressor)
{
    if (!compressor->zstd) {
        compressor->zstd = ZSTD_createCCtx();
    }
    if (!compressor->contents) {
        compressor->contents = malloc(MOST);
    }
    if (!compressor->frame) {
        compressor->frame = malloc(MOST);
    }
    return compressor->zstd && compressor->contents && compressor->frame;
}

/* zstd must not see its input change, as it does while the guest runs. */
static size_t copy(struct xlm_compressor *compressor, const struct iovec *runs,
                   size_t nr_runs, size_t most)
{
    size_t octets = 0;

    for (size_t i = 0; i < nr_runs && octets < most; i++) {
        size_t now = runs[i].iov_len;

        now = now < most - octets ? now : most - octets;
        memcpy(compressor->contents + octets, runs[i].iov_base, now);
        octets += now;
    }
    return octets;
}

/* A poor frame finds no room. */
static bool compress(struct xlm_compressor *compressor,
                     const struct iovec *runs, size_t nr_runs, size_t most,
                     struct iovec *frame)
{
    uint64_t began_us = xlm_thread_us();
    size_t octets, made;
    bool smaller;

    if (!has_room(compressor)) {
        return false;
    }
    octets = copy(compressor, runs, nr_runs, most);
    made = ZSTD_compressCCtx(compressor->zstd, compressor->frame,
                             octets / 16 * XLM_COMPRESSION_POOR_SIXTEENTHS,
                             compressor->contents, octets, LEVEL);
    smaller = !ZSTD_isError(made);
    xlm_compression_done(&compressor->policy, octets, smaller ? made : octets,
                         xlm_thread_us() - began_us);
    *frame = (struct iovec){compressor->frame, made};
    return smaller;
}

bool xlm_compressor_begin(struct xlm_compressor *compressor,
                          const struct iovec *runs, size_t nr_runs,
                          struct iovec *frame,
                          struct xlm_compressor_turn *turn)
{
    *turn = (struct xlm_compressor_turn){.began_us = xlm_now_us()};
    for (size_t i = 0; i < nr_runs; i++) {
        turn->octets += runs[i].iov_len;
    }
    if (!nr_runs) {
        return false;
    }
    switch (xlm_compression_turn(&compressor->policy, turn->began_us)) {
    case XLM_COMPRESSION_COMPRESS:
        return compress(compressor, runs, nr_runs, MOST, frame);
    case XLM_COMPRESSION_SAMPLE:
        (void)compress(compressor, runs, nr_runs, SAMPLE, frame);
        return false;
    default:
        return false;
    }
}

void xlm_compressor_end(struct xlm_compressor *compressor,
                        const struct xlm_compressor_turn *turn)
{
    xlm_compression_sent(&compressor->policy, turn->octets, turn->began_us,
                         xlm_now_us(), xlm_thread_us());
}
