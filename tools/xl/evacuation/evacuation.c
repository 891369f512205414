/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Many guests at a time: which state each is in, and what comes next.
 */
#include "evacuation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_status.h"
#include "placement.h"
#include "share.h"

/* Moves at a time: one guest is built while another has the link. */
#define PARALLEL 2
/* Connections that are being made at a time: sshd drops some of more than ten
 * (MaxStartups). */
#define CONNECTING_MOST 8

static const char *const fates[XL_FATES] = {
    [XL_FATE_WAITS] = "waits",           [XL_FATE_UNDER_WAY] = "under-way",
    [XL_FATE_COULD_GO] = "could-go",     [XL_FATE_GONE] = "gone",
    [XL_FATE_SHELL] = "gone-shell-left", [XL_FATE_STAYS] = "stays",
    [XL_FATE_PAUSED] = "paused",         [XL_FATE_LOST] = "lost",
    [XL_FATE_LEFT] = "left-to-another",
};

const char *xl_fate_to_string(enum xl_fate fate)
{
    return fates[fate];
}

bool xl_fate_is_final(enum xl_fate fate)
{
    return fate != XL_FATE_WAITS && fate != XL_FATE_UNDER_WAY;
}

/* ---- making ---- */

void xl_evacuation_init(struct xl_evacuation *evacuation,
                        const struct xl_options *options)
{
    *evacuation = (struct xl_evacuation){
        .nr_hosts = options->nr_hosts,
        .parallel = options->parallel ? options->parallel : PARALLEL,
        .rate = options->params.background_rate
                    ? options->params.background_rate
                    : XL_UNLIMITED,
        .looks_only = options->check,
    };
    for (size_t i = 0; i < options->nr_hosts; i++) {
        evacuation->hosts[i].name = options->hosts[i];
    }
}

void xl_evacuation_free(struct xl_evacuation *evacuation)
{
    free(evacuation->guests);
    evacuation->guests = NULL;
    evacuation->nr_guests = 0;
}

struct xl_guest *xl_evacuation_add(struct xl_evacuation *evacuation,
                                   uint32_t domid, const char *name,
                                   enum xl_job job)
{
    size_t count = evacuation->nr_guests;
    struct xl_guest *more =
        realloc(evacuation->guests, (count + 1) * sizeof(*more));

    if (!more) {
        return NULL;
    }
    evacuation->guests = more;
    evacuation->nr_guests = count + 1;
    more[count] = (struct xl_guest){
        .domid = domid,
        .job = job,
        .host = XL_NO_HOST,
        .counted = job != XL_JOB_MOVE,
    };
    snprintf(more[count].name, sizeof(more[count].name), "%s", name);
    return &more[count];
}

int xl_evacuation_host(struct xl_evacuation *evacuation, const char *name)
{
    size_t count = evacuation->nr_hosts;

    for (size_t i = 0; i < count; i++) {
        if (!strcmp(evacuation->hosts[i].name, name)) {
            return i;
        }
    }
    if (count == XL_HOSTS_MAX) {
        return XL_NO_HOST;
    }
    evacuation->hosts[count] =
        (struct xl_host){.name = name, .state = XL_HOST_RECOVERY};
    evacuation->nr_hosts = count + 1;
    return count;
}

void xl_evacuation_sort(struct xl_evacuation *evacuation)
{
    struct xl_guest *guests = evacuation->guests;

    /* They are few, and those that tie must not change places. */
    for (size_t i = 1; i < evacuation->nr_guests; i++) {
        for (size_t j = i; j > 0 && guests[j].turn < guests[j - 1].turn; j--) {
            struct xl_guest other = guests[j];

            guests[j] = guests[j - 1];
            guests[j - 1] = other;
        }
    }
}

/* ---- one state into another ---- */

static void end(struct xl_evacuation *evacuation, struct xl_guest *guest,
                enum xl_fate fate, const char *why)
{
    guest->fate = fate;
    guest->rate = 0;
    guest->seen = false;
    guest->ended_us = evacuation->now_us;
    snprintf(guest->why, sizeof(guest->why), "%s", why);
}

/* The guest needs another host. */
static void wait_again(struct xl_guest *guest, const char *why)
{
    guest->fate = XL_FATE_WAITS;
    guest->host = XL_NO_HOST;
    guest->rate = 0;
    guest->seen = guest->counted = false;
    guest->status = (libxl_live_migrate_status){.domid = guest->domid};
    snprintf(guest->why, sizeof(guest->why), "%s", why);
}

static bool has_another_host(const struct xl_evacuation *evacuation,
                             const struct xl_guest *guest)
{
    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        enum xl_host_state state = evacuation->hosts[i].state;

        if (!(guest->tried & UINT64_C(1) << i) && state != XL_HOST_CLOSED &&
            state != XL_HOST_RECOVERY) {
            return true;
        }
    }
    return false;
}

static void refused(struct xl_evacuation *evacuation, struct xl_guest *guest,
                    const char *why)
{
    if (guest->host != XL_NO_HOST) {
        guest->tried |= UINT64_C(1) << guest->host;
    }
    if (!evacuation->stopping && guest->job == XL_JOB_MOVE &&
        has_another_host(evacuation, guest)) {
        wait_again(guest, why);
    } else {
        end(evacuation, guest, XL_FATE_STAYS, why);
    }
}

/* The connection was lost, or the receiver killed: only the host itself knows
 * whether it can take another guest. */
static void paused(struct xl_evacuation *evacuation, struct xl_guest *guest,
                   const char *why)
{
    struct xl_host *host =
        guest->host != XL_NO_HOST ? &evacuation->hosts[guest->host] : NULL;

    if (host && guest->guesses) {
        guest->tried |= UINT64_C(1) << guest->host;
        if (!evacuation->stopping && has_another_host(evacuation, guest)) {
            wait_again(guest, why);
            guest->counted = true;
            return;
        }
    } else if (host && host->state == XL_HOST_OPEN) {
        host->state = XL_HOST_TO_ASK;
    }
    end(evacuation, guest, XL_FATE_PAUSED, why);
}

/* The guest runs here after all, and has to be moved. */
static void taken_back(struct xl_evacuation *evacuation,
                       struct xl_guest *guest, const char *why)
{
    guest->guesses = false;
    if (evacuation->recovers || evacuation->stopping) {
        end(evacuation, guest, XL_FATE_STAYS, why);
    } else {
        guest->job = XL_JOB_MOVE;
        wait_again(guest, "");
    }
}

void xl_evacuation_ended(struct xl_evacuation *evacuation, size_t guest,
                         int exit_status, const char *why)
{
    struct xl_guest *ended = &evacuation->guests[guest];

    switch (exit_status) {
    case EXIT_SUCCESS:
        end(evacuation, ended,
            evacuation->looks_only ? XL_FATE_COULD_GO : XL_FATE_GONE, "");
        break;
    case XL_EXIT_SHELL_LEFT:
        end(evacuation, ended, XL_FATE_SHELL, why);
        break;
    case XL_EXIT_PAUSED:
        paused(evacuation, ended, why);
        break;
    case XL_EXIT_GONE:
        end(evacuation, ended, XL_FATE_LOST, why);
        break;
    case XL_EXIT_TAKEN_BACK:
        taken_back(evacuation, ended, why);
        break;
    default:
        if (ended->job == XL_JOB_RECOVER) {
            paused(evacuation, ended, why);
        } else if (ended->job == XL_JOB_FOLLOW) {
            taken_back(evacuation, ended, why);
        } else {
            refused(evacuation, ended, why);
        }
        break;
    }
    xl_place(evacuation);
}

void xl_evacuation_stop(struct xl_evacuation *evacuation)
{
    evacuation->stopping = true;
    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        struct xl_guest *guest = &evacuation->guests[i];

        if (guest->job == XL_JOB_FOLLOW && !xl_fate_is_final(guest->fate)) {
            end(evacuation, guest, XL_FATE_LEFT,
                "another process goes on with it");
        } else if (guest->fate == XL_FATE_WAITS) {
            end(evacuation, guest,
                guest->job == XL_JOB_RECOVER ? XL_FATE_PAUSED : XL_FATE_STAYS,
                "given up before its turn");
        }
    }
}

/* ---- what is told ---- */

void xl_evacuation_room(struct xl_evacuation *evacuation, int host,
                        uint64_t free_kb, uint64_t more_kb)
{
    struct xl_host *answers = &evacuation->hosts[host];

    answers->state = XL_HOST_OPEN;
    answers->knows_room = true;
    answers->free_kb = free_kb;
    answers->more_kb = more_kb;
    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        struct xl_guest *guest = &evacuation->guests[i];

        /* From PRECOPY on the destination has claimed the guest's memory. */
        if (guest->host == host &&
            (xl_fate_is_final(guest->fate) ||
             (guest->seen &&
              guest->status.phase >= LIBXL_LIVE_MIGRATE_PHASE_PRECOPY))) {
            guest->counted = true;
        }
    }
    xl_place(evacuation);
}

void xl_evacuation_room_unknown(struct xl_evacuation *evacuation, int host)
{
    evacuation->hosts[host].state = XL_HOST_OPEN;
    evacuation->hosts[host].knows_room = false;
    xl_place(evacuation);
}

void xl_evacuation_closed(struct xl_evacuation *evacuation, int host,
                          const char *why)
{
    struct xl_host *closed = &evacuation->hosts[host];

    closed->state = XL_HOST_CLOSED;
    snprintf(closed->why, sizeof(closed->why), "%s", why);
    xl_place(evacuation);
}

void xl_evacuation_rate_set(struct xl_evacuation *evacuation, size_t guest,
                            uint64_t rate)
{
    evacuation->guests[guest].rate = rate;
}

void xl_evacuation_deaf(struct xl_evacuation *evacuation, size_t guest)
{
    evacuation->guests[guest].deaf = true;
}

static void saw(struct xl_guest *guest,
                const libxl_live_migrate_status *status)
{
    bool first = !guest->seen;

    guest->status = *status;
    guest->seen = status->state == LIBXL_LIVE_MIGRATE_STATE_RUNNING;
    guest->deaf = false;
    /* What this process has started has the rate that it was given. */
    if (first && guest->job == XL_JOB_FOLLOW) {
        guest->rate = status->background_rate;
    }
}

void xl_evacuation_saw(struct xl_evacuation *evacuation,
                       const libxl_live_migrate_status *list, int count)
{
    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        struct xl_guest *guest = &evacuation->guests[i];

        if (guest->fate != XL_FATE_UNDER_WAY) {
            continue;
        }
        for (int j = 0; j < count; j++) {
            if (list[j].domid == guest->domid &&
                list[j].role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE) {
                saw(guest, &list[j]);
            }
        }
    }
}

/* ---- what is next ---- */

static size_t moves_under_way(const struct xl_evacuation *evacuation, int host)
{
    size_t count = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];

        count += guest->fate == XL_FATE_UNDER_WAY &&
                 guest->job != XL_JOB_RECOVER &&
                 (host == XL_NO_HOST || guest->host == host);
    }
    return count;
}

static size_t connecting(const struct xl_evacuation *evacuation)
{
    size_t count = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];

        count += guest->fate == XL_FATE_UNDER_WAY &&
                 guest->job != XL_JOB_FOLLOW && !guest->seen;
    }
    return count;
}

static bool is_any_host(const struct xl_evacuation *evacuation,
                        enum xl_host_state state)
{
    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        if (evacuation->hosts[i].state == state) {
            return true;
        }
    }
    return false;
}

/* Paused guests first; then the first guest of the host that has the fewest
 * moves under way; nr_guests: none can be started now. */
static size_t next_guest(const struct xl_evacuation *evacuation)
{
    size_t found = evacuation->nr_guests, least = SIZE_MAX;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        const struct xl_guest *guest = &evacuation->guests[i];
        size_t count;

        if (guest->fate != XL_FATE_WAITS) {
            continue;
        }
        if (guest->job != XL_JOB_MOVE) {
            return i;
        }
        if (guest->host == XL_NO_HOST ||
            evacuation->hosts[guest->host].state != XL_HOST_OPEN) {
            continue;
        }
        count = moves_under_way(evacuation, guest->host);
        if (count < least) {
            found = i;
            least = count;
        }
    }
    return found;
}

static bool may_start(const struct xl_evacuation *evacuation, size_t guest)
{
    if (guest == evacuation->nr_guests ||
        (evacuation->guests[guest].job != XL_JOB_FOLLOW &&
         connecting(evacuation) >= CONNECTING_MOST)) {
        return false;
    }
    return evacuation->guests[guest].job != XL_JOB_MOVE ||
           (moves_under_way(evacuation, XL_NO_HOST) < evacuation->parallel &&
            !is_any_host(evacuation, XL_HOST_ASKED));
}

static bool ask_host(struct xl_evacuation *evacuation,
                     struct xl_action *action)
{
    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        if (evacuation->hosts[i].state == XL_HOST_TO_ASK) {
            evacuation->hosts[i].state = XL_HOST_ASKED;
            *action = (struct xl_action){.what = XL_DO_ASK, .host = i};
            return true;
        }
    }
    return false;
}

/* A host that has not refused the guest; there is one. */
static int guess_host(const struct xl_evacuation *evacuation,
                      const struct xl_guest *guest)
{
    size_t i = 0;

    while (guest->tried & UINT64_C(1) << i ||
           evacuation->hosts[i].state == XL_HOST_RECOVERY) {
        i++;
    }
    return i;
}

static bool start_guest(struct xl_evacuation *evacuation,
                        struct xl_action *action)
{
    size_t number = next_guest(evacuation);
    struct xl_guest *guest = &evacuation->guests[number];
    uint64_t rate = 0;

    /* A followed guest has its rate already. */
    if (!may_start(evacuation, number) ||
        (guest->job != XL_JOB_FOLLOW &&
         !xl_share_to_start(evacuation, &rate))) {
        return false;
    }
    if (guest->guesses) {
        guest->host = guess_host(evacuation, guest);
    }
    guest->fate = XL_FATE_UNDER_WAY;
    guest->since_us = evacuation->now_us;
    guest->seen = guest->deaf = false;
    guest->rate = rate;
    *action = (struct xl_action){.what = XL_DO_START,
                                 .guest = number,
                                 .host = guest->host,
                                 .rate = rate};
    return true;
}

/* The guests that still wait find no host. */
static void conclude(struct xl_evacuation *evacuation)
{
    char why[XL_WHY_MAX];

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        struct xl_guest *guest = &evacuation->guests[i];

        if (guest->fate == XL_FATE_WAITS) {
            xl_place_explain(evacuation, guest, why);
            end(evacuation, guest, XL_FATE_STAYS, why);
        }
    }
}

static bool is_any_move_waiting(const struct xl_evacuation *evacuation)
{
    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        if (evacuation->guests[i].fate == XL_FATE_WAITS &&
            evacuation->guests[i].job == XL_JOB_MOVE) {
            return true;
        }
    }
    return false;
}

struct xl_action xl_evacuation_next(struct xl_evacuation *evacuation,
                                    uint64_t now_us)
{
    struct xl_action action = {.what = XL_DO_WAIT};
    bool waiting = is_any_move_waiting(evacuation);

    evacuation->now_us = now_us;
    if (waiting && ask_host(evacuation, &action)) {
        return action;
    }
    if (xl_share_lower(evacuation, &action) ||
        start_guest(evacuation, &action) ||
        xl_share_raise(evacuation, &action)) {
        return action;
    }
    if (!xl_evacuation_count(evacuation, XL_FATE_UNDER_WAY) &&
        (!waiting || !is_any_host(evacuation, XL_HOST_ASKED))) {
        conclude(evacuation);
        action.what = XL_DO_END;
    }
    return action;
}

/* ---- how it is ---- */

size_t xl_evacuation_count(const struct xl_evacuation *evacuation,
                           enum xl_fate fate)
{
    size_t count = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        count += evacuation->guests[i].fate == fate;
    }
    return count;
}

int xl_evacuation_exit(const struct xl_evacuation *evacuation)
{
    /* The first that holds for some guest. */
    static const struct {
        enum xl_fate fate;
        int status;
    } table[] = {
        {XL_FATE_LOST, XL_EXIT_GONE},        {XL_FATE_PAUSED, XL_EXIT_PAUSED},
        {XL_FATE_LEFT, XL_EXIT_PAUSED},      {XL_FATE_STAYS, EXIT_FAILURE},
        {XL_FATE_SHELL, XL_EXIT_SHELL_LEFT},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (xl_evacuation_count(evacuation, table[i].fate)) {
            return table[i].status;
        }
    }
    return EXIT_SUCCESS;
}
