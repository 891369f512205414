/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Lists of pfns in records: which are good, and the ways of being bad.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_log.h"
#include "watchdog.h"
#include "wire/record.h"

#define PFN_LIMIT 0x1000

static int make_context(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct xlm_context *ctx = malloc(sizeof(*ctx));

    alarm(WATCHDOG_SECONDS);
    *ctx = fresh;
    ctx->logger = fake_logger();
    *state = ctx;
    return 0;
}

static int drop_context(void **state)
{
    free(*state);
    return 0;
}

/* A record in memory: count, entries, pages of contents, octets more. */
static int parse(struct xlm_context *ctx, uint32_t type, uint32_t count,
                 const uint64_t *entries, size_t nr_entries, size_t pages,
                 int more, struct xlm_pfn_list *list)
{
    size_t length = 8 + 8 * nr_entries + pages * XLM_PAGE_SIZE + more;
    uint8_t *body = calloc(1, length + 8);
    struct xlm_record record = {.type = type, .length = length, .body = body};
    int rc;

    memcpy(body, &count, sizeof(count));
    memcpy(body + 8, entries, 8 * nr_entries);
    ctx->reason[0] = '\0';
    errno = 0;
    rc = xlm_parse_pfn_list(ctx, &record, PFN_LIMIT, list);
    if (rc == 0) {
        assert_int_equal(list->count, count);
        assert_ptr_equal(list->entries, body + 8);
        if (list->contents) {
            assert_ptr_equal(list->contents, body + 8 + 8 * count);
        }
    } else {
        assert_int_equal(errno, EPROTO);
    }
    free(body);
    return rc;
}

static void good_lists(void **state)
{
    const uint64_t entries[] = {0, xlm_entry(5, XLM_TYPE_XTAB), PFN_LIMIT - 1,
                                xlm_entry(7, XLM_TYPE_BROKEN),
                                xlm_entry(8, XLM_TYPE_XALLOC)};
    static const uint64_t plain[] = {0, 5, PFN_LIMIT - 1};
    struct xlm_context *ctx = *state;
    struct xlm_pfn_list list;

    assert_int_equal(parse(ctx, XLM_REC_PAGE_DATA, 5, entries, 5, 2, 0, &list),
                     0);
    assert_non_null(list.contents);
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_PAGE_DATA, 3, entries, 3, 2, 0, &list), 0);
    assert_int_equal(
        parse(ctx, XLM_REC_PAGE_DATA, 1, entries + 1, 1, 0, 0, &list), 0);
    assert_null(list.contents);
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_PFNS, 3, plain, 3, 0, 0, &list), 0);
    assert_null(list.contents);
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_EVICTED, 0, entries, 0, 0, 0, &list), 0);
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_ZERO_PAGES, 3, plain, 3, 0, 0, &list), 0);
    assert_null(list.contents);
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_ZERO_PAGES, 3, plain, 3, 2, 0, &list), -1);
}

/* Only pages that may come without contents have a type to say so. */
static void types_where_there_are_none(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_PFNS, XLM_REC_POSTCOPY_FAULT,
        XLM_REC_POSTCOPY_EVICTED, XLM_REC_POSTCOPY_ZERO_PAGES};
    const uint64_t entries[] = {1, xlm_entry(2, XLM_TYPE_XTAB), 3};
    struct xlm_context *ctx = *state;
    struct xlm_pfn_list list;
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_int_equal(parse(ctx, types[i], 1, entries, 1, 0, 0, &list), 0);
        assert_int_equal(parse(ctx, types[i], 3, entries, 3, 0, 0, &list), -1);
    }
}

static void lists_with_wrong_totals(void **state)
{
    static const uint64_t entries[] = {1, 2, 3, 4};
    struct xlm_context *ctx = *state;
    struct xlm_pfn_list list;
    int more;

    for (more = -7; more <= 8; more++) {
        if (more == 0) {
            continue;
        }
        assert_int_equal(
            parse(ctx, XLM_REC_PAGE_DATA, 2, entries, 2, 2, more, &list), -1);
        assert_int_equal(
            parse(ctx, XLM_REC_POSTCOPY_FAULT, 2, entries, 3, 0, more, &list),
            -1);
    }
    assert_int_equal(parse(ctx, XLM_REC_PAGE_DATA, 2, entries, 2, 1, 0, &list),
                     -1);
    assert_int_equal(parse(ctx, XLM_REC_PAGE_DATA, 2, entries, 2, 3, 0, &list),
                     -1);
    /* Contents where there are none. */
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_PFNS, 2, entries, 2, 2, 0, &list), -1);
}

static void lists_with_wrong_counts(void **state)
{
    static const uint32_t counts[] = {
        0, 1, 3, 8193, 0x20000000, 0x20000002, 0x7fffffff, 0xffffffff};
    static const uint64_t entries[] = {1, 2};
    struct xlm_context *ctx = *state;
    struct xlm_pfn_list list;
    size_t i;

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        assert_int_equal(parse(ctx, XLM_REC_POSTCOPY_FAULT, counts[i], entries,
                               2, 0, 0, &list),
                         -1);
        assert_int_equal(
            parse(ctx, XLM_REC_PAGE_DATA, counts[i], entries, 2, 2, 0, &list),
            -1);
    }
}

/* Shorter than its own head. */
static void lists_without_head(void **state)
{
    struct xlm_context *ctx = *state;
    uint64_t body = 0;
    struct xlm_record record = {
        .type = XLM_REC_PAGE_DATA, .length = 0, .body = &body};
    struct xlm_pfn_list list;

    for (; record.length < 8; record.length++) {
        assert_int_equal(xlm_parse_pfn_list(ctx, &record, PFN_LIMIT, &list),
                         -1);
    }
}

/* More pages than one record may bring. */
static void lists_of_too_many(void **state)
{
    static uint64_t entries[XLM_BATCH_PAGES + 1], plain[XLM_BATCH_PAGES + 1];
    struct xlm_context *ctx = *state;
    struct xlm_pfn_list list;
    size_t i;

    for (i = 0; i <= XLM_BATCH_PAGES; i++) {
        entries[i] = xlm_entry(i, XLM_TYPE_XTAB);
        plain[i] = i;
    }
    assert_int_equal(parse(ctx, XLM_REC_PAGE_DATA, XLM_BATCH_PAGES, entries,
                           XLM_BATCH_PAGES, 0, 0, &list),
                     0);
    assert_int_equal(parse(ctx, XLM_REC_PAGE_DATA, XLM_BATCH_PAGES + 1,
                           entries, XLM_BATCH_PAGES + 1, 0, 0, &list),
                     -1);
    assert_int_equal(parse(ctx, XLM_REC_POSTCOPY_PFNS, XLM_BATCH_PAGES + 1,
                           plain, XLM_BATCH_PAGES + 1, 0, 0, &list),
                     0);
}

static void lists_with_bad_entries(void **state)
{
    struct xlm_context *ctx = *state;
    struct xlm_pfn_list list;
    uint64_t entry;
    unsigned int bit, type;

    entry = PFN_LIMIT;
    assert_int_equal(parse(ctx, XLM_REC_PAGE_DATA, 1, &entry, 1, 1, 0, &list),
                     -1);
    entry = XLM_ENTRY_PFN_MASK;
    assert_int_equal(
        parse(ctx, XLM_REC_POSTCOPY_FAULT, 1, &entry, 1, 0, 0, &list), -1);
    /* Reserved bits. */
    for (bit = 52; bit < 60; bit++) {
        entry = 1 | 1ULL << bit;
        assert_int_equal(
            parse(ctx, XLM_REC_PAGE_DATA, 1, &entry, 1, 1, 0, &list), -1);
    }
    /* Types of PV guests, pinned and not, and reserved ones. */
    for (type = 1; type < XLM_TYPE_BROKEN; type++) {
        entry = xlm_entry(1, type);
        assert_int_equal(
            parse(ctx, XLM_REC_PAGE_DATA, 1, &entry, 1, 1, 0, &list), -1);
    }
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_context, drop_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_lists),
        TEST(types_where_there_are_none),
        TEST(lists_with_wrong_totals),
        TEST(lists_with_wrong_counts),
        TEST(lists_without_head),
        TEST(lists_of_too_many),
        TEST(lists_with_bad_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
