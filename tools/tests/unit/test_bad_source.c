/*
 * Sources that lie, stall and die: the destination is the engine, the source a
 * puppet.
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
#include "fake_memory.h"
#include "fake_peer.h"
#include "fake_toolstack.h"
#include "pfn_set.h"
#include "record.h"
#include "wire.h"
#include "xlm.h"

static int await_domain(uint32_t *domid, void *data)
{
    struct puppet *puppet = data;

    fake_memory_leave_alone();
    puppet->domain =
        fake_domain_new(puppet->host, puppet->nr_pfns, puppet->nr_pfns, 1);
    *domid = fake_domain_id(puppet->domain);
    fake_memory_watch_again();
    return 0;
}

static int run(void *data)
{
    struct puppet *puppet = data;

    puppet->ran = true;
    fake_domain_run(puppet->domain);
    return 0;
}

static void *run_restore(void *data)
{
    struct puppet *puppet = data;
    struct xlm_restore_callbacks callbacks = fake_idle_destination;
    const struct xlm_restore_params params = {
        .in_fd = puppet->engine_fd,
        .out_fd = puppet->engine_fd,
        .max_pages = puppet->max_pages,
    };

    callbacks.await_domain = await_domain;
    callbacks.run = run;
    callbacks.data = puppet;
    fake_memory_watch(&puppet->memory);
    puppet->rc = xlm_restore(&puppet->ctx, &params, &callbacks, &puppet->stats,
                             &puppet->over);
    fake_memory_watch(NULL);
    shutdown(puppet->engine_fd, SHUT_RDWR);
    return NULL;
}

static struct puppet *start_restore_with(uint64_t max_pages)
{
    struct puppet *puppet = new_puppet();

    puppet->max_pages = max_pages;
    puppet->nr_pfns = PAGES;
    assert_int_equal(
        pthread_create(&puppet->thread, NULL, run_restore, puppet), 0);
    return puppet;
}

static struct puppet *start_restore(void)
{
    return start_restore_with(0);
}

static void say_headers(struct puppet *puppet)
{
    struct xlm_wire_image_header image = {.marker = XLM_IMAGE_MARKER,
                                          .id = htonl(XLM_IMAGE_ID),
                                          .version = htonl(3)};
    struct xlm_wire_domain_header domain = {.type = XLM_DOMAIN_TYPE_HVM,
                                            .page_shift = XLM_PAGE_SHIFT};

    say_octets(puppet, &image, sizeof(image));
    say_octets(puppet, &domain, sizeof(domain));
}

static void say_platform(struct puppet *puppet)
{
    static const struct xlm_wire_tsc_info tsc = {.khz = 1};
    static const struct xlm_wire_hvm_params params = {.count = 0};

    say(puppet, XLM_REC_TSC_INFO, &tsc, sizeof(tsc));
    say(puppet, XLM_REC_HVM_PARAMS, &params, sizeof(params));
    say(puppet, XLM_REC_HVM_CONTEXT, "context", 7);
}

static void say_prepare(struct puppet *puppet, uint32_t version,
                        uint64_t pages, uint64_t pfns)
{
    const struct xlm_wire_prepare prepare = {
        .version = version, .pages = pages, .pfns = pfns, .credit = 16};

    say(puppet, XLM_REC_POSTCOPY_PREPARE, &prepare, sizeof(prepare));
}

static void start_live(struct puppet *puppet)
{
    say_headers(puppet);
    say(puppet, XLM_REC_STATIC_DATA_END, NULL, 0);
}

static void start_prepared(struct puppet *puppet)
{
    start_live(puppet);
    say_platform(puppet);
    say_prepare(puppet, 1, PAGES, PAGES);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
}

static void start_evicting(struct puppet *puppet)
{
    start_prepared(puppet);
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
}

/* Pages 1 to 3 are outstanding. */
static void start_evicted(struct puppet *puppet)
{
    start_evicting(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 3, (uint64_t[]){1, 2, 3});
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
}

static void start_ready(struct puppet *puppet)
{
    start_evicted(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 0, 0x11);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_READY));
}

static void start_running(struct puppet *puppet)
{
    start_ready(puppet);
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_RUNNING));
}

/* A destination that has come so far. */
static struct puppet *restore_at(void (*stage)(struct puppet *))
{
    struct puppet *puppet = start_restore();

    stage(puppet);
    return puppet;
}

static void expect_never_ran(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_false(puppet->over);
    assert_false(puppet->ran);
    free_puppet(puppet);
}

/* It runs, lacks pages, and waits for them as long as it takes. */
static void expect_runs_on(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_true(puppet->over);
    assert_true(fake_domain_running(puppet->domain));
    assert_true(fake_domain_paged(puppet->domain) > 0);
    assert_true(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
}

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
            hang_up(puppet); /* reserved octets: it waits for more */
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
        hang_up(puppet); /* it reads on, to answer a PREPARE */
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
    struct puppet *puppet = restore_at(start_prepared);

    (void)state;
    say_page(puppet, XLM_REC_PAGE_DATA, 7, 1);
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
    /* The page refuses, and its last contents never come. */
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

static void end_with_pages_outstanding(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 1);
    say(puppet, XLM_REC_END, NULL, 0);
    expect_runs_on(puppet);
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

static void wrong_records_after_the_go(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_GO, XLM_REC_POSTCOPY_TRANSITION,
        XLM_REC_POSTCOPY_PFNS_BEGIN, XLM_REC_POSTCOPY_COMPLETE, 0x7777};
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        puppet = restore_at(start_running);
        say(puppet, types[i], NULL, 0);
        expect_runs_on(puppet);
    }
    puppet = restore_at(start_running);
    say_page(puppet, XLM_REC_PAGE_DATA, 1, 1);
    expect_runs_on(puppet);
}

static void scribble(void *page, uint64_t pfn, void *data)
{
    (void)pfn;
    memset(page, *(int *)data, XLM_PAGE_SIZE);
}

static void guest_writes(struct puppet *puppet, uint64_t pfn, int what)
{
    assert_int_equal(
        fake_vcpu_access(puppet->domain, 0, pfn, true, scribble, &what),
        FAKE_ACCESS_DONE);
}

static void expect_page(struct puppet *puppet, uint64_t pfn, int what)
{
    const uint8_t *page = fake_page_memory(puppet->domain, pfn);

    assert_int_equal(fake_page_get(puppet->domain, pfn), FAKE_RAM);
    assert_int_equal(page[0], what);
    assert_int_equal(page[XLM_PAGE_SIZE - 1], what);
}

/* What the guest has written since must not be overwritten: neither by a page
 * that comes twice, nor by one that was never outstanding. */
static void pages_that_are_not_awaited(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    guest_writes(puppet, 0, 0x33);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x44);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 1, 0x44);
    guest_writes(puppet, 1, 0x55);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x44);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 0, 0x44);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 30, 0x44);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x66);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 3, 0x77);
    say(puppet, XLM_REC_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_COMPLETE));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    expect_page(puppet, 0, 0x33);
    expect_page(puppet, 1, 0x55);
    expect_page(puppet, 2, 0x66);
    expect_page(puppet, 3, 0x77);
    assert_int_equal(fake_page_get(puppet->domain, 30), FAKE_HOLE);
    assert_false(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
}

/* Zeroes are contents like any other. */
static void pages_of_zeroes(void **state)
{
    struct puppet *puppet = restore_at(start_ready);

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 2, (uint64_t[]){9, 2});
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_RUNNING));
    expect_page(puppet, 9, 0);
    expect_page(puppet, 2, 0);
    guest_writes(puppet, 2, 0x55);
    say_list(puppet, XLM_REC_POSTCOPY_ZERO_PAGES, 3, (uint64_t[]){0, 1, 2});
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 0, 0x11);
    expect_page(puppet, 1, 0);
    expect_page(puppet, 2, 0x55);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* So many records of zero pages each, and perhaps END, in one piece: all of it
 * is there before the first is taken.  Without END a page stays outstanding. */
static void say_zeroes(struct puppet *puppet, size_t records, uint64_t pages,
                       bool end)
{
    uint64_t octets[600], *at = octets;
    const struct xlm_wire_record_header header = {XLM_REC_POSTCOPY_ZERO_PAGES,
                                                  (uint32_t)(8 + 8 * pages)};

    assert_true(records * (2 + pages) < 600);
    for (size_t i = 0; i < records; i++) {
        memcpy(at++, &header, sizeof(header));
        *at++ = pages;
        for (uint64_t pfn = 0; pfn < pages; pfn++) {
            *at++ = end ? pfn : 0;
        }
    }
    *at = XLM_REC_END;
    say_octets(puppet, octets, (at + end - octets) * sizeof(*at));
}

static void expect_credit(struct puppet *puppet, uint32_t pages)
{
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    assert_int_equal(puppet->credited, pages);
}

/* One CREDIT for several records, as long as there are more to take. */
static void credit_is_kept_together(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_zeroes(puppet, 5, 8, false);
    expect_credit(puppet, 32);
    expect_credit(puppet, 8);
    say_zeroes(puppet, 7, 64, false);
    expect_credit(puppet, 128);
    expect_credit(puppet, 128);
    expect_credit(puppet, 128);
    expect_credit(puppet, 64);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* A source that has sent its last page is told that all of them came. */
static void credit_is_paid_at_the_end(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_zeroes(puppet, 1, 4, true);
    expect_credit(puppet, 4);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_COMPLETE));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    free_puppet(puppet);
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

static void *touch_page(void *data)
{
    struct puppet *puppet = data;

    fake_vcpu_access(puppet->domain, 0, 2, false, NULL, NULL);
    return NULL;
}

/* The guest touches a page that nobody sends: the source hears of it. */
static void request_reaches_the_source(void **state)
{
    struct puppet *puppet = restore_at(start_running);
    pthread_t vcpu;

    (void)state;
    assert_int_equal(pthread_create(&vcpu, NULL, touch_page, puppet), 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_FAULT));
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x12);
    pthread_join(vcpu, NULL);
    expect_page(puppet, 2, 0x12);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* One record brings the same page twice, with different contents. */
static void one_page_twice_in_a_record(void **state)
{
    static uint8_t body[8 + 2 * 8 + 2 * XLM_PAGE_SIZE] = {2};
    static const uint64_t pfns[] = {1, 1};
    struct puppet *puppet = start_restore();

    (void)state;
    memcpy(body + 8, pfns, sizeof(pfns));
    memset(body + 24, 0x21, XLM_PAGE_SIZE);
    memset(body + 24 + XLM_PAGE_SIZE, 0x22, XLM_PAGE_SIZE);
    start_running(puppet);
    say(puppet, XLM_REC_POSTCOPY_PAGE_DATA, body, sizeof(body));
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 1, 0x21);
    hang_up(puppet);
    expect_runs_on(puppet);
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

/* The configuration says how large the guest is, and bounds what follows. */
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

/* Pages and pages, each at a pfn that is allowed. */
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

/* What is announced and does not come takes no memory; nor do pfns that are
 * as far apart as they may be, or records that nobody knows. */
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

/* ---- unlucky and hostile ---- */

/* A link that carries one octet at a time is slow and no more. */
static void one_octet_at_a_time(void **state)
{
    struct puppet *puppet = start_restore();

    (void)state;
    puppet->in_octets = true;
    start_running(puppet);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x41);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x42);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 3, 0x43);
    say(puppet, XLM_REC_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_COMPLETE));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    expect_page(puppet, 2, 0x42);
    free_puppet(puppet);
}

/* The guest asks for page 2 and gets page 1: it waits on, and nothing is made
 * up. */
static void another_page_than_asked_for(void **state)
{
    struct puppet *puppet = restore_at(start_running);
    pthread_t vcpu;

    (void)state;
    assert_int_equal(pthread_create(&vcpu, NULL, touch_page, puppet), 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_FAULT));
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 0x12);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_CREDIT));
    expect_page(puppet, 1, 0x12);
    assert_int_not_equal(fake_page_get(puppet->domain, 2), FAKE_RAM);
    fake_await_waiting(puppet->domain, 1);
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 2, 0x13);
    pthread_join(vcpu, NULL);
    expect_page(puppet, 2, 0x13);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* The source dies at the first fault: the guest waits, and does not crash. */
static void dies_at_the_first_fault(void **state)
{
    struct puppet *puppet = restore_at(start_running);
    pthread_t vcpu;

    (void)state;
    assert_int_equal(pthread_create(&vcpu, NULL, touch_page, puppet), 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_FAULT));
    hang_up(puppet);
    pthread_join(puppet->thread, NULL);
    fake_await_waiting(puppet->domain, 1);
    assert_false(fake_domain_crashed(puppet->domain));
    assert_int_not_equal(fake_page_get(puppet->domain, 2), FAKE_RAM);
    fake_domain_stop(puppet->domain);
    pthread_join(vcpu, NULL);
    assert_true(puppet->over);
    assert_true(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
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
        cmocka_unit_test(end_with_pages_outstanding),
        cmocka_unit_test(source_dies),
        cmocka_unit_test(wrong_records_after_the_go),
        cmocka_unit_test(pages_that_are_not_awaited),
        cmocka_unit_test(pages_of_zeroes),
        cmocka_unit_test(credit_is_kept_together),
        cmocka_unit_test(credit_is_paid_at_the_end),
        cmocka_unit_test(zeroes_nobody_asked_for),
        cmocka_unit_test(request_reaches_the_source),
        cmocka_unit_test(one_page_twice_in_a_record),
        cmocka_unit_test(larger_than_its_configuration),
        cmocka_unit_test(more_pages_than_its_configuration),
        cmocka_unit_test(devices_of_no_length),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(endless_optional_records),
        cmocka_unit_test(one_octet_at_a_time),
        cmocka_unit_test(another_page_than_asked_for),
        cmocka_unit_test(dies_at_the_first_fault),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
