/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The status of a migration as JSON: see docs/specs/live-migrate-control.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/control_store.h"
#include "utf8.h"

/* NULL: there is none, or a later library has reported it. */
static void put_named(FILE *file, const char *name, const char *text)
{
    fprintf(file, ", \"%s\": ", name);
    if (text) {
        lm_utf8_put_json(file, text);
    } else {
        fputs("null", file);
    }
}

static void put_list(FILE *file, const char *name, const uint64_t *numbers,
                     size_t count)
{
    while (count && !numbers[count - 1]) {
        count--;
    }
    fprintf(file, ", \"%s\": [", name);
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%s%" PRIu64, i ? ", " : "", numbers[i]);
    }
    fputc(']', file);
}

static void put_waits(FILE *file, const libxl_live_migrate_waits *waits)
{
    put_list(file, "fault-histogram", waits->histogram,
             LIBXL_LIVE_MIGRATE_WAIT_BUCKETS);
    put_list(file, "vcpu-blocked-us", waits->blocked_us,
             waits->nr_vcpus < LIBXL_LIVE_MIGRATE_WAIT_VCPUS
                 ? waits->nr_vcpus
                 : LIBXL_LIVE_MIGRATE_WAIT_VCPUS);
}

static void put_text(FILE *file, const char *name, const char *text)
{
    put_named(file, name, text[0] ? text : NULL);
}

static void put_build(FILE *file, const libxl_live_migrate_status *status)
{
    bool chosen = status->build != LIBXL_LIVE_MIGRATE_BUILD_ANY;

    put_named(file, "build",
              chosen ? libxl_live_migrate_build_to_string(status->build)
                     : NULL);
    put_text(file, "late-reason", status->late_reason);
}

static void put_status(FILE *file, const libxl_live_migrate_status *status)
{
    libxl_live_migrate_stats stats = status->stats;
    libxl_live_migrate_outside outside = status->outside;

    fprintf(file, "{\"domid\": %" PRIu32, status->domid);
    put_named(file, "name", status->name);
    put_named(file, "role", libxl_live_migrate_role_to_string(status->role));
    put_named(file, "state",
              libxl_live_migrate_state_to_string(status->state));
    put_named(file, "phase",
              libxl_live_migrate_phase_to_string(status->phase));
    fprintf(file,
            ", \"pid\": %" PRId32 ", \"elapsed-ms\": %" PRIu64
            ", \"ended-at\": %" PRIu64,
            status->pid, status->elapsed_us / 1000, status->ended_at);
    if (status->background_rate == LIBXL_LIVE_MIGRATE_RATE_UNLIMITED) {
        fputs(", \"background-rate\": null", file);
    } else {
        fprintf(file, ", \"background-rate\": %" PRIu64,
                status->background_rate);
    }
    for (size_t i = 0; i < lm_store_nr_counters; i++) {
        fprintf(file, ", \"%s\": %" PRIu64, lm_store_counters[i].name,
                *lm_store_counter(&stats, &lm_store_counters[i]));
    }
    for (size_t i = 0; i < lm_store_nr_outside; i++) {
        fprintf(file, ", \"%s\": %" PRIu64, lm_store_outside[i].name,
                *lm_store_outside_counter(&outside, &lm_store_outside[i]));
    }
    put_waits(file, &stats.waits);
    put_build(file, status);
    put_text(file, "reason", status->reason);
    fputc('}', file);
}

char *libxl_live_migrate_status_to_json(
    const libxl_live_migrate_status *status)
{
    char *json = NULL;
    size_t length;
    FILE *file = open_memstream(&json, &length);

    if (!file) {
        return NULL;
    }
    put_status(file, status);
    if (fclose(file)) {
        free(json);
        return NULL;
    }
    return json;
}
