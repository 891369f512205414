/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Where progress goes.
 */
#ifndef LM_OBSERVER_H
#define LM_OBSERVER_H

#include "control/estimate.h"
#include "libxl_live_migrate.h"
#include "xlm.h"

struct lm_control;

/* Where progress goes: to the caller's callback and to the nodes in xenstore;
 * and the last phase reported. */
struct lm_observer {
    libxl_live_migrate_progress *progress;
    void *user;
    enum xlm_phase phase;
    struct lm_estimate estimate;
    /* What a source expects in precopy and while pages are evicted: sending in
     * the stop, and all until the end; 0: not known. */
    uint64_t expected_downtime_us;
    uint64_t expected_left_us;
    uint64_t stopped_at_us;     /* when the stop was first seen; 0: not yet */
    struct lm_control *control; /* NULL: not shown in xenstore */
};
void lm_observe(struct lm_observer *observer, enum xlm_phase phase,
                const struct xlm_stats *stats);

#endif
