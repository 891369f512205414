/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Migrations as lines of text for people.
 */
#include "migrate_view.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "utf8.h"

#define BAR 20
#define PAGES_PER_MIB 256
#define MIB (1024 * 1024)
#define US_PER_SECOND 1000000u

#define PRECOPY LIBXL_LIVE_MIGRATE_PHASE_PRECOPY
#define POSTCOPY LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY

/* What the destination lacks at the moment. */
static uint64_t pages_left(libxl_live_migrate_phase phase,
                           const libxl_live_migrate_stats *stats)
{
    return phase == POSTCOPY ? stats->outstanding : stats->dirty_pages;
}

/* Until the end if that can be told, else until the end of the current
 * phase. */
static uint64_t time_left(libxl_live_migrate_phase phase,
                          const libxl_live_migrate_stats *stats)
{
    if (phase == LIBXL_LIVE_MIGRATE_PHASE_EVICTING) {
        return stats->evict_left_us;
    }
    return stats->total_left_us ? stats->total_left_us : stats->time_left_us;
}

/* Do pages go, and is it known how many are left? */
static bool moves(libxl_live_migrate_phase phase)
{
    return phase == PRECOPY || phase == POSTCOPY;
}

static void spell_time(char text[16], uint64_t us)
{
    uint64_t seconds = (us + US_PER_SECOND - 1) / US_PER_SECOND;

    if (!us) {
        snprintf(text, 16, "-");
    } else if (seconds < 100 * 60) {
        snprintf(text, 16, "%" PRIu64 ":%02" PRIu64, seconds / 60,
                 seconds % 60);
    } else {
        snprintf(text, 16, "%" PRIu64 " h", seconds / 3600);
    }
}

static void draw_bar(char bar[BAR + 1], uint64_t part, uint64_t whole)
{
    size_t filled = whole && part < whole ? part * BAR / whole : BAR;

    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR - filled);
    bar[BAR] = '\0';
}

static void add_numbers(char *text, size_t room,
                        libxl_live_migrate_phase phase,
                        const libxl_live_migrate_stats *stats)
{
    uint64_t left = pages_left(phase, stats);
    uint64_t whole =
        stats->guest_pages ? stats->guest_pages : stats->postcopy_pages;
    uint64_t there = left < whole ? whole - left : 0;
    char bar[BAR + 1], until_end[16], extra[48];

    draw_bar(bar, there, whole);
    spell_time(until_end, time_left(phase, stats));
    if (phase == PRECOPY) {
        snprintf(extra, sizeof(extra), "round %" PRIu64,
                 stats->iterations + 1);
    } else {
        snprintf(extra, sizeof(extra), "%" PRIu64 " faults", stats->faults);
    }
    snprintf(text, room,
             " [%s] %3" PRIu64 "%% %" PRIu64 ".%" PRIu64 " MiB/s, %" PRIu64
             " MiB left, %s, %s",
             bar, whole ? there * 100 / whole : 0, stats->rate / MIB,
             stats->rate % MIB * 10 / MIB,
             (left + PAGES_PER_MIB - 1) / PAGES_PER_MIB, extra, until_end);
}

static void add_evicted(char *text, size_t room,
                        const libxl_live_migrate_stats *stats)
{
    char until_end[16];

    spell_time(until_end, stats->evict_left_us);
    snprintf(text, room, " %" PRIu64 " MiB, %s",
             stats->evicted_pages / PAGES_PER_MIB, until_end);
}

void xl_view_progress(char line[XL_VIEW_MAX], size_t columns,
                      libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats)
{
    int length = snprintf(line, XL_VIEW_MAX, "%-9s",
                          libxl_live_migrate_phase_to_string(phase));

    if (moves(phase)) {
        add_numbers(line + length, XL_VIEW_MAX - length, phase, stats);
    } else if (phase == LIBXL_LIVE_MIGRATE_PHASE_EVICTING) {
        add_evicted(line + length, XL_VIEW_MAX - length, stats);
    }
    /* A line that wraps could not be drawn over. */
    if (columns && columns < XL_VIEW_MAX) {
        line[columns - 1] = '\0';
    }
}

/* ---- the table ---- */

void xl_view_heading(char line[XL_VIEW_MAX])
{
    snprintf(line, XL_VIEW_MAX, "%-24s %5s %-11s %-11s %5s %8s %8s %7s %8s %s",
             "Name", "ID", "Role", "Phase", "Round", "Sent/MiB", "Left/MiB",
             "Faults", "MiB/s", "Time left");
}

static const char *state_text(const libxl_live_migrate_status *status)
{
    return status->state == LIBXL_LIVE_MIGRATE_STATE_RUNNING
               ? libxl_live_migrate_phase_to_string(status->phase)
               : libxl_live_migrate_state_to_string(status->state);
}

void xl_view_row(char line[XL_VIEW_MAX],
                 const libxl_live_migrate_status *status)
{
    const libxl_live_migrate_stats *stats = &status->stats;
    bool source = status->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE;
    bool running = status->state == LIBXL_LIVE_MIGRATE_STATE_RUNNING;
    uint64_t rate = running ? stats->rate : 0;
    char name[sizeof(status->name)], until_end[16];

    lm_utf8_show(name, sizeof(name), status->name);
    spell_time(until_end, running ? time_left(status->phase, stats) : 0);
    snprintf(line, XL_VIEW_MAX,
             "%-24s %5" PRIu32 " %-11s %-11s %5" PRIu64 " %8" PRIu64
             " %8" PRIu64 " %7" PRIu64 " %6" PRIu64 ".%" PRIu64 " %s",
             name, status->domid, source ? "source" : "destination",
             state_text(status), stats->iterations, stats->bytes_sent / MIB,
             (pages_left(status->phase, stats) + PAGES_PER_MIB - 1) /
                 PAGES_PER_MIB,
             stats->faults, rate / MIB, rate % MIB * 10 / MIB, until_end);
}

/* ---- below a row ---- */

static double ms(uint64_t us)
{
    return us / 1000.0;
}

static void show_waits(FILE *text, const libxl_live_migrate_waits *waits)
{
    const char *before = "    waits below";

    for (unsigned int i = 0; i < LIBXL_LIVE_MIGRATE_WAIT_BUCKETS; i++) {
        if (waits->histogram[i]) {
            fprintf(text, "%s %.3f ms: %" PRIu64, before, ms((uint64_t)2 << i),
                    waits->histogram[i]);
            before = ",";
        }
    }
    fputs(before[0] == ',' ? "\n" : "", text);
    before = "    waited";
    for (unsigned int i = 0; i < waits->nr_vcpus; i++) {
        if (waits->blocked_us[i]) {
            fprintf(text, "%s vCPU %u: %.3f s", before, i,
                    ms(waits->blocked_us[i]) / 1000);
            before = ",";
        }
    }
    fputs(before[0] == ',' ? "\n" : "", text);
}

static void show_faults(FILE *text, const libxl_live_migrate_stats *stats)
{
    fprintf(text,
            "    faults of vCPUs: %" PRIu64 ", of back ends: %" PRIu64
            "; requests that crossed their page: %" PRIu64 "\n",
            stats->faults, stats->outside, stats->crossed_requests);
    fprintf(text,
            "    waiting now: %" PRIu64 ", at most: %" PRIu64
            "; pages that came twice: %" PRIu64 "\n",
            stats->queue_depth, stats->queue_most, stats->duplicate_pages);
    if (stats->faults) {
        fprintf(text,
                "    waits: median %.3f ms, 99 of 100 below %.3f ms, longest "
                "%.3f ms\n",
                ms(stats->fault_median_us), ms(stats->fault_p99_us),
                ms(stats->fault_max_us));
        fprintf(text,
                "    pushed pages that came before: median %" PRIu64
                ", at most %" PRIu64 "\n",
                stats->behind_median, stats->behind_most);
    }
    show_waits(text, &stats->waits);
}

char *xl_view_faults(const libxl_live_migrate_stats *stats)
{
    char *lines = NULL;
    size_t length;
    FILE *text;

    if (!stats->faults && !stats->outside && !stats->queue_most) {
        return NULL;
    }
    text = open_memstream(&lines, &length);
    if (!text) {
        return NULL;
    }
    show_faults(text, stats);
    if (fclose(text)) {
        free(lines);
        return NULL;
    }
    return lines;
}

bool xl_view_ended(char line[XL_VIEW_MAX],
                   const libxl_live_migrate_status *status)
{
    const libxl_live_migrate_stats *stats = &status->stats;
    const time_t ended_at = status->ended_at;
    char when[32] = "?", stop[64] = "";
    struct tm local;

    if (!ended_at) {
        return false;
    }
    if (localtime_r(&ended_at, &local)) {
        strftime(when, sizeof(when), "%F %T", &local);
    }
    if (stats->downtime_us) {
        snprintf(stop, sizeof(stop), ", stopped for %.3f s",
                 stats->downtime_us / 1e6);
    }
    snprintf(line, XL_VIEW_MAX, "    ended %s, after %.3f s%s", when,
             status->elapsed_us / 1e6, stop);
    return true;
}

bool xl_view_stop(char line[XL_VIEW_MAX],
                  const libxl_live_migrate_status *status)
{
    const libxl_live_migrate_stats *stats = &status->stats;

    if (status->state != LIBXL_LIVE_MIGRATE_STATE_RUNNING) {
        return false;
    }
    if (stats->downtime_us) {
        snprintf(line, XL_VIEW_MAX, "    %s for %.3f s",
                 status->phase >= POSTCOPY ? "was stopped" : "is stopped",
                 stats->downtime_us / 1e6);
        return true;
    }
    snprintf(line, XL_VIEW_MAX,
             "    will be stopped for %.3f s to send pages, and what the "
             "suspend and the devices take",
             stats->expected_downtime_us / 1e6);
    return stats->expected_downtime_us;
}

bool xl_view_build(char line[XL_VIEW_MAX],
                   const libxl_live_migrate_status *status)
{
    switch (status->build) {
    case LIBXL_LIVE_MIGRATE_BUILD_EARLY:
        snprintf(line, XL_VIEW_MAX, "    its devices start before the stop");
        return true;
    case LIBXL_LIVE_MIGRATE_BUILD_LATE:
        snprintf(line, XL_VIEW_MAX, "    its devices start in the stop: %s",
                 status->late_reason);
        return true;
    case LIBXL_LIVE_MIGRATE_BUILD_ANY:
        break;
    }
    return false;
}

bool xl_view_back_ends(char line[XL_VIEW_MAX],
                       const libxl_live_migrate_outside *outside)
{
    snprintf(line, XL_VIEW_MAX,
             "    pages that back ends wait for: %" PRIu64 ", for %.3f s; the "
             "longest such wait: %.3f s",
             outside->waiting, ms(outside->wait_us) / 1000,
             ms(outside->most_us) / 1000);
    return outside->waiting || outside->most_us;
}
