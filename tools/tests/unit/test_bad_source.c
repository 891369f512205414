/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Sources that lie, stall or die before the guest runs at the destination,
 * or that want too much of its host.  The destination is the engine, the
 * source a puppet.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_source.h"
#include "policy/pfn_set.h"
#include "wire/record.h"
#include "wire/wire.h"
#include "xlm.h"

static void bad_image_headers(void **state)
{
    union {
        struct {
            struct xlm_wire_image_header image;
            struct xlm_wire_domain_header domain;
        } is;
        uint8_t octets[40];
    } headers;
    size_t i;

    (void)state;
    for (i = 0; i < 30; i++) {
        struct puppet *puppet = start_restore();

        memset(&headers, 0, sizeof(headers));
        headers.is.image.marker = XLM_IMAGE_MARKER;
        headers.is.image.id = htonl(XLM_IMAGE_ID);
        headers.is.image.version = htonl(3);
        headers.is.domain.type = XLM_DOMAIN_TYPE_HVM;
        headers.is.domain.page_shift = XLM_PAGE_SHIFT;
        headers.octets[i] ^= 0x40;
        say_octets(puppet, &headers, sizeof(headers));
        if (i >= 18 && i < 24) {
            hang_up(puppet); /* reserved octets: the engine waits for more */
        }
        expect_never_ran(puppet);
    }
}

static void impossible_prepares(void **state)
{
    static const struct {
        uint32_t version;
        uint64_t pages, pfns;
    } bad[] = {
        {0, PAGES, PAGES},      {2, PAGES, PAGES},
        {1, PAGES, 0},          {1, PAGES, (1ULL << 32) + 1},
        {1, PAGES, UINT64_MAX}, {1, 200000, PAGES},
        {1, UINT64_MAX, PAGES},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct puppet *puppet = restore_at(start_live);

        say_platform(puppet);
        say_prepare(puppet, bad[i].version, bad[i].pages, bad[i].pfns);
        assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
        expect_never_ran(puppet);
    }
}

static void prepare_twice(void **state)
{
    struct puppet *puppet = restore_at(start_prepared);

    (void)state;
    say_prepare(puppet, 1, PAGES, PAGES);
    expect_never_ran(puppet);
}

static void prepare_without_platform(void **state)
{
    struct puppet *puppet = restore_at(start_live);

    (void)state;
    say_prepare(puppet, 1, PAGES, PAGES);
    expect_never_ran(puppet);
}

static void records_too_early(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_BEGIN, XLM_REC_POSTCOPY_TRANSITION,
        XLM_REC_POSTCOPY_GO, XLM_REC_POSTCOPY_PFNS_BEGIN, XLM_REC_END};
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        puppet = restore_at(start_live);
        say(puppet, types[i], NULL, 0);
        hang_up(puppet); /* the engine reads on, to answer a PREPARE */
        expect_never_ran(puppet);
    }
    puppet = restore_at(start_prepared);
    say(puppet, XLM_REC_END, NULL, 0);
    expect_never_ran(puppet);
}

static void lists_out_of_order(void **state)
{
    struct puppet *puppet = restore_at(start_evicting);

    (void)state;
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    expect_never_ran(puppet);

    puppet = restore_at(start_evicted);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    expect_never_ran(puppet);

    puppet = restore_at(start_evicted);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 1, (uint64_t[]){8});
    expect_never_ran(puppet);

    puppet = restore_at(start_evicting);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    expect_never_ran(puppet);
}

static void pfns_out_of_range(void **state)
{
    static const uint64_t pfn = PAGES;
    struct puppet *puppet = restore_at(start_evicting);

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 1, &pfn);
    expect_never_ran(puppet);

    puppet = restore_at(start_prepared);
    say_page(puppet, XLM_REC_PAGE_DATA, pfn, 1);
    expect_never_ran(puppet);

    puppet = restore_at(start_running);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, pfn, 1);
    expect_runs_on(puppet);
}

/* One page listed again and again is evicted once. */
static void repeated_pfns(void **state)
{
    static const uint64_t pfns[] = {4, 4, 4, 5, 4};
    struct puppet *puppet = restore_at(start_evicting);

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 5, pfns);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 5, pfns);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    assert_int_equal(fake_domain_paged(puppet->domain), 2);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_READY));
    hang_up(puppet);
    expect_never_ran(puppet);
}

static void go_before_ready(void **state)
{
    fake_only_paging("no page refuses");

    struct puppet *puppet = restore_at(start_prepared);

    (void)state;
    say_page(puppet, XLM_REC_PAGE_DATA, 7, 1);
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    /* The page cannot be evicted, and its last contents never come. */
    fake_page_busy(puppet->domain, 7, true);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 1, (uint64_t[]){7});
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    expect_never_ran(puppet);
}

/* ---- streams ---- */

static void say_stream(struct puppet *puppet, uint32_t type, uint32_t index)
{
    const struct xlm_wire_stream_index body = {.index = index};

    say(puppet, type, &body, sizeof(body));
}

static void impossible_streams(void **state)
{
    static const uint32_t types[] = {XLM_REC_POSTCOPY_STREAM_USE,
                                     XLM_REC_POSTCOPY_STREAM_LOST};
    static const uint32_t indexes[] = {0, XLM_STREAMS_MOST, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct puppet *puppet = restore_at(start_running);

        say_stream(puppet, types[i % 2], indexes[i / 2]);
        expect_runs_on(puppet);
    }
}

/* The channel has not joined: the source learns that nothing came over it,
 * and goes on
 * without. */
static void stream_that_is_none(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_USE, 1);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_STREAM_END));
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_LOST, 1);
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_USE, 15);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_STREAM_END));
    hang_up(puppet);
    expect_runs_on(puppet);
}

static void stream_used_twice_or_never(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_USE, 2);
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_USE, 2);
    expect_runs_on(puppet);

    puppet = restore_at(start_running);
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_LOST, 2);
    expect_runs_on(puppet);

    puppet = restore_at(start_ready);
    say_stream(puppet, XLM_REC_POSTCOPY_STREAM_USE, 1);
    expect_never_ran(puppet);
}

static void source_dies(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    hang_up(puppet);
    expect_runs_on(puppet);

    puppet = restore_at(start_ready);
    hang_up(puppet);
    expect_never_ran(puppet);
}

static void zeroes_nobody_asked_for(void **state)
{
    struct puppet *puppet = restore_at(start_live);

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 1, (uint64_t[]){0});
    hang_up(puppet);
    expect_never_ran(puppet);

    puppet = restore_at(start_prepared);
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 1, (uint64_t[]){PAGES});
    expect_never_ran(puppet);
}

/* ---- what a peer can make us keep ---- */

static void expect_refusal(struct puppet *puppet, const char *word)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_non_null(strstr(puppet->ctx.reason, word));
    assert_false(puppet->over);
    free_puppet(puppet);
}

/* The configuration says how large the guest is, and limits what the stream
 * may bring. */
static void larger_than_its_configuration(void **state)
{
    static const struct {
        uint64_t pages, pfns;
    } bad[] = {
        {PAGES, XLM_PFN_LIMIT},
        {PAGES, 2 * (PAGES + (1u << 20)) + 1},
        {PAGES + 4097, PAGES},
    };
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        puppet = start_restore_with(PAGES);
        start_live(puppet);
        say_platform(puppet);
        say_prepare(puppet, 1, bad[i].pages, bad[i].pfns);
        assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
        expect_refusal(puppet, "configuration");
    }
    puppet = start_restore_with(PAGES);
    start_live(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 2 * (PAGES + (1u << 20)), 1);
    hang_up(puppet);
    expect_refusal(puppet, "PAGE_DATA with entry");
}

/* The source sends page after page, each at a pfn that is allowed. */
static void more_pages_than_its_configuration(void **state)
{
    static uint64_t body[1 + XLM_LIST_PFNS] = {XLM_LIST_PFNS};
    struct puppet *puppet = start_restore_with(PAGES);
    uint64_t pfn;

    (void)state;
    puppet->nr_pfns = XLM_LIST_PFNS;
    start_live(puppet);
    say_platform(puppet);
    say_prepare(puppet, 1, PAGES, XLM_LIST_PFNS);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
    for (pfn = 0; pfn < XLM_LIST_PFNS; pfn++) {
        body[1 + pfn] = pfn;
    }
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS, body, sizeof(body));
    expect_refusal(puppet, "more pages than the guest's configuration");
}

static void devices_of_no_length(void **state)
{
    struct puppet *puppet = restore_at(start_live);

    (void)state;
    say(puppet, XLM_REC_POSTCOPY_DEVICES, NULL, 0);
    hang_up(puppet);
    expect_refusal(puppet, "POSTCOPY_DEVICES of 0 octets");
}

/* Pages that are announced and do not come take no memory; neither do pfns
 * that are as far apart as possible, or unknown records. */
static void memory_is_bounded(void **state)
{
    static const uint32_t types[] = {XLM_REC_HVM_CONTEXT,
                                     XLM_REC_POSTCOPY_DEVICES,
                                     XLM_REC_PAGE_DATA, XLM_REC_OPTIONAL | 7};
    const uint64_t bitmaps = 7 * 2 * (PAGES + (1u << 20)) / 8;
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct xlm_wire_record_header header = {
            types[i], types[i] == XLM_REC_PAGE_DATA ? 4 << 20 : 64 << 20};

        puppet = start_restore_with(PAGES);
        start_live(puppet);
        say_platform(puppet);
        say_prepare(puppet, 1, PAGES, 2 * (PAGES + (1u << 20)));
        assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
        say_octets(puppet, &header, sizeof(header));
        say_octets(puppet, "a few octets", 12);
        shutdown(puppet->fd, SHUT_WR);
        pthread_join(puppet->thread, NULL);
        assert_int_equal(puppet->rc, -1);
        assert_true(puppet->memory.peak > bitmaps / 2);
        assert_true(puppet->memory.peak < bitmaps + (1u << 20));
        free_puppet(puppet);
    }
}

static void endless_optional_records(void **state)
{
    struct puppet *puppet = restore_at(start_live);
    int i;

    (void)state;
    for (i = 0; i < 65; i++) {
        say(puppet, XLM_REC_OPTIONAL | 1, "something", 9);
    }
    expect_refusal(puppet, "optional records in a row");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_image_headers),
        cmocka_unit_test(impossible_prepares),
        cmocka_unit_test(prepare_twice),
        cmocka_unit_test(prepare_without_platform),
        cmocka_unit_test(records_too_early),
        cmocka_unit_test(lists_out_of_order),
        cmocka_unit_test(pfns_out_of_range),
        cmocka_unit_test(repeated_pfns),
        cmocka_unit_test(go_before_ready),
        cmocka_unit_test(source_dies),
        cmocka_unit_test(zeroes_nobody_asked_for),
        cmocka_unit_test(larger_than_its_configuration),
        cmocka_unit_test(more_pages_than_its_configuration),
        cmocka_unit_test(devices_of_no_length),
        cmocka_unit_test(impossible_streams),
        cmocka_unit_test(stream_that_is_none),
        cmocka_unit_test(stream_used_twice_or_never),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(endless_optional_records),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
