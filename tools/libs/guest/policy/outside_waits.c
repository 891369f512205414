/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that a program outside of the guest waits for.
 */
#include "policy/outside_waits.h"

static struct xlm_outside_wait *find(struct xlm_outside_waits *outside,
                                     uint64_t pfn)
{
    for (size_t i = 0; i < outside->count; i++) {
        if (outside->waits[i].pfn == pfn) {
            return &outside->waits[i];
        }
    }
    return NULL;
}

/* At least 1, because 0 means that nothing waited. */
static uint64_t waited(const struct xlm_outside_wait *wait, uint64_t now_us)
{
    return now_us > wait->since_us ? now_us - wait->since_us : 1;
}

void xlm_outside_waits_begin(struct xlm_outside_waits *outside, uint64_t pfn,
                             uint64_t now_us)
{
    outside->requests++;
    if (outside->count < XLM_OUTSIDE_WAITS && !find(outside, pfn)) {
        outside->waits[outside->count++] = (struct xlm_outside_wait){
            .pfn = pfn,
            .since_us = now_us,
        };
    }
}

uint64_t xlm_outside_waits_end(struct xlm_outside_waits *outside, uint64_t pfn,
                               uint64_t now_us)
{
    struct xlm_outside_wait *wait = find(outside, pfn);
    uint64_t us;

    if (!wait) {
        return 0;
    }
    us = waited(wait, now_us);
    if (us > outside->most_us) {
        outside->most_us = us;
    }
    /* In the order in which the waits began. */
    for (outside->count--; wait < &outside->waits[outside->count]; wait++) {
        *wait = wait[1];
    }
    return us;
}

uint64_t xlm_outside_waits_longest(const struct xlm_outside_waits *outside,
                                   uint64_t now_us)
{
    return outside->count ? waited(&outside->waits[0], now_us) : 0;
}

uint64_t xlm_outside_waits_next(const struct xlm_outside_waits *outside,
                                uint64_t from)
{
    uint64_t next = XLM_PFN_NONE;

    for (size_t i = 0; i < outside->count; i++) {
        uint64_t pfn = outside->waits[i].pfn;

        if (pfn >= from && (next == XLM_PFN_NONE || pfn < next)) {
            next = pfn;
        }
    }
    return next;
}
