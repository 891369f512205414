/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages at the destination: before the guest runs, and after.
 */
#include "restore/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* Pages that the toolstack may have given the domain besides. */
#define UNCOUNTED_PAGES 64

/* Records of up to 256 pages, and their lists, are read into memory that the
 * hypervisor can read; a source that serves faults well sends no larger ones
 * while the guest runs. */
#define LENT_PAGES 257

/* Credit is held back for up to this many records like the last one ... */
#define CREDIT_RECORDS 2
/* ... and at least this many pages. */
#define CREDIT_PAGES 16

/* Returns how many octets there are now at *lent. */
static size_t lend(struct xlm_context *ctx, void **lent)
{
    *lent = ctx->hypervisor->ops->contents_alloc(ctx->hypervisor, LENT_PAGES);
    return *lent ? LENT_PAGES * XLM_PAGE_SIZE : 0;
}

static void take_back(struct xlm_context *ctx, void *lent)
{
    if (lent) {
        ctx->hypervisor->ops->contents_free(ctx->hypervisor, lent, LENT_PAGES);
    }
}

void xlm_restore_lend_contents(struct xlm_context *ctx,
                               struct xlm_record *record)
{
    record->lent_octets = lend(ctx, &record->lent);
}

void xlm_restore_dispose_record(struct xlm_context *ctx,
                                struct xlm_record *record)
{
    take_back(ctx, record->lent);
    xlm_record_dispose(record);
}

void xlm_restore_lend_expanded(struct xlm_context *ctx,
                               struct xlm_expander *expander)
{
    expander->lent_octets = lend(ctx, &expander->lent);
}

void xlm_restore_dispose_expander(struct xlm_context *ctx,
                                  struct xlm_expander *expander)
{
    take_back(ctx, expander->lent);
    xlm_expander_dispose(expander);
}

/* Check a list and make its contents, where something stands for them. */
static int parse_contents(struct xlm_context *ctx,
                          const struct xlm_record *record,
                          struct xlm_expander *expander, uint64_t pfn_limit,
                          struct xlm_pfn_list *list)
{
    return xlm_parse_pfn_list(ctx, record, pfn_limit, list) ||
                   xlm_expand(ctx, expander, record, list)
               ? -1
               : 0;
}

void xlm_restore_lend(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    xlm_restore_lend_contents(restorer->ctx, &restorer->record);
    xlm_restore_lend_expanded(restorer->ctx, &restorer->expander);
    restorer->zeroes = hv->ops->contents_alloc(hv, 1);
    if (restorer->zeroes) {
        memset(restorer->zeroes, 0, XLM_PAGE_SIZE);
    }
}

void xlm_restore_dispose_lent(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    xlm_restore_dispose_record(restorer->ctx, &restorer->record);
    xlm_restore_dispose_expander(restorer->ctx, &restorer->expander);
    if (restorer->zeroes) {
        hv->ops->contents_free(hv, restorer->zeroes, 1);
    }
}

int xlm_restore_reserve(struct xlm_restorer *restorer, uint64_t pfns)
{
    if (xlm_pfn_set_reserve(&restorer->sets.populated, pfns) ||
        xlm_pfn_set_reserve(&restorer->sets.toolstack, pfns) ||
        xlm_pfn_set_reserve(&restorer->sets.refusing, pfns) ||
        xlm_pfn_set_reserve(&restorer->sets.refused, pfns)) {
        return xlm_fail(restorer->ctx,
                        "no memory to keep track of %" PRIu64 " pages", pfns);
    }
    return 0;
}

static int parse(struct xlm_restorer *restorer, struct xlm_pfn_list *list)
{
    uint64_t end = 0;

    if (parse_contents(restorer->ctx, &restorer->record, &restorer->expander,
                       restorer->domain.pfn_limit, list)) {
        return -1;
    }
    /* An ordinary stream does not say how large the guest is. */
    for (size_t i = 0; i < list->count; i++) {
        uint64_t pfn = xlm_entry_pfn(list->entries[i]);

        end = pfn >= end ? pfn + 1 : end;
    }
    if (end <= restorer->sets.populated.limit) {
        return 0;
    }
    end = 2 * end < XLM_PFN_LIMIT ? 2 * end : XLM_PFN_LIMIT;
    return xlm_restore_reserve(restorer, end);
}

/* A guest that balloons up while it moves outgrows what the toolstack has
 * allowed its domain here, which is the size at the start. */
static int allow_populated(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;
    uint64_t wanted = restorer->sets.populated.count + UNCOUNTED_PAGES;

    if (!restorer->domain.max_pages) {
        if (hv->ops->domain_info(hv, restorer->domain.domid, &info)) {
            return xlm_fail(restorer->ctx,
                            "the new domain is gone: %s; try again",
                            strerror(errno));
        }
        restorer->domain.max_pages = info.max_pages;
    }
    if (wanted <= restorer->domain.max_pages) {
        return 0;
    }
    wanted += XLM_BATCH_PAGES;
    if (hv->ops->set_max_pages(hv, restorer->domain.domid, wanted)) {
        return xlm_fail(restorer->ctx,
                        "cannot allow the guest %" PRIu64 " pages: %s", wanted,
                        strerror(errno));
    }
    restorer->domain.max_pages = wanted;
    return 0;
}

/* Find the holes among these pfns.  The domain may have pages there, and will
 * get them. */
static int find_missing(struct xlm_restorer *restorer, size_t count,
                        const uint64_t *pfns, size_t *nr_missing,
                        uint64_t missing[XLM_BATCH_PAGES])
{
    *nr_missing = 0;
    for (size_t i = 0; i < count; i++) {
        if (xlm_pfn_set_add(&restorer->sets.populated, pfns[i])) {
            missing[(*nr_missing)++] = pfns[i];
        }
    }
    if (!*nr_missing) {
        return 0;
    }
    if (restorer->sets.populated.count > restorer->domain.max_guest_pages) {
        errno = EPROTO;
        return xlm_fail(restorer->ctx,
                        "bad migration stream: more pages than the guest's "
                        "configuration allows (%" PRIu64 ")",
                        restorer->domain.max_guest_pages);
    }
    return allow_populated(restorer);
}

int xlm_restore_populate(struct xlm_restorer *restorer, size_t count,
                         const uint64_t *pfns)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    uint64_t missing[XLM_BATCH_PAGES];
    size_t nr_missing;

    if (find_missing(restorer, count, pfns, &nr_missing, missing)) {
        return -1;
    }
    if (nr_missing &&
        hv->ops->populate(hv, restorer->domain.domid, nr_missing, missing)) {
        return xlm_fail(restorer->ctx,
                        "cannot get memory for the guest: %s; "
                        "free some on this host",
                        strerror(errno));
    }
    return 0;
}

/* What to do with a batch of PAGE_DATA. */
struct sorted {
    size_t nr_written; /* pages to map and write */
    uint64_t written[XLM_BATCH_PAGES];
    const uint8_t *contents[XLM_BATCH_PAGES];
    size_t nr_paged; /* evicted pages that come in */
    struct xlm_page_in paged[XLM_BATCH_PAGES];
};

static void sort_page(struct xlm_restorer *restorer, struct sorted *sorted,
                      uint64_t pfn, const uint8_t *contents)
{
    if (restorer->domain.rings_cleared &&
        xlm_pfn_set_contains(&restorer->sets.toolstack, pfn)) {
        return;
    }
    if (restorer->pager && xlm_pager_is_outstanding(restorer->pager, pfn)) {
        sorted->paged[sorted->nr_paged++] =
            (struct xlm_page_in){.pfn = pfn, .contents = contents};
    } else {
        sorted->contents[sorted->nr_written] = contents;
        sorted->written[sorted->nr_written++] = pfn;
    }
}

static int write_pages(struct xlm_restorer *restorer,
                       const struct sorted *sorted)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    int errors[XLM_BATCH_PAGES];
    uint8_t *mapping;
    int rc = 0;

    if (!sorted->nr_written) {
        return 0;
    }
    if (xlm_restore_populate(restorer, sorted->nr_written, sorted->written)) {
        return -1;
    }
    mapping = hv->ops->map(hv, restorer->domain.domid, true,
                           sorted->nr_written, sorted->written, errors);
    if (!mapping) {
        return xlm_fail(restorer->ctx,
                        "cannot map the memory of the new domain: %s; "
                        "free some on this host",
                        strerror(errno));
    }
    for (size_t i = 0; i < sorted->nr_written; i++) {
        if (errors[i]) {
            errno = errors[i];
            rc = xlm_fail(restorer->ctx,
                          "cannot map page %#" PRIx64 " of the new domain: %s",
                          sorted->written[i], strerror(errno));
            break;
        }
        memcpy(mapping + i * XLM_PAGE_SIZE, sorted->contents[i],
               XLM_PAGE_SIZE);
        xlm_pfn_set_remove(&restorer->sets.refused, sorted->written[i]);
    }
    hv->ops->unmap(hv, mapping, sorted->nr_written);
    return rc;
}

/* The source has no such page: the guest must not have one here either. */
static int take_hole(struct xlm_restorer *restorer, uint64_t pfn)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    xlm_pfn_set_remove(&restorer->sets.refused, pfn);
    if (!xlm_pfn_set_contains(&restorer->sets.populated, pfn) ||
        xlm_pfn_set_contains(&restorer->sets.toolstack, pfn)) {
        return 0;
    }
    if (restorer->pager && xlm_pager_is_outstanding(restorer->pager, pfn)) {
        return xlm_pager_bring_holes(restorer->pager, 1, &pfn);
    }
    if (hv->ops->depopulate(hv, restorer->domain.domid, 1, &pfn)) {
        return xlm_fail(restorer->ctx,
                        "cannot remove page %#" PRIx64
                        " of the new domain: %s",
                        pfn, strerror(errno));
    }
    xlm_pfn_set_remove(&restorer->sets.populated, pfn);
    return 0;
}

/* The contents of the next page of a record; a record may carry none. */
static const uint8_t *next_contents(const struct xlm_restorer *restorer,
                                    const struct xlm_record *record,
                                    const uint8_t **at)
{
    static const uint8_t zero_page[XLM_PAGE_SIZE];
    const uint8_t *contents = *at;

    if (record->type == XLM_REC_POSTCOPY_ZERO_PAGES) {
        return restorer->zeroes ? restorer->zeroes : zero_page;
    }
    *at += XLM_PAGE_SIZE;
    return contents;
}

/* Sort the pages of a record by what must be done with them. */
static int sort_pages(struct xlm_restorer *restorer, struct sorted *sorted,
                      const struct xlm_pfn_list *list)
{
    const uint8_t *contents = list->contents;

    sorted->nr_written = sorted->nr_paged = 0;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t pfn = xlm_entry_pfn(list->entries[i]);
        uint32_t type = xlm_entry_type(list->entries[i]);

        if (xlm_type_has_contents(type)) {
            sort_page(restorer, sorted, pfn,
                      next_contents(restorer, &restorer->record, &contents));
        } else if (type != XLM_TYPE_XALLOC && take_hole(restorer, pfn)) {
            return -1;
        } else if (type == XLM_TYPE_XALLOC &&
                   xlm_restore_populate(restorer, 1, &pfn)) {
            return -1;
        }
    }
    return 0;
}

int xlm_restore_take_pages(struct xlm_restorer *restorer)
{
    struct sorted *sorted;
    struct xlm_pfn_list list;
    int rc;

    if (parse(restorer, &list)) {
        return -1;
    }
    sorted = malloc(sizeof(*sorted));
    if (!sorted) {
        return xlm_fail(restorer->ctx, "no memory to take pages");
    }
    rc = sort_pages(restorer, sorted, &list);
    if (!rc) {
        rc = write_pages(restorer, sorted);
    }
    if (!rc && sorted->nr_paged) {
        rc = xlm_pager_bring_in(restorer->pager, sorted->nr_paged,
                                sorted->paged);
    }
    free(sorted);
    return rc;
}

/* Pages that are here and will come later lose their contents. */
static int make_absent(struct xlm_restorer *restorer, size_t count,
                       const uint64_t *pfns)
{
    uint64_t began_us = xlm_now_us();
    uint64_t missing[XLM_BATCH_PAGES];
    size_t nr_missing;
    int rc;

    if (find_missing(restorer, count, pfns, &nr_missing, missing)) {
        return -1;
    }
    rc = xlm_pager_make_absent(restorer->pager, nr_missing, missing, count,
                               pfns, &restorer->sets.refusing);
    restorer->evicted.pages += count;
    restorer->evicted.us += xlm_now_us() - began_us;
    return rc;
}

int xlm_restore_take_outstanding(struct xlm_restorer *restorer)
{
    struct xlm_pfn_list list;
    uint64_t pfns[XLM_BATCH_PAGES];
    size_t count = 0;

    if (parse(restorer, &list)) {
        return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        uint64_t pfn = xlm_entry_pfn(list.entries[i]);

        if (xlm_pfn_set_contains(&restorer->sets.toolstack, pfn) ||
            xlm_pager_is_outstanding(restorer->pager, pfn)) {
            continue;
        }
        pfns[count++] = pfn;
        if (count == XLM_BATCH_PAGES) {
            if (make_absent(restorer, count, pfns)) {
                return -1;
            }
            count = 0;
        }
    }
    return count ? make_absent(restorer, count, pfns) : 0;
}

int xlm_restore_answer_evicted(struct xlm_restorer *restorer)
{
    struct xlm_pfn_set *refusing = &restorer->sets.refusing;
    uint64_t pfns[XLM_LIST_PFNS];
    size_t count;

    xlm_pfn_set_unite(&restorer->sets.refused, refusing);
    if (xlm_write_simple_record(
            restorer->ctx, &restorer->channel, XLM_REC_POSTCOPY_EVICT_TIME,
            &restorer->evicted, sizeof(restorer->evicted))) {
        return -1;
    }
    do {
        count = xlm_pfn_set_list(refusing, 0, pfns, XLM_LIST_PFNS);
        for (size_t i = 0; i < count; i++) {
            xlm_pfn_set_remove(refusing, pfns[i]);
        }
        if (xlm_write_pfn_record(restorer->ctx, &restorer->channel,
                                 XLM_REC_POSTCOPY_EVICTED, pfns, count)) {
            return -1;
        }
    } while (count == XLM_LIST_PFNS);
    return 0;
}

int xlm_restore_pay_credit(struct xlm_restorer *restorer)
{
    struct xlm_wire_credit credit = {.pages = restorer->owed};

    if (!credit.pages) {
        return 0;
    }
    restorer->owed = 0;
    /* If credit overtook a request, the source could send more before the
     * request than may be under way. */
    xlm_pager_await_requests(restorer->pager, &restorer->channel);
    return xlm_write_simple_record(restorer->ctx, &restorer->channel,
                                   XLM_REC_POSTCOPY_CREDIT, &credit,
                                   sizeof(credit));
}

/* A thread that reads ahead leaves it to the caller's. */
static int before_wait(void *data)
{
    struct xlm_restorer *restorer = data;

    return restorer->read_ahead ? 0 : xlm_restore_pay_credit(restorer);
}

void xlm_restore_pay_before_waits(struct xlm_restorer *restorer)
{
    restorer->owed = 0; /* on another connection credit begins at 0 */
    restorer->channel.before_wait = before_wait;
    restorer->channel.wait_data = restorer;
}

/*
 * Credit costs both ends time, and wakes a thread of the source's.  So hold it
 * back while more pages are here already, but never so long that the source
 * would have to stop for it: a source that sends many pages at a time has many
 * under way.
 */
uint32_t xlm_restore_credit_most(uint32_t pages)
{
    uint32_t most = CREDIT_RECORDS * pages;

    return most < CREDIT_PAGES ? CREDIT_PAGES : most;
}

static int owe_credit(struct xlm_restorer *restorer, uint32_t pages)
{
    restorer->owed += pages;
    return restorer->owed < xlm_restore_credit_most(pages)
               ? 0
               : xlm_restore_pay_credit(restorer);
}

static int bring_in(struct xlm_restorer *restorer,
                    const struct xlm_record *record,
                    const struct xlm_pfn_list *list)
{
    struct xlm_page_in pages[XLM_BATCH_PAGES];
    uint64_t holes[XLM_BATCH_PAGES];
    const uint8_t *contents = list->contents;
    size_t count = 0, nr_holes = 0;

    for (size_t i = 0; i < list->count; i++) {
        uint64_t pfn = xlm_entry_pfn(list->entries[i]);

        if (xlm_type_has_contents(xlm_entry_type(list->entries[i]))) {
            pages[count++] = (struct xlm_page_in){
                .pfn = pfn,
                .contents = next_contents(restorer, record, &contents),
            };
        } else {
            holes[nr_holes++] = pfn;
        }
    }
    return xlm_pager_bring_in(restorer->pager, count, pages) ||
                   xlm_pager_bring_holes(restorer->pager, nr_holes, holes)
               ? -1
               : 0;
}

int xlm_restore_bring_in(struct xlm_restorer *restorer,
                         struct xlm_context *ctx,
                         const struct xlm_record *record,
                         struct xlm_expander *expander, uint32_t *pages)
{
    struct xlm_pfn_list list;

    if (parse_contents(ctx, record, expander, restorer->domain.pfn_limit,
                       &list) ||
        bring_in(restorer, record, &list)) {
        return -1;
    }
    *pages = list.count;
    return 0;
}

int xlm_restore_take_postcopy_pages(struct xlm_restorer *restorer)
{
    uint32_t pages;

    if (xlm_restore_bring_in(restorer, restorer->ctx, &restorer->record,
                             &restorer->expander, &pages)) {
        return -1;
    }
    return owe_credit(restorer, pages);
}
