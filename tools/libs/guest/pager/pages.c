/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager makes pages absent, and pages them in.
 */
#include "pager/private.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

/* How often a page is tried while the guest is still the source's. */
#define TRIES_BEFORE_GO 20

/* ---- out ---- */

int xlm_pager_make_absent(struct xlm_pager *pager, size_t nr_new,
                          const uint64_t *new_pfns, size_t count,
                          const uint64_t *pfns, struct xlm_pfn_set *refused)
{
    struct xlm_eviction pages[XLM_BATCH_PAGES];
    size_t nr_pages = 0;

    /* Mark as outstanding first: a fault must find its page expected. */
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        if (xlm_pfn_set_add(&pager->sets.outstanding, pfns[i])) {
            xlm_pfn_set_remove(&pager->sets.arrived, pfns[i]);
            pages[nr_pages++] = (struct xlm_eviction){.pfn = pfns[i]};
        }
    }
    pthread_mutex_unlock(&pager->lock);
    if (pager->paging->ops->make_absent(pager->paging, nr_new, new_pfns,
                                        nr_pages, pages)) {
        return -1;
    }
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < nr_pages; i++) {
        if (pages[i].error) {
            xlm_pfn_set_add(refused, pages[i].pfn);
            (void)xlm_pager_answer_page(pager, pages[i].pfn);
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return 0;
}

/* ---- in ---- */

/* Nothing that this process can do gives the guest both what was written here
 * and what the page had at the source. */
static int page_written_unseen(struct xlm_pager *pager,
                               const struct xlm_page_in *page)
{
    pager->counts.pages_written_unseen++;
    errno = page->error;
    xtl_log(pager->ctx->logger, XTL_CRITICAL, -1, "xlm",
            "page %#" PRIx64 " of domain %" PRIu32 " was written here before "
            "it came (%" PRIu32 " such pages so far)",
            page->pfn, pager->domid, pager->counts.pages_written_unseen);
    return xlm_fail(
        pager->ctx,
        "page %#" PRIx64 " of domain %" PRIu32 " was written to here, by a "
        "back end, a program of this host or the hypervisor, before it came: "
        "access rights did not hold. Nothing was put in its place, so the "
        "guest runs here without that page, and its source still has it. The "
        "guest can go on for as long as it does not need the page: shut it "
        "down, and report this with the hypervisor's release and the guest's "
        "kernel",
        page->pfn, pager->domid);
}

static int page_in_failed(struct xlm_pager *pager,
                          const struct xlm_page_in *page)
{
    if (page->error == EUCLEAN) {
        return page_written_unseen(pager, page);
    }
    errno = page->error;
    return xlm_fail(pager->ctx,
                    "cannot page in page %#" PRIx64 " of domain %" PRIu32
                    ": %s",
                    page->pfn, pager->domid, strerror(errno));
}

/*
 * Account for a batch that was tried, and move pages to try again to its
 * front.  0: *left of these remain; -1: a page failed for good.
 */
static int account_for_batch(struct xlm_pager *pager, size_t count,
                             struct xlm_page_in *pages, size_t *left)
{
    bool answered = false;
    int rc = 0;

    *left = 0;
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        bool asked =
            xlm_pfn_set_contains(&pager->sets.requested, pages[i].pfn);

        if (xlm_try_again(pages[i].error)) {
            pages[(*left)++] = pages[i];
            continue;
        }
        if (pages[i].error && pages[i].error != ENOENT) {
            pager->gone |= pages[i].error == ESRCH;
            rc = page_in_failed(pager, &pages[i]);
            continue;
        }
        if (pages[i].error) {
            /* Unless the pager has learned of that meanwhile. */
            pager->counts.pages_dropped +=
                xlm_pfn_set_contains(&pager->sets.outstanding, pages[i].pfn);
        } else {
            xlm_pfn_set_add(&pager->sets.arrived, pages[i].pfn);
            pager->counts.pages_requested += asked;
            pager->counts.pages_pushed += !asked;
        }
        answered |= xlm_pager_answer_page(pager, pages[i].pfn);
    }
    pthread_mutex_unlock(&pager->lock);
    if (answered) {
        xlm_pager_notify(pager);
    }
    return rc;
}

/* With the lock held. */
static void trace_arrived(struct xlm_pager *pager, uint64_t pfn)
{
    if (xlm_pfn_set_contains(&pager->sets.requested, pfn)) {
        XLM_TRACE(pager->ctx, arrived, pfn, XLM_TRACE_NONE);
    }
}

/* Drop pages from a batch that are not outstanding: the peer lies or repeats,
 * or the guest has dropped the page meanwhile. */
static size_t only_outstanding(struct xlm_pager *pager, size_t count,
                               struct xlm_page_in *pages)
{
    size_t kept = 0;

    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        if (xlm_pfn_set_contains(&pager->sets.outstanding, pages[i].pfn)) {
            trace_arrived(pager, pages[i].pfn);
            pages[kept++] = pages[i];
        } else {
            pager->counts.duplicates +=
                xlm_pfn_set_contains(&pager->sets.arrived, pages[i].pfn);
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return kept;
}

/* Before the go the guest is stopped at the source, which can let it run on:
 * so do not try for long. */
static int check_patience(struct xlm_pager *pager, unsigned int tries)
{
    bool ours;

    pthread_mutex_lock(&pager->lock);
    ours = pager->asking.ours;
    pthread_mutex_unlock(&pager->lock);
    if (ours || tries < TRIES_BEFORE_GO) {
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
        return 0;
    }
    errno = ENOMEM;
    return xlm_fail(pager->ctx,
                    "cannot page in pages of domain %" PRIu32
                    ": this host has no memory for them; free some",
                    pager->domid);
}

static int page_in(struct xlm_pager *pager, size_t count,
                   struct xlm_page_in *pages)
{
    int rc;

    pthread_mutex_lock(&pager->entry);
    rc = pager->paging->ops->bring_in(pager->paging, count, pages);
    pthread_mutex_unlock(&pager->entry);
    return rc;
}

int xlm_pager_bring_in(struct xlm_pager *pager, size_t count,
                       struct xlm_page_in *pages)
{
    unsigned int tries = 0;

    count = only_outstanding(pager, count, pages);
    while (count) {
        size_t left = count;
        int rc = page_in(pager, count, pages);

        if (rc && !xlm_try_again(errno)) {
            return xlm_fail(pager->ctx,
                            "cannot page in pages of domain "
                            "%" PRIu32 ": %s",
                            pager->domid, strerror(errno));
        }
        if (!rc && account_for_batch(pager, count, pages, &left)) {
            return -1;
        }
        if (left == count && check_patience(pager, ++tries)) {
            return -1;
        }
        count = left;
    }
    return 0;
}

static int make_holes(struct xlm_pager *pager, size_t count,
                      const uint64_t *pfns)
{
    int rc;

    pthread_mutex_lock(&pager->entry);
    rc = pager->paging->ops->make_holes(pager->paging, count, pfns);
    pthread_mutex_unlock(&pager->entry);
    return rc;
}

static size_t holes_outstanding(struct xlm_pager *pager, size_t count,
                                const uint64_t *pfns, uint64_t *outstanding)
{
    size_t kept = 0;

    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        if (xlm_pfn_set_contains(&pager->sets.outstanding, pfns[i])) {
            trace_arrived(pager, pfns[i]);
            outstanding[kept++] = pfns[i];
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return kept;
}

static void answer_holes(struct xlm_pager *pager, size_t count,
                         const uint64_t *pfns)
{
    bool answered = false;

    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        pager->counts.pages_dropped +=
            xlm_pfn_set_contains(&pager->sets.outstanding, pfns[i]);
        answered |= xlm_pager_answer_page(pager, pfns[i]);
    }
    pthread_mutex_unlock(&pager->lock);
    if (answered) {
        xlm_pager_notify(pager);
    }
}

int xlm_pager_bring_holes(struct xlm_pager *pager, size_t count,
                          const uint64_t *pfns)
{
    uint64_t outstanding[XLM_BATCH_PAGES];

    count = holes_outstanding(pager, count, pfns, outstanding);
    if (!count) {
        return 0;
    }
    while (make_holes(pager, count, outstanding)) {
        if (!xlm_try_again(errno)) {
            return xlm_fail(pager->ctx,
                            "cannot remove pages of domain %" PRIu32 ": %s",
                            pager->domid, strerror(errno));
        }
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
    }
    answer_holes(pager, count, outstanding);
    return 0;
}
