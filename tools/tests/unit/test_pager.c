/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager in the corner cases that Xen's documentation and real hosts
 * have shown: pages that go away or cannot come yet, calls that fail.  What
 * it requests: test_pager_requests.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_rig.h"

/* ---- enabling ---- */

static void refusals(void **state)
{
    static const struct {
        int error;
        const char *words;
    } cases[] = {
        {ENODEV, "hap"},
        {ENOSYS, "CONFIG_MEM_PAGING"},
        {EXDEV, "passed-through"},
        {ENOMEM, "memory"},
    };
    struct rig *rig = *state;
    size_t i;

    fake_only_paging("it has other refusals");
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_fail(rig->host, FAKE_OP_pager_enable, 1, cases[i].error);
        rig->ctx.reason[0] = '\0';
        assert_null(xlm_pager_open(&rig->ctx, rig_mechanism(), &rig->channel,
                                   fake_domain_id(rig->domain), RIG_PAGES,
                                   NULL));
        assert_int_equal(errno, cases[i].error);
        assert_non_null(strstr(rig->ctx.reason, cases[i].words));
        assert_false(fake_domain_pager_enabled(rig->domain));
    }
    fake_fail(rig->host, FAKE_OP_domain_info, 1, EPERM);
    assert_null(xlm_pager_open(&rig->ctx, rig_mechanism(), &rig->channel,
                               fake_domain_id(rig->domain), RIG_PAGES, NULL));
}

static void open_and_close(void **state)
{
    struct rig *rig = *state;

    rig_open_pager(rig);
    assert_true(fake_domain_pager_enabled(rig->domain));
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    assert_false(fake_domain_pager_enabled(rig->domain));
}

/* The pager is never disabled while a page is absent, even when everything
 * else is over. */
static void closing_with_pages_out(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    assert_int_equal(rig_bring_in(rig, 0), 0);
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    assert_true(fake_domain_pager_enabled(rig->domain));
    assert_int_equal(fake_calls(rig->host, FAKE_OP_pager_disable), 0);
}

/* ---- evicting ---- */

static void refused_evictions(void **state)
{
    fake_only_paging("no page refuses");

    struct rig *rig = *state;
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    uint64_t pfns[] = {0, 1, 2, RIG_PAGES - 1};

    rig_open_pager(rig);
    xlm_pfn_set_reserve(&refused, RIG_PAGES);
    fake_page_busy(rig->domain, 1, true);
    fake_page_set(rig->domain, RIG_PAGES - 1, FAKE_HOLE);
    assert_int_equal(
        xlm_pager_make_absent(rig->pager, 0, NULL, 4, pfns, &refused), 0);
    assert_int_equal(refused.count, 2);
    assert_true(xlm_pfn_set_contains(&refused, 1));
    assert_true(xlm_pfn_set_contains(&refused, RIG_PAGES - 1));
    assert_int_equal(xlm_pager_outstanding(rig->pager), 2);
    assert_true(xlm_pager_is_outstanding(rig->pager, 0));
    assert_false(xlm_pager_is_outstanding(rig->pager, 1));
    assert_int_equal(fake_page_get(rig->domain, 1), FAKE_RAM);
    xlm_pfn_set_dispose(&refused);
}

static void failed_eviction(void **state)
{
    struct rig *rig = *state;
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    uint64_t pfn = 3;

    fake_only_paging("nothing is evicted");
    rig_open_pager(rig);
    xlm_pfn_set_reserve(&refused, RIG_PAGES);
    fake_fail(rig->host, FAKE_OP_evict, 1, EPERM);
    assert_int_equal(
        xlm_pager_make_absent(rig->pager, 0, NULL, 1, &pfn, &refused), -1);
    assert_int_equal(errno, EPERM);
    xlm_pfn_set_dispose(&refused);
}

/* ---- dropped pages ---- */

static void dropped_pages(void **state)
{
    struct rig *rig = *state;
    uint64_t pfn, pfns[8];

    fake_only_paging("Xen tells of no dropped page");
    fake_host_drops_paged(rig->host);
    rig_run_evicted(rig);
    for (pfn = 0; pfn < 20; pfn++) {
        assert_true(fake_guest_balloon(rig->domain, pfn));
    }
    rig_await_answers(rig);
    assert_int_equal(xlm_pager_outstanding(rig->pager), RIG_PAGES - 20);
    rig_bring_in_rest(rig);
    for (pfn = 0; pfn < 20; pfn++) {
        assert_int_equal(fake_page_get(rig->domain, pfn), FAKE_HOLE);
    }
    assert_int_equal(rig_stats(rig).pages_dropped, 20);
    assert_int_equal(rig_stats(rig).pages_pushed, RIG_PAGES - 20);
    /* The source is told once, and not at all if it will be told which pages
     * are lacking. */
    assert_int_equal(xlm_pager_take_dropped(rig->pager, pfns, 8), 8);
    assert_int_equal(pfns[0], 0);
    assert_int_equal(pfns[7], 7);
    assert_int_equal(xlm_pager_take_dropped(rig->pager, pfns, 8), 8);
    assert_int_equal(pfns[7], 15);
    xlm_pager_close_requests(rig->pager);
    assert_int_equal(xlm_pager_take_dropped(rig->pager, pfns, 8), 0);
}

static void drop_at_page_in(enum fake_op op, void *data)
{
    struct rig *rig = data;

    if (op == fake_op_in() && fake_page_get(rig->domain, 7) == FAKE_PAGED) {
        assert_true(fake_guest_balloon(rig->domain, 7));
        assert_true(fake_guest_unballoon(rig->domain, 7));
    }
}

/* The guest has dropped the page and taken a new one there, and the pager
 * learns of that only from ENOENT: the old contents must not get through. */
static void page_no_longer_wanted(void **state)
{
    struct rig *rig = *state;
    const uint8_t *page;

    fake_host_drops_paged(rig->host);
    rig_run_evicted(rig);
    fake_host_hook(rig->host, drop_at_page_in, rig);
    assert_int_equal(rig_bring_in(rig, 7), 0);
    page = fake_page_memory(rig->domain, 7);
    assert_int_equal(page[0], 0);
    assert_false(xlm_pager_is_outstanding(rig->pager, 7));
    assert_int_equal(rig_bring_in(rig, 7), 0);
    assert_int_equal(page[0], 0);
    rig_await_answers(rig);
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).pages_dropped, 1);
}

/* One vCPU waits for the page that another one gives back. */
static void dropped_while_waited_for(void **state)
{
    struct rig *rig = *state;

    fake_only_paging("Xen tells of no dropped page");
    fake_host_drops_paged(rig->host);
    rig_run_evicted(rig);
    rig_start_touch(rig, 0, 11);
    assert_int_equal(rig_next_fault(rig), 11);
    assert_true(fake_guest_balloon(rig->domain, 11));
    pthread_join(rig->vcpus[0], NULL);
    assert_int_equal(rig->touches[0].access, FAKE_ACCESS_NO_PAGE);
    rig_await_answers(rig);
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).pages_dropped, 1);
}

static int bring_hole(struct rig *rig, uint64_t pfn)
{
    return xlm_pager_bring_holes(rig->pager, 1, &pfn);
}

static void hole_at_the_source(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    rig_start_touch(rig, 0, 12);
    assert_int_equal(rig_next_fault(rig), 12);
    assert_int_equal(bring_hole(rig, 12), 0);
    pthread_join(rig->vcpus[0], NULL);
    assert_int_equal(rig->touches[0].access, FAKE_ACCESS_NO_PAGE);
    assert_int_equal(bring_hole(rig, 12), 0);
    assert_int_equal(bring_hole(rig, 13), 0);
    assert_int_equal(fake_page_get(rig->domain, 13), FAKE_HOLE);
    rig_await_answers(rig);
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).pages_dropped, 2);
    assert_int_equal(fake_page_get(rig->domain, 13), FAKE_HOLE);
}

/* ---- trouble with memory and calls ---- */

static void no_memory_for_a_while(void **state)
{
    struct rig *rig = *state;
    uint8_t contents[2][XLM_PAGE_SIZE];
    struct xlm_page_in pages[] = {{.pfn = 1, .contents = contents[0]},
                                  {.pfn = 2, .contents = contents[1]}};

    memset(contents[0], 2, XLM_PAGE_SIZE);
    memset(contents[1], 3, XLM_PAGE_SIZE);
    rig_run_evicted(rig);
    rig_start_touch(rig, 0, 1);
    rig_start_touch(rig, 1, 2);
    fake_await_waiting(rig->domain, 2);
    fake_host_enomem(rig->host, 3);
    assert_int_equal(xlm_pager_bring_in(rig->pager, 2, pages), 0);
    rig_expect_touched(rig, 0);
    rig_expect_touched(rig, 1);
    rig_bring_in_rest(rig);
}

/* One page of a batch finds no memory, and the others are not tried again. */
static void no_memory_for_one(void **state)
{
    struct rig *rig = *state;
    static uint8_t contents[XLM_PAGE_SIZE];
    struct xlm_page_in pages[] = {{.pfn = 1, .contents = contents},
                                  {.pfn = 2, .contents = contents},
                                  {.pfn = 3, .contents = contents}};

    rig_run_evicted(rig);
    fake_host_enomem(rig->host, 1);
    assert_int_equal(xlm_pager_bring_in(rig->pager, 3, pages), 0);
    assert_int_equal(xlm_pager_outstanding(rig->pager), RIG_PAGES - 3);
    assert_int_equal(rig_stats(rig).pages_pushed, 3);
    assert_int_equal(rig_stats(rig).pages_dropped, 0);
    rig_bring_in_rest(rig);
}

static void page_in_fails(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    fake_fail(rig->host, fake_op_in(), 1, EIO);
    assert_int_equal(rig_bring_in(rig, 4), -1);
    assert_int_equal(errno, EIO);
    assert_true(xlm_pager_is_outstanding(rig->pager, 4));
    assert_int_equal(rig_bring_in(rig, 4), 0);
    rig_bring_in_rest(rig);
}

/* The guest's driver has populated the pages before the pager learns that the
 * source has none: the guest keeps what it has. */
static void holes_that_the_guest_has_filled(void **state)
{
    static const uint64_t pfns[] = {11, 12, 13};
    struct rig *rig = *state;

    rig_run_evicted(rig);
    assert_true(fake_guest_unballoon(rig->domain, 12));
    assert_int_equal(xlm_pager_bring_holes(rig->pager, 3, pfns), 0);
    assert_int_equal(fake_page_get(rig->domain, 11), FAKE_HOLE);
    assert_int_equal(fake_page_get(rig->domain, 12), FAKE_RAM);
    assert_int_equal(fake_page_get(rig->domain, 13), FAKE_HOLE);
    assert_false(xlm_pager_is_outstanding(rig->pager, 12));
    assert_true(fake_domain_running(rig->domain));
    rig_await_answers(rig);
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).pages_dropped, 3);
}

/* A call that may succeed the next time does not end the guest's memory. */
static void calls_that_fail_for_a_while(void **state)
{
    static const int errors[] = {EAGAIN, ENOMEM, EBUSY, EINTR};
    struct rig *rig = *state;
    size_t i;

    rig_run_evicted(rig);
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake_fail(rig->host, fake_op_in(), 1, errors[i]);
        assert_int_equal(rig_bring_in(rig, i), 0);
        fake_fail(rig->host, FAKE_OP_depopulate, 1, errors[i]);
        assert_int_equal(bring_hole(rig, 10 + i), 0);
    }
    rig_await_answers(rig);
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).pages_dropped, 4);
}

/* The answer was in the ring, but the hypervisor was not signalled. */
static void notify_is_lost(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    rig_start_touch(rig, 0, 14);
    assert_int_equal(rig_next_fault(rig), 14);
    /* The signal of the request is past, and the slot had no answer then. */
    while (!fake_calls(rig->host, FAKE_OP_pager_notify)) {
        sched_yield();
    }
    fake_fail(rig->host, FAKE_OP_pager_notify, 1, EIO);
    assert_int_equal(rig_bring_in(rig, 14), 0);
    rig_bring_in_rest(rig);
    assert_int_equal(fake_unanswered(rig->domain), 1);
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    assert_int_equal(fake_unanswered(rig->domain), 0);
    rig_expect_touched(rig, 0);
}

/* A page that was not evicted here must not be overwritten by the source. */
static void pages_never_evicted(void **state)
{
    struct rig *rig = *state;
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    const uint8_t *page = fake_page_memory(rig->domain, 2);
    uint64_t pfn = 1;

    rig_open_pager(rig);
    xlm_pfn_set_reserve(&refused, RIG_PAGES);
    assert_int_equal(
        xlm_pager_make_absent(rig->pager, 0, NULL, 1, &pfn, &refused), 0);
    xlm_pfn_set_dispose(&refused);
    assert_int_equal(rig_bring_in(rig, 2), 0);
    assert_int_equal(rig_bring_in(rig, RIG_PAGES + 100), 0);
    assert_int_equal(page[0], 0);
    assert_int_equal(xlm_pager_outstanding(rig->pager), 1);
    assert_int_equal(rig_bring_in(rig, 1), 0);
    assert_int_equal(rig_stats(rig).pages_pushed, 1);
}

/* The pager makes up for a lost signal from the hypervisor. */
static void accept_fails_once(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    fake_fail(rig->host, FAKE_OP_pager_accept, 1, EIO);
    rig_start_touch(rig, 0, 8);
    assert_int_equal(rig_next_fault(rig), 8);
    assert_int_equal(rig_bring_in(rig, 8), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* All vCPUs access pages at random while all pages come in. */
static void *touch_many(void *data)
{
    struct rig_touch *touch = data;
    unsigned int seed = touch->vcpu, i;

    for (i = 0; i < 200 && touch->access == FAKE_ACCESS_DONE; i++) {
        touch->pfn = (unsigned int)rand_r(&seed) % RIG_PAGES;
        touch->access = fake_vcpu_access(touch->rig->domain, touch->vcpu,
                                         touch->pfn, false, rig_look, touch);
        if (touch->found != touch->pfn + 1) {
            touch->access = FAKE_ACCESS_CRASHED;
        }
    }
    return NULL;
}

static void storm(void **state)
{
    struct rig *rig = *state;
    unsigned int vcpu;
    uint64_t pfn;

    rig_run_evicted(rig);
    for (vcpu = 0; vcpu < RIG_VCPUS; vcpu++) {
        rig->touches[vcpu] = (struct rig_touch){.rig = rig, .vcpu = vcpu};
        pthread_create(&rig->vcpus[vcpu], NULL, touch_many,
                       &rig->touches[vcpu]);
    }
    for (pfn = RIG_PAGES; pfn-- > RIG_PAGES / 2;) {
        assert_int_equal(rig_bring_in(rig, pfn), 0);
    }
    while (xlm_pager_outstanding(rig->pager) > 4) {
        assert_int_equal(rig_bring_in(rig, rig_next_fault(rig)), 0);
    }
    rig_bring_in_rest(rig);
    for (vcpu = 0; vcpu < RIG_VCPUS; vcpu++) {
        pthread_join(rig->vcpus[vcpu], NULL);
        assert_int_equal(rig->touches[vcpu].access, FAKE_ACCESS_DONE);
    }
    assert_int_equal(fake_unanswered(rig->domain), 0);
}

/* The guest is stopped at the source, and must stay there. */
static void no_memory_before_the_go(void **state)
{
    struct rig *rig = *state;

    fake_only_paging("a page that comes needs no memory");
    rig_open_pager(rig);
    rig_evict_all(rig);
    fake_host_enomem(rig->host, UINT32_MAX);
    assert_int_equal(rig_bring_in(rig, 3), -1);
    assert_int_equal(errno, ENOMEM);
    assert_non_null(strstr(rig->ctx.reason, "free some"));
    fake_host_enomem(rig->host, 0);
    rig_bring_in_rest(rig);
}

/* A ring with random octets, whose counters never end: the pages come in all
 * the same, and the pager ends when it is told to. */
static void ring_of_nonsense(void **state)
{
    struct rig *rig = *state;
    unsigned int seed;

    rig_run_evicted(rig);
    for (seed = 1; seed <= 32; seed++) {
        fake_ring_scribble(rig->domain, seed);
        assert_int_equal(rig_bring_in(rig, seed), 0);
        assert_int_equal(fake_page_get(rig->domain, seed), FAKE_RAM);
    }
    rig_bring_in_rest(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_make, rig_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refusals),
        TEST(open_and_close),
        TEST(closing_with_pages_out),
        TEST(refused_evictions),
        TEST(failed_eviction),
        TEST(dropped_pages),
        TEST(page_no_longer_wanted),
        TEST(dropped_while_waited_for),
        TEST(hole_at_the_source),
        TEST(holes_that_the_guest_has_filled),
        TEST(no_memory_for_a_while),
        TEST(no_memory_for_one),
        TEST(page_in_fails),
        TEST(calls_that_fail_for_a_while),
        TEST(notify_is_lost),
        TEST(pages_never_evicted),
        TEST(accept_fails_once),
        TEST(storm),
        TEST(no_memory_before_the_go),
        TEST(ring_of_nonsense),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
