/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Is the source's domain still as the guest left it?
 *
 * Once the guest is suspended nothing in the domain may change: neither the
 * contents of pages, nor which pages there are.  A program can resume it all
 * the same, or destroy it.  A domain that is being destroyed looks as if the
 * guest had ballooned: its pages cannot be mapped and have the type of a hole,
 * for long before the hypervisor says that it is dying.  These differences
 * tell:
 *
 * - a domain that was resumed is not suspended any more, or has run since;
 * - one that is being destroyed has fewer pages than at the stop, or has lost
 *   the page that was marked then: Xen frees pages one by one or, since
 *   4.14.5, forgets where all of them are at once.
 */
#include "save/source.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/sched.h>

/* vCPUs may be charged this much once the domain has shut down. */
#define LATE_CHARGE_NS 1000000

static int get_info(struct xlm_saver *saver, struct xlm_domain_info *info)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    int rc;

    /* Threads of further connections call this, too. */
    pthread_mutex_lock(&saver->mark.asking);
    rc = hv->ops->domain_info(hv, saver->params->domid, info);
    pthread_mutex_unlock(&saver->mark.asking);
    return rc;
}

/* The first page that exists. */
static int find_anchor(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    uint64_t pfns[XLM_BATCH_PAGES];
    uint32_t types[XLM_BATCH_PAGES];

    for (uint64_t at = 0; at < saver->domain.nr_pfns; at += XLM_BATCH_PAGES) {
        uint64_t left = saver->domain.nr_pfns - at;
        size_t count = left < XLM_BATCH_PAGES ? left : XLM_BATCH_PAGES;

        for (size_t i = 0; i < count; i++) {
            pfns[i] = at + i;
        }
        if (hv->ops->page_types(hv, saver->params->domid, count, pfns,
                                types)) {
            return -1;
        }
        for (size_t i = 0; i < count; i++) {
            if (xlm_type_has_contents(types[i])) {
                saver->mark.left.anchor = pfns[i];
                return 0;
            }
        }
    }
    errno = ENODATA;
    return -1;
}

int xlm_save_mark_source(struct xlm_saver *saver)
{
    struct xlm_mark *mark = &saver->mark.left;
    struct xlm_domain_info info;

    if (get_info(saver, &info) || find_anchor(saver)) {
        return xlm_fail(saver->ctx, "cannot look at domain %" PRIu32 ": %s",
                        saver->params->domid, strerror(errno));
    }
    mark->tot_pages = info.tot_pages;
    mark->cpu_ns = info.cpu_ns;
    mark->is_set = true;
    saver->stats->mark = *mark;
    return 0;
}

/* -1 with errno: it could not be found out. */
static int find_fate(struct xlm_saver *saver, const char **fate)
{
    const struct xlm_mark *mark = &saver->mark.left;
    struct xlm_domain_info info;

    *fate = NULL;
    if (!mark->is_set) {
        return 0;
    }
    if (get_info(saver, &info)) {
        *fate = "was destroyed";
        return errno == ESRCH ? 0 : -1;
    }
    if (info.dying) {
        *fate = "was destroyed";
    } else if (!info.shutdown || info.shutdown_reason != SHUTDOWN_suspend ||
               info.cpu_ns > mark->cpu_ns + LATE_CHARGE_NS) {
        *fate = "was resumed";
    } else if (info.tot_pages < mark->tot_pages) {
        *fate = "is being destroyed";
    }
    return 0;
}

bool xlm_save_source_is_sound(struct xlm_saver *saver)
{
    const char *fate;

    return !find_fate(saver, &fate) && !fate;
}

static int lose(struct xlm_saver *saver, const char *fate)
{
    const uint64_t pages = saver->stats->outstanding;

    saver->mark.lost = saver->ctx->lost = true;
    errno = ENODATA;
    return xlm_fail(saver->ctx,
                    "domain %" PRIu32 ", which kept the memory of the guest, "
                    "%s, with %" PRIu64 " pages (%" PRIu64 " MiB) still to go",
                    saver->params->domid, fate, pages,
                    (pages * XLM_PAGE_SIZE + (1 << 20) - 1) >> 20);
}

int xlm_save_check_source(struct xlm_saver *saver)
{
    const char *fate;

    if (find_fate(saver, &fate)) {
        return xlm_fail(saver->ctx, "cannot look at domain %" PRIu32 ": %s",
                        saver->params->domid, strerror(errno));
    }
    return fate ? lose(saver, fate) : 0;
}

bool xlm_save_has_no_page(struct xlm_saver *saver, uint64_t pfn)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    uint32_t type;
    int rc;

    pthread_mutex_lock(&saver->mark.asking);
    rc = hv->ops->page_types(hv, saver->params->domid, 1, &pfn, &type);
    pthread_mutex_unlock(&saver->mark.asking);
    return !rc && !xlm_type_has_contents(type);
}

static bool has_anchor(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    uint32_t type;
    int rc;

    pthread_mutex_lock(&saver->mark.asking);
    rc = hv->ops->page_types(hv, saver->params->domid, 1,
                             &saver->mark.left.anchor, &type);
    pthread_mutex_unlock(&saver->mark.asking);
    return !rc && xlm_type_has_contents(type);
}

bool xlm_save_never_had_page(struct xlm_saver *saver, uint64_t pfn)
{
    return xlm_save_has_no_page(saver, pfn) &&
           (!saver->mark.left.is_set || has_anchor(saver)) &&
           xlm_save_source_is_sound(saver);
}

int xlm_save_check_memory(struct xlm_saver *saver)
{
    if (!saver->mark.left.is_set) {
        return 0;
    }
    if (!has_anchor(saver)) {
        return lose(saver, "is being destroyed");
    }
    /* Last, because the result is true for all that was read before. */
    return xlm_save_check_source(saver);
}
