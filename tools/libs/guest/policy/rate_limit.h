/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How fast the background may go: pure policy, a bucket that fills with time.
 *
 * The caller takes octets out of the bucket after it has sent them, so the
 * bucket can be overdrawn, and the caller need not know beforehand how many
 * there will be.
 *
 * Not thread safe; the caller has the clock.
 */
#ifndef XLM_RATE_LIMIT_H
#define XLM_RATE_LIMIT_H

#include <stdint.h>

/* Rates are octets a second; 0: nothing goes. */
#define XLM_RATE_UNLIMITED UINT64_MAX
/* Stands for "as long as the rate does not change". */
#define XLM_RATE_WAIT_EVER UINT64_MAX
/* The bucket holds one part in this many of a second's octets. */
#define XLM_RATE_BURST 10

struct xlm_rate_limit {
    int64_t level; /* octets that may go; below 0: overdrawn */
    uint64_t at_us;
};

/* Microseconds until something may go; 0: now.  The rate may differ from call
 * to call. */
uint64_t xlm_rate_limit_wait_us(struct xlm_rate_limit *limit, uint64_t rate,
                                uint64_t now_us);
/* Take octets out that were sent. */
void xlm_rate_limit_spend(struct xlm_rate_limit *limit, uint64_t octets);

#endif
