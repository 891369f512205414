/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When precopy is over, and how.  Pure: the tests drive it with tables.
 */
#include "source/precopy_policy.h"

#define US_PER_SECOND 1000000u
/* Watched precopy goes on while each round is less than one part in this many
 * of the one before: then all rounds together send the guest's memory less
 * than twice. */
#define SHRINK 2

static enum xlm_precopy_answer over(const struct lm_precopy_limits *limits)
{
    return limits->postcopy ? XLM_PRECOPY_POSTCOPY : XLM_PRECOPY_STOP_AND_COPY;
}

/* The guest moves when the pages that are left have been evicted: that is
 * part of the time. */
static bool time_is_up(const struct lm_precopy_limits *limits,
                       const struct xlm_precopy_stats *stats)
{
    return limits->after_us &&
           stats->elapsed_us + stats->evict_us >= limits->after_us;
}

/* Can the dirty pages be sent soon? */
static bool ends_well(const struct lm_precopy_limits *limits,
                      const struct xlm_precopy_stats *stats)
{
    if (stats->dirty_count <= limits->dirty_threshold) {
        return true;
    }
    return stats->send_rate &&
           stats->dirty_count * US_PER_SECOND / stats->send_rate <=
               limits->downtime_us;
}

/* The guest writes so fast that another round would not help. */
static bool is_lost(const struct lm_precopy_limits *limits,
                    const struct xlm_precopy_stats *stats)
{
    return limits->watch && !ends_well(limits, stats) &&
           stats->dirty_count >= stats->round_pages / SHRINK;
}

enum xlm_precopy_answer lm_precopy_policy(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats)
{
    if (time_is_up(limits, stats)) {
        return over(limits);
    }
    if (stats->in_round) {
        return is_lost(limits, stats) ? over(limits) : XLM_PRECOPY_CONTINUE;
    }
    /* Before the first round every page counts as dirty: a guest with fewer
     * pages than the threshold still gets the rounds that the caller wants. */
    if (stats->iteration > 0) {
        if (ends_well(limits, stats)) {
            return XLM_PRECOPY_STOP_AND_COPY;
        }
        if (is_lost(limits, stats)) {
            return over(limits);
        }
    }
    if (stats->iteration < limits->iterations) {
        return XLM_PRECOPY_CONTINUE;
    }
    return over(limits);
}
