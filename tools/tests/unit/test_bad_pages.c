/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Sources that lie, stall or die once the guest runs at the destination and
 * waits for pages.  The destination is the engine, the source a puppet.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_source.h"
#include "wire/wire.h"

static void end_with_pages_outstanding(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_page(puppet, XLM_REC_POSTCOPY_PAGE_DATA, 1, 1);
    say(puppet, XLM_REC_END, NULL, 0);
    expect_runs_on(puppet);
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

/* The engine must not overwrite what the guest has written since: neither with
 * a page that comes twice, nor with a page that was not outstanding. */
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

/* A page of zeroes counts like any other page. */
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

/* A repeated page counts like any other page, and so does a frame that is
 * bad: it ends the connection, and changes no page. */
static void pages_in_other_forms(void **state)
{
    static const uint64_t repeated[] = {2, 9, 2, 0x4343434343434343,
                                        0x4545454545454545};
    static const uint64_t frame[] = {1, 0, 0xfd2fb528};
    struct puppet *puppet = restore_at(start_ready);

    (void)state;
    say(puppet, XLM_REC_POSTCOPY_REPEATED_PAGES, repeated, sizeof(repeated));
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_RUNNING));
    expect_page(puppet, 9, 0x43);
    expect_page(puppet, 2, 0x45);
    say(puppet, XLM_REC_POSTCOPY_COMPRESSED, frame, sizeof(frame));
    assert_false(hear(puppet, XLM_REC_POSTCOPY_COMPLETE));
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* Send this many records of zero pages each, and perhaps END, in one write:
 * all of them have arrived before the engine reads the first.  Without END one
 * page stays outstanding. */
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

/* The engine sends one CREDIT for several records, as long as more records
 * have arrived. */
static void credit_is_kept_together(void **state)
{
    struct puppet *puppet = restore_at(start_running);

    (void)state;
    say_zeroes(puppet, 5, 8, false);
    expect_credit(puppet, 16);
    expect_credit(puppet, 16);
    expect_credit(puppet, 8);
    say_zeroes(puppet, 7, 64, false);
    expect_credit(puppet, 128);
    expect_credit(puppet, 128);
    expect_credit(puppet, 128);
    expect_credit(puppet, 64);
    hang_up(puppet);
    expect_runs_on(puppet);
}

/* The engine tells a source that has sent its last page that all pages came.
 */
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

static void *touch_page(void *data)
{
    struct puppet *puppet = data;

    fake_vcpu_access(puppet->domain, 0, 2, false, NULL, NULL);
    return NULL;
}

/* The guest touches a page that the source does not send: the source gets a
 * request. */
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

/* ---- unlucky and hostile ---- */

/* A link that carries one octet at a time is slow, and does no harm. */
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

/* The guest waits for page 2, and page 1 comes: the guest goes on waiting, and
 * the engine invents no contents. */
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
        cmocka_unit_test(end_with_pages_outstanding),
        cmocka_unit_test(wrong_records_after_the_go),
        cmocka_unit_test(pages_that_are_not_awaited),
        cmocka_unit_test(pages_of_zeroes),
        cmocka_unit_test(pages_in_other_forms),
        cmocka_unit_test(credit_is_kept_together),
        cmocka_unit_test(credit_is_paid_at_the_end),
        cmocka_unit_test(request_reaches_the_source),
        cmocka_unit_test(one_page_twice_in_a_record),
        cmocka_unit_test(one_octet_at_a_time),
        cmocka_unit_test(another_page_than_asked_for),
        cmocka_unit_test(dies_at_the_first_fault),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
