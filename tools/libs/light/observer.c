/*
 * Progress, as it is told: to the caller and to whoever watches from outside.
 */
#include "observer.h"

#include "clock.h"
#include "common.h"
#include "control.h"

void lm_observe(struct lm_observer *observer, enum xlm_phase phase,
                const struct xlm_stats *stats)
{
    libxl_live_migrate_stats shown;
    const libxl_live_migrate_outside outside = {
        .waiting = stats->outside_waiting,
        .wait_us = stats->outside_wait_us,
        .most_us = stats->outside_most_us,
    };

    observer->phase = phase;
    lm_estimate_update(&observer->estimate, phase, stats, xlm_now_us());
    lm_export_stats(&shown, stats);
    shown.rate = observer->estimate.bytes_per_second;
    shown.time_left_us = observer->estimate.time_left_us;
    if (observer->control && stats->build != XLM_BUILD_ANY) {
        lm_control_note_build(observer->control,
                              (libxl_live_migrate_build)stats->build,
                              stats->late_reason);
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
