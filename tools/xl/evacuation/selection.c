/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which domains of this host are meant, and what has to be done with each.
 */
#include "selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evacuation.h"

/* ---- which are meant ---- */

static bool is_called(const struct xl_candidate *candidate, const char *word)
{
    char number[16];

    snprintf(number, sizeof(number), "%" PRIu32, candidate->domid);
    return !strcmp(word, candidate->name) || !strcmp(word, number);
}

/* The candidate's place in the list, from 0 on; -1: it is not there. */
static int place_in(const struct xl_texts *list,
                    const struct xl_candidate *candidate)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_called(candidate, list->texts[i])) {
            return i;
        }
    }
    return -1;
}

/* A domain that has shut down has nothing that could be moved: it matters only
 * when it is named. */
static bool is_meant(const struct xl_options *options,
                     const struct xl_candidate *candidate)
{
    bool named = place_in(&options->only, candidate) >= 0;

    return (named || (!options->only.count && !candidate->shut_down)) &&
           place_in(&options->except, candidate) < 0;
}

static bool is_here(const struct xl_candidates *candidates, const char *word)
{
    for (size_t i = 0; i < candidates->count; i++) {
        if (is_called(&candidates->list[i], word)) {
            return true;
        }
    }
    return false;
}

/* Was the last thing that happened to it here that it left? */
static bool has_gone(const struct xl_candidates *candidates, const char *name)
{
    for (int i = candidates->nr_ended - 1; i >= 0; i--) {
        const libxl_live_migrate_status *ended = &candidates->ended[i];

        if (!strcmp(ended->name, name)) {
            return ended->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE &&
                   ended->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
        }
    }
    return false;
}

/* A name in --only that is not here is no reason to let the other guests wait.
 * A slip in --except would move a guest that should stay. */
static int check_names(const struct xl_options *options,
                       const struct xl_candidates *candidates, bool *missing)
{
    for (size_t i = 0; i < options->except.count; i++) {
        if (!is_here(candidates, options->except.texts[i])) {
            fprintf(stderr,
                    "xl: there is no domain '%s' here to leave out: nothing "
                    "was done\n",
                    options->except.texts[i]);
            return -1;
        }
    }
    for (size_t i = 0; i < options->only.count; i++) {
        const char *name = options->only.texts[i];

        if (is_here(candidates, name)) {
            continue;
        }
        if (has_gone(candidates, name)) {
            fprintf(stderr, "xl: '%s' has gone from here already\n", name);
        } else {
            fprintf(stderr, "xl: there is no domain '%s' here\n", name);
            *missing = true;
        }
    }
    return 0;
}

/* ---- what has to be done with one ---- */

static enum xl_job job_of(const libxl_live_migrate_inspection *part)
{
    switch (part->half) {
    case LIBXL_LIVE_MIGRATE_HALF_LEFT:
        return part->attended ? XL_JOB_FOLLOW : XL_JOB_RECOVER;
    case LIBXL_LIVE_MIGRATE_HALF_LEAVING:
        return part->attended ? XL_JOB_FOLLOW : XL_JOB_MOVE;
    default:
        return XL_JOB_MOVE;
    }
}

static void decide(struct xl_guest *guest, enum xl_fate fate, const char *why)
{
    guest->fate = fate;
    snprintf(guest->why, sizeof(guest->why), "%s", why);
}

/* Give a guest its fate at once if it cannot go whatever the hosts say, and
 * with --check also if its job would be no move. */
static void rule_out(const struct xl_evacuation *evacuation,
                     struct xl_guest *guest,
                     const struct xl_candidate *candidate)
{
    if (candidate->rc) {
        decide(guest, XL_FATE_STAYS,
               "xl cannot find out whether it is a whole guest");
    } else if (candidate->shut_down) {
        decide(guest, XL_FATE_STAYS, "it has shut down");
    } else if (candidate->part.half >= LIBXL_LIVE_MIGRATE_HALF_ARRIVING) {
        decide(guest, XL_FATE_STAYS, candidate->part.text);
    } else if (evacuation->looks_only && guest->job == XL_JOB_RECOVER) {
        decide(guest, XL_FATE_PAUSED, "it is recovered first");
    } else if (evacuation->looks_only && guest->job == XL_JOB_FOLLOW) {
        decide(guest, XL_FATE_LEFT, "another process moves it");
    }
}

/* `host` is where the guest is on its way to, if it is; NULL: not known. */
static int add(struct xl_evacuation *evacuation, uint64_t turn,
               const char *host, const struct xl_candidate *candidate)
{
    enum xl_job job = candidate->rc ? XL_JOB_MOVE : job_of(&candidate->part);
    struct xl_guest *guest =
        xl_evacuation_add(evacuation, candidate->domid, candidate->name, job);

    if (!guest) {
        fprintf(stderr, "xl: out of memory\n");
        return -1;
    }
    guest->turn = turn;
    guest->needed_kb = candidate->needed_kb;
    if (job != XL_JOB_MOVE && host) {
        guest->host = xl_evacuation_host(evacuation, host);
    }
    guest->guesses = job == XL_JOB_RECOVER && guest->host == XL_NO_HOST;
    rule_out(evacuation, guest, candidate);
    return 0;
}

int xl_select(struct xl_evacuation *evacuation,
              const struct xl_options *options,
              const struct xl_candidates *candidates, bool *missing)
{
    if (check_names(options, candidates, missing)) {
        return -1;
    }
    for (size_t i = 0; i < candidates->count; i++) {
        const struct xl_candidate *candidate = &candidates->list[i];
        int place = place_in(&options->only, candidate);
        uint64_t turn = options->order == XL_ORDER_STOP ? candidate->stop_us
                        : place < 0                     ? 0
                                                        : (uint64_t)place;

        if (is_meant(options, candidate) &&
            add(evacuation, turn, candidate->host, candidate)) {
            return -1;
        }
    }
    xl_evacuation_sort(evacuation);
    return 0;
}

uint64_t xl_last_stop(const struct xl_candidates *candidates, const char *name)
{
    for (int i = candidates->nr_ended - 1; i >= 0; i--) {
        const libxl_live_migrate_status *ended = &candidates->ended[i];

        if (ended->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE &&
            ended->stats.running_us > ended->stats.suspend_us &&
            !strcmp(ended->name, name)) {
            return ended->stats.running_us - ended->stats.suspend_us;
        }
    }
    return 0;
}

/* ---- those that are paused ---- */

static bool is_paused(const struct xl_candidate *candidate)
{
    return !candidate->rc &&
           candidate->part.half == LIBXL_LIVE_MIGRATE_HALF_LEFT &&
           !candidate->part.attended;
}

static bool goes_to(const struct xl_candidate *candidate, const char *host)
{
    return candidate->host && !strcmp(candidate->host, host);
}

static bool is_any_to(const struct xl_candidates *candidates, const char *host)
{
    for (size_t i = 0; i < candidates->count; i++) {
        if (is_paused(&candidates->list[i]) &&
            goes_to(&candidates->list[i], host)) {
            return true;
        }
    }
    return false;
}

int xl_select_paused(struct xl_evacuation *evacuation,
                     const struct xl_candidates *candidates)
{
    const char *host = evacuation->hosts[0].name;
    bool only_there = is_any_to(candidates, host);

    for (size_t i = 0; i < candidates->count; i++) {
        const struct xl_candidate *candidate = &candidates->list[i];

        if (!is_paused(candidate)) {
            continue;
        }
        if (only_there && candidate->host && !goes_to(candidate, host)) {
            fprintf(stderr, "xl: %s is on its way to another host, %s\n",
                    candidate->name, candidate->host);
        } else if (add(evacuation, 0, host, candidate)) {
            return -1;
        }
    }
    return 0;
}
