/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Can a guest that runs on pages of 4 KiB get superpages again?
 *
 *     superpage-probe split DOMID [REGIONS]
 *     superpage-probe join DOMID [REGIONS] [STEP]
 *     superpage-probe mend DOMID PFN
 *
 * For the lab: run this in dom0, on a running PVH guest with HAP.  `split`
 * maps regions of 2 MiB by pages of 4 KiB, as all memory is after a migration;
 * `join` gives them frames of 2 MiB.  The probe changes each region while the
 * domain is paused, and prints how long that took.  With STEP, 1 to 5, the
 * process ends in the middle of the first region, right after this step, as if
 * it had been killed: the domain stays paused.  `mend` with the region's pfn
 * does what a process must do after such a kill.
 *
 * The order of the steps keeps the region's contents in the domain's own
 * memory at all times, in the region or in a range that is otherwise empty,
 * and frees no page before its contents are elsewhere:
 *
 *   1 nominate   each page of the region: a page that a back end, a
 *                device model or Xen itself holds is refused
 *   2 move       all pages, with their frames, to the empty range
 *   3 populate   the region with one frame of 2 MiB
 *   4 copy
 *   5 free       the pages in the empty range
 *
 * As long as the domain does not run, a page in the empty range has the right
 * contents: so `mend` moves the pages in that range back.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "hypervisor/xen.h"

#include <sys/mman.h>
#include <xen/grant_table.h>

#define ORDER 9
#define REGION (1u << ORDER)
/* A PVH guest has no memory here. */
#define EMPTY_FIRST 0xf0000u
#define EMPTY_END 0xfee00u
#define REGIONS_MOST 4096

enum step { NOMINATE, MOVE, POPULATE, COPY, FREE, STEPS };

static const char *const step_names[STEPS] = {"nominate", "move", "populate",
                                              "copy", "free"};

struct probe {
    struct xlm_hypervisor *hv;
    xencall_handle *call;
    xenforeignmemory_handle *memory;
    uint32_t domid;
    uint64_t empty;          /* first pfn of the empty range */
    unsigned int stop_after; /* a step, counted from 1; 0: none */
    struct xlm_domain_info info;
    multicall_entry_t *entries; /* REGION of them */
    xen_mem_paging_op_t *ops;   /* the same */
    xen_pfn_t *extent;
    xen_memory_reservation_t *reservation;
    xen_add_to_physmap_t *physmap;
    uint8_t *granted; /* a bit for each region: a back end may come for it */
};

static void set_pfns(uint64_t pfns[REGION], uint64_t first)
{
    for (size_t i = 0; i < REGION; i++) {
        pfns[i] = first + i;
    }
}

/* ---- what is where ---- */

static bool all_have_type(struct probe *probe, uint64_t first, uint32_t type)
{
    uint64_t pfns[REGION];
    uint32_t types[REGION];

    set_pfns(pfns, first);
    if (probe->hv->ops->page_types(probe->hv, probe->domid, REGION, pfns,
                                   types)) {
        err(1, "the types of pages");
    }
    for (size_t i = 0; i < REGION; i++) {
        if (types[i] != type) {
            return false;
        }
    }
    return true;
}

static void find_empty(struct probe *probe)
{
    for (uint64_t pfn = EMPTY_FIRST; pfn < EMPTY_END; pfn += REGION) {
        if (all_have_type(probe, pfn, XLM_TYPE_XTAB)) {
            probe->empty = pfn;
            return;
        }
    }
    errno = ENOSPC;
    err(1, "no empty range");
}

static void note_granted(struct probe *probe, uint64_t pfn)
{
    if (pfn / REGION < REGIONS_MOST) {
        probe->granted[pfn / REGION / 8] |= 1u << pfn / REGION % 8;
    }
}

static bool is_granted(const struct probe *probe, uint64_t pfn)
{
    return probe->granted[pfn / REGION / 8] & 1u << pfn / REGION % 8;
}

/* How many frames the guest's grant table has, all entries of version 1. */
static uint32_t grant_frames(struct probe *probe)
{
    gnttab_query_size_t *size =
        xencall_alloc_buffer(probe->call, sizeof(*size));
    gnttab_get_version_t *version =
        xencall_alloc_buffer(probe->call, sizeof(*version));
    uint32_t frames;

    if (!size || !version) {
        err(1, "buffers");
    }
    *size = (gnttab_query_size_t){.dom = probe->domid};
    *version = (gnttab_get_version_t){.dom = probe->domid};
    if (xencall3(probe->call, __HYPERVISOR_grant_table_op, GNTTABOP_query_size,
                 (uintptr_t)size, 1) ||
        xencall3(probe->call, __HYPERVISOR_grant_table_op,
                 GNTTABOP_get_version, (uintptr_t)version, 1) ||
        size->status != GNTST_okay) {
        err(1, "the grant table's size");
    }
    printf("       grant table: version %u, %u frames\n", version->version,
           size->nr_frames);
    if (version->version > 1) {
        errno = EOPNOTSUPP;
        err(1, "the grant table");
    }
    frames = size->nr_frames;
    xencall_free_buffer(probe->call, size);
    xencall_free_buffer(probe->call, version);
    return frames;
}

/* The guest's vCPUs are paused: it grants nothing meanwhile. */
static size_t read_grants(struct probe *probe)
{
    uint32_t frames = grant_frames(probe);
    size_t entries = (size_t)frames * XLM_PAGE_SIZE / sizeof(grant_entry_v1_t);
    size_t found = 0;
    void *address = NULL;
    xenforeignmemory_resource_handle *resource = xenforeignmemory_map_resource(
        probe->memory, probe->domid, XENMEM_resource_grant_table,
        XENMEM_resource_grant_table_id_shared, 0, frames, &address, PROT_READ,
        0);
    const volatile grant_entry_v1_t *table = address;

    if (!resource) {
        err(1, "mapping the grant table");
    }
    for (size_t i = 0; i < entries; i++) {
        uint16_t type = table[i].flags & GTF_type_mask;

        if (type == GTF_permit_access || type == GTF_accept_transfer) {
            note_granted(probe, table[i].frame);
            found++;
        }
    }
    xenforeignmemory_unmap_resource(probe->memory, resource);
    return found;
}

/* ---- steps ---- */

/* 0, or how many were refused. */
static size_t nominate(struct probe *probe, uint64_t first)
{
    size_t refused = 0;

    for (size_t i = 0; i < REGION; i++) {
        probe->ops[i] = (xen_mem_paging_op_t){
            .op = XENMEM_paging_op_nominate,
            .domain = probe->domid,
            .gfn = first + i,
        };
        probe->entries[i] = (multicall_entry_t){
            .op = __HYPERVISOR_memory_op,
            .args = {XENMEM_paging_op, (uintptr_t)&probe->ops[i]},
        };
    }
    if (xencall2(probe->call, __HYPERVISOR_multicall,
                 (uintptr_t)probe->entries, REGION) < 0) {
        err(1, "nominating");
    }
    for (size_t i = 0; i < REGION; i++) {
        refused += (long)probe->entries[i].result != 0;
    }
    return refused;
}

/* Pages go with their frames, and become ordinary again. */
static int move_some(struct probe *probe, uint64_t from, uint64_t to,
                     size_t count)
{
    *probe->physmap = (xen_add_to_physmap_t){
        .domid = probe->domid,
        .size = count,
        .space = XENMAPSPACE_gmfn_range,
        .idx = from,
        .gpfn = to,
    };
    return xencall2(probe->call, __HYPERVISOR_memory_op, XENMEM_add_to_physmap,
                    (uintptr_t)probe->physmap);
}

static void move(struct probe *probe, uint64_t from, uint64_t to)
{
    if (move_some(probe, from, to, REGION)) {
        err(1, "moving pages");
    }
}

static bool populate(struct probe *probe, uint64_t first)
{
    *probe->extent = first;
    *probe->reservation = (xen_memory_reservation_t){
        .nr_extents = 1,
        .extent_order = ORDER,
        .domid = probe->domid,
    };
    set_xen_guest_handle_raw(probe->reservation->extent_start, probe->extent);
    return xencall2(probe->call, __HYPERVISOR_memory_op,
                    XENMEM_populate_physmap,
                    (uintptr_t)probe->reservation) == 1;
}

static void *map(struct probe *probe, uint64_t first, bool writable)
{
    uint64_t pfns[REGION];
    int errors[REGION];
    void *mapping;

    set_pfns(pfns, first);
    mapping = probe->hv->ops->map(probe->hv, probe->domid, writable, REGION,
                                  pfns, errors);
    for (size_t i = 0; mapping && i < REGION; i++) {
        if (errors[i]) {
            errno = errors[i];
            err(1, "mapping a page");
        }
    }
    if (!mapping) {
        err(1, "mapping pages");
    }
    return mapping;
}

static void copy(struct probe *probe, uint64_t from, uint64_t to)
{
    void *source = map(probe, from, false);
    void *target = map(probe, to, true);

    memcpy(target, source, (size_t)REGION * XLM_PAGE_SIZE);
    probe->hv->ops->unmap(probe->hv, source, REGION);
    probe->hv->ops->unmap(probe->hv, target, REGION);
}

static void free_pages(struct probe *probe, uint64_t first)
{
    uint64_t pfns[REGION];

    set_pfns(pfns, first);
    if (probe->hv->ops->depopulate(probe->hv, probe->domid, REGION, pfns)) {
        err(1, "freeing pages");
    }
}

/* ---- a region ---- */

struct took {
    double us[STEPS];
    double paused_us;
};

static double step_done(struct probe *probe, struct took *took, enum step step,
                        double began_us)
{
    double now = xlm_now_us();

    took->us[step] += now - began_us;
    if (probe->stop_after == step + 1u) {
        printf("       ends after: %s\n", step_names[step]);
        fflush(stdout);
        _exit(3);
    }
    return xlm_now_us();
}

enum outcome { JOINED, HELD, GRANTED, NO_FRAME };

static enum outcome join_paused(struct probe *probe, uint64_t first,
                                struct took *took)
{
    double began_us = xlm_now_us();

    if (is_granted(probe, first)) {
        return GRANTED;
    }
    if (nominate(probe, first)) {
        /* What was nominated becomes ordinary again. */
        move(probe, first, probe->empty);
        move(probe, probe->empty, first);
        return HELD;
    }
    began_us = step_done(probe, took, NOMINATE, began_us);
    move(probe, first, probe->empty);
    began_us = step_done(probe, took, MOVE, began_us);
    if (!populate(probe, first)) {
        move(probe, probe->empty, first);
        return NO_FRAME;
    }
    began_us = step_done(probe, took, POPULATE, began_us);
    copy(probe, probe->empty, first);
    began_us = step_done(probe, took, COPY, began_us);
    free_pages(probe, probe->empty);
    (void)step_done(probe, took, FREE, began_us);
    return JOINED;
}

static void pause_domain(struct probe *probe)
{
    if (probe->hv->ops->pause(probe->hv, probe->domid)) {
        err(1, "pausing");
    }
}

static void unpause_domain(struct probe *probe)
{
    if (probe->hv->ops->unpause(probe->hv, probe->domid)) {
        err(1, "unpausing");
    }
}

static void join(struct probe *probe, size_t regions)
{
    size_t outcomes[NO_FRAME + 1] = {0}, done = 0;
    struct took took = {{0}};

    for (uint64_t pfn = REGION; pfn < EMPTY_FIRST && done < regions;
         pfn += REGION) {
        double began_us;

        if (!all_have_type(probe, pfn, XLM_TYPE_NOTAB)) {
            continue;
        }
        began_us = xlm_now_us();
        pause_domain(probe);
        outcomes[join_paused(probe, pfn, &took)]++;
        unpause_domain(probe);
        took.paused_us += xlm_now_us() - began_us;
        done++;
    }
    printf("joined %zu, held %zu, granted %zu, no frame %zu\n",
           outcomes[JOINED], outcomes[HELD], outcomes[GRANTED],
           outcomes[NO_FRAME]);
    for (size_t i = 0; i < STEPS && outcomes[JOINED]; i++) {
        printf("time   %-9s %8.0f us/region\n", step_names[i],
               took.us[i] / outcomes[JOINED]);
    }
    printf("time   paused    %8.0f us/region of all\n",
           done ? took.paused_us / done : 0);
}

/* Each page goes away and comes back: Xen never joins mappings. */
static void split(struct probe *probe, size_t regions)
{
    size_t done = 0;
    double began_us = xlm_now_us();

    for (uint64_t pfn = REGION; pfn < EMPTY_FIRST && done < regions;
         pfn += REGION) {
        if (!all_have_type(probe, pfn, XLM_TYPE_NOTAB)) {
            continue;
        }
        pause_domain(probe);
        move(probe, pfn, probe->empty);
        move(probe, probe->empty, pfn);
        unpause_domain(probe);
        done++;
    }
    printf("split  %zu regions, %.0f us/region\n", done,
           done ? (xlm_now_us() - began_us) / done : 0);
}

/* After a process that was killed: what is in the empty range goes back. */
static void mend(struct probe *probe, uint64_t first)
{
    size_t back = 0;

    for (size_t i = 0; i < REGION; i++) {
        back += !move_some(probe, probe->empty + i, first + i, 1);
    }
    if (!back) { /* perhaps nominated */
        move(probe, first, probe->empty);
        move(probe, probe->empty, first);
    }
    printf("mended, %zu pages were away\n", back);
    unpause_domain(probe);
}

/* ---- beginning ---- */

static void open_probe(struct probe *probe, uint32_t domid,
                       xentoollog_logger *logger)
{
    probe->domid = domid;
    probe->hv = xlm_hypervisor_open(logger);
    probe->call = xencall_open(NULL, 0);
    probe->memory = xenforeignmemory_open(NULL, 0);
    probe->granted = calloc(1, REGIONS_MOST / 8);
    if (!probe->hv || !probe->call || !probe->memory || !probe->granted) {
        err(1, "opening");
    }
    probe->entries =
        xencall_alloc_buffer(probe->call, REGION * sizeof(*probe->entries));
    probe->ops =
        xencall_alloc_buffer(probe->call, REGION * sizeof(*probe->ops));
    probe->extent = xencall_alloc_buffer(probe->call, sizeof(*probe->extent));
    probe->reservation =
        xencall_alloc_buffer(probe->call, sizeof(*probe->reservation));
    probe->physmap =
        xencall_alloc_buffer(probe->call, sizeof(*probe->physmap));
    if (!probe->entries || !probe->ops || !probe->extent ||
        !probe->reservation || !probe->physmap) {
        err(1, "buffers for hypercalls");
    }
    if (probe->hv->ops->domain_info(probe->hv, domid, &probe->info)) {
        err(1, "the domain");
    }
}

static void join_all(struct probe *probe, size_t regions)
{
    void *ring;
    uint32_t port;
    int fd;

    pause_domain(probe);
    if (probe->hv->ops->pager_enable(probe->hv, probe->domid, XLM_RING_PAGING,
                                     &ring, &fd, &port)) {
        err(1, "paging");
    }
    printf("       %zu grants\n", read_grants(probe));
    unpause_domain(probe);
    if (probe->hv->ops->set_max_pages(probe->hv, probe->domid,
                                      probe->info.max_pages + REGION)) {
        err(1, "max_pages");
    }
    join(probe, regions);
    if (probe->hv->ops->set_max_pages(probe->hv, probe->domid,
                                      probe->info.max_pages)) {
        err(1, "max_pages");
    }
    (void)probe->hv->ops->pager_disable(probe->hv, probe->domid);
}

int main(int argc, char **argv)
{
    struct probe probe = {0};
    xentoollog_logger_stdiostream *logger =
        xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    unsigned long number;

    if (argc < 3 || argc > 5) {
        fputs("usage: superpage-probe split|join|mend DOMID [REGIONS|PFN] "
              "[STEP]\n",
              stderr);
        return 2;
    }
    number = argc > 3 ? strtoul(argv[3], NULL, 0) : REGIONS_MOST;
    probe.stop_after = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
    open_probe(&probe, strtoul(argv[2], NULL, 0), (xentoollog_logger *)logger);
    if (!strcmp(argv[1], "mend")) {
        probe.empty = EMPTY_FIRST;
        mend(&probe, number);
        return 0;
    }
    find_empty(&probe);
    if (!strcmp(argv[1], "split")) {
        split(&probe, number);
    } else {
        join_all(&probe, number);
    }
    return 0;
}
