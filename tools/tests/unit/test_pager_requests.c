/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager's requests: repeated ones, ones that wait for each other, ones
 * before the go, and a ring that is full of them.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_rig.h"
#include "pager/private.h"

static void one_request(void **state)
{
    struct rig *rig = *state;
    struct xlm_wire_stats stats;

    rig_run_evicted(rig);
    rig_start_touch(rig, 3, 17);
    assert_int_equal(rig_next_fault(rig), 17);
    assert_int_equal(fake_unanswered(rig->domain), 1);
    assert_int_equal(rig_bring_in(rig, 17), 0);
    rig_expect_touched(rig, 3);
    rig_bring_in_rest(rig);
    stats = rig_stats(rig);
    assert_int_equal(stats.faults, 1);
    assert_int_equal(stats.pages_requested, 1);
    assert_int_equal(stats.pages_pushed, RIG_PAGES - 1);
    assert_int_equal(stats.pages_dropped, 0);
    assert_int_equal(fake_unanswered(rig->domain), 0);
}

/* Each wait counts once in the histogram, and once for its vCPU. */
static void waits_are_counted(void **state)
{
    struct rig *rig = *state;
    struct xlm_wire_stats stats;
    uint64_t waits = 0, blocked_us = 0;
    size_t i;

    rig_run_evicted(rig);
    for (i = 0; i < 2; i++) {
        rig_start_touch(rig, 3, 17 + i);
        assert_int_equal(rig_next_fault(rig), 17 + i);
        assert_int_equal(rig_bring_in(rig, 17 + i), 0);
        rig_expect_touched(rig, 3);
    }
    rig_bring_in_rest(rig);
    stats = rig_stats(rig);
    for (i = 0; i < XLM_WIRE_WAIT_BUCKETS; i++) {
        waits += stats.histogram[i];
    }
    assert_int_equal(waits, 2);
    assert_true(stats.nr_vcpus > 3);
    for (i = 0; i < stats.nr_vcpus; i++) {
        assert_true(i == 3 || !rig->blocked_us[i]);
        blocked_us += rig->blocked_us[i];
    }
    assert_int_equal(blocked_us, stats.blocked_us);
    assert_true(blocked_us > 0);
}

static int bring_in_all_of(struct rig *rig, size_t count, const uint64_t *pfns)
{
    static uint8_t contents[8][XLM_PAGE_SIZE];
    struct xlm_page_in pages[8];

    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++) {
        memset(contents[i], (int)pfns[i] + 1, sizeof(contents[i]));
        pages[i] = (struct xlm_page_in){
            .pfn = pfns[i],
            .contents = contents[i],
        };
    }
    return xlm_pager_bring_in(rig->pager, count, pages);
}

/* Counted are the pushed pages between a request and its page, including those
 * before it in the same record, but no requested pages. */
static void pages_pushed_meanwhile_are_counted(void **state)
{
    static const uint64_t first[] = {0, 1, 20, 2}, second[] = {3, 4, 10, 5};
    struct rig *rig = *state;

    rig_run_evicted(rig);
    assert_int_equal(rig_bring_in(rig, 30), 0); /* no vCPU waits */
    rig_start_touch(rig, 0, 10);
    assert_int_equal(rig_next_fault(rig), 10);
    rig_start_touch(rig, 1, 20);
    assert_int_equal(rig_next_fault(rig), 20);
    assert_int_equal(bring_in_all_of(rig, 4, first), 0);
    rig_expect_touched(rig, 1);
    assert_int_equal(rig_stats(rig).behind_most, 2);
    assert_int_equal(bring_in_all_of(rig, 4, second), 0);
    rig_expect_touched(rig, 0);
    assert_int_equal(rig_stats(rig).behind_most, 5);
    assert_int_equal(rig_stats(rig).behind_median, 2);
    /* The next wait counts from zero. */
    rig_start_touch(rig, 0, 11);
    assert_int_equal(rig_next_fault(rig), 11);
    assert_int_equal(rig_bring_in(rig, 11), 0);
    rig_expect_touched(rig, 0);
    assert_int_equal(rig_stats(rig).behind_most, 5);
    assert_int_equal(rig_stats(rig).faults, 3);
    rig_bring_in_rest(rig);
}

/* Fill the connection: whatever is written after that waits. */
static size_t fill_up(struct rig *rig)
{
    static const char junk[4096];
    size_t total = 0;
    ssize_t sent;

    while ((sent = send(rig->fds[0], junk, sizeof(junk), MSG_DONTWAIT)) > 0) {
        total += sent;
    }
    return total;
}

static void drain(struct rig *rig, size_t octets)
{
    char junk[4096];

    while (octets) {
        ssize_t got = recv(rig->fds[1], junk,
                           octets < sizeof(junk) ? octets : sizeof(junk), 0);

        assert_true(got > 0);
        octets -= got;
    }
}

/* A vCPU waits, and the pager has read its request. */
static void await_taken(struct rig *rig)
{
    fake_await_waiting(rig->domain, 1);
    fake_await_taken(rig->domain);
}

struct drainer {
    struct rig *rig;
    size_t octets;
    int begin_fd;
};

static void *run_drainer(void *data)
{
    struct drainer *drainer = data;
    eventfd_t begin;

    eventfd_read(drainer->begin_fd, &begin);
    drain(drainer->rig, drainer->octets);
    return NULL;
}

/* A thread that has waited for requests writes after them, even if the
 * connection takes them late. */
static void requests_go_before_what_waits_for_them(void **state)
{
    struct rig *rig = *state;
    struct drainer drainer = {.rig = rig, .begin_fd = eventfd(0, 0)};
    uint64_t written;
    pthread_t thread;

    rig_run_evicted(rig);
    drainer.octets = fill_up(rig);
    rig_start_touch(rig, 0, 7);
    await_taken(rig);
    assert_int_equal(pthread_create(&thread, NULL, run_drainer, &drainer), 0);
    eventfd_write(drainer.begin_fd, 1);
    xlm_pager_await_requests(rig->pager, &rig->channel);
    written = rig->channel.bytes_out;
    pthread_join(thread, NULL);
    close(drainer.begin_fd);
    assert_int_equal(written, sizeof(struct xlm_wire_record_header) +
                                  sizeof(struct xlm_wire_pfn_list) +
                                  sizeof(uint64_t));
    assert_int_equal(rig_next_fault(rig), 7);
    assert_int_equal(rig_bring_in(rig, 7), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* The thread that writes requests that have to wait has ended. */
static void end_request_thread(struct rig *rig)
{
    struct xlm_pager *pager = rig->pager;

    pthread_mutex_lock(&pager->lock);
    pager->asking.stopping = true;
    pthread_cond_signal(&pager->asking.wake);
    pthread_mutex_unlock(&pager->lock);
    pthread_join(pager->threads.request_thread, NULL);
    pager->threads.request_thread_runs = false;
}

/* No other thread must wake up for a request if the connection has room for
 * it. */
static void requests_need_no_other_thread(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    end_request_thread(rig);
    for (unsigned int vcpu = 0; vcpu < 3; vcpu++) {
        rig_start_touch(rig, vcpu, 7 * vcpu);
        assert_int_equal(rig_next_fault(rig), 7 * vcpu);
    }
    for (unsigned int vcpu = 0; vcpu < 3; vcpu++) {
        assert_int_equal(rig_bring_in(rig, 7 * vcpu), 0);
        rig_expect_touched(rig, vcpu);
    }
    rig_bring_in_rest(rig);
}

/* The thread that takes faults does not wait for the thread that writes, and
 * the pages that it left over are requested all the same. */
static void requests_while_another_thread_writes(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    pthread_mutex_lock(&rig->channel.write_lock);
    for (unsigned int vcpu = 0; vcpu < 3; vcpu++) {
        rig_start_touch(rig, vcpu, 7 * vcpu);
        fake_await_waiting(rig->domain, vcpu + 1);
        fake_await_taken(rig->domain);
    }
    pthread_mutex_unlock(&rig->channel.write_lock);
    for (unsigned int vcpu = 0; vcpu < 3; vcpu++) {
        assert_int_equal(rig_next_fault(rig), 7 * vcpu);
    }
    for (unsigned int vcpu = 0; vcpu < 3; vcpu++) {
        assert_int_equal(rig_bring_in(rig, 7 * vcpu), 0);
        rig_expect_touched(rig, vcpu);
    }
    rig_bring_in_rest(rig);
}

/* A fault channel that stands still, or a lost connection, holds up no vCPU.
 */
static void requests_that_do_not_go_here_are_not_waited_for(void **state)
{
    struct rig *rig = *state;
    struct xlm_channel other = XLM_CHANNEL_CLOSED;
    size_t full;

    rig_run_evicted(rig);
    full = fill_up(rig);
    rig_start_touch(rig, 0, 7);
    await_taken(rig);
    xlm_pager_await_requests(rig->pager, &other);
    drain(rig, full);
    assert_int_equal(rig_next_fault(rig), 7);
    assert_int_equal(rig_bring_in(rig, 7), 0);
    rig_expect_touched(rig, 0);

    xlm_pager_close_requests(rig->pager);
    rig_start_touch(rig, 0, 8);
    await_taken(rig);
    xlm_pager_await_requests(rig->pager, &rig->channel);
    assert_int_equal(rig_bring_in(rig, 8), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* A page that comes a second time is told apart from one that the guest has
 * dropped. */
static void a_page_that_comes_twice(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    assert_int_equal(rig_bring_in(rig, 5), 0);
    assert_int_equal(rig_stats(rig).duplicates, 0);
    assert_int_equal(rig_bring_in(rig, 5), 0);
    assert_int_equal(rig_stats(rig).duplicates, 1);
    fake_host_drops_paged(rig->host);
    assert_true(fake_guest_balloon(rig->domain, 6));
    if (fake_pager() == XLM_MECHANISM_PAGING) {
        fake_await_taken(rig->domain);
    }
    assert_int_equal(rig_bring_in(rig, 6), 0);
    assert_int_equal(rig_stats(rig).duplicates, 1);
    rig_bring_in_rest(rig);
}

/* Several vCPUs wait for one page: one request goes out, and each vCPU gets
 * its answer. */
static void one_page_many_vcpus(void **state)
{
    struct rig *rig = *state;
    unsigned int vcpu;

    rig_run_evicted(rig);
    fake_fault_at_once(rig->domain);
    for (vcpu = 0; vcpu < 5; vcpu++) {
        rig_start_touch(rig, vcpu, 9);
    }
    fake_await_waiting(rig->domain, 5);
    rig_start_touch(rig, 5, 10);
    assert_int_equal(rig_next_fault(rig), 9);
    assert_int_equal(rig_next_fault(rig), 10);
    assert_int_equal(rig_bring_in(rig, 9), 0);
    for (vcpu = 0; vcpu < 5; vcpu++) {
        rig_expect_touched(rig, vcpu);
    }
    assert_int_equal(rig_bring_in(rig, 10), 0);
    rig_expect_touched(rig, 5);
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).faults, 6);
    assert_int_equal(rig_stats(rig).pages_requested, 2);
}

/* More vCPUs than slots: the ring is full while they all wait, and the last
 * ones get their slots as the first ones are answered. */
static void full_ring(void **state)
{
    struct rig *rig = *state;
    unsigned int vcpu;

    rig_run_evicted(rig);
    for (vcpu = 0; vcpu < RIG_VCPUS; vcpu++) {
        rig_start_touch(rig, vcpu, 20 + vcpu);
    }
    fake_await_waiting(rig->domain, 8);
    while (!fake_ring_full(rig->domain)) {
        sched_yield();
    }
    for (vcpu = 0; vcpu < RIG_VCPUS; vcpu++) {
        uint64_t pfn = rig_next_fault(rig);

        assert_int_equal(rig_bring_in(rig, pfn), 0);
        rig_expect_touched(rig, (unsigned int)pfn - 20);
    }
    rig_bring_in_rest(rig);
    assert_int_equal(rig_stats(rig).faults, RIG_VCPUS);
}

/* Pushed pages come in while a vCPU waits for another. */
static void push_past_a_waiter(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    rig_start_touch(rig, 0, 5);
    assert_int_equal(rig_next_fault(rig), 5);
    assert_int_equal(rig_bring_in(rig, 6), 0);
    assert_int_equal(fake_unanswered(rig->domain), 1);
    assert_int_equal(rig_bring_in(rig, 5), 0);
    rig_expect_touched(rig, 0);
    rig_bring_in_rest(rig);
}

/* Requests before the guest runs (a back end maps a page) wait for the go. */
static void requests_before_the_go(void **state)
{
    struct rig *rig = *state;
    struct xlm_hypervisor *hv = rig->ctx.hypervisor;
    uint64_t pfn = 30;
    void *mapping;
    int error;
    char octet;

    fake_only_paging("only vCPUs ask for pages");
    rig_open_pager(rig);
    rig_evict_all(rig);
    mapping =
        hv->ops->map(hv, fake_domain_id(rig->domain), true, 1, &pfn, &error);
    assert_int_equal(error, ENOENT);
    hv->ops->unmap(hv, mapping, 1);
    rig_await_answers(rig);
    assert_int_equal(recv(rig->fds[1], &octet, 1, MSG_DONTWAIT), -1);
    fake_domain_run(rig->domain);
    xlm_pager_open_requests(rig->pager);
    assert_int_equal(rig_next_fault(rig), 30);
    rig_bring_in_rest(rig);
}

/* Every slot that requests of dom0's mappings take must become free again. */
static void foreign_requests_free_their_slots(void **state)
{
    struct rig *rig = *state;
    struct xlm_hypervisor *hv = rig->ctx.hypervisor;
    uint64_t pfns[20];
    int errors[20];
    void *mapping;
    size_t i;

    fake_only_paging("only vCPUs ask for pages");
    rig_run_evicted(rig);
    for (i = 0; i < 20; i++) {
        pfns[i] = 40 + i;
        mapping = hv->ops->map(hv, fake_domain_id(rig->domain), true, 1,
                               &pfns[i], &errors[i]);
        assert_int_equal(errors[i], ENOENT);
        hv->ops->unmap(hv, mapping, 1);
        rig_await_answers(rig);
    }
    rig_start_touch(rig, 0, 1);
    for (i = 0; i < 21; i++) {
        assert_int_equal(rig_bring_in(rig, rig_next_fault(rig)), 0);
    }
    rig_expect_touched(rig, 0);
    mapping =
        hv->ops->map(hv, fake_domain_id(rig->domain), true, 20, pfns, errors);
    for (i = 0; i < 20; i++) {
        assert_int_equal(errors[i], 0);
    }
    hv->ops->unmap(hv, mapping, 20);
    assert_int_equal(fake_ring_full(rig->domain), 0);
    rig_bring_in_rest(rig);
    /* No vCPU waited, so the guest had no faults. */
    assert_int_equal(rig_stats(rig).faults, 1);
    assert_int_equal(rig_stats(rig).outside, 20);
}

/* A back end gives up, a vCPU does not. */
static void a_back_end_is_first(void **state)
{
    struct rig *rig = *state;
    struct xlm_hypervisor *hv = rig->ctx.hypervisor;
    uint64_t pfn = 50;
    void *mapping;
    int error;

    fake_only_paging("only vCPUs ask for pages");
    rig_run_evicted(rig);
    xlm_pager_close_requests(rig->pager);
    mapping =
        hv->ops->map(hv, fake_domain_id(rig->domain), true, 1, &pfn, &error);
    assert_int_equal(error, ENOENT);
    hv->ops->unmap(hv, mapping, 1);
    rig_await_answers(rig);
    rig_start_touch(rig, 3, 17);
    await_taken(rig);
    xlm_pager_open_requests(rig->pager);
    assert_int_equal(rig_next_fault(rig), 50);
    assert_true(rig->urgent);
    assert_int_equal(rig_next_fault(rig), 17);
    assert_false(rig->urgent);
    rig_bring_in_rest(rig);
    rig_expect_touched(rig, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_make, rig_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_request),
        TEST(waits_are_counted),
        TEST(pages_pushed_meanwhile_are_counted),
        TEST(requests_go_before_what_waits_for_them),
        TEST(requests_need_no_other_thread),
        TEST(requests_while_another_thread_writes),
        TEST(requests_that_do_not_go_here_are_not_waited_for),
        TEST(a_page_that_comes_twice),
        TEST(one_page_many_vcpus),
        TEST(full_ring),
        TEST(push_past_a_waiter),
        TEST(requests_before_the_go),
        TEST(foreign_requests_free_their_slots),
        TEST(a_back_end_is_first),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
