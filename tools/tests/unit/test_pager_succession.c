/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A pager whose process was killed, and the pager that takes over its ring.
 * The dead one wrote to two places, the ring and what it kept; each test
 * stops it at another moment between these writes.  The fake checks that
 * each request gets one answer, and that no vCPU goes on without its page.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_rig.h"
#include "hypervisor/paging_ring.h"
#include "pager/kept.h"

/* What the pager has kept when it dies, for the test to check and to change.
 */
static unsigned long left[1024];

static size_t left_octets(void)
{
    return xlm_kept_words(RIG_PAGES) * sizeof(unsigned long);
}

static struct xlm_kept_ring *left_ring(void)
{
    return (struct xlm_kept_ring *)xlm_kept_paging(left, RIG_PAGES);
}

static int make(void **state)
{
    struct rig *rig;

    rig_make(state);
    rig = *state;
    assert_in_range(left_octets(), 1, sizeof(left));
    rig->kept = calloc(1, left_octets());
    return 0;
}

static int drop(void **state)
{
    struct rig *rig = *state;
    unsigned long *kept = rig->kept;

    rig_drop(state);
    free(kept);
    return 0;
}

static void reconnect(struct rig *rig)
{
    close(rig->fds[0]);
    close(rig->fds[1]);
    xlm_channel_close(&rig->channel);
    rig->channel = XLM_CHANNEL_CLOSED;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig->fds), 0);
    xlm_channel_open(&rig->channel, rig->fds[0], rig->fds[0], -1);
    rig->nr_faults = rig->next_fault = 0;
}

static void die(struct rig *rig)
{
    fake_kill(rig->ctx.hypervisor, rig->kept, left, left_octets());
    shutdown(rig->fds[0], SHUT_RDWR);
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    xlm_hypervisor_close(rig->ctx.hypervisor);
    rig->ctx.hypervisor = fake_open(rig->host);
    reconnect(rig);
}

static void take_over(struct rig *rig)
{
    memcpy(rig->kept, left, left_octets());
    rig->pager =
        xlm_pager_take_over(&rig->ctx, &rig->channel,
                            fake_domain_id(rig->domain), RIG_PAGES, rig->kept);
    assert_non_null(rig->pager);
    xlm_pager_open_requests(rig->pager);
}

/* vCPU n waits for page n, which was requested from the source. */
static void wait_for(struct rig *rig, unsigned int vcpus)
{
    for (unsigned int vcpu = 0; vcpu < vcpus; vcpu++) {
        rig_start_touch(rig, vcpu, vcpu);
        assert_int_equal(rig_next_fault(rig), vcpu);
    }
}

/* The pager is killed while they wait. */
static void leave_waiting(struct rig *rig, unsigned int vcpus)
{
    rig_run_evicted(rig);
    wait_for(rig, vcpus);
    die(rig);
}

/* The successor requests each page, and each comes. */
static void serve(struct rig *rig, unsigned int vcpus)
{
    for (unsigned int vcpu = 0; vcpu < vcpus; vcpu++) {
        assert_int_equal(rig_bring_in(rig, rig_next_fault(rig)), 0);
    }
    for (unsigned int vcpu = 0; vcpu < vcpus; vcpu++) {
        rig_expect_touched(rig, vcpu);
    }
    rig_await_answers(rig);
    rig_bring_in_rest(rig);
}

static void who_waits_is_served_by_the_next(void **state)
{
    struct rig *rig = *state;

    leave_waiting(rig, 3);
    assert_int_equal(left_ring()->requests, 3);
    take_over(rig);
    serve(rig, 3);
}

/* The guest runs on without a pager, and faults: the ring is full then, and
 * more vCPUs wait for room in it. */
static void what_nobody_has_read(void **state)
{
    struct rig *rig = *state;

    leave_waiting(rig, 2);
    for (unsigned int vcpu = 2; vcpu < RIG_VCPUS; vcpu++) {
        rig_start_touch(rig, vcpu, vcpu);
    }
    fake_await_waiting(rig->domain, 8);
    while (!fake_ring_full(rig->domain)) {
        sched_yield();
    }
    take_over(rig);
    serve(rig, RIG_VCPUS);
}

/* Pages that the guest gives back: Xen needs an answer, and no request goes
 * out. */
static void what_nobody_waits_for(void **state)
{
    struct rig *rig = *state;

    fake_only_paging("only vCPUs ask for pages");
    leave_waiting(rig, 1);
    fake_host_drops_paged(rig->host);
    assert_true(fake_guest_balloon(rig->domain, 40));
    assert_true(fake_guest_balloon(rig->domain, 41));
    take_over(rig);
    serve(rig, 1);
    assert_int_equal(rig_stats(rig).pages_dropped, 2);
}

/* ---- killed between two stores ---- */

static void before_a_request_was_noted(void **state)
{
    struct rig *rig = *state;

    leave_waiting(rig, 2);
    left_ring()->requests--;
    take_over(rig);
    serve(rig, 2);
}

static void before_a_dropped_page_was_answered(void **state)
{
    struct rig *rig = *state;

    fake_only_paging("Xen tells of no dropped page");
    leave_waiting(rig, 2);
    fake_host_drops_paged(rig->host);
    assert_true(fake_guest_balloon(rig->domain, 40));
    left_ring()->requests++;
    take_over(rig);
    serve(rig, 2);
}

static void before_an_answer_was_noted(void **state)
{
    struct rig *rig = *state;
    struct xlm_kept_ring before;

    rig_run_evicted(rig);
    wait_for(rig, 2);
    before = *(struct xlm_kept_ring *)xlm_kept_paging(rig->kept, RIG_PAGES);
    assert_int_equal(rig_bring_in(rig, 1), 0);
    rig_expect_touched(rig, 1);
    die(rig);
    *left_ring() = before;
    take_over(rig);
    assert_int_equal(rig_next_fault(rig), 0);
    assert_int_equal(rig_bring_in(rig, 0), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* The same vCPU has faulted since, and the dead pager had noted that: this
 * request is not a leftover. */
static void who_was_answered_last_waits_again(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    wait_for(rig, 1);
    assert_int_equal(rig_bring_in(rig, 0), 0);
    rig_expect_touched(rig, 0);
    rig_start_touch(rig, 0, 7);
    assert_int_equal(rig_next_fault(rig), 7);
    die(rig);
    take_over(rig);
    assert_int_equal(rig_next_fault(rig), 7);
    assert_int_equal(rig_bring_in(rig, 7), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* The page is in, and the vCPU that waits was not told. */
static void before_who_waits_was_answered(void **state)
{
    struct rig *rig = *state;
    struct xlm_pfn_set outstanding = XLM_PFN_SET_EMPTY;

    leave_waiting(rig, 2);
    assert_int_equal(
        xlm_pfn_set_lend(&outstanding, xlm_kept_outstanding(left), RIG_PAGES),
        0);
    xlm_pfn_set_remove(&outstanding, 1);
    xlm_pfn_set_dispose(&outstanding);
    fake_page_set(rig->domain, 1, FAKE_RAM);
    memset(fake_page_memory(rig->domain, 1), 2, XLM_PAGE_SIZE);
    take_over(rig);
    rig_expect_touched(rig, 1);
    assert_int_equal(rig_next_fault(rig), 0);
    assert_int_equal(rig_bring_in(rig, 0), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* The dead pager had paused the guest, or was about to. */
static void while_it_paused_the_guest(void **state)
{
    struct rig *rig = *state;

    for (unsigned int paused = 0; paused < 2; paused++) {
        struct xlm_hypervisor *hv;

        leave_waiting(rig, 2);
        hv = rig->ctx.hypervisor;
        left_ring()->pausing = 1;
        if (paused) {
            assert_int_equal(hv->ops->pause(hv, fake_domain_id(rig->domain)),
                             0);
        }
        take_over(rig);
        assert_true(fake_domain_running(rig->domain));
        serve(rig, 2);
        die(rig);
        drop(state);
        make(state);
        rig = *state;
    }
}

/* ---- what cannot be ---- */

static void refuse(struct rig *rig, int error, const char *why)
{
    memcpy(rig->kept, left, left_octets());
    errno = 0;
    assert_null(xlm_pager_take_over(&rig->ctx, &rig->channel,
                                    fake_domain_id(rig->domain), RIG_PAGES,
                                    rig->kept));
    assert_int_equal(errno, error);
    assert_non_null(strstr(rig->ctx.reason, why));
    xlm_forget_failure(&rig->ctx);
    /* The dead pager's end of the event channel is free again. */
    xlm_hypervisor_close(rig->ctx.hypervisor);
    rig->ctx.hypervisor = fake_open(rig->host);
}

static void a_ring_that_is_not_the_one_kept(void **state)
{
    struct rig *rig = *state;
    struct xlm_kept_ring good;

    leave_waiting(rig, 2);
    good = *left_ring();
    left_ring()->requests = 100;
    refuse(rig, EPROTO, "ring is not in the state");
    left_ring()->requests = 1u << 31;
    refuse(rig, EPROTO, "ring is not in the state");
    *left_ring() = good;
    left_ring()->waiters[2] = good.waiters[0];
    refuse(rig, EPROTO, "ring is not in the state");
    *left_ring() = good;
    left_ring()->port++;
    refuse(rig, EINVAL, "event channel is not free");
    *left_ring() = good;
    take_over(rig);
    serve(rig, 2);
}

/* A build that knows another way of making pages absent. */
static void a_mechanism_that_is_not_known(void **state)
{
    struct rig *rig = *state;
    unsigned long *mechanism;

    leave_waiting(rig, 2);
    mechanism = xlm_kept_mechanism(left, RIG_PAGES);
    assert_ptr_equal(xlm_paging_of_number(*mechanism), rig_mechanism());
    *mechanism = 77;
    refuse(rig, EPROTO, "in a way (77) that this build does not know");
    *mechanism = 0;
    refuse(rig, EPROTO, "(0)");
    *mechanism = xlm_paging_number(rig_mechanism());
    take_over(rig);
    serve(rig, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits_is_served_by_the_next),
        TEST(what_nobody_has_read),
        TEST(what_nobody_waits_for),
        TEST(before_a_request_was_noted),
        TEST(before_a_dropped_page_was_answered),
        TEST(before_an_answer_was_noted),
        TEST(who_was_answered_last_waits_again),
        TEST(before_who_waits_was_answered),
        TEST(while_it_paused_the_guest),
        TEST(a_ring_that_is_not_the_one_kept),
        TEST(a_mechanism_that_is_not_known),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
