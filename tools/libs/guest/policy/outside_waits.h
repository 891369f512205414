/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that somebody outside of the guest waits for, as a rule a back end in
 * dom0, and since when: pure.
 *
 * The hypervisor tells of the first request for such a page and of no other.
 * Who asked tries again by itself until the page is there or until he gives
 * up, of which nothing tells either.
 */
#ifndef XLM_OUTSIDE_WAITS_H
#define XLM_OUTSIDE_WAITS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/pfn_set.h"

/* Linux's back ends give up then (gnttab_retry_eagain_gop: 255 times, a
 * millisecond more each time), or a little later. */
#define XLM_OUTSIDE_PATIENCE_US (33u * 1000000)

/* More of them at a time are counted as requests, and not timed. */
#define XLM_OUTSIDE_WAITS 64

struct xlm_outside_waits {
    uint64_t requests; /* in all */
    uint64_t most_us;  /* the longest wait that is over */
    struct xlm_outside_wait {
        uint64_t pfn;
        uint64_t since_us;
    } waits[XLM_OUTSIDE_WAITS];
    size_t count;
};

void xlm_outside_waits_begin(struct xlm_outside_waits *outside, uint64_t pfn,
                             uint64_t now_us);
/* The page is there, or is nobody's any more.  How long it was waited for, 0:
 * nobody did. */
uint64_t xlm_outside_waits_end(struct xlm_outside_waits *outside, uint64_t pfn,
                               uint64_t now_us);
/* The lowest pfn from `from` on that is waited for, else XLM_PFN_NONE. */
uint64_t xlm_outside_waits_next(const struct xlm_outside_waits *outside,
                                uint64_t from);
/* The longest wait that is not over; 0: there is none. */
uint64_t xlm_outside_waits_longest(const struct xlm_outside_waits *outside,
                                   uint64_t now_us);

#endif
