/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When precopy is over, and how.
 */
#ifndef LM_PRECOPY_POLICY_H
#define LM_PRECOPY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "xlm.h"

struct lm_precopy_limits {
    bool postcopy;           /* is what follows precopy that does not end */
    bool watch;              /* see by the rates whether it will */
    unsigned int iterations; /* rounds at the most */
    uint64_t dirty_threshold;
    /* Precopy is over after so long, in the middle of a round as well; 0: no
     * limit. */
    uint64_t after_us;
    /* What can be sent in so long may be left for the stop; 0: only what is
     * below the threshold. */
    uint64_t downtime_us;
};

/*
 * What to do next, asked before the first round (stats->iteration is 0), in
 * the middle of each and after it: a round that leaves little to send ends in
 * stop-and-copy even where postcopy is wanted, because the guest then stops no
 * longer and has all its memory when it goes on.
 */
enum xlm_precopy_answer lm_precopy_policy(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats);

#endif
