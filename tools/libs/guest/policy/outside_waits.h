/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that a program outside of the guest waits for, as a rule a back end in
 * dom0, and since when: pure.
 *
 * The hypervisor reports the first access to such a page and no later one.
 * The program repeats its access until the page is there, or until it gives
 * up; the hypervisor reports neither.
 */
#ifndef XLM_OUTSIDE_WAITS_H
#define XLM_OUTSIDE_WAITS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/pfn_set.h"

/* Linux's back ends give up about then (gnttab_retry_eagain_gop: 255 tries,
 * each a millisecond later than the last). */
#define XLM_OUTSIDE_PATIENCE_US (33u * 1000000)

/* Further pages at a time are counted as requests, but not timed. */
#define XLM_OUTSIDE_WAITS 64

struct xlm_outside_waits {
    uint64_t requests; /* in all */
    uint64_t most_us;  /* the longest wait that has ended */
    struct xlm_outside_wait {
        uint64_t pfn;
        uint64_t since_us;
    } waits[XLM_OUTSIDE_WAITS];
    size_t count;
};

void xlm_outside_waits_begin(struct xlm_outside_waits *outside, uint64_t pfn,
                             uint64_t now_us);
/* Ends the wait for a page that is there, or is not needed any more.  Returns
 * how long the wait took; 0: there was none. */
uint64_t xlm_outside_waits_end(struct xlm_outside_waits *outside, uint64_t pfn,
                               uint64_t now_us);
/* The lowest pfn from `from` on that a program waits for, or XLM_PFN_NONE. */
uint64_t xlm_outside_waits_next(const struct xlm_outside_waits *outside,
                                uint64_t from);
/* The longest wait that has not ended; 0: there is none. */
uint64_t xlm_outside_waits_longest(const struct xlm_outside_waits *outside,
                                   uint64_t now_us);

#endif
