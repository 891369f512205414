/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which is the cheapest way to make pages of a domain absent?
 *
 *     eviction-probe DOMID[,DOMID...] [PAGES]
 *
 * For the lab: run in dom0 on paused HVM or PVH guests with HAP, which it
 * ruins: destroy them afterwards and never let them run.  Makes PAGES of each
 * guest's pages (default 16384) absent in one way after the other, and prints
 * what each way costs, in microseconds a page.  With several guests it also
 * has several threads at work at a time, on one guest and on all of them.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xencall.h>

#include "clock.h"
#include "hypervisor/xen.h"

#define REGION 512u /* pages of 2 MiB */
#define PAGES 16384
#define PAGES_MOST 262144
#define DOMAINS 4
#define THREADS 4
#define ROUNDS 5 /* the best of them counts */
#define OPS_MOST 4096

/* A domain, and pages of it that make whole regions, or holes there. */
struct target {
    uint32_t domid;
    struct xlm_hypervisor *hv; /* its pager */
    size_t count;
    uint64_t *pfns;
};

/* A way to make pages absent. */
struct way {
    const char *name;
    unsigned int order; /* of what is populated: 0 or 9 */
    bool claimed;       /* memory is claimed before */
    bool apart;         /* nominates all of a batch, and then evicts it */
    size_t batch;       /* pages in one multicall */
};

/* What a thread does its hypercalls with, and on which pages. */
struct worker {
    const struct way *way;
    uint32_t domid;
    const uint64_t *pfns;
    size_t count;
    xencall_handle *call;
    multicall_entry_t *entries;
    xen_mem_paging_op_t *ops;
    xen_pfn_t *extents;
    xen_memory_reservation_t *reservation;
    double us[3];    /* populate, evict, prep */
    size_t refused;  /* pages that were not evicted */
    const char *why; /* NULL: it went well */
    pthread_t thread;
};

static size_t less(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* ---- hypercalls ---- */

static void open_worker(struct worker *worker)
{
    worker->call = xencall_open(NULL, 0);
    if (!worker->call) {
        err(1, "xencall");
    }
    worker->entries = xencall_alloc_buffer(
        worker->call, OPS_MOST * sizeof(*worker->entries));
    worker->ops =
        xencall_alloc_buffer(worker->call, OPS_MOST * sizeof(*worker->ops));
    worker->extents = xencall_alloc_buffer(
        worker->call, OPS_MOST * sizeof(*worker->extents));
    worker->reservation =
        xencall_alloc_buffer(worker->call, sizeof(*worker->reservation));
    if (!worker->entries || !worker->ops || !worker->extents ||
        !worker->reservation) {
        err(1, "buffers for hypercalls");
    }
}

static void close_worker(struct worker *worker)
{
    xencall_free_buffer(worker->call, worker->entries);
    xencall_free_buffer(worker->call, worker->ops);
    xencall_free_buffer(worker->call, worker->extents);
    xencall_free_buffer(worker->call, worker->reservation);
    xencall_close(worker->call);
}

static int populate(struct worker *worker, size_t first, size_t count)
{
    unsigned int order = worker->way->order;
    size_t extents = count >> order;

    for (size_t i = 0; i < extents; i++) {
        worker->extents[i] = worker->pfns[first + (i << order)];
    }
    *worker->reservation = (xen_memory_reservation_t){
        .nr_extents = extents,
        .extent_order = order,
        .domid = worker->domid,
    };
    set_xen_guest_handle_raw(worker->reservation->extent_start,
                             worker->extents);
    return xencall2(worker->call, __HYPERVISOR_memory_op,
                    XENMEM_populate_physmap,
                    (uintptr_t)worker->reservation) == (int)extents
               ? 0
               : -1;
}

static void set_op(struct worker *worker, size_t index, uint8_t what,
                   uint64_t pfn)
{
    worker->ops[index] = (xen_mem_paging_op_t){
        .op = what,
        .domain = worker->domid,
        .gfn = pfn,
    };
    worker->entries[index] = (multicall_entry_t){
        .op = __HYPERVISOR_memory_op,
        .args = {XENMEM_paging_op, (uintptr_t)&worker->ops[index]},
    };
}

/* How many of these ops failed; -1: the multicall did. */
static long run_ops(struct worker *worker, size_t count)
{
    long failed = 0;

    if (xencall2(worker->call, __HYPERVISOR_multicall,
                 (uintptr_t)worker->entries, count) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        failed += (long)worker->entries[i].result < 0;
    }
    return failed;
}

static long evict(struct worker *worker, size_t first, size_t count)
{
    bool apart = worker->way->apart;

    for (size_t i = 0; i < count; i++) {
        uint64_t pfn = worker->pfns[first + i];

        set_op(worker, apart ? i : 2 * i, XENMEM_paging_op_nominate, pfn);
        set_op(worker, apart ? count + i : 2 * i + 1, XENMEM_paging_op_evict,
               pfn);
    }
    return run_ops(worker, 2 * count);
}

/* Page in without contents: that takes all of the time but that of the
 * copy. */
static long prepare(struct worker *worker, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        set_op(worker, i, XENMEM_paging_op_prep, worker->pfns[first + i]);
    }
    return run_ops(worker, count);
}

/* ---- one way ---- */

/* Keeps the engine's order: a batch is populated and then evicted, so that the
 * next batch can have its frames. */
static void *make_absent(void *data)
{
    struct worker *worker = data;
    size_t batch = worker->way->batch, now;

    for (size_t at = 0; at < worker->count; at += now) {
        double began_us = xlm_now_us(), populated_us;
        long failed;

        /* A superpage is populated as a whole. */
        now = less(batch, worker->count - at);
        if (!(at % (1u << worker->way->order)) &&
            populate(worker, at,
                     worker->way->order && now < REGION ? REGION : now)) {
            worker->why = "populating";
            return NULL;
        }
        populated_us = xlm_now_us();
        failed = evict(worker, at, now);
        if (failed < 0) {
            worker->why = "evicting";
            return NULL;
        }
        worker->refused += failed;
        worker->us[0] += populated_us - began_us;
        worker->us[1] += xlm_now_us() - populated_us;
    }
    return NULL;
}

static void *bring_back(void *data)
{
    struct worker *worker = data;
    double began_us = xlm_now_us();
    size_t now;

    for (size_t at = 0; at < worker->count; at += now) {
        now = less(worker->way->batch, worker->count - at);
        if (prepare(worker, at, now) < 0) {
            worker->why = "bringing in";
            return NULL;
        }
    }
    worker->us[2] += xlm_now_us() - began_us;
    return NULL;
}

/* Make the pages holes again, as before. */
static void remove_all(struct target *target)
{
    size_t now;

    for (size_t at = 0; at < target->count; at += now) {
        now = less(XLM_BATCH_PAGES, target->count - at);
        if (target->hv->ops->depopulate(target->hv, target->domid, now,
                                        target->pfns + at)) {
            err(1, "removing pages");
        }
    }
}

static double run_all(struct worker *workers, size_t nr_workers,
                      void *(*what)(void *data))
{
    double began_us = xlm_now_us();

    for (size_t i = 0; i < nr_workers; i++) {
        if (pthread_create(&workers[i].thread, NULL, what, &workers[i])) {
            err(1, "a thread");
        }
    }
    for (size_t i = 0; i < nr_workers; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].why) {
            err(1, "%s", workers[i].why);
        }
    }
    return xlm_now_us() - began_us;
}

/* The parts of a region go to one thread. */
static void share_out(struct worker *workers, size_t nr_workers,
                      const struct target *targets, size_t nr_targets)
{
    size_t threads = nr_workers / nr_targets;

    for (size_t i = 0; i < nr_workers; i++) {
        const struct target *target = &targets[i / threads];
        size_t share = target->count / threads / REGION * REGION;

        workers[i].domid = target->domid;
        workers[i].pfns = target->pfns + i % threads * share;
        workers[i].count = share;
    }
}

struct cost {
    double wall_us; /* to make them absent */
    double us[3];
    size_t pages;
    size_t refused;
};

static struct cost try_once(const struct way *way, struct target *targets,
                            size_t nr_targets, size_t nr_workers)
{
    struct worker workers[DOMAINS * THREADS] = {{0}};
    struct cost cost = {0};

    share_out(workers, nr_workers, targets, nr_targets);
    for (size_t i = 0; i < nr_workers; i++) {
        workers[i].way = way;
        open_worker(&workers[i]);
    }
    for (size_t i = 0; way->claimed && i < nr_targets; i++) {
        struct xlm_domain_info info;

        if (targets[i].hv->ops->domain_info(targets[i].hv, targets[i].domid,
                                            &info) ||
            targets[i].hv->ops->claim(targets[i].hv, targets[i].domid,
                                      info.max_pages)) {
            err(1, "claiming");
        }
    }
    cost.wall_us = run_all(workers, nr_workers, make_absent);
    (void)run_all(workers, nr_workers, bring_back);
    for (size_t i = 0; i < nr_workers; i++) {
        for (size_t part = 0; part < 3; part++) {
            cost.us[part] += workers[i].us[part];
        }
        cost.pages += workers[i].count;
        cost.refused += workers[i].refused;
        close_worker(&workers[i]);
    }
    for (size_t i = 0; i < nr_targets; i++) {
        (void)targets[i].hv->ops->claim(targets[i].hv, targets[i].domid, 0);
        remove_all(&targets[i]);
    }
    return cost;
}

/* A way, on how many guests and by how many threads, and the best so far. */
struct trial {
    struct way way;
    size_t nr_targets;
    size_t nr_workers;
    struct cost best;
};

static double cost_of(const struct trial *trial)
{
    return trial->best.wall_us / trial->best.pages;
}

static void try_again(struct trial *trial, struct target *targets)
{
    struct cost cost =
        try_once(&trial->way, targets, trial->nr_targets, trial->nr_workers);

    if (!trial->best.pages || cost.wall_us < trial->best.wall_us) {
        trial->best = cost;
    }
}

static void show(const struct trial *trial, const struct trial *today)
{
    const struct cost *best = &trial->best;

    printf("time   %-34s batch %4zu, %zu threads, %zu domains: absent "
           "%6.2f us/page, %.2f of today's (populate %.2f, nominate and evict "
           "%.2f), bring in blank %.2f; %zu of %zu refused\n",
           trial->way.name, trial->way.batch, trial->nr_workers,
           trial->nr_targets, cost_of(trial), cost_of(trial) / cost_of(today),
           best->us[0] / best->pages, best->us[1] / best->pages,
           best->us[2] / best->pages, best->refused, best->pages);
}

/* ---- the targets ---- */

static bool is_whole(const uint32_t *types)
{
    for (size_t i = 0; i < REGION; i++) {
        if (types[i] != XLM_TYPE_NOTAB) {
            return false;
        }
    }
    return true;
}

/* Whole regions of 2 MiB from pfn 2 MiB up, which become holes. */
static void choose(struct target *target, size_t wanted)
{
    uint64_t pfns[REGION];
    uint32_t types[REGION];

    for (uint64_t pfn = REGION; pfn < 0xc0000 && target->count < wanted;
         pfn += REGION) {
        for (size_t i = 0; i < REGION; i++) {
            pfns[i] = pfn + i;
        }
        if (target->hv->ops->page_types(target->hv, target->domid, REGION,
                                        pfns, types)) {
            break;
        }
        if (is_whole(types)) {
            memcpy(target->pfns + target->count, pfns, sizeof(pfns));
            target->count += REGION;
        }
    }
    printf("       domain %u: %zu pages in whole regions\n", target->domid,
           target->count);
    if (target->count < THREADS * REGION) {
        errno = ENOMEM;
        err(1, "too few pages: the guest is too small");
    }
    target->count = target->count / (THREADS * REGION) * (THREADS * REGION);
}

static void open_target(struct target *target, uint32_t domid, size_t pages,
                        xentoollog_logger *logger)
{
    struct xlm_domain_info info;
    uint32_t port;
    void *ring;
    int fd;

    target->domid = domid;
    target->pfns = calloc(pages + REGION, sizeof(*target->pfns));
    target->hv = xlm_hypervisor_open(logger);
    if (!target->pfns || !target->hv ||
        target->hv->ops->domain_info(target->hv, domid, &info)) {
        err(1, "the domain");
    }
    if (!info.paused) {
        errno = EBUSY;
        err(1, "the domain is not paused");
    }
    choose(target, pages);
    if (target->hv->ops->pager_enable(target->hv, domid, XLM_RING_PAGING,
                                      &ring, &fd, &port)) {
        err(1, "paging");
    }
    remove_all(target);
}

static void close_target(struct target *target)
{
    (void)target->hv->ops->pager_disable(target->hv, target->domid);
    xlm_hypervisor_close(target->hv);
    free(target->pfns);
}

/* ---- all ways ---- */

#define TRIALS_MOST 40

/* The first is what the engine does. */
static size_t list_trials(struct trial trials[TRIALS_MOST], size_t nr_targets)
{
    static const size_t batches[] = {16, 128, 512, 1024};
    static const struct way today = {"as the engine does", 0, false, false,
                                     128};
    static const struct way ways[] = {
        {"page by page", 0, false, false, 0},
        {"nominate all, then evict all", 0, false, true, 0},
        {"page by page, claimed", 0, true, false, 0},
        {"2 MiB populated at once", 9, false, false, 0},
        {"2 MiB at once, nominate all first", 9, false, true, 0},
        {"2 MiB at once, claimed", 9, true, false, 0},
    };
    size_t count = 0;

    for (size_t threads = 1; threads <= THREADS; threads *= 2) {
        trials[count++] = (struct trial){today, 1, threads, {0}};
        if (nr_targets > 1) {
            trials[count++] =
                (struct trial){today, nr_targets, nr_targets * threads, {0}};
        }
    }
    for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
        for (size_t j = 0; j < sizeof(ways) / sizeof(*ways); j++) {
            trials[count] = (struct trial){ways[j], 1, 1, {0}};
            trials[count++].way.batch = batches[i];
        }
    }
    return count;
}

/* Tries all ways in turn, so that other work on the machine disturbs all of
 * them. */
static void try_all(struct target *targets, size_t nr_targets)
{
    struct trial trials[TRIALS_MOST] = {{{0}}};
    size_t count = list_trials(trials, nr_targets);

    for (unsigned int i = 0; i < ROUNDS; i++) {
        for (size_t j = 0; j < count; j++) {
            try_again(&trials[j], targets);
        }
    }
    for (size_t j = 0; j < count; j++) {
        show(&trials[j], &trials[0]);
    }
}

int main(int argc, char **argv)
{
    struct target targets[DOMAINS] = {{0}};
    size_t nr_targets = 0;
    size_t pages = argc == 3 ? strtoul(argv[2], NULL, 10) : PAGES;
    xentoollog_logger_stdiostream *logger;

    if (argc < 2 || argc > 3 || pages < REGION || pages > PAGES_MOST) {
        fputs("usage: eviction-probe DOMID[,DOMID...] [PAGES]\n", stderr);
        return 2;
    }
    logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    for (char *name = strtok(argv[1], ","); name && nr_targets < DOMAINS;
         name = strtok(NULL, ",")) {
        open_target(&targets[nr_targets++], strtoul(name, NULL, 10), pages,
                    (xentoollog_logger *)logger);
    }
    try_all(targets, nr_targets);
    for (size_t i = 0; i < nr_targets; i++) {
        close_target(&targets[i]);
    }
    xtl_logger_destroy((xentoollog_logger *)logger);
    return 0;
}
