/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whether pages are compressed: the tests play a wire and a thread that sends
 * to the policy, in time of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/compression.h"

#define BATCH (128u << 12)
#define SECOND UINT64_C(1000000)

/* Megabytes a second. */
struct path {
    uint64_t wire;        /* 0: no limit */
    uint64_t send;        /* the thread, when it only sends */
    uint64_t compress;    /* the thread, when it only compresses */
    unsigned int smaller; /* per cent */
    uint64_t peer;        /* the other end pages in; 0: no limit */
};

struct play {
    struct xlm_compression compression;
    uint64_t now_us;
    uint64_t cpu_us;
    uint64_t octets;
    uint64_t compressed; /* of these */
    uint64_t sampled;
};

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What one batch takes on each of the three, which work at the same time: the
 * slowest is the limit. */
static void send(struct play *play, const struct path *path)
{
    uint64_t began_us = play->now_us;
    enum xlm_compression_turn turn =
        xlm_compression_turn(&play->compression, began_us);
    uint64_t smaller = (uint64_t)BATCH * path->smaller / 100;
    uint64_t cpu_us = BATCH / path->send;
    uint64_t wire = BATCH;

    if (turn == XLM_COMPRESSION_COMPRESS) {
        cpu_us += BATCH / path->compress;
        xlm_compression_done(&play->compression, BATCH, smaller,
                             BATCH / path->compress);
        wire = smaller;
        play->compressed += BATCH;
    } else if (turn == XLM_COMPRESSION_SAMPLE) {
        cpu_us += BATCH / 2 / path->compress;
        xlm_compression_done(&play->compression, BATCH / 2, smaller / 2,
                             BATCH / 2 / path->compress);
        play->sampled++;
    }
    play->cpu_us += cpu_us;
    play->now_us +=
        larger(cpu_us, larger(path->wire ? wire / path->wire : 0,
                              path->peer ? BATCH / path->peer : 0));
    play->octets += BATCH;
    xlm_compression_sent(&play->compression, BATCH, began_us, play->now_us,
                         play->cpu_us);
}

static void play_for(struct play *play, const struct path *path,
                     uint64_t seconds)
{
    uint64_t end_us = play->now_us + seconds * SECOND;

    play->octets = play->compressed = play->sampled = 0;
    while (play->now_us < end_us) {
        send(play, path);
    }
}

static void begin(struct play *play, enum xlm_compress wanted)
{
    *play = (struct play){.now_us = 1};
    xlm_compression_init(&play->compression, wanted);
}

static const struct {
    struct path path;
    bool compressed; /* it ends so */
} table[] = {
    /* 10, 100 and 1,000 Mb/s, and a processor that compresses faster */
    {{1, 2000, 400, 40, 0}, true},
    {{12, 2000, 400, 40, 0}, true},
    {{125, 2000, 400, 40, 0}, true},
    /* 10 Gb/s, and a slow processor */
    {{1250, 2000, 400, 40, 0}, false},
    {{125, 2000, 100, 40, 0}, false},
    /* random contents */
    {{12, 2000, 400, 100, 0}, false},
    {{12, 2000, 400, 97, 0}, false},
    /* there is no wire to speak of, or the other end is the limit */
    {{0, 500, 400, 20, 0}, false},
    {{1250, 2000, 400, 20, 100}, false},
    /* a gain of less than a tenth */
    {{125, 2000, 400, 95, 0}, false},
};
#define ROWS (sizeof(table) / sizeof(table[0]))

static void by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct play play;

        begin(&play, XLM_COMPRESS_AUTO);
        play_for(&play, &table[i].path, 60);
        play_for(&play, &table[i].path, 60);
        assert_in_range(play.compressed,
                        table[i].compressed ? play.octets / 10 * 9 : 0,
                        table[i].compressed ? play.octets : play.octets / 20);
    }
}

/* Never by more than a hundredth slower than without, from the beginning. */
static void costs_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct play with, without;

        begin(&with, XLM_COMPRESS_AUTO);
        begin(&without, XLM_COMPRESS_OFF);
        play_for(&with, &table[i].path, 60);
        play_for(&without, &table[i].path, 60);
        assert_int_equal(without.compressed + without.sampled, 0);
        assert_true(with.octets >= without.octets / 100 * 99);
    }
}

/* What gets no smaller is not compressed again and again. */
static void skips_what_is_poor(void **state)
{
    const struct path path = {12, 2000, 400, 100, 0};
    struct play play;

    (void)state;
    begin(&play, XLM_COMPRESS_ZSTD);
    play_for(&play, &path, 60);
    assert_in_range(play.compressed, 1,
                    play.octets / (XLM_COMPRESSION_SKIP_MOST / 2));
    /* and what does get smaller is, soon after */
    play_for(&play, &table[0].path, 60);
    assert_in_range(play.compressed, play.octets / 10 * 7, play.octets);
}

static void always(void **state)
{
    struct play play;

    (void)state;
    begin(&play, XLM_COMPRESS_ZSTD);
    play_for(&play, &table[3].path, 10);
    assert_int_equal(play.compressed, play.octets);
}

/* The wire becomes faster, and slower again. */
static void the_wire_changes(void **state)
{
    const struct path slow = table[1].path, fast = table[3].path;
    struct play play;

    (void)state;
    begin(&play, XLM_COMPRESS_AUTO);
    play_for(&play, &slow, 30);
    play_for(&play, &fast, 30);
    play_for(&play, &fast, 30);
    assert_in_range(play.compressed, 0, play.octets / 20);
    play_for(&play, &slow, 130);
    play_for(&play, &slow, 30);
    assert_in_range(play.compressed, play.octets / 10 * 9, play.octets);
}

/* The longer it does not pay, the less is tried. */
static void samples_become_rare(void **state)
{
    uint64_t first;
    struct play play;

    (void)state;
    begin(&play, XLM_COMPRESS_AUTO);
    play_for(&play, &table[3].path, 10);
    first = play.sampled;
    assert_in_range(first, 2, 5);
    play_for(&play, &table[3].path, 1000);
    assert_in_range(play.sampled, 10, 30);
}

/* A guest that is stopped for long, and a thread that takes over: neither is a
 * slow wire. */
static void pauses_are_no_rate(void **state)
{
    const struct path path = table[3].path;
    struct play play;

    (void)state;
    begin(&play, XLM_COMPRESS_AUTO);
    for (unsigned int i = 0; i < 100; i++) {
        send(&play, &path);
        play.now_us += i % 2 ? 20 * SECOND : 0;
        play.cpu_us = i % 3 ? play.cpu_us : 0;
    }
    assert_int_equal(play.compressed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_itself),
        cmocka_unit_test(costs_nothing),
        cmocka_unit_test(skips_what_is_poor),
        cmocka_unit_test(always),
        cmocka_unit_test(the_wire_changes),
        cmocka_unit_test(samples_become_rare),
        cmocka_unit_test(pauses_are_no_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
