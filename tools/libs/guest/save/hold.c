/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The guest gets no page while it moves.
 *
 * Xen up to 4.20.2 does not mark a page that is added to the physmap as dirty,
 * and logs no write to it before the log is cleared the next time.  A page
 * that is given back and got again at the same pfn between two looks is there
 * at both, with other contents, and nothing shows that.  But Xen enforces
 * max_pages: a domain with more pages than that may give pages back and gets
 * none.  So the source sets max_pages that low while the guest moves; a
 * balloon driver tries again later.
 *
 * A program that sets the memory of a domain lifts this (xl mem-set, xl
 * mem-max).  The source notices, because max_pages has changed, and all of the
 * guest's pages then count as written.
 */
#include "save/hold.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "save/pages.h"

/* How high the highest pfn may get before the go: the destination has room for
 * this many times the pfns in PREPARE. */
static int check_growth(struct xlm_saver *saver, uint64_t nr_pfns)
{
    if (!saver->asked.prepared_pfns ||
        nr_pfns <= saver->asked.prepared_pfns * XLM_PREPARE_GROWTH) {
        return 0;
    }
    errno = E2BIG;
    return xlm_fail(saver->ctx,
                    "the guest got memory at %#" PRIx64 " MiB while it was "
                    "moved, which the destination has no room for: it runs "
                    "on here, try again",
                    nr_pfns >> (20 - XLM_PAGE_SHIFT));
}

/* Look at the pfns that the guest got above its former ones. */
static int grow(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    uint64_t before = saver->domain.nr_pfns;
    uint64_t nr_pfns;

    if (hv->ops->nr_pfns(hv, saver->params->domid, &nr_pfns)) {
        return xlm_fail(saver->ctx,
                        "cannot find the size of domain %" PRIu32 ": %s",
                        saver->params->domid, strerror(errno));
    }
    if (nr_pfns <= before) {
        return 0;
    }
    if (check_growth(saver, nr_pfns)) {
        return -1;
    }
    saver->domain.nr_pfns = nr_pfns;
    return xlm_saver_make_sets(saver) ||
                   xlm_save_find_new(saver, before, nr_pfns)
               ? -1
               : 0;
}

static int allow(struct xlm_saver *saver, uint64_t pages)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    if (hv->ops->set_max_pages(hv, saver->params->domid, pages)) {
        return xlm_fail(saver->ctx,
                        "cannot keep domain %" PRIu32
                        " from getting memory while it is moved: %s",
                        saver->params->domid, strerror(errno));
    }
    return 0;
}

/* Note the domain's limit before it is lowered. */
static int hold(struct xlm_saver *saver, uint64_t max_pages)
{
    const struct xlm_save_callbacks *callbacks = saver->callbacks;

    if (callbacks->note_max_pages &&
        callbacks->note_max_pages(&max_pages, callbacks->data)) {
        return xlm_fail(saver->ctx,
                        "cannot note how much memory domain %" PRIu32
                        " may have: %s",
                        saver->params->domid, strerror(errno));
    }
    if (allow(saver, XLM_HELD_PAGES)) {
        return -1;
    }
    saver->domain.max_pages = max_pages;
    return 0;
}

/* A killed process left the domain held, without a note: its present size is
 * the right limit for a guest that has not ballooned. */
static uint64_t allowed(const struct xlm_domain_info *info)
{
    return info->max_pages == XLM_HELD_PAGES ? info->tot_pages
                                             : info->max_pages;
}

static int read_info(struct xlm_saver *saver, struct xlm_domain_info *info)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    if (hv->ops->domain_info(hv, saver->params->domid, info)) {
        return xlm_fail(saver->ctx, "the guest is gone: %s", strerror(errno));
    }
    return 0;
}

int xlm_save_hold(struct xlm_saver *saver)
{
    struct xlm_domain_info info;

    return read_info(saver, &info) || hold(saver, allowed(&info)) ? -1 : 0;
}

void xlm_save_release(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    uint32_t domid = saver->params->domid;
    struct xlm_domain_info info;

    if (!saver->domain.max_pages || hv->ops->domain_info(hv, domid, &info) ||
        info.max_pages != XLM_HELD_PAGES) {
        return; /* never held, gone, or changed by another program */
    }
    if (hv->ops->set_max_pages(hv, domid, saver->domain.max_pages)) {
        xtl_log(saver->ctx->logger, XTL_ERROR, errno, "xlm",
                "domain %" PRIu32 " gets no memory any more: give it %" PRIu64
                " MiB with xl mem-set",
                domid, saver->domain.max_pages >> (20 - XLM_PAGE_SHIFT));
    }
}

/* Another program let the guest have pages: any page may have changed. */
static int take_all_for_new(struct xlm_saver *saver)
{
    xtl_log(saver->ctx->logger, XTL_NOTICE, -1, "xlm",
            "another program changed how much memory domain %" PRIu32
            " may have while "
            "it is moved: all of its pages are sent again",
            saver->params->domid);
    xlm_pfn_set_unite(&saver->sets.fresh, &saver->sets.present);
    return 0;
}

/*
 * While the guest gets no pages, it is not listed again when it has given some
 * back, which would take seconds for a large guest: given back pages turn out
 * to be holes when they are sent.
 */
static int look(struct xlm_saver *saver, bool list, bool keep)
{
    struct xlm_domain_info info;
    bool lifted;

    xlm_pfn_set_clear(&saver->sets.fresh);
    if (read_info(saver, &info) || grow(saver)) {
        return -1;
    }
    lifted = info.max_pages != XLM_HELD_PAGES;
    if (lifted && keep && hold(saver, info.max_pages)) {
        return -1;
    }
    if ((list || lifted || info.tot_pages > saver->domain.tot_pages) &&
        xlm_save_list_present(saver)) {
        return -1;
    }
    if (info.tot_pages < saver->domain.tot_pages) {
        saver->domain.tot_pages = info.tot_pages;
    }
    return lifted ? take_all_for_new(saver) : 0;
}

int xlm_save_look_again(struct xlm_saver *saver, bool list)
{
    if (look(saver, list, true)) {
        return -1;
    }
    xlm_save_split_device(saver, &saver->sets.fresh);
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.fresh);
    xlm_pfn_set_clear(&saver->sets.fresh);
    return 0;
}

/* In a device model's ranges pages are moved to and fro, which does not change
 * their number. */
static int look_at_devices(struct xlm_saver *saver)
{
    for (size_t i = 0; i < XLM_DEVICE_RANGES; i++) {
        const struct xlm_pfn_range *range = &saver->params->device_ranges[i];

        if (xlm_save_find_new(saver, range->first, range->end)) {
            return -1;
        }
    }
    return 0;
}

int xlm_save_recheck_pages(struct xlm_saver *saver)
{
    return look(saver, false, false) || look_at_devices(saver) ? -1 : 0;
}

int xlm_save_recheck_resident(struct xlm_saver *saver)
{
    struct xlm_pfn_set found = XLM_PFN_SET_EMPTY;
    int rc = xlm_pfn_set_reserve(&found, saver->domain.nr_pfns);

    if (rc) {
        return xlm_fail(saver->ctx, "no memory to look for pages");
    }
    rc = xlm_find_hypervisor_pages(saver->ctx, saver->params->domid, &found);
    if (!rc) {
        xlm_pfn_set_intersect(&found, &saver->sets.present);
        xlm_pfn_set_unite(&saver->sets.resident, &found);
    }
    xlm_pfn_set_dispose(&found);
    return rc;
}
