/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages at the source: which pages the guest has, which are dirty, and sending
 * them while no fault waits for a particular one.
 */
#include "save/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "save/features.h"
#include "wire/page_batch.h"

static int fail_on_domain(struct xlm_saver *saver, const char *doing)
{
    return xlm_fail(saver->ctx, "cannot %s of domain %" PRIu32 ": %s", doing,
                    saver->params->domid, strerror(errno));
}

static int page_types(struct xlm_saver *saver, size_t count,
                      const uint64_t *pfns, uint32_t *types)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    if (hv->ops->page_types(hv, saver->params->domid, count, pfns, types)) {
        return fail_on_domain(saver, "find the page types");
    }
    return 0;
}

/* A pfn has become a page; its contents count as written. */
static void take_present(struct xlm_saver *saver, uint64_t pfn)
{
    if (!xlm_pfn_set_contains(&saver->sets.toolstack, pfn) &&
        xlm_pfn_set_add(&saver->sets.present, pfn)) {
        xlm_pfn_set_add(&saver->sets.fresh, pfn);
    }
}

/* Add pfns that have become pages to those present, and to the fresh ones; and
 * forget those that are no longer pages, if `forget`. */
static int list_batch(struct xlm_saver *saver, uint64_t first, size_t count,
                      bool forget)
{
    /* initialised only for compilers that see less */
    uint64_t pfns[XLM_BATCH_PAGES] = {0};
    uint32_t types[XLM_BATCH_PAGES];

    for (size_t i = 0; i < count; i++) {
        pfns[i] = first + i;
    }
    if (page_types(saver, count, pfns, types)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (xlm_type_has_contents(types[i])) {
            take_present(saver, pfns[i]);
        } else if (forget) {
            xlm_pfn_set_remove(&saver->sets.present, pfns[i]);
        }
    }
    return 0;
}

static int list_pages(struct xlm_saver *saver, uint64_t first, uint64_t end,
                      bool forget)
{
    for (uint64_t at = first; at < end; at += XLM_BATCH_PAGES) {
        uint64_t left = end - at;
        size_t count = left < XLM_BATCH_PAGES ? left : XLM_BATCH_PAGES;

        if (list_batch(saver, at, count, forget)) {
            return -1;
        }
    }
    return 0;
}

int xlm_save_list_present(struct xlm_saver *saver)
{
    struct xlm_domain_info info;
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    if (hv->ops->domain_info(hv, saver->params->domid, &info)) {
        return fail_on_domain(saver, "read the size");
    }
    saver->domain.tot_pages = info.tot_pages;
    xlm_pfn_set_clear(&saver->sets.fresh);
    if (list_pages(saver, 0, saver->domain.nr_pfns, true)) {
        return -1;
    }
    saver->stats->guest_pages = saver->sets.present.count;
    return 0;
}

int xlm_save_find_new(struct xlm_saver *saver, uint64_t first, uint64_t end)
{
    end = end < saver->domain.nr_pfns ? end : saver->domain.nr_pfns;
    return list_pages(saver, first, end, false);
}

/* These dirty pfns were holes at the last look: add those that are pages by
 * now to the pages, and take the others off the dirty ones. */
static int sort_out_batch(struct xlm_saver *saver, size_t count,
                          const uint64_t *pfns)
{
    uint32_t types[XLM_BATCH_PAGES];

    if (page_types(saver, count, pfns, types)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (xlm_type_has_contents(types[i])) {
            xlm_pfn_set_add(&saver->sets.present, pfns[i]);
        } else {
            xlm_pfn_set_remove(&saver->sets.dirty, pfns[i]);
        }
    }
    return 0;
}

/* Sort out all dirty pfns that were holes; holes that are not dirty do not
 * matter. */
static int sort_out_dirty_holes(struct xlm_saver *saver)
{
    uint64_t pfns[XLM_BATCH_PAGES];
    uint64_t at = 0;
    size_t count;

    do {
        for (count = 0; count < XLM_BATCH_PAGES; count++) {
            at = xlm_pfn_set_next_lacking(&saver->sets.dirty,
                                          &saver->sets.present, at);
            if (at == XLM_PFN_NONE) {
                break;
            }
            pfns[count] = at++;
        }
        if (count && sort_out_batch(saver, count, pfns)) {
            return -1;
        }
    } while (count == XLM_BATCH_PAGES);
    return 0;
}

int xlm_save_read_dirty(struct xlm_saver *saver, bool clean)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    const unsigned long *bitmap;

    if (hv->ops->logdirty_read(hv, saver->params->domid, clean,
                               saver->domain.nr_pfns, &bitmap)) {
        return fail_on_domain(saver, "read the dirty pages");
    }
    xlm_pfn_set_take(&saver->sets.dirty, bitmap);
    xlm_pfn_set_subtract(&saver->sets.dirty, &saver->sets.toolstack);
    if (sort_out_dirty_holes(saver)) {
        return -1;
    }
    xlm_save_split_device(saver, &saver->sets.dirty);
    if (clean) {
        xlm_pfn_set_unite(&saver->sets.recent[XLM_PUSH_RECENT - 1],
                          &saver->sets.dirty);
    }
    return 0;
}

void xlm_save_split_device(struct xlm_saver *saver, struct xlm_pfn_set *set)
{
    for (size_t i = 0; xlm_two_way(saver) && i < XLM_DEVICE_RANGES; i++) {
        const struct xlm_pfn_range *range = &saver->params->device_ranges[i];
        uint64_t pfn;

        for (pfn = xlm_pfn_set_next_below(set, range->first, range->end);
             pfn != XLM_PFN_NONE;
             pfn = xlm_pfn_set_next_below(set, pfn + 1, range->end)) {
            xlm_pfn_set_remove(set, pfn);
            xlm_pfn_set_add(&saver->sets.device_send, pfn);
        }
    }
}

/* A batch under way: pages with contents come first in `mapped`. */
struct xlm_save_batch {
    size_t count;
    uint64_t pfns[XLM_BATCH_PAGES];
    uint32_t types[XLM_BATCH_PAGES];
    uint64_t mapped[XLM_BATCH_PAGES];
    int errors[XLM_BATCH_PAGES];
    size_t nr_mapped;
    uint8_t *mapping;
    struct xlm_page_batch out;
    struct xlm_save_forms forms; /* not yet in the stats */
};

static int write_batch(struct xlm_saver *saver, struct xlm_save_batch *batch,
                       uint64_t *sent)
{
    const struct xlm_page_batch_form form =
        xlm_save_form(saver, saver->compressor);
    struct xlm_page_batch *out = &batch->out;
    size_t page = 0;

    xlm_page_batch_begin(out, XLM_REC_PAGE_DATA, &form);
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t type = batch->types[i];
        const uint8_t *contents = NULL;

        if (xlm_type_has_contents(type)) {
            if (batch->errors[page]) {
                type = XLM_TYPE_XTAB; /* gone since its type was read */
            } else {
                contents = batch->mapping + page * XLM_PAGE_SIZE;
                *sent += 1;
            }
            page++;
        }
        xlm_page_batch_add(out, batch->pfns[i], type, contents);
    }
    if (xlm_page_batch_write(saver->ctx, &saver->channel, out)) {
        return -1;
    }
    xlm_save_add_forms(&batch->forms, out);
    return 0;
}

/* A page that could not be mapped must be gone since its type was read;
 * otherwise its contents would be lost. */
static int check_gone(struct xlm_saver *saver,
                      const struct xlm_save_batch *batch)
{
    for (size_t i = 0; i < batch->nr_mapped; i++) {
        uint32_t type;

        if (!batch->errors[i]) {
            continue;
        }
        if (page_types(saver, 1, &batch->mapped[i], &type)) {
            return -1;
        }
        if (xlm_type_has_contents(type)) {
            errno = batch->errors[i];
            return fail_on_domain(saver, "map a page");
        }
    }
    return 0;
}

static int send_batch(struct xlm_saver *saver, struct xlm_save_batch *batch,
                      uint64_t *sent)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    int rc;

    if (page_types(saver, batch->count, batch->pfns, batch->types)) {
        return -1;
    }
    batch->nr_mapped = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (xlm_type_has_contents(batch->types[i])) {
            batch->mapped[batch->nr_mapped++] = batch->pfns[i];
        }
    }
    batch->mapping = NULL;
    if (batch->nr_mapped) {
        batch->mapping =
            hv->ops->map(hv, saver->params->domid, false, batch->nr_mapped,
                         batch->mapped, batch->errors);
        if (!batch->mapping) {
            return fail_on_domain(saver, "map the memory");
        }
    }
    rc = check_gone(saver, batch);
    if (!rc) {
        rc = write_batch(saver, batch, sent);
    }
    for (size_t i = 0; i < batch->count; i++) {
        xlm_pfn_set_remove(&saver->sets.outstanding, batch->pfns[i]);
    }
    if (batch->mapping) {
        hv->ops->unmap(hv, batch->mapping, batch->nr_mapped);
    }
    return rc;
}

/* Start an empty batch. */
static struct xlm_save_batch *begin_batch(struct xlm_saver *saver)
{
    if (!saver->batch) {
        saver->batch = calloc(1, sizeof(*saver->batch));
    }
    if (!saver->batch) {
        xlm_fail(saver->ctx, "no memory to send pages");
        return NULL;
    }
    saver->batch->count = 0;
    return saver->batch;
}

void xlm_save_count_sent_forms(struct xlm_saver *saver)
{
    if (saver->batch) {
        xlm_save_count_forms(&saver->batch->forms, saver->stats);
    }
}

int xlm_save_send_some(struct xlm_saver *saver, struct xlm_pfn_set *set,
                       uint64_t *at, size_t most, uint64_t *sent)
{
    struct xlm_save_batch *batch = begin_batch(saver);

    if (!batch) {
        return -1;
    }
    while (batch->count < most && batch->count < XLM_BATCH_PAGES) {
        *at = xlm_pfn_set_next(set, *at);
        if (*at == XLM_PFN_NONE) {
            break;
        }
        xlm_pfn_set_remove(set, *at);
        batch->pfns[batch->count++] = *at;
    }
    if (xlm_save_check_abort(saver) || send_batch(saver, batch, sent)) {
        return -1;
    }
    xlm_save_count_sent_forms(saver);
    xlm_save_progress(saver, saver->phase);
    return 0;
}

int xlm_save_send_pfns(struct xlm_saver *saver, size_t count,
                       const uint64_t *pfns, uint64_t *sent)
{
    struct xlm_save_batch *batch = begin_batch(saver);

    if (!batch) {
        return -1;
    }
    memcpy(batch->pfns, pfns, count * sizeof(*pfns));
    batch->count = count;
    return send_batch(saver, batch, sent);
}

int xlm_save_send_set(struct xlm_saver *saver, struct xlm_pfn_set *set,
                      uint64_t *sent)
{
    uint64_t at = 0;
    int rc = 0;

    while (!rc && set->count) {
        rc = xlm_save_send_some(saver, set, &at, XLM_BATCH_PAGES, sent);
        if (at == XLM_PFN_NONE) {
            at = 0; /* a page may have joined the set, while a write waited */
        }
    }
    return rc;
}

int xlm_save_begin_list(struct xlm_saver *saver)
{
    return xlm_write_simple_record(saver->ctx, &saver->channel,
                                   XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
}

int xlm_save_add_to_list(struct xlm_saver *saver, const uint64_t *pfns,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        xlm_pfn_set_add(&saver->sets.outstanding, pfns[i]);
    }
    return xlm_write_pfns(saver->ctx, &saver->channel, XLM_REC_POSTCOPY_PFNS,
                          pfns, count);
}

int xlm_save_end_list(struct xlm_saver *saver)
{
    saver->asked.lists++;
    return xlm_write_simple_record(saver->ctx, &saver->channel,
                                   XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
}

int xlm_save_list_pfns(struct xlm_saver *saver, const uint64_t *pfns,
                       size_t count)
{
    return xlm_save_begin_list(saver) ||
                   xlm_save_add_to_list(saver, pfns, count) ||
                   xlm_save_end_list(saver)
               ? -1
               : 0;
}

int xlm_save_list_outstanding(struct xlm_saver *saver,
                              const struct xlm_pfn_set *set)
{
    uint64_t pfns[XLM_LIST_PFNS / 8];
    uint64_t from = 0;
    size_t count;

    if (xlm_save_begin_list(saver)) {
        return -1;
    }
    do {
        count = xlm_pfn_set_list(set, from, pfns, XLM_LIST_PFNS / 8);
        if (xlm_save_add_to_list(saver, pfns, count)) {
            return -1;
        }
        from = count ? pfns[count - 1] + 1 : 0;
    } while (count == XLM_LIST_PFNS / 8);
    return xlm_save_end_list(saver);
}

int xlm_save_list_dirty(struct xlm_saver *saver)
{
    xlm_pfn_set_subtract(&saver->sets.dirty, &saver->sets.outstanding);
    xlm_pfn_set_subtract(&saver->sets.dirty, &saver->sets.resident);
    return saver->sets.dirty.count
               ? xlm_save_list_outstanding(saver, &saver->sets.dirty)
               : 0;
}

/* Send pages that the destination names before the guest runs there.  Returns
 * how many of them were outstanding. */
static size_t make_resident(struct xlm_saver *saver,
                            const struct xlm_pfn_list *list)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        uint64_t pfn = xlm_entry_pfn(list->entries[i]);

        if (xlm_pfn_set_remove(&saver->sets.outstanding, pfn)) {
            xlm_pfn_set_add(&saver->sets.resident, pfn);
            count++;
        }
    }
    return count;
}

static int bad_evicted(struct xlm_saver *saver, const char *what)
{
    errno = EPROTO;
    return xlm_fail(saver->ctx, "bad migration stream: POSTCOPY_EVICTED %s",
                    what);
}

/* A record that names no outstanding page is bad: so the number of such
 * records is bounded. */
static int take_needed(struct xlm_saver *saver,
                       const struct xlm_pfn_list *list)
{
    return saver->asked.for_all && make_resident(saver, list)
               ? 0
               : bad_evicted(saver, "in answer to no list");
}

int xlm_save_take_evicted(struct xlm_saver *saver, bool *last)
{
    struct xlm_pfn_list list;

    *last = false;
    if (xlm_parse_pfn_list(saver->ctx, &saver->record, saver->domain.nr_pfns,
                           &list)) {
        return -1;
    }
    if (!saver->asked.lists) {
        return take_needed(saver, &list);
    }
    saver->asked.answered += list.count;
    if (saver->asked.answered > saver->domain.nr_pfns) {
        return bad_evicted(saver, "with more pages than the guest has");
    }
    (void)make_resident(saver, &list);
    *last = list.count < XLM_LIST_PFNS;
    if (*last) {
        saver->asked.lists--;
        saver->asked.answered = 0;
    }
    return 0;
}
