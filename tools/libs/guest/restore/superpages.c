/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Superpages for a guest whose memory has come page by page.
 *
 * Xen maps as a superpage only memory that was populated as one.  So each
 * region of 2 MiB is populated anew, while the domain is paused:
 *
 *   nominate   its pages.  Xen refuses a page that a back end, a program or
 *              Xen itself holds; the region is left alone then
 *   move       the pages, with their frames, to the spare region: 2 MiB of
 *              holes
 *   populate   the region, with one frame of 2 MiB
 *   copy       the pages into the region
 *   free       the pages in the spare region
 *
 * No page is freed before its contents are elsewhere in the domain.  A page in
 * the spare region always has the right contents, and the domain runs only
 * while that region is empty.  So after a failure, or after a kill by another
 * process, the same step undoes all of this at whatever point it stopped: move
 * each page of the spare region to where it came from, which frees what is
 * there by now.
 *
 * A back end could read the new frame before the copy, or write to the old one
 * after it.  But back ends reach only pages that the guest has granted, and a
 * paused guest grants nothing: regions with a granted page are left alone.
 */
#include "restore/superpages.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "pager/kept.h"

/* The guest runs for this many times as long as it was paused. */
#define DUTY 19
/* When the host has had no frame for this many regions in turn, it counts as
 * having none. */
#define NO_FRAMES 8

enum outcome {
    JOINED,
    LEFT_ALONE, /* a page of it is held, or granted */
    NO_FRAME,
    GUEST_GONE, /* or the guest has shut down */
};

struct joining {
    struct xlm_context *ctx;
    struct xlm_hypervisor *hv;
    uint32_t domid;
    struct xlm_kept_region *kept;
};

static void set_pfns(uint64_t pfns[XLM_REGION_PAGES], uint64_t first)
{
    for (size_t i = 0; i < XLM_REGION_PAGES; i++) {
        pfns[i] = first + i;
    }
}

static int move(struct joining *joining, uint64_t from, uint64_t to,
                size_t count)
{
    return joining->hv->ops->move_pages(joining->hv, joining->domid, from, to,
                                        count);
}

static bool is_alive(struct joining *joining, struct xlm_domain_info *info)
{
    return !joining->hv->ops->domain_info(joining->hv, joining->domid, info) &&
           !info->dying && !info->shutdown;
}

/* Keep a word for a process that takes over, which sees the words in the order
 * of these calls. */
static void keep(unsigned long *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- putting back ---- */

/* Move a page from the spare region (`there`) to its place (`here`).  If it is
 * in its place already, it may be nominated: moving it away and back makes it
 * ordinary again. */
static int put_page_back(struct joining *joining, uint64_t here,
                         uint64_t there)
{
    if (!move(joining, there, here, 1)) {
        return 0;
    }
    if (errno != EINVAL) {
        return -1;
    }
    if (move(joining, here, there, 1)) {
        return errno == EINVAL ? 0 : -1;
    }
    return move(joining, there, here, 1);
}

static int put_back(struct joining *joining)
{
    const struct xlm_kept_region *kept = joining->kept;

    for (uint64_t i = 0; i < XLM_REGION_PAGES; i++) {
        if (put_page_back(joining, kept->first + i, kept->spare + i)) {
            return -1;
        }
    }
    return 0;
}

static int remove_blank(struct joining *joining)
{
    struct xlm_hypervisor *hv = joining->hv;
    uint64_t pfn = joining->kept->blank;

    if (pfn && hv->ops->depopulate(hv, joining->domid, 1, &pfn)) {
        return -1;
    }
    keep(&joining->kept->blank, 0);
    return 0;
}

/* Repeats until it succeeds: nothing else can be done for the guest meanwhile.
 */
static void insist(struct joining *joining,
                   int (*step)(struct joining *joining))
{
    struct xlm_domain_info info;
    bool said = false;

    while (step(joining) && is_alive(joining, &info)) {
        if (!said) {
            xtl_log(joining->ctx->logger, XTL_ERROR, errno, "xlm",
                    "domain %" PRIu32 " is paused here, because pages cannot "
                    "be moved to their places: trying again",
                    joining->domid);
            said = true;
        }
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
    }
}

/* ---- a region, with the domain paused ---- */

static bool is_whole(struct joining *joining, uint64_t first)
{
    uint64_t pfns[XLM_REGION_PAGES];
    uint32_t types[XLM_REGION_PAGES];

    set_pfns(pfns, first);
    if (joining->hv->ops->page_types(joining->hv, joining->domid,
                                     XLM_REGION_PAGES, pfns, types)) {
        return false;
    }
    for (size_t i = 0; i < XLM_REGION_PAGES; i++) {
        if (types[i] != XLM_TYPE_NOTAB) {
            return false;
        }
    }
    return true;
}

/* NULL unless all of the region can be mapped. */
static void *map(struct joining *joining, uint64_t first, bool writable)
{
    struct xlm_hypervisor *hv = joining->hv;
    uint64_t pfns[XLM_REGION_PAGES];
    int errors[XLM_REGION_PAGES];
    void *mapping;

    set_pfns(pfns, first);
    mapping = hv->ops->map(hv, joining->domid, writable, XLM_REGION_PAGES,
                           pfns, errors);
    for (size_t i = 0; mapping && i < XLM_REGION_PAGES; i++) {
        if (errors[i]) {
            hv->ops->unmap(hv, mapping, XLM_REGION_PAGES);
            return NULL;
        }
    }
    return mapping;
}

static int copy(struct joining *joining, uint64_t from, uint64_t to)
{
    struct xlm_hypervisor *hv = joining->hv;
    void *source = map(joining, from, false);
    void *target = source ? map(joining, to, true) : NULL;

    if (target) {
        memcpy(target, source, (size_t)XLM_REGION_PAGES * XLM_PAGE_SIZE);
        hv->ops->unmap(hv, target, XLM_REGION_PAGES);
    }
    if (source) {
        hv->ops->unmap(hv, source, XLM_REGION_PAGES);
    }
    return target ? 0 : -1;
}

static int free_pages(struct joining *joining, uint64_t first)
{
    uint64_t pfns[XLM_REGION_PAGES];

    set_pfns(pfns, first);
    return joining->hv->ops->depopulate(joining->hv, joining->domid,
                                        XLM_REGION_PAGES, pfns);
}

/* Make sure that Xen has a table for the spare region, before a page is moved
 * there: Xen would lose a page for which it cannot allocate the table.  Xen
 * keeps the table when the blank page goes. */
static int make_table(struct joining *joining, uint64_t spare)
{
    struct xlm_hypervisor *hv = joining->hv;
    int rc;

    keep(&joining->kept->blank, spare);
    rc = hv->ops->populate(hv, joining->domid, 1, &spare);
    insist(joining, remove_blank);
    return rc;
}

/* A region that is not JOINED must be put back. */
static enum outcome exchange(struct joining *joining)
{
    struct xlm_hypervisor *hv = joining->hv;
    uint64_t first = joining->kept->first, spare = joining->kept->spare;
    size_t refused;

    if (hv->ops->nominate_region(hv, joining->domid, first, &refused) ||
        refused || move(joining, first, spare, XLM_REGION_PAGES)) {
        return LEFT_ALONE;
    }
    if (hv->ops->populate_region(hv, joining->domid, first)) {
        return NO_FRAME;
    }
    return copy(joining, spare, first) || free_pages(joining, spare)
               ? LEFT_ALONE
               : JOINED;
}

static int restore_max_pages(struct joining *joining)
{
    struct xlm_hypervisor *hv = joining->hv;
    uint64_t pages = joining->kept->max_pages;

    return pages ? hv->ops->set_max_pages(hv, joining->domid, pages) : 0;
}

/* For a while the domain has the old pages beside the new frame, and needs a
 * higher limit. */
static enum outcome exchange_with_room(struct joining *joining, uint64_t spare,
                                       uint64_t max_pages)
{
    struct xlm_hypervisor *hv = joining->hv;
    enum outcome outcome = NO_FRAME;

    keep(&joining->kept->max_pages, max_pages);
    if (hv->ops->set_max_pages(hv, joining->domid,
                               max_pages + XLM_REGION_PAGES)) {
        return LEFT_ALONE;
    }
    if (!make_table(joining, spare)) {
        keep(&joining->kept->spare, spare);
        outcome = exchange(joining);
        if (outcome != JOINED) {
            insist(joining, put_back);
        }
    }
    insist(joining, restore_max_pages);
    return outcome;
}

static enum outcome join_paused(struct joining *joining)
{
    struct xlm_hypervisor *hv = joining->hv;
    uint64_t first = joining->kept->first, spare;
    struct xlm_domain_info info;
    bool granted;

    if (!is_alive(joining, &info)) {
        return GUEST_GONE;
    }
    if (!is_whole(joining, first) ||
        hv->ops->is_granted(hv, joining->domid, first, &granted) || granted ||
        hv->ops->spare_region(hv, joining->domid, &spare)) {
        return LEFT_ALONE;
    }
    return exchange_with_room(joining, spare, info.max_pages);
}

/* ---- all regions ---- */

static void forget(struct xlm_kept_region *kept)
{
    keep(&kept->first, 0);
    keep(&kept->spare, 0);
    keep(&kept->blank, 0);
    keep(&kept->max_pages, 0);
}

/* EINVAL: the domain is not paused, because another program has unpaused
 * it. */
static int unpause(struct joining *joining)
{
    return joining->hv->ops->unpause(joining->hv, joining->domid) &&
                   errno != EINVAL
               ? -1
               : 0;
}

static enum outcome join_region(struct joining *joining, uint64_t first)
{
    struct xlm_hypervisor *hv = joining->hv;
    enum outcome outcome;

    keep(&joining->kept->first, first);
    if (hv->ops->pause(hv, joining->domid)) {
        forget(joining->kept);
        return GUEST_GONE;
    }
    outcome = join_paused(joining);
    insist(joining, unpause);
    forget(joining->kept);
    return outcome;
}

/* Let the guest run for a while.  False: no further region may be tried,
 * because another connection has come. */
static bool let_run(struct xlm_restorer *restorer, uint64_t paused_us)
{
    struct pollfd other = {
        .fd = restorer->channel.abort_fd,
        .events = POLLIN,
    };

    if (restorer->params->superpages_at_once) {
        paused_us = 0;
    }
    return poll(&other, 1, (paused_us * DUTY + 999) / 1000) == 0;
}

/* The first region is left out: a guest has holes there, and what firmware
 * left. */
static void join_all(struct xlm_restorer *restorer, struct joining *joining,
                     size_t counts[GUEST_GONE + 1])
{
    uint64_t limit = restorer->domain.pfn_limit, began_us;
    enum outcome outcome = LEFT_ALONE;
    unsigned int no_frames = 0;

    for (uint64_t first = XLM_REGION_PAGES;
         first + XLM_REGION_PAGES <= limit && outcome != GUEST_GONE &&
         no_frames < NO_FRAMES;
         first += XLM_REGION_PAGES) {
        if (!is_whole(joining, first)) {
            continue;
        }
        began_us = xlm_now_us();
        outcome = join_region(joining, first);
        counts[outcome]++;
        no_frames = outcome == NO_FRAME ? no_frames + 1 : 0;
        restorer->stats->superpages = counts[JOINED];
        xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
        if (!let_run(restorer, xlm_now_us() - began_us)) {
            return;
        }
    }
}

void xlm_superpages_join(struct xlm_restorer *restorer)
{
    struct xlm_kept_region nowhere = {0};
    struct joining joining = {
        .ctx = restorer->ctx,
        .hv = restorer->ctx->hypervisor,
        .domid = restorer->domain.domid,
        .kept = restorer->kept ? xlm_kept_region(restorer->kept,
                                                 restorer->domain.pfn_limit)
                               : &nowhere,
    };
    size_t counts[GUEST_GONE + 1] = {0};

    join_all(restorer, &joining, counts);
    xtl_log(restorer->ctx->logger, XTL_INFO, -1, "xlm",
            "domain %" PRIu32 " has superpages of 2 MiB in %zu places; %zu "
            "are used by others, for %zu the host had no memory in one piece",
            joining.domid, counts[JOINED], counts[LEFT_ALONE],
            counts[NO_FRAME]);
}

/* ---- after a kill ---- */

int xlm_superpages_mend(struct xlm_context *ctx, uint32_t domid,
                        struct xlm_kept_region *kept)
{
    struct joining joining = {
        .ctx = ctx,
        .hv = ctx->hypervisor,
        .domid = domid,
        .kept = kept,
    };

    if (!kept->first) {
        return 0;
    }
    if (remove_blank(&joining) || (kept->spare && put_back(&joining)) ||
        restore_max_pages(&joining)) {
        return xlm_fail(ctx,
                        "domain %" PRIu32 " is paused here, because its pages "
                        "cannot be moved to their places: %s; try again",
                        domid, strerror(errno));
    }
    if (unpause(&joining)) {
        return xlm_fail(ctx,
                        "domain %" PRIu32 " is paused here: try xl "
                        "unpause",
                        domid);
    }
    forget(kept);
    return 0;
}
