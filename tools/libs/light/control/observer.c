/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Reports progress to the caller and to the nodes in xenstore.
 */
#include "control/observer.h"

#include "clock.h"
#include "common/common.h"
#include "control/control.h"

/* From the suspend until the guest runs again it is stopped; then the engine
 * knows the time. */
static uint64_t downtime_us(struct lm_observer *observer,
                            const struct xlm_stats *stats, uint64_t now_us)
{
    if (stats->running_us || !stats->suspend_us) {
        return lm_downtime_us(stats);
    }
    if (!observer->stopped_at_us) {
        observer->stopped_at_us = now_us;
    }
    return now_us - observer->stopped_at_us;
}

static uint64_t left_us(const struct lm_observer *observer)
{
    switch (observer->phase) {
    case XLM_PHASE_PRECOPY:
    case XLM_PHASE_EVICTING:
        return observer->expected_left_us;
    case XLM_PHASE_POSTCOPY:
        return observer->estimate.time_left_us;
    default:
        return 0;
    }
}

void lm_observe(struct lm_observer *observer, enum xlm_phase phase,
                const struct xlm_stats *stats)
{
    libxl_live_migrate_stats shown;
    libxl_live_migrate_outside outside = {0};
    const uint64_t now_us = xlm_now_us();

    observer->phase = phase;
    lm_estimate_update(&observer->estimate, phase, stats, now_us);
    lm_export_stats(&shown, stats);
#define EXPORT(field, ...) outside.field = stats->back_ends.field;
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(EXPORT)
    shown.rate = observer->estimate.bytes_per_second;
    shown.time_left_us = observer->estimate.time_left_us;
    shown.expected_downtime_us = observer->expected_downtime_us;
    shown.downtime_us = downtime_us(observer, stats, now_us);
    shown.total_left_us = left_us(observer);
    if (observer->control && stats->devices.build != XLM_BUILD_ANY) {
        lm_control_note_build(observer->control,
                              (libxl_live_migrate_build)stats->devices.build,
                              stats->devices.late_reason);
    }
    if (observer->control && stats->mark.is_set) {
        lm_control_note_mark(observer->control, &stats->mark);
    }
    if (observer->control) {
        lm_control_observe(observer->control, phase, &shown, &outside);
    }
    if (observer->progress) {
        observer->progress((libxl_live_migrate_phase)phase, &shown,
                           observer->user);
    }
}
