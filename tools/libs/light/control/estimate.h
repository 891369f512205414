/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How fast a migration goes, and how long it will still take: pure.
 */
#ifndef LM_ESTIMATE_H
#define LM_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "xlm.h"

struct lm_estimate {
    bool begun;
    enum xlm_phase phase;
    unsigned int iterations;
    /* The values at the beginning of the current sample: */
    uint64_t at_us;
    uint64_t bytes;
    uint64_t left;
    /* The rates of late; 0: not known: */
    uint64_t bytes_per_second;
    uint64_t pages_per_second;
    uint64_t time_left_us;
};

/* Update from the state of the migration.  All zeroes at first.  The time left
 * is that of the precopy round under way, or of the postcopy phase. */
void lm_estimate_update(struct lm_estimate *estimate, enum xlm_phase phase,
                        const struct xlm_stats *stats, uint64_t now_us);

#endif
