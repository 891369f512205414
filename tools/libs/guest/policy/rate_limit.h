/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How fast the background may go: pure policy, a bucket that fills with time.
 *
 * What is sent is taken out after it was sent, so the bucket can be overdrawn:
 * nobody has to know beforehand how much something will be.
 *
 * Not thread safe; the caller has the clock.
 */
#ifndef XLM_RATE_LIMIT_H
#define XLM_RATE_LIMIT_H

#include <stdint.h>

/* Rates are octets a second; 0 holds everything. */
#define XLM_RATE_UNLIMITED UINT64_MAX
/* "For as long as the rate stays what it is." */
#define XLM_RATE_WAIT_EVER UINT64_MAX
/* What may be saved up: so much of a second. */
#define XLM_RATE_BURST 10

struct xlm_rate_limit {
    int64_t level; /* octets that may go; below 0: overdrawn */
    uint64_t at_us;
};

/* Microseconds until something may go, 0: now.  The rate may be another one
 * at each call. */
uint64_t xlm_rate_limit_wait_us(struct xlm_rate_limit *limit, uint64_t rate,
                                uint64_t now_us);
/* So many octets went. */
void xlm_rate_limit_spend(struct xlm_rate_limit *limit, uint64_t octets);

#endif
