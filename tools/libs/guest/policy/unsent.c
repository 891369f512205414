/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the source must be asked for, in order.
 */
#include "policy/unsent.h"

#include <stdlib.h>

int xlm_unsent_reserve(struct xlm_unsent *unsent, uint64_t limit)
{
    return xlm_pfn_set_reserve(&unsent->pfns, limit);
}

void xlm_unsent_dispose(struct xlm_unsent *unsent)
{
    xlm_pfn_set_dispose(&unsent->pfns);
}

/* Once the ring is full, no page gets an order until all others are through:
 * otherwise those without an order would never have their turn. */
void xlm_unsent_add(struct xlm_unsent *unsent, uint64_t pfn)
{
    if (!xlm_pfn_set_add(&unsent->pfns, pfn)) {
        return;
    }
    unsent->more |= unsent->length == XLM_UNSENT_ORDERED;
    if (!unsent->more) {
        unsent->order[(unsent->head + unsent->length++) % XLM_UNSENT_ORDERED] =
            pfn;
    }
}

bool xlm_unsent_take(struct xlm_unsent *unsent, uint64_t pfn)
{
    bool had = xlm_pfn_set_remove(&unsent->pfns, pfn);

    if (!unsent->pfns.count) {
        unsent->length = 0;
        unsent->more = false;
    }
    return had;
}

void xlm_unsent_remove(struct xlm_unsent *unsent, uint64_t pfn)
{
    (void)xlm_unsent_take(unsent, pfn);
}

static uint64_t next_by_pfn(struct xlm_unsent *unsent)
{
    uint64_t pfn = xlm_pfn_set_next(&unsent->pfns, unsent->from);

    if (pfn == XLM_PFN_NONE) {
        pfn = xlm_pfn_set_next(&unsent->pfns, 0);
    }
    unsent->from = pfn + 1;
    return pfn;
}

static uint64_t next(struct xlm_unsent *unsent)
{
    while (unsent->length) {
        uint64_t pfn = unsent->order[unsent->head];

        unsent->head = (unsent->head + 1) % XLM_UNSENT_ORDERED;
        unsent->length--;
        if (xlm_pfn_set_contains(&unsent->pfns, pfn)) {
            return pfn;
        }
    }
    return next_by_pfn(unsent);
}

static int compare(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;

    return *a < *b ? -1 : *a > *b;
}

size_t xlm_unsent_take_next(struct xlm_unsent *unsent, uint64_t *pfns,
                            size_t most)
{
    size_t count = 0;

    while (count < most && unsent->pfns.count) {
        pfns[count] = next(unsent);
        xlm_unsent_remove(unsent, pfns[count++]);
    }
    qsort(pfns, count, sizeof(*pfns), compare);
    return count;
}

void xlm_unsent_become(struct xlm_unsent *unsent,
                       const struct xlm_pfn_set *pfns)
{
    xlm_pfn_set_clear(&unsent->pfns);
    xlm_pfn_set_unite(&unsent->pfns, pfns);
    unsent->length = 0;
    unsent->from = 0;
    unsent->more = pfns->count;
}
