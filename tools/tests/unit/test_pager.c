/*
 * The pager in the corners that docs and hosts have shown: requests that
 * repeat, pages that go away or cannot come yet, a ring that is full.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_log.h"
#include "pager.h"
#include "record.h"
#include "watchdog.h"

#define PAGES 64
#define VCPUS 12 /* more than the ring has slots */

struct rig {
    struct fake_host *host;
    struct fake_domain *domain;
    struct xlm_context ctx;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];
    struct xlm_channel channel;
    int fds[2];
    struct xlm_pager *pager;
    uint64_t faults[PAGES]; /* of the record read last */
    size_t nr_faults;
    size_t next_fault;
    pthread_t vcpus[VCPUS];
    struct touch {
        struct rig *rig;
        unsigned int vcpu;
        uint64_t pfn;
        enum fake_access access;
        uint8_t found;
    } touches[VCPUS];
};

static int make_rig(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct rig *rig = calloc(1, sizeof(*rig));
    uint64_t pfn;

    alarm(WATCHDOG_SECONDS);
    rig->host = fake_host_new(10000);
    rig->domain = fake_domain_new(rig->host, PAGES + 8, PAGES + 8, VCPUS);
    for (pfn = 0; pfn < PAGES; pfn++) {
        fake_page_set(rig->domain, pfn, FAKE_RAM);
    }
    rig->ctx = fresh;
    rig->ctx.logger = fake_logger();
    rig->ctx.hypervisor = fake_open(rig->host);
    rig->channel = XLM_CHANNEL_CLOSED;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig->fds), 0);
    xlm_channel_open(&rig->channel, rig->fds[0], rig->fds[0], -1);
    *state = rig;
    return 0;
}

static void open_pager(struct rig *rig)
{
    rig->pager = xlm_pager_open(&rig->ctx, &rig->channel,
                                fake_domain_id(rig->domain), PAGES, NULL);
    assert_non_null(rig->pager);
}

static int drop_rig(void **state)
{
    struct rig *rig = *state;

    fake_domain_stop(rig->domain);
    /* A thread that waits to write requests finds nobody to read them. */
    shutdown(rig->fds[1], SHUT_RDWR);
    xlm_pager_close(rig->pager);
    xlm_hypervisor_close(rig->ctx.hypervisor);
    xlm_channel_close(&rig->channel);
    close(rig->fds[0]);
    close(rig->fds[1]);
    fake_host_check(rig->host);
    fake_host_free(rig->host);
    free(rig);
    return 0;
}

/* ---- helpers ---- */

static void evict_all(struct rig *rig)
{
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    uint64_t pfns[PAGES], pfn;

    for (pfn = 0; pfn < PAGES; pfn++) {
        pfns[pfn] = pfn;
    }
    assert_int_equal(xlm_pfn_set_reserve(&refused, PAGES), 0);
    assert_int_equal(xlm_pager_evict(rig->pager, PAGES, pfns, &refused), 0);
    assert_int_equal(refused.count, 0);
    xlm_pfn_set_dispose(&refused);
}

static void run_evicted(struct rig *rig)
{
    open_pager(rig);
    evict_all(rig);
    fake_domain_run(rig->domain);
    xlm_pager_open_requests(rig->pager);
}

static int bring_in(struct rig *rig, uint64_t pfn)
{
    uint8_t contents[XLM_PAGE_SIZE];
    struct xlm_page_in page = {.pfn = pfn, .contents = contents};

    memset(contents, (int)pfn + 1, sizeof(contents));
    return xlm_pager_bring_in(rig->pager, 1, &page);
}

static void bring_in_rest(struct rig *rig)
{
    uint64_t pfn;

    for (pfn = 0; pfn < PAGES; pfn++) {
        assert_int_equal(bring_in(rig, pfn), 0);
    }
    assert_int_equal(xlm_pager_outstanding(rig->pager), 0);
    assert_int_equal(fake_domain_paged(rig->domain), 0);
}

static void look(void *page, uint64_t pfn, void *data)
{
    const uint8_t *octets = page;
    struct touch *touch = data;

    (void)pfn;
    touch->found = octets[0] == octets[XLM_PAGE_SIZE - 1] ? octets[0] : 0xff;
}

static void *run_touch(void *data)
{
    struct touch *touch = data;

    touch->access = fake_vcpu_access(touch->rig->domain, touch->vcpu,
                                     touch->pfn, false, look, touch);
    return NULL;
}

/* A vCPU touches a page, in a thread of its own. */
static void start_touch(struct rig *rig, unsigned int vcpu, uint64_t pfn)
{
    rig->touches[vcpu] = (struct touch){.rig = rig, .vcpu = vcpu, .pfn = pfn};
    assert_int_equal(pthread_create(&rig->vcpus[vcpu], NULL, run_touch,
                                    &rig->touches[vcpu]),
                     0);
}

static void expect_touched(struct rig *rig, unsigned int vcpu)
{
    struct touch *touch = &rig->touches[vcpu];

    pthread_join(rig->vcpus[vcpu], NULL);
    assert_int_equal(touch->access, FAKE_ACCESS_DONE);
    assert_int_equal(touch->found, touch->pfn + 1);
}

/* The next page that the pager asks its source for. */
static uint64_t next_fault(struct rig *rig)
{
    struct xlm_wire_record_header header;
    struct xlm_wire_pfn_list list;

    if (rig->next_fault == rig->nr_faults) {
        recv(rig->fds[1], &header, sizeof(header), MSG_WAITALL);
        assert_int_equal(header.type, XLM_REC_POSTCOPY_FAULT);
        recv(rig->fds[1], &list, sizeof(list), MSG_WAITALL);
        assert_in_range(list.count, 1, PAGES);
        assert_int_equal(header.length, 8 + 8 * list.count);
        recv(rig->fds[1], rig->faults, 8 * list.count, MSG_WAITALL);
        rig->nr_faults = list.count;
        rig->next_fault = 0;
    }
    return rig->faults[rig->next_fault++];
}

static struct xlm_wire_stats stats_of(struct rig *rig)
{
    struct xlm_wire_stats stats;

    xlm_pager_get_stats(rig->pager, &stats, rig->blocked_us);
    return stats;
}

/* Until the ring thread has answered all: it needs no order from us. */
static void await_answers(struct rig *rig)
{
    while (fake_unanswered(rig->domain)) {
        sched_yield();
    }
}

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

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_fail(rig->host, FAKE_OP_pager_enable, 1, cases[i].error);
        rig->ctx.reason[0] = '\0';
        assert_null(xlm_pager_open(&rig->ctx, &rig->channel,
                                   fake_domain_id(rig->domain), PAGES, NULL));
        assert_int_equal(errno, cases[i].error);
        assert_non_null(strstr(rig->ctx.reason, cases[i].words));
        assert_false(fake_domain_pager_enabled(rig->domain));
    }
    fake_fail(rig->host, FAKE_OP_domain_info, 1, EPERM);
    assert_null(xlm_pager_open(&rig->ctx, &rig->channel,
                               fake_domain_id(rig->domain), PAGES, NULL));
}

static void open_and_close(void **state)
{
    struct rig *rig = *state;

    open_pager(rig);
    assert_true(fake_domain_pager_enabled(rig->domain));
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    assert_false(fake_domain_pager_enabled(rig->domain));
}

/* Never disabled while a page is out, also when all else is over. */
static void closing_with_pages_out(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    assert_int_equal(bring_in(rig, 0), 0);
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    assert_true(fake_domain_pager_enabled(rig->domain));
    assert_int_equal(fake_calls(rig->host, FAKE_OP_pager_disable), 0);
}

/* ---- evicting ---- */

static void refused_evictions(void **state)
{
    struct rig *rig = *state;
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    uint64_t pfns[] = {0, 1, 2, PAGES - 1};

    open_pager(rig);
    xlm_pfn_set_reserve(&refused, PAGES);
    fake_page_busy(rig->domain, 1, true);
    fake_page_set(rig->domain, PAGES - 1, FAKE_HOLE);
    assert_int_equal(xlm_pager_evict(rig->pager, 4, pfns, &refused), 0);
    assert_int_equal(refused.count, 2);
    assert_true(xlm_pfn_set_contains(&refused, 1));
    assert_true(xlm_pfn_set_contains(&refused, PAGES - 1));
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

    open_pager(rig);
    xlm_pfn_set_reserve(&refused, PAGES);
    fake_fail(rig->host, FAKE_OP_evict, 1, EPERM);
    assert_int_equal(xlm_pager_evict(rig->pager, 1, &pfn, &refused), -1);
    assert_int_equal(errno, EPERM);
    xlm_pfn_set_dispose(&refused);
}

/* ---- requests ---- */

static void one_request(void **state)
{
    struct rig *rig = *state;
    struct xlm_wire_stats stats;

    run_evicted(rig);
    start_touch(rig, 3, 17);
    assert_int_equal(next_fault(rig), 17);
    assert_int_equal(fake_unanswered(rig->domain), 1);
    assert_int_equal(bring_in(rig, 17), 0);
    expect_touched(rig, 3);
    bring_in_rest(rig);
    stats = stats_of(rig);
    assert_int_equal(stats.faults, 1);
    assert_int_equal(stats.pages_requested, 1);
    assert_int_equal(stats.pages_pushed, PAGES - 1);
    assert_int_equal(stats.pages_dropped, 0);
    assert_int_equal(fake_unanswered(rig->domain), 0);
}

/* Each wait is in the histogram once, and its vCPU's. */
static void waits_are_counted(void **state)
{
    struct rig *rig = *state;
    struct xlm_wire_stats stats;
    uint64_t waits = 0, blocked_us = 0;
    size_t i;

    run_evicted(rig);
    for (i = 0; i < 2; i++) {
        start_touch(rig, 3, 17 + i);
        assert_int_equal(next_fault(rig), 17 + i);
        assert_int_equal(bring_in(rig, 17 + i), 0);
        expect_touched(rig, 3);
    }
    bring_in_rest(rig);
    stats = stats_of(rig);
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

/* Between a request and its page: what stands before that in its record too, but
 * nothing that somebody had asked for. */
static void what_comes_unasked_meanwhile_is_counted(void **state)
{
    static const uint64_t first[] = {0, 1, 20, 2}, second[] = {3, 4, 10, 5};
    struct rig *rig = *state;

    run_evicted(rig);
    assert_int_equal(bring_in(rig, 30), 0); /* nobody waits */
    start_touch(rig, 0, 10);
    assert_int_equal(next_fault(rig), 10);
    start_touch(rig, 1, 20);
    assert_int_equal(next_fault(rig), 20);
    assert_int_equal(bring_in_all_of(rig, 4, first), 0);
    expect_touched(rig, 1);
    assert_int_equal(stats_of(rig).behind_most, 2);
    assert_int_equal(bring_in_all_of(rig, 4, second), 0);
    expect_touched(rig, 0);
    assert_int_equal(stats_of(rig).behind_most, 5);
    assert_int_equal(stats_of(rig).behind_median, 2);
    /* Another wait begins at nothing. */
    start_touch(rig, 0, 11);
    assert_int_equal(next_fault(rig), 11);
    assert_int_equal(bring_in(rig, 11), 0);
    expect_touched(rig, 0);
    assert_int_equal(stats_of(rig).behind_most, 5);
    assert_int_equal(stats_of(rig).faults, 3);
    bring_in_rest(rig);
}

/* As many octets as the connection takes: what comes after them waits. */
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

/* A vCPU waits, and the pager knows. */
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

/* Whoever has waited for them comes after them, even where the connection takes
 * them late. */
static void requests_go_before_what_waits_for_them(void **state)
{
    struct rig *rig = *state;
    struct drainer drainer = {.rig = rig, .begin_fd = eventfd(0, 0)};
    uint64_t written;
    pthread_t thread;

    run_evicted(rig);
    drainer.octets = fill_up(rig);
    start_touch(rig, 0, 7);
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
    assert_int_equal(next_fault(rig), 7);
    assert_int_equal(bring_in(rig, 7), 0);
    expect_touched(rig, 0);
    bring_in_rest(rig);
}

/* A fault channel that stands still, or a connection that is lost, holds up
 * nobody. */
static void requests_that_do_not_go_here_are_not_waited_for(void **state)
{
    struct rig *rig = *state;
    struct xlm_channel other = XLM_CHANNEL_CLOSED;
    size_t full;

    run_evicted(rig);
    full = fill_up(rig);
    start_touch(rig, 0, 7);
    await_taken(rig);
    xlm_pager_await_requests(rig->pager, &other);
    drain(rig, full);
    assert_int_equal(next_fault(rig), 7);
    assert_int_equal(bring_in(rig, 7), 0);
    expect_touched(rig, 0);

    xlm_pager_close_requests(rig->pager);
    start_touch(rig, 0, 8);
    await_taken(rig);
    xlm_pager_await_requests(rig->pager, &rig->channel);
    assert_int_equal(bring_in(rig, 8), 0);
    expect_touched(rig, 0);
    bring_in_rest(rig);
}

/* What comes once more is told from what the guest has dropped. */
static void a_page_that_comes_twice(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    assert_int_equal(bring_in(rig, 5), 0);
    assert_int_equal(stats_of(rig).duplicates, 0);
    assert_int_equal(bring_in(rig, 5), 0);
    assert_int_equal(stats_of(rig).duplicates, 1);
    assert_true(fake_guest_balloon(rig->domain, 6));
    fake_await_taken(rig->domain);
    assert_int_equal(bring_in(rig, 6), 0);
    assert_int_equal(stats_of(rig).duplicates, 1);
    bring_in_rest(rig);
}

/* Several vCPUs want one page: one request goes out, each gets its answer. */
static void one_page_many_vcpus(void **state)
{
    struct rig *rig = *state;
    unsigned int vcpu;

    run_evicted(rig);
    fake_fault_at_once(rig->domain);
    for (vcpu = 0; vcpu < 5; vcpu++) {
        start_touch(rig, vcpu, 9);
    }
    fake_await_waiting(rig->domain, 5);
    start_touch(rig, 5, 10);
    assert_int_equal(next_fault(rig), 9);
    assert_int_equal(next_fault(rig), 10);
    assert_int_equal(bring_in(rig, 9), 0);
    for (vcpu = 0; vcpu < 5; vcpu++) {
        expect_touched(rig, vcpu);
    }
    assert_int_equal(bring_in(rig, 10), 0);
    expect_touched(rig, 5);
    bring_in_rest(rig);
    assert_int_equal(stats_of(rig).faults, 6);
    assert_int_equal(stats_of(rig).pages_requested, 2);
}

/* More vCPUs than slots: the ring is full while they all wait, and the last
 * ones get their slots as the first ones are answered. */
static void full_ring(void **state)
{
    struct rig *rig = *state;
    unsigned int vcpu;

    run_evicted(rig);
    for (vcpu = 0; vcpu < VCPUS; vcpu++) {
        start_touch(rig, vcpu, 20 + vcpu);
    }
    fake_await_waiting(rig->domain, 8);
    while (!fake_ring_full(rig->domain)) {
        sched_yield();
    }
    for (vcpu = 0; vcpu < VCPUS; vcpu++) {
        uint64_t pfn = next_fault(rig);

        assert_int_equal(bring_in(rig, pfn), 0);
        expect_touched(rig, (unsigned int)pfn - 20);
    }
    bring_in_rest(rig);
    assert_int_equal(stats_of(rig).faults, VCPUS);
}

/* Pushed pages come in while a vCPU waits for another. */
static void push_past_a_waiter(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    start_touch(rig, 0, 5);
    assert_int_equal(next_fault(rig), 5);
    assert_int_equal(bring_in(rig, 6), 0);
    assert_int_equal(fake_unanswered(rig->domain), 1);
    assert_int_equal(bring_in(rig, 5), 0);
    expect_touched(rig, 0);
    bring_in_rest(rig);
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

    open_pager(rig);
    evict_all(rig);
    mapping =
        hv->ops->map(hv, fake_domain_id(rig->domain), true, 1, &pfn, &error);
    assert_int_equal(error, ENOENT);
    hv->ops->unmap(hv, mapping, 1);
    await_answers(rig);
    assert_int_equal(recv(rig->fds[1], &octet, 1, MSG_DONTWAIT), -1);
    fake_domain_run(rig->domain);
    xlm_pager_open_requests(rig->pager);
    assert_int_equal(next_fault(rig), 30);
    bring_in_rest(rig);
}

/* Every slot that dom0's mappings take must come back. */
static void foreign_requests_free_their_slots(void **state)
{
    struct rig *rig = *state;
    struct xlm_hypervisor *hv = rig->ctx.hypervisor;
    uint64_t pfns[20];
    int errors[20];
    void *mapping;
    size_t i;

    run_evicted(rig);
    for (i = 0; i < 20; i++) {
        pfns[i] = 40 + i;
        mapping = hv->ops->map(hv, fake_domain_id(rig->domain), true, 1,
                               &pfns[i], &errors[i]);
        assert_int_equal(errors[i], ENOENT);
        hv->ops->unmap(hv, mapping, 1);
        await_answers(rig);
    }
    start_touch(rig, 0, 1);
    for (i = 0; i < 21; i++) {
        assert_int_equal(bring_in(rig, next_fault(rig)), 0);
    }
    expect_touched(rig, 0);
    mapping =
        hv->ops->map(hv, fake_domain_id(rig->domain), true, 20, pfns, errors);
    for (i = 0; i < 20; i++) {
        assert_int_equal(errors[i], 0);
    }
    hv->ops->unmap(hv, mapping, 20);
    assert_int_equal(fake_ring_full(rig->domain), 0);
    bring_in_rest(rig);
    /* Nobody waited: no faults of the guest. */
    assert_int_equal(stats_of(rig).faults, 1);
    assert_int_equal(stats_of(rig).outside, 20);
}

/* ---- dropped pages ---- */

static void dropped_pages(void **state)
{
    struct rig *rig = *state;
    uint64_t pfn, pfns[8];

    run_evicted(rig);
    for (pfn = 0; pfn < 20; pfn++) {
        assert_true(fake_guest_balloon(rig->domain, pfn));
    }
    await_answers(rig);
    assert_int_equal(xlm_pager_outstanding(rig->pager), PAGES - 20);
    bring_in_rest(rig);
    for (pfn = 0; pfn < 20; pfn++) {
        assert_int_equal(fake_page_get(rig->domain, pfn), FAKE_HOLE);
    }
    assert_int_equal(stats_of(rig).pages_dropped, 20);
    assert_int_equal(stats_of(rig).pages_pushed, PAGES - 20);
    /* Told once, and not any more when it will be told what is lacking. */
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

    if (op == FAKE_OP_page_in && fake_page_get(rig->domain, 7) == FAKE_PAGED) {
        assert_true(fake_guest_balloon(rig->domain, 7));
        assert_true(fake_guest_unballoon(rig->domain, 7));
    }
}

/* The guest has dropped the page and taken a new one there, and the pager
 * learns it from ENOENT only: the old contents must not come through. */
static void page_no_longer_wanted(void **state)
{
    struct rig *rig = *state;
    const uint8_t *page;

    run_evicted(rig);
    fake_host_hook(rig->host, drop_at_page_in, rig);
    assert_int_equal(bring_in(rig, 7), 0);
    page = fake_page_memory(rig->domain, 7);
    assert_int_equal(page[0], 0);
    assert_false(xlm_pager_is_outstanding(rig->pager, 7));
    assert_int_equal(bring_in(rig, 7), 0);
    assert_int_equal(page[0], 0);
    await_answers(rig);
    bring_in_rest(rig);
    assert_int_equal(stats_of(rig).pages_dropped, 1);
}

/* One vCPU waits for the page that another one gives back. */
static void dropped_while_waited_for(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    start_touch(rig, 0, 11);
    assert_int_equal(next_fault(rig), 11);
    assert_true(fake_guest_balloon(rig->domain, 11));
    pthread_join(rig->vcpus[0], NULL);
    assert_int_equal(rig->touches[0].access, FAKE_ACCESS_NO_PAGE);
    await_answers(rig);
    bring_in_rest(rig);
    assert_int_equal(stats_of(rig).pages_dropped, 1);
}

static void hole_at_the_source(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    start_touch(rig, 0, 12);
    assert_int_equal(next_fault(rig), 12);
    assert_int_equal(xlm_pager_bring_hole(rig->pager, 12), 0);
    pthread_join(rig->vcpus[0], NULL);
    assert_int_equal(rig->touches[0].access, FAKE_ACCESS_NO_PAGE);
    assert_int_equal(xlm_pager_bring_hole(rig->pager, 12), 0);
    assert_int_equal(xlm_pager_bring_hole(rig->pager, 13), 0);
    assert_int_equal(fake_page_get(rig->domain, 13), FAKE_HOLE);
    await_answers(rig);
    bring_in_rest(rig);
    assert_int_equal(stats_of(rig).pages_dropped, 2);
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
    run_evicted(rig);
    start_touch(rig, 0, 1);
    start_touch(rig, 1, 2);
    fake_await_waiting(rig->domain, 2);
    fake_host_enomem(rig->host, 3);
    assert_int_equal(xlm_pager_bring_in(rig->pager, 2, pages), 0);
    expect_touched(rig, 0);
    expect_touched(rig, 1);
    bring_in_rest(rig);
}

/* One of a batch finds no memory, the others are not tried again. */
static void no_memory_for_one(void **state)
{
    struct rig *rig = *state;
    static uint8_t contents[XLM_PAGE_SIZE];
    struct xlm_page_in pages[] = {{.pfn = 1, .contents = contents},
                                  {.pfn = 2, .contents = contents},
                                  {.pfn = 3, .contents = contents}};

    run_evicted(rig);
    fake_host_enomem(rig->host, 1);
    assert_int_equal(xlm_pager_bring_in(rig->pager, 3, pages), 0);
    assert_int_equal(xlm_pager_outstanding(rig->pager), PAGES - 3);
    assert_int_equal(stats_of(rig).pages_pushed, 3);
    assert_int_equal(stats_of(rig).pages_dropped, 0);
    bring_in_rest(rig);
}

static void page_in_fails(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    fake_fail(rig->host, FAKE_OP_page_in, 1, EIO);
    assert_int_equal(bring_in(rig, 4), -1);
    assert_int_equal(errno, EIO);
    assert_true(xlm_pager_is_outstanding(rig->pager, 4));
    assert_int_equal(bring_in(rig, 4), 0);
    bring_in_rest(rig);
}

/* What may go otherwise the next time does not end the guest's memory. */
static void calls_that_fail_for_a_while(void **state)
{
    static const int errors[] = {EAGAIN, ENOMEM, EBUSY, EINTR};
    struct rig *rig = *state;
    size_t i;

    run_evicted(rig);
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake_fail(rig->host, FAKE_OP_page_in, 1, errors[i]);
        assert_int_equal(bring_in(rig, i), 0);
        fake_fail(rig->host, FAKE_OP_depopulate, 1, errors[i]);
        assert_int_equal(xlm_pager_bring_hole(rig->pager, 10 + i), 0);
    }
    await_answers(rig);
    bring_in_rest(rig);
    assert_int_equal(stats_of(rig).pages_dropped, 4);
}

/* The answer was in the ring, but nobody told the hypervisor. */
static void notify_is_lost(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    start_touch(rig, 0, 14);
    assert_int_equal(next_fault(rig), 14);
    /* That of the request, which had no answer in it, is past. */
    while (!fake_calls(rig->host, FAKE_OP_pager_notify)) {
        sched_yield();
    }
    fake_fail(rig->host, FAKE_OP_pager_notify, 1, EIO);
    assert_int_equal(bring_in(rig, 14), 0);
    bring_in_rest(rig);
    assert_int_equal(fake_unanswered(rig->domain), 1);
    xlm_pager_close(rig->pager);
    rig->pager = NULL;
    assert_int_equal(fake_unanswered(rig->domain), 0);
    expect_touched(rig, 0);
}

/* What was not evicted here must not be written from outside. */
static void pages_never_evicted(void **state)
{
    struct rig *rig = *state;
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    const uint8_t *page = fake_page_memory(rig->domain, 2);
    uint64_t pfn = 1;

    open_pager(rig);
    xlm_pfn_set_reserve(&refused, PAGES);
    assert_int_equal(xlm_pager_evict(rig->pager, 1, &pfn, &refused), 0);
    xlm_pfn_set_dispose(&refused);
    assert_int_equal(bring_in(rig, 2), 0);
    assert_int_equal(bring_in(rig, PAGES + 100), 0);
    assert_int_equal(page[0], 0);
    assert_int_equal(xlm_pager_outstanding(rig->pager), 1);
    assert_int_equal(bring_in(rig, 1), 0);
    assert_int_equal(stats_of(rig).pages_pushed, 1);
}

/* A signal that gets lost on the way in is made up for. */
static void accept_fails_once(void **state)
{
    struct rig *rig = *state;

    run_evicted(rig);
    fake_fail(rig->host, FAKE_OP_pager_accept, 1, EIO);
    start_touch(rig, 0, 8);
    assert_int_equal(next_fault(rig), 8);
    assert_int_equal(bring_in(rig, 8), 0);
    expect_touched(rig, 0);
    bring_in_rest(rig);
}

/* All vCPUs at random while everything comes in. */
static void *touch_many(void *data)
{
    struct touch *touch = data;
    unsigned int seed = touch->vcpu, i;

    for (i = 0; i < 200 && touch->access == FAKE_ACCESS_DONE; i++) {
        touch->pfn = (unsigned int)rand_r(&seed) % PAGES;
        touch->access = fake_vcpu_access(touch->rig->domain, touch->vcpu,
                                         touch->pfn, false, look, touch);
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

    run_evicted(rig);
    for (vcpu = 0; vcpu < VCPUS; vcpu++) {
        rig->touches[vcpu] = (struct touch){.rig = rig, .vcpu = vcpu};
        pthread_create(&rig->vcpus[vcpu], NULL, touch_many,
                       &rig->touches[vcpu]);
    }
    for (pfn = PAGES; pfn-- > PAGES / 2;) {
        assert_int_equal(bring_in(rig, pfn), 0);
    }
    while (xlm_pager_outstanding(rig->pager) > 4) {
        assert_int_equal(bring_in(rig, next_fault(rig)), 0);
    }
    bring_in_rest(rig);
    for (vcpu = 0; vcpu < VCPUS; vcpu++) {
        pthread_join(rig->vcpus[vcpu], NULL);
        assert_int_equal(rig->touches[vcpu].access, FAKE_ACCESS_DONE);
    }
    assert_int_equal(fake_unanswered(rig->domain), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_rig, drop_rig)

/* The guest is stopped at the source, and better off there. */
static void no_memory_before_the_go(void **state)
{
    struct rig *rig = *state;

    open_pager(rig);
    evict_all(rig);
    fake_host_enomem(rig->host, UINT32_MAX);
    assert_int_equal(bring_in(rig, 3), -1);
    assert_int_equal(errno, ENOMEM);
    assert_non_null(strstr(rig->ctx.reason, "free some"));
    fake_host_enomem(rig->host, 0);
    bring_in_rest(rig);
}

/* A ring that holds anything, with counters that never end: the pages come in
 * all the same, and the pager ends when it is told to. */
static void ring_of_nonsense(void **state)
{
    struct rig *rig = *state;
    unsigned int seed;

    run_evicted(rig);
    for (seed = 1; seed <= 32; seed++) {
        fake_ring_scribble(rig->domain, seed);
        assert_int_equal(bring_in(rig, seed), 0);
        assert_int_equal(fake_page_get(rig->domain, seed), FAKE_RAM);
    }
    bring_in_rest(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refusals),
        TEST(open_and_close),
        TEST(closing_with_pages_out),
        TEST(refused_evictions),
        TEST(failed_eviction),
        TEST(one_request),
        TEST(waits_are_counted),
        TEST(what_comes_unasked_meanwhile_is_counted),
        TEST(requests_go_before_what_waits_for_them),
        TEST(requests_that_do_not_go_here_are_not_waited_for),
        TEST(a_page_that_comes_twice),
        TEST(one_page_many_vcpus),
        TEST(full_ring),
        TEST(push_past_a_waiter),
        TEST(requests_before_the_go),
        TEST(foreign_requests_free_their_slots),
        TEST(dropped_pages),
        TEST(page_no_longer_wanted),
        TEST(dropped_while_waited_for),
        TEST(hole_at_the_source),
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
