/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When precopy is over, and how.
 */
#ifndef LM_PRECOPY_POLICY_H
#define LM_PRECOPY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "xlm.h"

struct lm_precopy_limits {
    bool postcopy;           /* postcopy follows precopy that does not end */
    bool watch;              /* predict by the rates whether it will end */
    unsigned int iterations; /* most rounds */
    uint64_t dirty_threshold;
    /* Precopy is over after this time, also in the middle of a round; 0: no
     * limit. */
    uint64_t after_us;
    /* The stop may take what can be sent in this time; 0: only what is below
     * the threshold. */
    uint64_t downtime_us;
};

/*
 * What to do next.  Called before the first round (stats->iteration is 0), in
 * the middle of each round and after it.  A round that leaves little to send
 * ends in stop-and-copy even where postcopy is wanted: the guest then stops no
 * longer, and has all its memory when it goes on.
 */
enum xlm_precopy_answer lm_precopy_policy(
    const struct lm_precopy_limits *limits,
    const struct xlm_precopy_stats *stats);

#endif
