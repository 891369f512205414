/*
 * When precopy is over, and how.  Pure: the tests drive it with tables.
 */
#include "precopy_policy.h"

enum xlm_precopy_answer lm_precopy_policy(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats)
{
    /* Before the first round every page counts as dirty: a guest so small
     * that they are below the threshold still gets what was asked for. */
    if (stats->iteration > 0 &&
        stats->dirty_count <= limits->dirty_threshold) {
        return XLM_PRECOPY_STOP_AND_COPY;
    }
    if (stats->iteration < limits->iterations) {
        return XLM_PRECOPY_CONTINUE;
    }
    return limits->postcopy ? XLM_PRECOPY_POSTCOPY : XLM_PRECOPY_STOP_AND_COPY;
}
