/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Contents that are made again from what came in their stead, and what a
 * lying peer may say.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "fake_log.h"
#include "wire/expand.h"
#include "wire/record.h"

#define PFNS 4096
#define ROOM (64u << 10)

struct rig {
    struct xlm_context ctx;
    struct xlm_expander expander;
    struct xlm_record record;
    union {
        uint8_t octets[8 + 8 * 16 + ROOM];
        uint64_t words[ROOM / 8];
    } body;
    uint8_t contents[16 * XLM_PAGE_SIZE];
    uint8_t frame[ROOM];
};

static int make_rig(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->ctx = fresh;
    rig->ctx.logger = fake_logger();
    rig->record.body = &rig->body;
    for (size_t i = 0; i < sizeof(rig->contents); i++) {
        rig->contents[i] = i % 61 + i / XLM_PAGE_SIZE;
    }
    *state = rig;
    return 0;
}

static int drop_rig(void **state)
{
    struct rig *rig = *state;

    xlm_expander_dispose(&rig->expander);
    free(rig);
    return 0;
}

/* A list of `count` pages from pfn 1 with this behind it: parsed, expanded. */
static int take(struct rig *rig, uint32_t type, uint64_t count,
                const void *rest, size_t octets, struct xlm_pfn_list *list)
{
    rig->body.words[0] = count;
    for (uint64_t i = 0; i < count; i++) {
        rig->body.words[1 + i] = 1 + i;
    }
    memcpy(rig->body.octets + 8 + 8 * count, rest, octets);
    rig->record.type = type;
    rig->record.length = 8 + 8 * count + octets;
    rig->ctx.reason[0] = '\0';
    errno = 0;
    return xlm_parse_pfn_list(&rig->ctx, &rig->record, PFNS, list) ||
                   xlm_expand(&rig->ctx, &rig->expander, &rig->record, list)
               ? -1
               : 0;
}

static size_t compress(struct rig *rig, size_t pages)
{
    size_t octets = ZSTD_compress(rig->frame, ROOM, rig->contents,
                                  pages * XLM_PAGE_SIZE, 1);

    assert_false(ZSTD_isError(octets));
    return octets;
}

static void expect_good(struct rig *rig, size_t pages)
{
    struct xlm_pfn_list list;
    size_t octets = compress(rig, pages);

    assert_int_equal(take(rig, XLM_REC_POSTCOPY_COMPRESSED, pages, rig->frame,
                          octets, &list),
                     0);
    assert_int_equal(list.pages, pages);
    assert_memory_equal(list.contents, rig->contents, pages * XLM_PAGE_SIZE);
}

static void good_frames(void **state)
{
    struct rig *rig = *state;
    uint8_t lent[4 * XLM_PAGE_SIZE];

    expect_good(rig, 1);
    expect_good(rig, 16);
    /* what fits goes where the caller wants it */
    rig->expander.lent = lent;
    rig->expander.lent_octets = sizeof(lent);
    expect_good(rig, 4);
    assert_memory_equal(lent, rig->contents, sizeof(lent));
    memset(lent, 0, sizeof(lent));
    expect_good(rig, 5);
    assert_int_equal(lent[100], 0);
}

static void expect_bad(struct rig *rig, size_t pages, const void *frame,
                       size_t octets)
{
    struct xlm_pfn_list list;

    assert_int_equal(
        take(rig, XLM_REC_POSTCOPY_COMPRESSED, pages, frame, octets, &list),
        -1);
    assert_int_equal(errno, EPROTO);
    assert_non_null(strstr(rig->ctx.reason, "bad migration stream"));
    expect_good(rig, 3); /* what came before does no harm */
}

static void frames_of_other_pages(void **state)
{
    struct rig *rig = *state;

    for (size_t pages = 1; pages <= 16; pages++) {
        if (pages != 7) {
            size_t octets = compress(rig, 7);

            expect_bad(rig, pages, rig->frame, octets);
        }
    }
}

/* At each octet: the header, the blocks, the end. */
static void frames_that_are_cut(void **state)
{
    struct rig *rig = *state;
    size_t whole = compress(rig, 7);

    for (size_t octets = 0; octets < whole; octets++) {
        assert_int_equal(compress(rig, 7), whole);
        expect_bad(rig, 7, rig->frame, octets);
    }
}

static void more_behind_the_frame(void **state)
{
    struct rig *rig = *state;
    size_t octets = compress(rig, 7);

    memset(rig->frame + octets, 0, 8);
    expect_bad(rig, 7, rig->frame, octets + 1);
    octets = compress(rig, 7);
    memcpy(rig->frame + octets, rig->frame, octets);
    expect_bad(rig, 7, rig->frame, 2 * octets);
}

/* Two frames, of which each has a part of the pages. */
static void two_frames(void **state)
{
    struct rig *rig = *state;
    size_t octets = compress(rig, 3);

    octets += ZSTD_compress(rig->frame + octets, ROOM - octets, rig->contents,
                            4 * XLM_PAGE_SIZE, 1);
    expect_bad(rig, 7, rig->frame, octets);
}

static void no_frames(void **state)
{
    struct rig *rig = *state;
    const uint32_t skippable[] = {0x184d2a50, 8, 1, 2};

    memset(rig->frame, 0x5a, 100);
    expect_bad(rig, 7, rig->frame, 100);
    expect_bad(rig, 7, skippable, sizeof(skippable));
}

static ZSTD_CCtx *with(ZSTD_cParameter parameter, int value)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameter, value)));
    return zstd;
}

static void frames_without_a_size(void **state)
{
    struct rig *rig = *state;
    ZSTD_CCtx *zstd = with(ZSTD_c_contentSizeFlag, 0);
    size_t octets = ZSTD_compress2(zstd, rig->frame, ROOM, rig->contents,
                                   7 * XLM_PAGE_SIZE);

    expect_bad(rig, 7, rig->frame, octets);
    ZSTD_freeCCtx(zstd);
}

/* The header says 7 pages, the blocks are those of many: the last octets of
 * the header's size differ.  No more than 7 pages are written. */
static void a_bomb(void **state)
{
    struct rig *rig = *state;
    uint8_t *many = calloc(1024, XLM_PAGE_SIZE);
    uint8_t lent[7 * XLM_PAGE_SIZE + 64];
    ZSTD_CCtx *zstd = with(ZSTD_c_windowLog, 17);
    const uint32_t octets_of_seven = 7 * XLM_PAGE_SIZE;
    size_t octets = ZSTD_compress2(zstd, rig->frame, ROOM, many,
                                   (size_t)1024 * XLM_PAGE_SIZE);

    /* four octets of size, behind the magic number, descriptor and window */
    assert_int_equal(rig->frame[4] >> 6, 2);
    assert_int_equal(rig->frame[4] >> 5 & 1, 0);
    memcpy(rig->frame + 6, &octets_of_seven, sizeof(octets_of_seven));
    memset(lent, 0x77, sizeof(lent));
    rig->expander.lent = lent;
    rig->expander.lent_octets = 7 * XLM_PAGE_SIZE;
    expect_bad(rig, 7, rig->frame, octets);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(lent[7 * XLM_PAGE_SIZE + i], 0x77);
    }
    ZSTD_freeCCtx(zstd);
    free(many);
}

/* Any octet may be wrong: the frame is bad, or expands to other contents. */
static void octets_that_are_wrong(void **state)
{
    struct rig *rig = *state;
    size_t whole = compress(rig, 7);

    for (size_t at = 0; at < whole; at++) {
        struct xlm_pfn_list list;

        assert_int_equal(compress(rig, 7), whole);
        rig->frame[at] ^= 0x55;
        if (take(rig, XLM_REC_POSTCOPY_COMPRESSED, 7, rig->frame, whole,
                 &list)) {
            assert_int_equal(errno, EPROTO);
        } else {
            assert_int_equal(list.pages, 7);
        }
    }
}

/* Contents that are no smaller have no reason to come so. */
static void frames_that_are_no_smaller(void **state)
{
    struct rig *rig = *state;

    expect_bad(rig, 1, rig->contents, XLM_PAGE_SIZE);
}

static void repeated(void **state)
{
    static const uint64_t words[] = {0x0123456789abcdef, 1, 0};
    struct rig *rig = *state;
    struct xlm_pfn_list list;

    assert_int_equal(
        take(rig, XLM_REC_POSTCOPY_REPEATED_PAGES, 3, words, 24, &list), 0);
    for (size_t i = 0; i < 3 * XLM_PAGE_SIZE / 8; i++) {
        assert_memory_equal(list.contents + 8 * i,
                            &words[i / (XLM_PAGE_SIZE / 8)], 8);
    }
    for (int more = -8; more <= 8; more++) {
        if (more) {
            assert_int_equal(take(rig, XLM_REC_POSTCOPY_REPEATED_PAGES, 2,
                                  words, 16 + more, &list),
                             -1);
            assert_int_equal(errno, EPROTO);
        }
    }
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, make_rig, drop_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_frames),
        TEST(frames_of_other_pages),
        TEST(frames_that_are_cut),
        TEST(more_behind_the_frame),
        TEST(two_frames),
        TEST(no_frames),
        TEST(frames_without_a_size),
        TEST(a_bomb),
        TEST(octets_that_are_wrong),
        TEST(frames_that_are_no_smaller),
        TEST(repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
