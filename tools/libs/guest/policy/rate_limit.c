/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How fast the background may go.
 */
#include "policy/rate_limit.h"

#define US_PER_SECOND 1000000u
/* Faster than any wire, and small enough that nothing here overflows. */
#define RATE_MOST ((uint64_t)1 << 40)
#define OWED_MOST ((int64_t)1 << 40)
#define ELAPSED_MOST_US ((uint64_t)1000000 * US_PER_SECOND)

static void fill(struct xlm_rate_limit *limit, uint64_t rate, uint64_t now_us)
{
    uint64_t elapsed_us = now_us - limit->at_us;
    int64_t most = rate / XLM_RATE_BURST;
    uint64_t gained;

    if (elapsed_us > ELAPSED_MOST_US) {
        elapsed_us = ELAPSED_MOST_US;
        limit->at_us = now_us - elapsed_us;
    }
    gained = elapsed_us / US_PER_SECOND * rate +
             elapsed_us % US_PER_SECOND * rate / US_PER_SECOND;
    if (limit->level >= most || gained >= (uint64_t)(most - limit->level)) {
        limit->level = most;
        limit->at_us = now_us;
        return;
    }
    limit->level += gained;
    /* Use up only the time of whole octets, so that frequent calls lose
     * none. */
    limit->at_us +=
        gained / rate * US_PER_SECOND + gained % rate * US_PER_SECOND / rate;
}

uint64_t xlm_rate_limit_wait_us(struct xlm_rate_limit *limit, uint64_t rate,
                                uint64_t now_us)
{
    uint64_t owed;

    if (!rate || rate == XLM_RATE_UNLIMITED) {
        limit->at_us = now_us;
        if (rate) {
            limit->level = 0; /* start without a debt */
        }
        return rate ? 0 : XLM_RATE_WAIT_EVER;
    }
    rate = rate < RATE_MOST ? rate : RATE_MOST;
    fill(limit, rate, now_us);
    if (limit->level >= 0) {
        return 0;
    }
    owed = -limit->level;
    return owed / rate * US_PER_SECOND +
           (owed % rate * US_PER_SECOND + rate - 1) / rate;
}

void xlm_rate_limit_spend(struct xlm_rate_limit *limit, uint64_t octets)
{
    if (octets > (uint64_t)OWED_MOST ||
        limit->level < (int64_t)octets - OWED_MOST) {
        limit->level = -OWED_MOST;
        return;
    }
    limit->level -= octets;
}
