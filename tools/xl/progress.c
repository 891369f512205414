/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the user sees of a migration.
 */
#include "progress.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "migrate_view.h"
#include "terminal.h"

#define US_PER_SECOND 1000000u
/* How often a line on a terminal is drawn over. */
#define DRAW_US 200000

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

static const char *phase_text(libxl_live_migrate_phase phase)
{
    switch (phase) {
    case LIBXL_LIVE_MIGRATE_PHASE_START:
        return "starting";
    case LIBXL_LIVE_MIGRATE_PHASE_PREPARING:
        return "preparing the destination";
    case LIBXL_LIVE_MIGRATE_PHASE_PRECOPY:
        return "the guest runs here, precopy";
    case LIBXL_LIVE_MIGRATE_PHASE_EVICTING:
        return "telling the destination what it lacks";
    case LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED:
        return "the guest is stopped";
    case LIBXL_LIVE_MIGRATE_PHASE_READY:
        return "the destination is ready";
    case LIBXL_LIVE_MIGRATE_PHASE_GO:
        return "the guest is handed over";
    case LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY:
        return "the guest runs at the destination, postcopy";
    case LIBXL_LIVE_MIGRATE_PHASE_COMPLETE:
        return "the destination has everything";
    }
    return "?";
}

static void show_counters(libxl_live_migrate_phase phase,
                          const libxl_live_migrate_stats *stats)
{
    switch (phase) {
    case LIBXL_LIVE_MIGRATE_PHASE_PRECOPY:
        fprintf(stderr, ": %" PRIu64 " rounds done, %" PRIu64 " pages sent",
                stats->iterations, stats->precopy_pages);
        if (stats->dirty_rate) {
            fprintf(stderr, ", %" PRIu64 " pages/s written, %" PRIu64 " sent",
                    stats->dirty_rate, stats->send_rate);
        }
        break;
    case LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY:
        fprintf(stderr,
                ": %" PRIu64 " of %" PRIu64 " pages to go, %" PRIu64
                " requested, %" PRIu64 " waiting",
                stats->outstanding, stats->postcopy_pages,
                stats->requested_pages, stats->queue_depth);
        break;
    default:
        break;
    }
}

static void show_line(const struct xl_progress *progress,
                      libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats)
{
    uint64_t elapsed = progress->last_us - progress->start_us;

    fprintf(stderr, "[%3" PRIu64 ".%03" PRIu64 "] %s", elapsed / US_PER_SECOND,
            elapsed % US_PER_SECOND / 1000, phase_text(phase));
    show_counters(phase, stats);
    fprintf(stderr, "\n");
}

/* ---- on a terminal ---- */

static void draw(struct xl_progress *progress, libxl_live_migrate_phase phase,
                 const libxl_live_migrate_stats *stats)
{
    struct winsize size = {.ws_col = 80};
    char line[XL_VIEW_MAX];

    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    xl_view_progress(line, size.ws_col, phase, stats);
    xl_terminal_control(stderr, "\r");
    fputs(line, stderr);
    xl_terminal_control(stderr, "\033[K");
    progress->drawn = true;
}

static void undraw(struct xl_progress *progress)
{
    if (progress->drawn) {
        xl_terminal_control(stderr, "\r\033[K");
    }
    progress->drawn = false;
}

/* ---- for machines ---- */

static void show_object(const struct xl_progress *progress,
                        libxl_live_migrate_state state,
                        libxl_live_migrate_phase phase,
                        const libxl_live_migrate_stats *stats,
                        const libxl_live_migrate_result *result)
{
    libxl_live_migrate_status status = {
        .domid = progress->domid,
        .pid = getpid(),
        .role = LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
        .state = state,
        .phase = phase,
        .elapsed_us = progress->begun ? now_us() - progress->start_us : 0,
        .background_rate = progress->background_rate
                               ? progress->background_rate
                               : LIBXL_LIVE_MIGRATE_RATE_UNLIMITED,
        .stats = *stats,
    };
    char *json;

    snprintf(status.name, sizeof(status.name), "%s", progress->name);
    if (result) {
        snprintf(status.reason, sizeof(status.reason), "%s", result->reason);
        status.build = result->build;
        snprintf(status.late_reason, sizeof(status.late_reason), "%s",
                 result->late_reason);
    }
    json = libxl_live_migrate_status_to_json(&status);
    if (json) {
        puts(json);
        fflush(stdout);
    }
    free(json);
}

/* ---- in all three ways ---- */

static bool is_due(const struct xl_progress *progress,
                   libxl_live_migrate_phase phase,
                   const libxl_live_migrate_stats *stats, uint64_t now)
{
    uint64_t pause_us = progress->terminal ? DRAW_US : US_PER_SECOND;

    /* The rounds of a guest that writes little are too short to read on a
     * terminal. */
    return phase != progress->last_phase ||
           now - progress->last_us >= pause_us ||
           (!progress->terminal &&
            stats->iterations != progress->last_iteration);
}

/* Answer a Ctrl-C, or a signal of the same meaning, once for each. */
static void answer_signal(struct xl_progress *progress,
                          libxl_live_migrate_phase phase)
{
    struct pollfd poller = {.fd = progress->abort_fd, .events = POLLIN};
    bool too_late = phase >= LIBXL_LIVE_MIGRATE_PHASE_GO;
    struct signalfd_siginfo signal;

    if (progress->abort_fd < 1 || poll(&poller, 1, 0) != 1) {
        return;
    }
    /* Before that, leave it for the library to see. */
    if (too_late) {
        (void)!read(progress->abort_fd, &signal, sizeof(signal));
    } else if (progress->asked) {
        return;
    }
    progress->asked = true;
    undraw(progress);
    fputs(too_late ? "xl: too late to give up: the guest runs at the "
                     "destination and cannot do without this; it ends when "
                     "all memory is there\n"
                   : "xl: giving up: the guest stays here\n",
          stderr);
}

void xl_progress_show(libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats, void *user)
{
    struct xl_progress *progress = user;
    uint64_t now = now_us();

    answer_signal(progress, phase);
    if (!progress->begun) {
        progress->begun = true;
        progress->start_us = now;
        progress->terminal =
            !progress->json && !progress->quiet && isatty(STDERR_FILENO);
    } else if (!is_due(progress, phase, stats, now)) {
        return;
    }
    progress->last_us = now;
    progress->last_phase = phase;
    progress->last_iteration = stats->iterations;

    if (progress->quiet) {
        return;
    }
    if (progress->json) {
        show_object(progress, LIBXL_LIVE_MIGRATE_STATE_RUNNING, phase, stats,
                    NULL);
    } else if (progress->terminal) {
        draw(progress, phase, stats);
    } else {
        show_line(progress, phase, stats);
    }
}

/* ---- the summary ---- */

static void show_time(const char *what, uint64_t us)
{
    fprintf(stderr, "  %-32s %8" PRIu64 ".%03" PRIu64 " s\n", what,
            us / US_PER_SECOND, us % US_PER_SECOND / 1000);
}

static void show_pages(const char *what, uint64_t pages)
{
    fprintf(stderr, "  %-32s %8" PRIu64 "     pages\n", what, pages);
}

static void show_mib(const char *what, uint64_t octets)
{
    fprintf(stderr, "  %-32s %8" PRIu64 "     MiB\n", what, octets >> 20);
}

static void show_fault_time(const char *what, uint64_t us)
{
    fprintf(stderr, "  %-32s %8" PRIu64 ".%03" PRIu64 " ms\n", what, us / 1000,
            us % 1000);
}

static void show_count(const char *what, uint64_t count)
{
    fprintf(stderr, "  %-32s %8" PRIu64 "\n", what, count);
}

/* How many waits took how long, and for which vCPUs. */
static void show_waits(const libxl_live_migrate_waits *waits)
{
    char what[40];

    for (unsigned int i = 0; i < LIBXL_LIVE_MIGRATE_WAIT_BUCKETS; i++) {
        if (waits->histogram[i]) {
            snprintf(what, sizeof(what), "  below %.3f ms",
                     ((uint64_t)2 << i) / 1000.0);
            show_count(what, waits->histogram[i]);
        }
    }
    for (unsigned int i = 0; i < waits->nr_vcpus; i++) {
        if (waits->blocked_us[i]) {
            snprintf(what, sizeof(what), "  vCPU %u waited for", i);
            show_time(what, waits->blocked_us[i]);
        }
    }
}

static void show_postcopy(const libxl_live_migrate_stats *stats)
{
    show_pages("left for postcopy", stats->postcopy_pages);
    show_pages("  of these requested", stats->requested_pages);
    if (stats->channel_pages) {
        show_pages("    over the fault channel", stats->channel_pages);
    }
    if (stats->streams > 1) {
        show_count("  over connections, at the end", stats->streams);
        show_pages("    those besides the first", stats->stream_pages);
    }
    show_pages("  of these pushed", stats->pushed_pages);
    show_pages("    beside requested ones", stats->neighbour_pages);
    if (stats->dropped_pages) {
        show_pages("  of these no longer wanted", stats->dropped_pages);
        show_pages("    and never sent", stats->unsent_pages);
    }
    show_pages("  that came twice", stats->duplicate_pages);
    if (stats->unseen_writes) {
        show_pages("  written to before they came", stats->unseen_writes);
    }
    show_count("faults of the guest", stats->faults);
    if (stats->faults) {
        show_fault_time("  median wait", stats->fault_median_us);
        show_fault_time("  99 of 100 below", stats->fault_p99_us);
        show_fault_time("  longest", stats->fault_max_us);
        show_waits(&stats->waits);
        show_time("  all vCPUs waited for", stats->blocked_us);
        show_pages("  pushed pages before, median", stats->behind_median);
        show_pages("  pushed pages before, at most", stats->behind_most);
        show_count("  that crossed their page", stats->crossed_requests);
        show_count("  waiting at a time, at most", stats->queue_most);
    }
    show_count("requests of back ends", stats->outside);
}

/* The guest stops during the first part, and runs before the last part
 * ends. */
static void show_stop(const libxl_live_migrate_stats *stats)
{
    show_time("stopped, seen from here",
              stats->running_us - stats->suspend_us);
    show_time("  suspending the guest",
              stats->suspended_us - stats->suspend_us);
    show_time("  its last pages and state",
              stats->sent_us - stats->suspended_us);
    show_time("    of this, pages needed first", stats->hot_us);
    show_time("  until the destination is ready",
              stats->ready_us - stats->sent_us);
    show_time("  until it is handed over", stats->go_us - stats->ready_us);
    show_time("  until it runs there", stats->running_us - stats->go_us);
}

static void show_summary(const libxl_live_migrate_stats *stats)
{
    fprintf(stderr, "Migration complete:\n");
    show_time("total time", stats->end_us);
    if (stats->running_us > stats->suspend_us) {
        show_stop(stats);
    }
    if (stats->end_us > stats->running_us && stats->postcopy_pages) {
        show_time("postcopy", stats->end_us - stats->running_us);
    }
    fprintf(stderr, "  %-32s %8" PRIu64 "\n", "precopy rounds",
            stats->iterations);
    show_pages("sent while it ran here", stats->precopy_pages);
    if (stats->left_out_pages) {
        show_pages("  left out, being written", stats->left_out_pages);
    }
    if (stats->settled_pages) {
        show_pages("sent while it suspended", stats->settled_pages);
    }
    show_pages("sent while it was stopped", stats->stop_pages);
    if (stats->hot_pages) {
        show_pages("  of these needed first", stats->hot_pages);
    }
    if (stats->postcopy_pages) {
        show_postcopy(stats);
    }
    show_pages("all zeroes, sent as such", stats->zero_pages);
    if (stats->repeated_pages) {
        show_pages("one word, sent as such", stats->repeated_pages);
    }
    if (stats->compressed_pages) {
        show_pages("sent compressed", stats->compressed_pages);
        show_mib("  which took", stats->compressed_bytes);
    }
    show_mib("on the wire", stats->bytes_sent);
}

static void show_build(const libxl_live_migrate_result *result)
{
    switch (result->build) {
    case LIBXL_LIVE_MIGRATE_BUILD_EARLY:
        fprintf(stderr, "Its devices were started early, before the stop.\n");
        break;
    case LIBXL_LIVE_MIGRATE_BUILD_LATE:
        fprintf(stderr, "Its devices were started late, in the stop: %s.\n",
                result->late_reason);
        break;
    case LIBXL_LIVE_MIGRATE_BUILD_ANY:
        break;
    }
}

void xl_progress_end(struct xl_progress *progress,
                     libxl_live_migrate_state state,
                     const libxl_live_migrate_result *result)
{
    undraw(progress);
    if (progress->quiet) {
        return;
    }
    if (progress->json) {
        show_object(progress, state, result->phase, &result->stats, result);
    } else if (state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE) {
        show_summary(&result->stats);
        show_build(result);
    }
}
