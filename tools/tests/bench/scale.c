/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the engine's bookkeeping costs a guest of any size: its sets, its plan
 * and its lists, without the memory that they are about.
 *
 *     scale [GIB...]
 *
 * prints a table with a row for each size (16 GiB to 4 TiB, if none is given),
 * of a guest that has all of its pages and of one that has an eighth of them,
 * in runs of 2 MiB:
 *
 *   requests  finding what the source is asked for next, after a fault
 *   choosing  finding what is pushed next, among the last 2 % of the pages:
 *             at the mean, and the longest of all
 *   stop      a whole xlm_save() up to the go, with a hypervisor that answers
 *             at once and a destination that does: from suspended to the go,
 *             with what the guest wrote while it suspended
 *   log       of that, what it takes to go once through the log of writes
 *   lacking   the longest time for which the pager's lock is held when a
 *             destination that lacks everything says so, and what memory that
 *             takes
 *   source    memory of the source's own, when the guest is handed over
 *
 * Each is measured in a process of its own.  The times are those of the
 * processor that were used, of both ends; what they depend on is asserted by
 * unit/test_pfn_set_cost.c.
 */
#include "scale.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pager/private.h"
#include "policy/push_plan.h"

#define REQUESTS 20000

double spent_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static double now_us(void)
{
    return spent_us(CLOCK_THREAD_CPUTIME_ID);
}

double resident_mib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long kib = 0;

    while (status && fgets(line, sizeof(line), status) &&
           sscanf(line, "RssAnon: %lu kB", &kib) != 1) {
        continue;
    }
    if (status) {
        fclose(status);
    }
    return kib / 1024.0;
}

static uint64_t any(uint64_t below)
{
    static uint64_t state = 88172645463325252ull;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

bool has_page(const struct shape *shape, uint64_t pfn)
{
    return !shape->sparse || pfn / 512 % 8 == 3;
}

uint64_t any_page(const struct shape *shape)
{
    uint64_t pfn = any(shape->pages);

    return shape->sparse ? pfn / 4096 * 4096 + 3 * 512 + pfn % 512 : pfn;
}

void make_set(struct xlm_pfn_set *set, const struct shape *shape)
{
    *set = XLM_PFN_SET_EMPTY;
    if (xlm_pfn_set_reserve(set, shape->pages)) {
        die("no memory for a set of %" PRIu64 " pfns", shape->pages);
    }
}

static void fill_set(struct xlm_pfn_set *set, const struct shape *shape)
{
    make_set(set, shape);
    for (uint64_t pfn = 0; pfn < shape->pages; pfn++) {
        if (has_page(shape, pfn)) {
            xlm_pfn_set_add(set, pfn);
        }
    }
}

/* ---- the pager, without its threads and without a domain ---- */

static void make_pager(struct xlm_pager *pager, const struct shape *shape)
{
    memset(pager, 0, sizeof(*pager));
    pthread_mutex_init(&pager->lock, NULL);
    pthread_cond_init(&pager->asking.wake, NULL);
    pthread_cond_init(&pager->asking.idle, NULL);
    make_set(&pager->sets.requested, shape);
    make_set(&pager->sets.dropped, shape);
    if (xlm_unsent_reserve(&pager->sets.unsent, shape->pages)) {
        die("no memory for requests");
    }
    fill_set(&pager->sets.outstanding, shape);
}

static void measure_requests(const struct shape *shape,
                             struct xlm_pager *pager, struct figures *figures)
{
    double began = now_us();

    for (unsigned int i = 0; i < REQUESTS; i++) {
        uint64_t pfn;

        xlm_pager_ask_for(pager, any_page(shape));
        if (xlm_pager_take_early(pager, &pfn, 1) > 1) {
            die("more requests than there are");
        }
    }
    figures->request_us = (now_us() - began) / REQUESTS;
}

static void measure_lacking(struct xlm_pager *pager, struct figures *figures)
{
    static uint64_t pfns[XLM_LIST_PFNS];
    double mib = resident_mib();
    double most = 0;
    uint64_t from = 0;
    size_t count;

    do {
        double began = now_us();

        count = xlm_pager_list_outstanding(pager, from, pfns, XLM_LIST_PFNS);
        most = now_us() - began > most ? now_us() - began : most;
        from = count ? pfns[count - 1] + 1 : 0;
    } while (count == XLM_LIST_PFNS);
    figures->lacking_ms = most / 1e3;
    figures->lacking_mib = resident_mib() - mib;
}

static void measure_pager(const struct shape *shape, struct figures *figures)
{
    struct xlm_pager *pager = malloc(sizeof(*pager));

    if (!pager) {
        die("no memory for a pager");
    }
    make_pager(pager, shape);
    measure_requests(shape, pager, figures);
    measure_lacking(pager, figures);
}

/* ---- the plan ---- */

/* The guest has written all that it has, and the last pages are anywhere. */
static void measure_plan(const struct shape *shape, struct figures *figures)
{
    static const struct xlm_push_tuning tuning = {
        .neighbours = {.before = 8, .after = 24},
        .adapt = true,
        .background = true,
        .share = 8,
    };
    struct xlm_pfn_set outstanding, written;
    struct xlm_push_plan plan;
    uint64_t pfns[64], calls = 0;
    double began, all = 0, most = 0;
    size_t count;

    fill_set(&written, shape);
    make_set(&outstanding, shape);
    for (uint64_t left = written.count / 50; left--;) {
        xlm_pfn_set_add(&outstanding, any_page(shape));
    }
    if (xlm_push_plan_init(&plan, outstanding.limit, &tuning)) {
        die("no memory for a plan");
    }
    xlm_push_plan_begin(&plan, &outstanding);
    plan.recent[XLM_PUSH_RECENT - 1] = &written;
    do {
        if (calls++ % 16 == 0 &&
            xlm_push_plan_request(&plan, any_page(shape))) {
            die("no memory for requests");
        }
        began = now_us();
        (void)xlm_push_plan_next(&plan, 64, pfns, &count);
        began = now_us() - began;
        all += began;
        most = began > most ? began : most;
    } while (plan.outstanding.count);
    figures->choose_us = all / calls;
    figures->choose_most_us = most;
}

/* ---- the table ---- */

/* Each runs in a process of its own, so that the memory of another does not
 * count. */
static void measure(const struct shape *shape, struct figures *figures,
                    void (*part)(const struct shape *, struct figures *))
{
    struct figures *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child;
    int status;

    *shared = *figures;
    child = fork();
    if (!child) {
        part(shape, shared);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status) {
        die("could not be measured");
    }
    *figures = *shared;
    munmap(shared, sizeof(*shared));
}

static void print_row(const struct shape *shape)
{
    struct figures figures = {.request_us = 0};

    measure(shape, &figures, measure_pager);
    measure(shape, &figures, measure_plan);
    measure(shape, &figures, measure_stop);
    printf("| %5" PRIu64 " | %-6s | %8.2f | %8.2f | %8.0f | %8.2f | %8.2f | "
           "%8.3f | %8.1f | %8.0f |\n",
           shape->pages / PAGES_A_GIB, shape->sparse ? "1/8" : "all",
           figures.request_us, figures.choose_us, figures.choose_most_us,
           figures.stop_ms, figures.log_ms, figures.lacking_ms,
           figures.lacking_mib, figures.source_mib);
    fflush(stdout);
}

static void print_rows(uint64_t gib)
{
    struct shape shape = {.pages = gib * PAGES_A_GIB};

    if (!gib || shape.pages > XLM_PFN_LIMIT) {
        die("usage: scale [GIB...], at most %" PRIu64 " GiB",
            (uint64_t)XLM_PFN_LIMIT / PAGES_A_GIB);
    }
    print_row(&shape);
    shape.sparse = true;
    print_row(&shape);
}

int main(int argc, char **argv)
{
    static const uint64_t sizes[] = {16, 64, 256, 1024, 4096};

    signal(SIGPIPE, SIG_IGN);
    printf("|   GiB | pages  | requests | choosing |  longest |     stop | "
           "     log |  lacking |          |   source |\n"
           "|       |        |       us |       us |       us |       ms | "
           "      ms |       ms |      MiB |      MiB |\n"
           "|------:|--------|---------:|---------:|---------:|---------:|"
           "---------:|---------:|---------:|---------:|\n");
    fflush(stdout);
    for (int i = 1; i < argc; i++) {
        print_rows(strtoull(argv[i], NULL, 10));
    }
    for (size_t i = 0; argc == 1 && i < sizeof(sizes) / sizeof(sizes[0]);
         i++) {
        print_rows(sizes[i]);
    }
    return 0;
}
