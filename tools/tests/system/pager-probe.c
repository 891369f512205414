/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does the hypervisor do what the hypervisor module expects of it?
 *
 *     pager-probe [-v] DOMID [PAGES]
 *
 * For the lab: run in dom0 on a paused HVM or PVH guest with HAP, which it
 * ruins: destroy the guest afterwards and never let it run.  Goes through
 * the table of hypervisor/hypervisor.h for real, most of all through memory
 * paging with PAGES of the guest's pages (default 4096).  Prints a line for
 * each check and what the ops cost; the first check that fails ends it with
 * status 1.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hypervisor/hypervisor.h"
#include "wire/wire.h"

/* Xen's headers have the ring for tools only, and its macros leave the
 * barriers to the program that uses them. */
#define __XEN_TOOLS__ 1
#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/xen.h>
#include <xen/vm_event.h>
#include <xen/hvm/params.h>

#define PROBE_PAGES 4096
#define PROBE_PAGES_MAX 65536
/* Other programs use the machine as well: the best of this many tries counts.
 * */
#define PROBE_ROUNDS 5
#define UNCOPIED_BATCH 64

struct probe {
    xentoollog_logger *logger;
    struct xlm_hypervisor *hv;
    uint32_t domid;
    size_t count;
    uint64_t *pfns; /* count ordinary pages of the guest */
    struct xlm_eviction *evictions;
    struct xlm_page_in *arrivals;
    uint8_t *contents; /* of count pages */
    struct xlm_domain_info info;
    void *ring;
    int event_fd;
    uint32_t port;
    vm_event_back_ring_t back_ring;
};

/* A check: what it is about and how it went.  0 or -1. */
static int check(bool good, const char *what)
{
    int saved_errno = errno;

    printf("%-6s %s", good ? "ok" : "FAILED", what);
    if (!good) {
        printf(" (errno %d: %s)", saved_errno, strerror(saved_errno));
    }
    putchar('\n');
    fflush(stdout);
    return good ? 0 : -1;
}

static int failed_with(int rc, int expected)
{
    return rc == -1 && errno == expected;
}

/* ---- contents that tell their page ---- */

static uint64_t word_of(uint64_t pfn, size_t index, uint64_t version)
{
    return (pfn * 512 + index + 1) * 0x9e3779b97f4a7c15ULL + version;
}

static void fill(void *page, uint64_t pfn, uint64_t version)
{
    uint64_t *words = page;
    size_t i;

    for (i = 0; i < XLM_PAGE_SIZE / sizeof(*words); i++) {
        words[i] = word_of(pfn, i, version);
    }
}

static bool is_filled(const void *page, uint64_t pfn, uint64_t version)
{
    const uint64_t *words = page;
    size_t i;

    for (i = 0; i < XLM_PAGE_SIZE / sizeof(*words); i++) {
        if (words[i] != word_of(pfn, i, version)) {
            return false;
        }
    }
    return true;
}

/* ---- time ---- */

static void report(const char *what, size_t batch, size_t pages, double us)
{
    printf("time   %s, %zu at a time: %.2f us/page (%zu pages, %.1f ms)\n",
           what, batch, us / pages, pages, us / 1e3);
}

static double less(double a, double b)
{
    return a < b ? a : b;
}

static size_t at_most(size_t batch, size_t left)
{
    return batch < left ? batch : left;
}

/* ---- domains and their state ---- */

static int probe_domain(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    struct xlm_domain_info none;
    uint32_t major, minor, found = 0;
    uint64_t nr_pfns = 0;

    ops->xen_version(p->hv, &major, &minor);
    printf("       Xen %u.%u\n", major, minor);
    if (check(!ops->domain_info(p->hv, p->domid, &p->info), "domain_info") ||
        check(p->info.domid == p->domid && p->info.hvm && p->info.hap,
              "the domain is HVM or PVH with HAP") ||
        check(p->info.paused, "the domain is paused") ||
        check(failed_with(ops->domain_info(p->hv, 32000, &none), ESRCH),
              "domain_info: ESRCH for none") ||
        check(!ops->domain_by_handle(p->hv, p->info.handle, DOMID_INVALID,
                                     &found) &&
                  found == p->domid,
              "domain_by_handle finds it") ||
        check(failed_with(ops->domain_by_handle(p->hv, p->info.handle,
                                                p->domid, &found),
                          ESRCH),
              "domain_by_handle: ESRCH but for the one excepted") ||
        check(!ops->nr_pfns(p->hv, p->domid, &nr_pfns) && nr_pfns > 0xfeff8,
              "nr_pfns counts the special pages")) {
        return -1;
    }
    printf("       %llu pages held, %llu allowed, %llu pfns\n",
           (unsigned long long)p->info.tot_pages,
           (unsigned long long)p->info.max_pages, (unsigned long long)nr_pfns);
    return 0;
}

static int probe_one_state(struct probe *p, enum xlm_platform_state which,
                           const char *name, bool settable)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    void *data = NULL;
    size_t length = 0;
    double start = xlm_now_us(), got;
    int rc = 0;

    if (check(!ops->get_state(p->hv, p->domid, which, &data, &length) &&
                  data && length,
              name)) {
        return -1;
    }
    got = xlm_now_us();
    if (settable) {
        rc = check(!ops->set_state(p->hv, p->domid, which, data, length),
                   "and set again");
    }
    printf("       %zu octets, %.0f us\n", length, got - start);
    free(data);
    return rc;
}

static int probe_state(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint64_t pfn = 0;

    if (probe_one_state(p, XLM_STATE_CPUID_POLICY, "CPUID policy", false) ||
        probe_one_state(p, XLM_STATE_MSR_POLICY, "MSR policy", false) ||
        probe_one_state(p, XLM_STATE_TSC_INFO, "TSC info", true) ||
        probe_one_state(p, XLM_STATE_HVM_CONTEXT, "HVM context", true) ||
        check(!ops->get_param(p->hv, p->domid, HVM_PARAM_STORE_PFN, &pfn) &&
                  pfn,
              "get_param: the store has a page") ||
        check(!ops->set_param(p->hv, p->domid, HVM_PARAM_STORE_PFN, pfn),
              "set_param")) {
        return -1;
    }
    return 0;
}

/* ---- memory ---- */

/* Choose ordinary pages from pfn 1 MiB up. */
static int choose_pages(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint64_t pfns[XLM_BATCH_PAGES], next = 256;
    uint32_t types[XLM_BATCH_PAGES];
    size_t chosen = 0, i;

    while (chosen < p->count && next < 0xc0000) {
        for (i = 0; i < XLM_BATCH_PAGES; i++) {
            pfns[i] = next++;
        }
        if (ops->page_types(p->hv, p->domid, XLM_BATCH_PAGES, pfns, types)) {
            break;
        }
        for (i = 0; i < XLM_BATCH_PAGES && chosen < p->count; i++) {
            if (types[i] == XLM_TYPE_NOTAB) {
                p->pfns[chosen++] = pfns[i];
            }
        }
    }
    return check(chosen == p->count, "page_types finds pages enough");
}

static int probe_hole(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint64_t hole = 0xd0000, mixed[2] = {hole, p->pfns[0]};
    uint32_t type = 0;
    int errors[2] = {-1, -1};
    void *mapping;

    if (check(!ops->page_types(p->hv, p->domid, 1, &hole, &type) &&
                  type == XLM_TYPE_XTAB,
              "page_types: a hole is one")) {
        return -1;
    }
    mapping = ops->map(p->hv, p->domid, false, 2, mixed, errors);
    if (check(mapping && errors[0] > 0 && errors[1] == 0,
              "map: the hole has an error, its neighbour none")) {
        return -1;
    }
    ops->unmap(p->hv, mapping, 2);
    return 0;
}

/* Remove the pages and populate them; returns the cost, negative: failed. */
static double repopulate(struct probe *p, size_t batch)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    size_t done, n;
    double start;

    for (done = 0; done < p->count; done += n) {
        n = at_most(batch, p->count - done);
        if (ops->depopulate(p->hv, p->domid, n, p->pfns + done)) {
            return -1;
        }
    }
    start = xlm_now_us();
    for (done = 0; done < p->count; done += n) {
        n = at_most(batch, p->count - done);
        if (ops->populate(p->hv, p->domid, n, p->pfns + done)) {
            return -1;
        }
    }
    return xlm_now_us() - start;
}

/* A call must not stop at a hole among the pages. */
static int probe_depopulate_hole(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint64_t mixed[3] = {p->pfns[0], 0xd0000, p->pfns[1]};
    uint32_t types[3] = {0};

    if (check(!ops->depopulate(p->hv, p->domid, 3, mixed) &&
                  !ops->page_types(p->hv, p->domid, 3, mixed, types) &&
                  types[0] == XLM_TYPE_XTAB && types[2] == XLM_TYPE_XTAB,
              "depopulate: goes on after a hole")) {
        return -1;
    }
    return check(!ops->populate(p->hv, p->domid, 2, p->pfns),
                 "and populated again");
}

static int probe_populate(struct probe *p, size_t batch)
{
    double best = 1e12, us;
    unsigned int round;

    for (round = 0; round < PROBE_ROUNDS; round++) {
        us = repopulate(p, batch);
        if (us < 0) {
            return check(false, "depopulate and populate");
        }
        best = less(best, us);
    }
    report("populate", batch, p->count, best);
    return check(true, "depopulate and populate");
}

/* Ask for more than the domain may have: all must be as before. */
static int probe_populate_too_much(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint64_t pfns[XLM_BATCH_PAGES];
    struct xlm_domain_info after;
    size_t i;

    for (i = 0; i < XLM_BATCH_PAGES; i++) {
        pfns[i] = 0xd0000 + i;
    }
    if (check(
            failed_with(ops->populate(p->hv, p->domid, XLM_BATCH_PAGES, pfns),
                        ENOMEM),
            "populate: ENOMEM beyond max_pages")) {
        return -1;
    }
    return check(!ops->domain_info(p->hv, p->domid, &after) &&
                     after.tot_pages == p->info.tot_pages,
                 "and nothing stays populated");
}

/* Write, or compare, all pages by mapping them. */
static int visit(struct probe *p, uint64_t version, bool write)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    int errors[XLM_BATCH_PAGES];
    size_t done, n, i, bad = 0;
    uint8_t *mapping;

    for (done = 0; done < p->count; done += n) {
        n = at_most(XLM_BATCH_PAGES, p->count - done);
        mapping = ops->map(p->hv, p->domid, write, n, p->pfns + done, errors);
        if (!mapping) {
            return -1;
        }
        for (i = 0; i < n; i++) {
            if (errors[i]) {
                bad++;
            } else if (write) {
                fill(mapping + i * XLM_PAGE_SIZE, p->pfns[done + i], version);
            } else if (!is_filled(mapping + i * XLM_PAGE_SIZE,
                                  p->pfns[done + i], version)) {
                bad++;
            }
        }
        ops->unmap(p->hv, mapping, n);
    }
    return bad ? -1 : 0;
}

static int probe_logdirty(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    const unsigned long *bitmap = NULL;
    uint64_t nr_pfns = 0;

    if (ops->nr_pfns(p->hv, p->domid, &nr_pfns)) {
        return -1;
    }
    return check(!ops->logdirty_enable(p->hv, p->domid), "logdirty_enable") ||
                   check(!ops->logdirty_enable(p->hv, p->domid),
                         "logdirty_enable once more") ||
                   check(!ops->logdirty_read(p->hv, p->domid, false, nr_pfns,
                                             &bitmap) &&
                             bitmap,
                         "logdirty_read: peek") ||
                   check(!ops->logdirty_read(p->hv, p->domid, true, nr_pfns,
                                             &bitmap) &&
                             bitmap,
                         "logdirty_read: clean") ||
                   check(!ops->logdirty_disable(p->hv, p->domid),
                         "logdirty_disable") ||
                   check(!ops->logdirty_disable(p->hv, p->domid),
                         "logdirty_disable when off")
               ? -1
               : 0;
}

static int probe_memory(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;

    if (choose_pages(p) || probe_hole(p) || probe_populate_too_much(p) ||
        probe_populate(p, 64) || probe_populate(p, 512) ||
        probe_populate(p, 1024) || probe_depopulate_hole(p) ||
        check(!visit(p, 1, true), "map: written") ||
        check(!visit(p, 1, false), "map: read back") || probe_logdirty(p)) {
        return -1;
    }
    if (check(!ops->claim(p->hv, p->domid, p->info.max_pages), "claim") ||
        check(!ops->claim(p->hv, p->domid, p->info.max_pages),
              "claim in place of a claim") ||
        check(!ops->claim(p->hv, p->domid, 0), "claim withdrawn")) {
        return -1;
    }
    return 0;
}

/* ---- paging ---- */

/* How many pages have this error after evicting; -1: the batch failed. */
static long evict_all(struct probe *p, size_t batch, int error)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    size_t done, n, i;
    long matching = 0;

    for (done = 0; done < p->count; done += n) {
        n = at_most(batch, p->count - done);
        for (i = done; i < done + n; i++) {
            p->evictions[i].pfn = p->pfns[i];
            p->evictions[i].error = -1;
        }
        if (ops->evict(p->hv, p->domid, n, p->evictions + done)) {
            return -1;
        }
        for (i = done; i < done + n; i++) {
            matching += p->evictions[i].error == error;
        }
    }
    return matching;
}

static long page_in_all(struct probe *p, size_t batch, int error)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    size_t done, n, i;
    long matching = 0;

    for (done = 0; done < p->count; done += n) {
        n = at_most(batch, p->count - done);
        for (i = done; i < done + n; i++) {
            p->arrivals[i] = (struct xlm_page_in){
                .pfn = p->pfns[i],
                .contents = p->contents + i * XLM_PAGE_SIZE,
                .error = -1,
            };
        }
        if (ops->page_in(p->hv, p->domid, n, p->arrivals + done)) {
            return -1;
        }
        for (i = done; i < done + n; i++) {
            matching += p->arrivals[i].error == error;
        }
    }
    return matching;
}

/* Out and in again, in batches of one size; the cost to *out_us, *in_us when
 * it is the least so far. */
static int page_round(struct probe *p, size_t batch, uint64_t version,
                      double *out_us, double *in_us)
{
    double start, evicted, back;
    long out, in;
    size_t i;

    for (i = 0; i < p->count; i++) {
        fill(p->contents + i * XLM_PAGE_SIZE, p->pfns[i], version);
    }
    start = xlm_now_us();
    out = evict_all(p, batch, 0);
    evicted = xlm_now_us();
    in = page_in_all(p, batch, 0);
    back = xlm_now_us();
    if (out != (long)p->count || in != (long)p->count) {
        return check(false, "every page evicted and paged in");
    }
    if (visit(p, version, false)) {
        return check(false, "with the contents given");
    }
    *out_us = less(*out_us, evicted - start);
    *in_us = less(*in_us, back - evicted);
    return 0;
}

static int probe_batch(struct probe *p, size_t batch, const char *way_in)
{
    double out_us = 1e12, in_us = 1e12;
    unsigned int round;

    for (round = 0; round < PROBE_ROUNDS; round++) {
        if (page_round(p, batch, batch + round, &out_us, &in_us)) {
            return -1;
        }
    }
    report("evict", batch, p->count, out_us);
    report(way_in, batch, p->count, in_us);
    return check(true, "evicted, paged in, with the contents given");
}

/* From where the hypervisor reads by itself. */
static int probe_uncopied(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint8_t *copied = p->contents;
    int rc;

    p->contents = ops->contents_alloc(p->hv, p->count);
    rc = check(p->contents, "memory for contents that need no copy");
    if (!rc) {
        rc = probe_batch(p, UNCOPIED_BATCH, "page_in without a copy");
        ops->contents_free(p->hv, p->contents, p->count);
    }
    p->contents = copied;
    return rc;
}

static int probe_repeated(struct probe *p)
{
    long count = p->count;

    if (check(page_in_all(p, 1024, ENOENT) == count,
              "page_in of resident pages: ENOENT") ||
        check(!visit(p, 7, true) && evict_all(p, 1024, 0) == count,
              "pages just mapped can be evicted") ||
        check(evict_all(p, 1024, EBUSY) == count,
              "evict of paged pages: EBUSY") ||
        check(page_in_all(p, 1024, 0) == count, "all paged in")) {
        return -1;
    }
    return 0;
}

/* A mapped page is not evicted, and does not change. */
static int probe_held(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    struct xlm_eviction held = {.pfn = p->pfns[0]};
    int error = -1, rc;
    uint64_t *mapping = ops->map(p->hv, p->domid, true, 1, &held.pfn, &error);

    if (!mapping || error) {
        return check(false, "map");
    }
    rc = check(!ops->evict(p->hv, p->domid, 1, &held) && held.error == EBUSY,
               "evict of a mapped page: EBUSY");
    ops->unmap(p->hv, mapping, 1);
    return rc;
}

/* A paged page that is removed is not needed any more. */
static int probe_dropped(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    struct xlm_eviction out = {.pfn = p->pfns[0]};
    struct xlm_page_in in = {.pfn = p->pfns[0], .contents = p->contents};

    if (check(!ops->evict(p->hv, p->domid, 1, &out) && !out.error &&
                  !ops->depopulate(p->hv, p->domid, 1, p->pfns),
              "depopulate of a paged page") ||
        check(!ops->page_in(p->hv, p->domid, 1, &in) && in.error == ENOENT,
              "page_in of it: ENOENT") ||
        check(!ops->populate(p->hv, p->domid, 1, p->pfns), "populated")) {
        return -1;
    }
    return 0;
}

/* ---- a fault, raised by mapping a paged page ---- */

static void *map_one(void *data)
{
    struct probe *p = data;
    int error = -1;
    uint8_t *mapping =
        p->hv->ops->map(p->hv, p->domid, false, 1, p->pfns, &error);
    bool good = mapping && !error && is_filled(mapping, p->pfns[0], 9);

    if (mapping) {
        p->hv->ops->unmap(p->hv, mapping, 1);
    }
    return good ? p : NULL;
}

/*
 * The ring has a request that no pager has read. The signal alone does not
 * show that: Xen sends one when the port is bound, so that none is lost.
 */
static int await_unread(struct probe *p)
{
    struct pollfd signal = {.fd = p->event_fd, .events = POLLIN};

    while (!RING_HAS_UNCONSUMED_REQUESTS(&p->back_ring)) {
        if (poll(&signal, 1, 60000) != 1 || p->hv->ops->pager_accept(p->hv)) {
            return -1;
        }
    }
    return 0;
}

static int await_request(struct probe *p, vm_event_request_t *request)
{
    RING_IDX next = p->back_ring.req_cons;

    if (await_unread(p)) {
        return -1;
    }
    memcpy(request, RING_GET_REQUEST(&p->back_ring, next), sizeof(*request));
    p->back_ring.req_cons = ++next;
    p->back_ring.sring->req_event = next + 1;
    return 0;
}

static int answer(struct probe *p, const vm_event_request_t *request)
{
    vm_event_response_t *response =
        RING_GET_RESPONSE(&p->back_ring, p->back_ring.rsp_prod_pvt);

    memset(response, 0, sizeof(*response));
    response->version = VM_EVENT_INTERFACE_VERSION;
    response->flags = request->flags;
    response->reason = request->reason;
    response->vcpu_id = request->vcpu_id;
    response->u.mem_paging = request->u.mem_paging;
    p->back_ring.rsp_prod_pvt++;
    RING_PUSH_RESPONSES(&p->back_ring);
    return p->hv->ops->pager_notify(p->hv);
}

static int serve_fault(struct probe *p)
{
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    struct xlm_page_in arrival = {.pfn = p->pfns[0], .contents = p->contents};
    vm_event_request_t request;

    if (check(!await_request(p, &request), "a request comes in the ring") ||
        check(request.reason == VM_EVENT_REASON_MEM_PAGING &&
                  request.u.mem_paging.gfn == p->pfns[0],
              "for the page")) {
        return -1;
    }
    fill(p->contents, p->pfns[0], 9);
    if (check(!ops->page_in(p->hv, p->domid, 1, &arrival) && !arrival.error,
              "the page comes")) {
        return -1;
    }
    return check(!answer(p, &request), "and the answer");
}

/* A page is absent, and a thread of that process accesses it. */
static int raise_fault(struct probe *p, struct probe *wants, pthread_t *mapper)
{
    struct xlm_eviction victim = {.pfn = p->pfns[0]};

    return check(!p->hv->ops->evict(p->hv, p->domid, 1, &victim) &&
                     !victim.error,
                 "a page is out") ||
                   pthread_create(mapper, NULL, map_one, wants)
               ? -1
               : 0;
}

static int probe_fault(struct probe *p)
{
    pthread_t mapper;
    void *good = NULL;

    SHARED_RING_INIT((vm_event_sring_t *)p->ring);
    BACK_RING_INIT(&p->back_ring, (vm_event_sring_t *)p->ring, XLM_PAGE_SIZE);
    if (raise_fault(p, p, &mapper)) {
        return -1;
    }
    if (serve_fault(p)) {
        /* The thread that maps would wait for ever: it ends with the process.
         * */
        return -1;
    }
    pthread_join(mapper, &good);
    return check(good != NULL, "the mapper has its contents");
}

static int enable(struct probe *p, const char *what)
{
    return check(!p->hv->ops->pager_enable(p->hv, p->domid, XLM_RING_PAGING,
                                           &p->ring, &p->event_fd, &p->port) &&
                     p->ring && p->event_fd >= 0 && p->port,
                 what);
}

/* ---- a pager whose process was killed ---- */

/* As `heir` it finds the ring as it was left, and what is in it. */
static int attach_as_successor(struct probe *heir, uint32_t port)
{
    const struct xlm_hypervisor_ops *ops = heir->hv->ops;
    vm_event_sring_t *ring;

    if (check(!ops->pager_take_over(heir->hv, heir->domid, XLM_RING_PAGING,
                                    port, &heir->ring, &heir->event_fd),
              "pager_take_over")) {
        return -1;
    }
    ring = heir->ring;
    BACK_RING_INIT(&heir->back_ring, ring, XLM_PAGE_SIZE);
    return check(ring->req_prod == 1 && ring->rsp_prod == 0,
                 "the ring has the requests that the dead pager read") ||
                   serve_fault(heir)
               ? -1
               : 0;
}

/* The last: the handle is the one's that is dead. */
static int probe_take_over(struct probe *p)
{
    struct xlm_hypervisor *hv = xlm_hypervisor_open(p->logger);
    struct probe heir = *p;
    pthread_t mapper;
    void *good = NULL;

    heir.hv = hv;
    if (check(hv != NULL, "open another time") ||
        enable(p, "pager_enable, by one that will be dead") ||
        check(failed_with(hv->ops->pager_take_over(hv, p->domid,
                                                   XLM_RING_PAGING, p->port,
                                                   &heir.ring, &heir.event_fd),
                          EINVAL),
              "pager_take_over while it lives: EINVAL")) {
        return -1;
    }
    BACK_RING_INIT(&p->back_ring, (vm_event_sring_t *)p->ring, XLM_PAGE_SIZE);
    if (raise_fault(p, &heir, &mapper) ||
        check(!await_unread(p), "a request is there, unread")) {
        return -1;
    }
    xlm_hypervisor_close(p->hv);
    p->hv = NULL;
    if (attach_as_successor(&heir, p->port)) {
        return -1;
    }
    pthread_join(mapper, &good);
    if (check(good != NULL, "the mapper has its contents") ||
        check(!hv->ops->pager_disable(hv, p->domid), "pager_disable")) {
        return -1;
    }
    xlm_hypervisor_close(hv);
    return 0;
}

static int probe_paging(struct probe *p)
{
    static const size_t batches[] = {1, 16, 64, 128, 256, 512, 1024};
    const struct xlm_hypervisor_ops *ops = p->hv->ops;
    uint32_t port;
    void *ring;
    int fd;
    size_t i;

    if (check(!ops->paging_supported(p->hv), "paging_supported") ||
        check(!ops->pager_disable(p->hv, p->domid),
              "pager_disable when not enabled") ||
        enable(p, "pager_enable") ||
        check(failed_with(ops->pager_enable(p->hv, p->domid, XLM_RING_PAGING,
                                            &ring, &fd, &port),
                          EBUSY),
              "pager_enable again: EBUSY")) {
        return -1;
    }
    for (i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
        if (probe_batch(p, batches[i], "page_in")) {
            return -1;
        }
    }
    if (probe_uncopied(p) || probe_repeated(p) || probe_held(p) ||
        probe_fault(p) || probe_dropped(p) ||
        check(!ops->pager_disable(p->hv, p->domid), "pager_disable") ||
        enable(p, "pager_enable where the ring's page is a hole") ||
        check(evict_all(p, 512, 0) == (long)p->count &&
                  page_in_all(p, 512, 0) == (long)p->count,
              "works the second time") ||
        check(!ops->pager_disable(p->hv, p->domid), "pager_disable")) {
        return -1;
    }
    return probe_take_over(p);
}

/* ---- main ---- */

static int probe_all(struct probe *p)
{
    if (probe_domain(p) || probe_state(p) || probe_memory(p) ||
        probe_paging(p)) {
        return -1;
    }
    puts("all good");
    return 0;
}

static int parse(int argc, char **argv, struct probe *p, bool *verbose)
{
    *verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    argc -= *verbose;
    argv += *verbose;
    if (argc < 2 || argc > 3) {
        return -1;
    }
    p->domid = strtoul(argv[1], NULL, 10);
    p->count = argc == 3 ? strtoul(argv[2], NULL, 10) : PROBE_PAGES;
    return p->domid && p->count && p->count <= PROBE_PAGES_MAX ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct probe p = {0};
    xentoollog_logger_stdiostream *logger;
    bool verbose;
    int rc = 1;

    if (parse(argc, argv, &p, &verbose)) {
        fputs("usage: pager-probe [-v] DOMID [PAGES]\n", stderr);
        return 2;
    }
    logger = xtl_createlogger_stdiostream(stderr,
                                          verbose ? XTL_DEBUG : XTL_ERROR, 0);
    p.pfns = calloc(p.count, sizeof(*p.pfns));
    p.evictions = calloc(p.count, sizeof(*p.evictions));
    p.arrivals = calloc(p.count, sizeof(*p.arrivals));
    p.contents = calloc(p.count, XLM_PAGE_SIZE);
    p.logger = (xentoollog_logger *)logger;
    p.hv = xlm_hypervisor_open(p.logger);
    if (logger && p.pfns && p.evictions && p.arrivals && p.contents &&
        !check(p.hv != NULL, "open")) {
        rc = probe_all(&p) ? 1 : 0;
    }
    xlm_hypervisor_close(p.hv);
    free(p.pfns);
    free(p.evictions);
    free(p.arrivals);
    free(p.contents);
    xtl_logger_destroy((xentoollog_logger *)logger);
    return rc;
}
