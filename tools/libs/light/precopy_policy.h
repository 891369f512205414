/*
 * When precopy is over, and how.
 */
#ifndef LM_PRECOPY_POLICY_H
#define LM_PRECOPY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "xlm.h"

struct lm_precopy_limits {
    bool postcopy; /* the strategy allows it */
    unsigned int iterations;
    uint64_t dirty_threshold;
};

/*
 * What to do next, asked before the first round (stats->iteration is 0) and
 * after each: a round that leaves little to send ends in stop-and-copy even
 * where postcopy is wanted, because the guest then stops no longer and has
 * all its memory when it goes on.
 */
enum xlm_precopy_answer lm_precopy_policy(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats);

#endif
