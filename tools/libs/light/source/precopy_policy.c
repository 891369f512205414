/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When precopy is over, and how.  Pure: the tests drive it with tables.
 */
#include "source/precopy_policy.h"

#define US_PER_SECOND 1000000u
/*
 * Watched precopy goes on while each round is less than a part of the one
 * before.  Half of it: then all rounds together send the guest's memory less
 * than twice.  More where evicting is slow, but never more than three parts of
 * four: then they send it less than four times.
 */
#define SHRINK_LEAST 0.5
#define SHRINK_MOST 0.75

static uint64_t sending_us(const struct xlm_precopy_stats *stats,
                           uint64_t pages)
{
    return pages * US_PER_SECOND / stats->send_rate;
}

/* Can these pages be sent in a stop that is short enough? */
static bool fit_into_stop(const struct lm_precopy_limits *limits,
                          const struct xlm_precopy_stats *stats,
                          uint64_t pages)
{
    return pages <= limits->dirty_threshold ||
           (stats->send_rate &&
            sending_us(stats, pages) <= limits->downtime_us);
}

/* The guest moves when the pages that are left have been evicted: that is
 * part of the time. */
static bool time_is_up(const struct lm_precopy_limits *limits,
                       const struct xlm_precopy_stats *stats)
{
    return limits->after_us &&
           stats->elapsed_us + stats->evict_us >= limits->after_us;
}

/*
 * What part of a round the next one may be at most, so that a round is worth
 * it.  With n pages left, p to send one and e to evict one, postcopy now takes
 * n (e + p) until the destination has everything; after another round, which
 * leaves m, that is n p + m (e + p).  The latter is less if m / n is below
 * e / (e + p).  Pages that have been evicted make e small.
 */
static double shrink(const struct xlm_precopy_stats *stats)
{
    double evicting = stats->evict_us, sending, part;

    if (!stats->send_rate || !stats->left_pages) {
        return SHRINK_LEAST;
    }
    sending = (double)stats->left_pages * US_PER_SECOND / stats->send_rate;
    part = evicting / (evicting + sending);
    if (part < SHRINK_LEAST) {
        return SHRINK_LEAST;
    }
    return part < SHRINK_MOST ? part : SHRINK_MOST;
}

/* The guest writes so fast that another round would not help. */
static bool is_lost(const struct lm_precopy_limits *limits,
                    const struct xlm_precopy_stats *stats)
{
    return limits->watch &&
           !fit_into_stop(limits, stats, stats->dirty_count) &&
           stats->dirty_count >= stats->round_pages * shrink(stats);
}

static enum xlm_precopy_answer over(const struct lm_precopy_limits *limits)
{
    return limits->postcopy ? XLM_PRECOPY_POSTCOPY : XLM_PRECOPY_STOP_AND_COPY;
}

/* No round has to be whole: what is left may fit into the stop, and then
 * nothing need be evicted. */
static enum xlm_precopy_answer over_by_time(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats)
{
    return fit_into_stop(limits, stats, stats->left_pages)
               ? XLM_PRECOPY_STOP_AND_COPY
               : over(limits);
}

enum xlm_precopy_answer lm_precopy_policy(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats)
{
    if (time_is_up(limits, stats)) {
        return over_by_time(limits, stats);
    }
    if (stats->in_round) {
        return is_lost(limits, stats) ? over(limits) : XLM_PRECOPY_CONTINUE;
    }
    /* Before the first round every page counts as dirty: a guest with fewer
     * pages than the threshold still gets the rounds that the caller wants. */
    if (stats->iteration > 0) {
        if (fit_into_stop(limits, stats, stats->dirty_count)) {
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
