/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-wait: waits until no guest of this host has its memory in two
 * places.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "commands.h"
#include "libxl_live_migrate.h"
#include "options.h"
#include "part_commands.h"
#include "part_gate.h"

/* How often to look, and how often to print something while nothing
 * changes. */
#define LOOK_SECONDS 1
#define SAY_SECONDS 10
/* A guest may take a minute to suspend. */
#define ANSWER_MS 90000

struct waiting {
    struct xl_context *xl;
    struct xl_options options; /* as given */
    /* Read again each time. */
    libxl_live_migrate_status *list;
    int count;
};

static uint64_t now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- what there is to wait for ---- */

static bool is_meant(const struct waiting *waiting,
                     const libxl_live_migrate_status *status)
{
    enum xl_part part = xl_part_of(status);

    if (part == XL_PART_NONE ||
        (part == XL_PART_SHELL &&
         status->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE) ||
        (part == XL_PART_INCOMING && xl_part_is_left(status))) {
        return false;
    }
    if (waiting->options.domain) {
        char number[16];

        snprintf(number, sizeof(number), "%" PRIu32, status->domid);
        return !strcmp(waiting->options.domain, status->name) ||
               !strcmp(waiting->options.domain, number);
    }
    return true;
}

/* Leaves in the list what to wait for. -1 with a message on stderr. */
static int look(struct waiting *waiting)
{
    int kept = 0;

    libxl_live_migrate_status_list_free(waiting->list, waiting->count);
    waiting->list = NULL;
    waiting->count = 0;
    if (libxl_live_migrate_list(&waiting->list, &waiting->count)) {
        waiting->count = 0;
        fprintf(stderr, "xl: xenstore cannot be read\n");
        return -1;
    }
    for (int i = 0; i < waiting->count; i++) {
        if (is_meant(waiting, &waiting->list[i])) {
            waiting->list[kept++] = waiting->list[i];
        }
    }
    waiting->count = kept;
    return 0;
}

static void describe(struct waiting *waiting,
                     const libxl_live_migrate_status *status)
{
    char *called = libxl_domid_to_name(waiting->xl->ctx, status->domid);
    char *recover = xl_gate_recovery(waiting->xl, status->domid);
    const struct xl_part_domain domain = {
        .part = xl_part_of(status),
        .called = called ? called : status->name,
        .recover = recover,
        .status = status,
    };
    char *lines = xl_part_describe(&domain);

    fputs(lines ? lines : "", stderr);
    free(lines);
    free(recover);
    free(called);
}

static void describe_all(struct waiting *waiting)
{
    for (int i = 0; i < waiting->count; i++) {
        describe(waiting, &waiting->list[i]);
    }
}

/* ---- stages ---- */

/* 0: nothing is left; 1: the limit was reached; -1. */
static int wait_for_all(struct waiting *waiting)
{
    uint64_t began = now_seconds(), said = 0;

    for (;;) {
        uint64_t now = now_seconds();

        if (look(waiting)) {
            return -1;
        }
        if (!waiting->count) {
            return 0;
        }
        if (waiting->options.wait_limit &&
            now - began >= waiting->options.wait_limit) {
            return 1;
        }
        if (!said || now - said >= SAY_SECONDS) {
            describe_all(waiting);
            said = now;
        }
        sleep(LOOK_SECONDS);
    }
}

/* The guest stays where it is, and can be saved there. */
static void abort_moves(struct waiting *waiting)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    for (int i = 0; i < waiting->count; i++) {
        const libxl_live_migrate_status *status = &waiting->list[i];
        enum xl_part part = xl_part_of(status);

        if (part != XL_PART_MOVING && part != XL_PART_INCOMING) {
            continue;
        }
        if (libxl_live_migrate_request(status->domid,
                                       LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0,
                                       ANSWER_MS, reason)) {
            fprintf(stderr, "xl: %s: %s\n", status->name, reason);
        } else {
            fprintf(stderr,
                    "xl: %s: its move was given up: it stays at its source\n",
                    status->name);
        }
    }
}

static void say_loss(const libxl_live_migrate_status *status)
{
    switch (xl_part_of(status)) {
    case XL_PART_SHELL:
        fprintf(stderr,
                "xl: If this host goes down now, %s is lost at the other host "
                "as by a power failure: memory of it is only here.\n",
                status->name);
        break;
    case XL_PART_ARRIVING:
        fprintf(stderr,
                "xl: If this host goes down now, %s is lost as by a power "
                "failure: it cannot be saved.\n",
                status->name);
        break;
    default:
        fprintf(stderr,
                "xl: If this host goes down now, the move of %s fails, and it "
                "is where it was.\n",
                status->name);
    }
}

static int wait_or_say(struct waiting *waiting)
{
    int over = wait_for_all(waiting);

    if (over > 0 && waiting->options.then_abort) {
        abort_moves(waiting);
        over = look(waiting) ? -1 : waiting->count > 0;
    }
    if (over < 0) {
        return EXIT_FAILURE;
    }
    if (!over) {
        return EXIT_SUCCESS;
    }
    describe_all(waiting);
    for (int i = 0; i < waiting->count; i++) {
        say_loss(&waiting->list[i]);
    }
    return XL_EXIT_PAUSED;
}

int xl_main_migrate_wait(struct xl_context *xl, int argc, char **argv)
{
    struct waiting waiting = {.xl = xl};
    int status;

    if (!xl_options_read(&waiting.options, XL_COMMAND_WAIT, argc, argv,
                         &status)) {
        return status;
    }
    if (xl_context_open(xl)) {
        return EXIT_FAILURE;
    }
    status = wait_or_say(&waiting);
    libxl_live_migrate_status_list_free(waiting.list, waiting.count);
    return status;
}
