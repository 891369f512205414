/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How fast a migration goes, and how long it will still take.
 */
#include "control/estimate.h"

#include "wire/wire.h"

#define US_PER_SECOND 1000000u
/* A shorter sample says nothing. */
#define SAMPLE_US 500000
/* The last sample counts for one part in this many. */
#define WEIGHT 3

static uint64_t pages_left(enum xlm_phase phase, const struct xlm_stats *stats)
{
    switch (phase) {
    case XLM_PHASE_PRECOPY:
        return stats->dirty_pages;
    case XLM_PHASE_POSTCOPY:
        return stats->outstanding;
    default:
        return 0;
    }
}

static uint64_t smooth(uint64_t before, uint64_t amount, uint64_t us)
{
    uint64_t now = amount * US_PER_SECOND / us;

    return before ? (before * (WEIGHT - 1) + now) / WEIGHT : now;
}

static void begin_sample(struct lm_estimate *estimate,
                         const struct xlm_stats *stats, uint64_t left,
                         uint64_t now_us)
{
    estimate->at_us = now_us;
    estimate->bytes = stats->bytes_sent;
    estimate->left = left;
    estimate->iterations = stats->iterations;
}

static void end_sample(struct lm_estimate *estimate,
                       const struct xlm_stats *stats, uint64_t left,
                       uint64_t now_us)
{
    uint64_t us = now_us - estimate->at_us;
    /* The destination does not count octets, but all that it gets is pages. */
    uint64_t bytes = stats->bytes_sent
                         ? stats->bytes_sent - estimate->bytes
                         : (estimate->left - left) * XLM_PAGE_SIZE;

    estimate->bytes_per_second = smooth(estimate->bytes_per_second, bytes, us);
    estimate->pages_per_second =
        smooth(estimate->pages_per_second, estimate->left - left, us);
    begin_sample(estimate, stats, left, now_us);
}

void lm_estimate_update(struct lm_estimate *estimate, enum xlm_phase phase,
                        const struct xlm_stats *stats, uint64_t now_us)
{
    uint64_t left = pages_left(phase, stats);

    if (!estimate->begun || phase != estimate->phase) {
        *estimate = (struct lm_estimate){.begun = true, .phase = phase};
        begin_sample(estimate, stats, left, now_us);
    } else if (stats->iterations != estimate->iterations ||
               left > estimate->left) {
        /* In another round the difference of what is left does not say what
         * was sent. */
        begin_sample(estimate, stats, left, now_us);
    } else if (now_us - estimate->at_us >= SAMPLE_US) {
        end_sample(estimate, stats, left, now_us);
    }
    estimate->time_left_us =
        estimate->pages_per_second
            ? left * US_PER_SECOND / estimate->pages_per_second
            : 0;
}
