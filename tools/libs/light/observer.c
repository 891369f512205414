/*
 * Progress, as it is told: to the caller and to whoever watches from outside.
 */
#include "observer.h"

#include <string.h>

#include "clock.h"
#include "common.h"
#include "control.h"

_Static_assert(LIBXL_LIVE_MIGRATE_WAIT_BUCKETS == XLM_WAIT_BUCKETS, "buckets");
_Static_assert(LIBXL_LIVE_MIGRATE_WAIT_VCPUS == XLM_WAIT_VCPUS, "vCPUs");

static void export_waits(libxl_live_migrate_waits *out,
                         const struct xlm_waits *waits)
{
    memcpy(out->histogram, waits->histogram, sizeof(out->histogram));
    out->nr_vcpus = waits->nr_vcpus;
    memcpy(out->blocked_us, waits->blocked_us, sizeof(out->blocked_us));
}

void lm_observe(struct lm_observer *observer, enum xlm_phase phase,
                const struct xlm_stats *stats)
{
    libxl_live_migrate_stats shown;
    libxl_live_migrate_waits waits;
    const libxl_live_migrate_outside outside = {
        .waiting = stats->outside_waiting,
        .wait_us = stats->outside_wait_us,
        .most_us = stats->outside_most_us,
    };

    observer->phase = phase;
    lm_estimate_update(&observer->estimate, phase, stats, xlm_now_us());
    lm_export_stats(&shown, stats);
    export_waits(&waits, &stats->waits);
    shown.waits = &waits;
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
