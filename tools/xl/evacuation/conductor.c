/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Many guests at a time: the processes, and the loop around them.
 */
#include "conductor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "exit_status.h"
#include "host_room.h"
#include "room.h"
#include "show.h"

/* How often to look at migrations, and at processes. */
#define LOOK_MS 1000
#define TICK_MS 200
/* How long to wait for a migration that is given a rate: it answers at once,
 * except in the stop. */
#define RATE_MS 2000
#define US_PER_MS 1000
/* xl, four times -v, the command, options, two more, --, two arguments. */
#define WORDS_MAX (XL_NR_OPTIONS + 16)

const struct xl_conductor_ops xl_conductor_library = {
    .list = libxl_live_migrate_list,
    .list_completed = libxl_live_migrate_list_completed,
    .list_free = libxl_live_migrate_status_list_free,
    .request = libxl_live_migrate_request,
};

struct conducting {
    const struct xl_conductor *conductor;
    struct xl_evacuation *evacuation;
    struct xl_child *moves; /* one for each guest */
    struct xl_child questions[XL_HOSTS_MAX];
    struct xl_show show;
    uint64_t looked_us;
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- starting ---- */

/* Start this program with a command, the options that go on to such a command,
 * and more words; both lists end with NULL. */
static int start(struct conducting *conducting, struct xl_child *child,
                 const char *const *command, enum xl_command_id options,
                 const char *const *more)
{
    static char xl[] = "xl", verbose[] = "-v";
    char **each = xl_options_for_each(conducting->conductor->options, options);
    const char *words[WORDS_MAX] = {xl};
    int count = 1, ret = -1;

    for (int i = 0; i < conducting->conductor->verbosity && i < 4; i++) {
        words[count++] = verbose;
    }
    while (*command) {
        words[count++] = *command++;
    }
    for (char **word = each; word && *word; word++) {
        words[count++] = *word;
    }
    while (*more) {
        words[count++] = *more++;
    }
    if (each) {
        /* execv() leaves them as they are. */
        ret = xl_child_start(child, conducting->conductor->program,
                             (char **)words);
    }
    xl_words_free(each);
    return ret;
}

static int ask(struct conducting *conducting, int host)
{
    static const char *const command[] = {XL_HOST_ROOM, "--postcopy", NULL};
    const char *more[] = {"--", "", conducting->evacuation->hosts[host].name,
                          NULL};

    return start(conducting, &conducting->questions[host], command,
                 XL_COMMAND_MIGRATE, more);
}

static int move(struct conducting *conducting, const struct xl_guest *guest,
                const char *share)
{
    static const char *const move[] = {"migrate", "--postcopy", NULL};
    /* A number cannot be taken for an option or another guest's name. */
    char domid[16];
    const char *more[] = {"--quiet",
                          share,
                          "--",
                          domid,
                          conducting->evacuation->hosts[guest->host].name,
                          NULL};

    snprintf(domid, sizeof(domid), "%" PRIu32, guest->domid);
    return start(conducting,
                 &conducting->moves[guest - conducting->evacuation->guests],
                 move, XL_COMMAND_MIGRATE, more);
}

static int recover(struct conducting *conducting, const struct xl_guest *guest,
                   const char *share)
{
    static const char *const recover[] = {"migrate-recover", NULL};
    /* migrate-recover looks for guests' own names first. */
    const char *more[] = {"--quiet",
                          share,
                          "--",
                          guest->name,
                          conducting->evacuation->hosts[guest->host].name,
                          NULL};

    return start(conducting,
                 &conducting->moves[guest - conducting->evacuation->guests],
                 recover, XL_COMMAND_RECOVER, more);
}

static int start_guest(struct conducting *conducting,
                       const struct xl_action *action)
{
    const struct xl_guest *guest =
        &conducting->evacuation->guests[action->guest];
    char share[48] = "--share=unlimited";

    if (action->rate != XL_UNLIMITED) {
        snprintf(share, sizeof(share), "--share=%" PRIu64, action->rate);
    }
    switch (guest->job) {
    case XL_JOB_MOVE:
        return move(conducting, guest, share);
    case XL_JOB_RECOVER:
        return recover(conducting, guest, share);
    case XL_JOB_FOLLOW:
        break;
    }
    return 0;
}

/* ---- what the host shows ---- */

static const libxl_live_migrate_status *find_source(
    const libxl_live_migrate_status *list, int count, uint32_t domid)
{
    const libxl_live_migrate_status *found = NULL;

    for (int i = 0; i < count; i++) {
        if (list[i].domid == domid &&
            list[i].role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE) {
            found = &list[i]; /* of those that have ended the newest */
        }
    }
    return found;
}

static bool find_by(const struct conducting *conducting,
                    int (*lister)(libxl_live_migrate_status **, int *),
                    uint32_t domid, libxl_live_migrate_status *status)
{
    const libxl_live_migrate_status *found = NULL;
    libxl_live_migrate_status *list = NULL;
    int count = 0;

    if (!lister(&list, &count)) {
        found = find_source(list, count, domid);
    }
    if (found) {
        *status = *found;
    }
    conducting->conductor->ops->list_free(list, count);
    return found;
}

/* A migration of another process is over when it is not shown as running any
 * more. */
static void follow(struct conducting *conducting, size_t number,
                   const libxl_live_migrate_status *list, int count)
{
    struct xl_evacuation *evacuation = conducting->evacuation;
    struct xl_guest *guest = &evacuation->guests[number];
    const libxl_live_migrate_status *shown =
        find_source(list, count, guest->domid);

    if (guest->fate != XL_FATE_UNDER_WAY || guest->job != XL_JOB_FOLLOW ||
        (shown && shown->state == LIBXL_LIVE_MIGRATE_STATE_RUNNING)) {
        return;
    }
    if (shown) {
        guest->status = *shown;
    } else if (!find_by(conducting, conducting->conductor->ops->list_completed,
                        guest->domid, &guest->status)) {
        xl_evacuation_ended(evacuation, number, XL_EXIT_PAUSED,
                            "how its migration ended is not known: see xl "
                            "list here and there");
        return;
    }
    xl_evacuation_ended(evacuation, number, xl_exit_of_status(&guest->status),
                        guest->status.reason);
}

static void look(struct conducting *conducting)
{
    const struct xl_conductor_ops *ops = conducting->conductor->ops;
    libxl_live_migrate_status *list = NULL;
    int count = 0;

    if (!ops->list(&list, &count)) {
        xl_evacuation_saw(conducting->evacuation, list, count);
        for (size_t i = 0; i < conducting->evacuation->nr_guests; i++) {
            follow(conducting, i, list, count);
        }
    }
    ops->list_free(list, count);
    conducting->looked_us = now_us();
}

/* ---- how a process ended ---- */

static void take_answer(struct conducting *conducting, int host)
{
    const struct xl_child *child = &conducting->questions[host];
    struct xl_evacuation *evacuation = conducting->evacuation;
    struct xl_finding finding;
    struct xl_room room;

    for (size_t i = 0; i < child->nr_lines; i++) {
        if (!xl_finding_read(child->lines[i], &finding)) {
            continue;
        }
        if (xl_room_read(&finding, &room)) {
            xl_evacuation_room(evacuation, host, room.free_kb, room.more_kb);
            return;
        }
        if (finding.verdict == XL_VERDICT_NO) {
            xl_evacuation_closed(evacuation, host, finding.text);
            return;
        }
    }
    if (xl_child_exit(child) == EXIT_SUCCESS) {
        xl_evacuation_room_unknown(evacuation, host);
    } else {
        xl_evacuation_closed(evacuation, host, xl_child_why(child));
    }
}

/* A process that a signal has ended has no exit status: the status that it
 * showed last tells. */

static int exit_of(const struct xl_child *child,
                   const libxl_live_migrate_status *shown, bool is_its)
{
    int status = xl_child_exit(child);

    if (status >= 0) {
        return status;
    }
    return is_its ? xl_exit_of_status(shown) : EXIT_FAILURE;
}

static void end_guest(struct conducting *conducting, size_t number)
{
    struct xl_evacuation *evacuation = conducting->evacuation;
    struct xl_guest *guest = &evacuation->guests[number];
    const struct xl_conductor_ops *ops = conducting->conductor->ops;
    const struct xl_child *child = &conducting->moves[number];
    libxl_live_migrate_status shown = {.domid = guest->domid};
    bool is_its = find_by(conducting, ops->list, guest->domid, &shown) &&
                  guest->status.pid && shown.pid == guest->status.pid;
    int status = exit_of(child, &shown, is_its);
    const char *why =
        is_its && shown.reason[0] ? shown.reason : xl_child_why(child);

    if (!is_its) {
        is_its =
            find_by(conducting, ops->list_completed, guest->domid, &shown) &&
            guest->status.pid && shown.pid == guest->status.pid;
    }
    if (is_its) {
        guest->status = shown;
    }
    if (status != EXIT_SUCCESS && !why[0]) {
        why = evacuation->looks_only
                  ? "see the rows with \"no\" and \"unknown\""
                  : "its process has ended without a reason";
    }
    if (status != EXIT_SUCCESS || !evacuation->looks_only) {
        xl_show_said(&conducting->show, guest->name, child);
    }
    xl_evacuation_ended(evacuation, number, status, why);
}

static void reap(struct conducting *conducting)
{
    for (size_t i = 0; i < conducting->evacuation->nr_hosts; i++) {
        xl_child_hear(&conducting->questions[i]);
        if (xl_child_has_ended(&conducting->questions[i])) {
            xl_show_said(&conducting->show,
                         conducting->evacuation->hosts[i].name,
                         &conducting->questions[i]);
            take_answer(conducting, i);
        }
    }
    for (size_t i = 0; i < conducting->evacuation->nr_guests; i++) {
        xl_child_hear(&conducting->moves[i]);
        if (xl_child_has_ended(&conducting->moves[i])) {
            end_guest(conducting, i);
        }
    }
}

/* ---- the end is asked for ---- */

/* Each process knows whether its guest can still stay here.  On a terminal a
 * Ctrl-C has reached the processes already: a second signal does no harm. */
static void give_up(struct conducting *conducting)
{
    struct signalfd_siginfo signal;

    (void)!read(conducting->conductor->signal_fd, &signal, sizeof(signal));
    xl_show_text(
        &conducting->show,
        "xl: giving up: no more guests are started, and those that "
        "have not been handed over stay here; those that run at another "
        "host already are waited for, until they have all of their "
        "memory\n");
    for (size_t i = 0; i < conducting->evacuation->nr_guests; i++) {
        if (conducting->moves[i].pid) {
            kill(conducting->moves[i].pid, SIGTERM);
        }
    }
    for (size_t i = 0; i < conducting->evacuation->nr_hosts; i++) {
        if (conducting->questions[i].pid) {
            kill(conducting->questions[i].pid, SIGTERM);
        }
    }
    xl_evacuation_stop(conducting->evacuation);
}

/* ---- the loop ---- */

static void wait_for_more(struct conducting *conducting)
{
    struct pollfd poller = {.fd = conducting->conductor->signal_fd,
                            .events = POLLIN};

    xl_show_update(&conducting->show, conducting->evacuation);
    if (poll(&poller, 1, TICK_MS) > 0) {
        give_up(conducting);
    }
    reap(conducting);
    if (now_us() - conducting->looked_us >= LOOK_MS * US_PER_MS) {
        look(conducting);
    }
}

static void set_rate(struct conducting *conducting,
                     const struct xl_action *action)
{
    struct xl_evacuation *evacuation = conducting->evacuation;

    if (conducting->conductor->ops->request(
            evacuation->guests[action->guest].domid,
            LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE, action->rate, RATE_MS,
            NULL)) {
        xl_evacuation_deaf(evacuation, action->guest);
    } else {
        xl_evacuation_rate_set(evacuation, action->guest, action->rate);
    }
}

/* False: nothing is left to do. */
static bool act(struct conducting *conducting, const struct xl_action *action)
{
    switch (action->what) {
    case XL_DO_ASK:
        if (ask(conducting, action->host)) {
            xl_evacuation_closed(conducting->evacuation, action->host,
                                 strerror(errno));
        }
        return true;
    case XL_DO_START:
        if (start_guest(conducting, action)) {
            xl_evacuation_ended(conducting->evacuation, action->guest,
                                EXIT_FAILURE, strerror(errno));
        }
        return true;
    case XL_DO_RATE:
        set_rate(conducting, action);
        return true;
    case XL_DO_WAIT:
        wait_for_more(conducting);
        return true;
    case XL_DO_END:
        break;
    }
    return false;
}

int xl_conduct(const struct xl_conductor *conductor)
{
    struct conducting conducting = {
        .conductor = conductor,
        .evacuation = conductor->evacuation,
    };
    size_t count = conductor->evacuation->nr_guests;
    struct xl_action action;

    conducting.moves = calloc(count + 1, sizeof(*conducting.moves));
    if (!conducting.moves ||
        xl_show_begin(&conducting.show, conductor->options, count)) {
        fprintf(stderr, "xl: out of memory\n");
        free(conducting.moves);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < count; i++) {
        conducting.moves[i] = XL_NO_CHILD;
    }
    for (size_t i = 0; i < XL_HOSTS_MAX; i++) {
        conducting.questions[i] = XL_NO_CHILD;
    }
    do {
        action = xl_evacuation_next(conductor->evacuation, now_us());
    } while (act(&conducting, &action));
    xl_show_end(&conducting.show, conductor->evacuation);
    free(conducting.moves);
    return xl_evacuation_exit(conductor->evacuation);
}
