/*
 * xl migrate-wait: until no guest of this host has its memory in two places.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "part_commands.h"
#include "part_gate.h"
#include "xl.h"

/* How often it is looked, and how often something is said while nothing new is
 * to be said. */
#define LOOK_SECONDS 1
#define SAY_SECONDS 10
/* A guest may take a minute to suspend. */
#define ANSWER_MS 90000

static const char usage[] =
    "usage: xl migrate-wait [--limit SECONDS] [--then-abort] [DOMAIN]\n"
    "\n"
    "Waits until no guest here is on its way to or from another host, or "
    "DOMAIN is\n"
    "not; before this host is shut down, for instance.\n"
    "\n"
    "  --limit SECONDS  wait no longer, and say what would be lost (for "
    "ever)\n"
    "  --then-abort     when the limit is over, end the moves of guests that "
    "have\n"
    "                   not been let go: they stay where they are\n"
    "  -h, --help       this\n"
    "\n"
    "Exit status: 0, there is nothing to wait for; 3, the limit is over and a "
    "guest\n"
    "would be lost if this host went down.\n";

struct waiting {
    struct xl_context *xl;
    /* As given. */
    const char *domain;
    uint64_t limit; /* seconds; 0: for ever */
    bool then_abort;
    /* Looked at anew each time. */
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
    if (waiting->domain) {
        char number[16];

        snprintf(number, sizeof(number), "%" PRIu32, status->domid);
        return !strcmp(waiting->domain, status->name) ||
               !strcmp(waiting->domain, number);
    }
    return true;
}

/* Leaves in the list what is waited for.  -1 after having said why. */
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

/* 0: there is nothing left; 1: the limit is over; -1. */
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
        if (waiting->limit && now - began >= waiting->limit) {
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
                    "xl: %s: its move was given up, it stays at its source\n",
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

    if (over > 0 && waiting->then_abort) {
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

static void parse_options(struct waiting *waiting, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"limit", required_argument, NULL, 'l'},
        {"then-abort", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    char *end;
    int option;

    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'l':
            errno = 0;
            waiting->limit = strtoull(optarg, &end, 10);
            if (errno || *end || !waiting->limit || optarg[0] == '-') {
                fprintf(stderr,
                        "xl: --limit wants a number of seconds, not '%s'\n",
                        optarg);
                exit(EXIT_FAILURE);
            }
            break;
        case 'a':
            waiting->then_abort = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage, stderr);
            exit(EXIT_FAILURE);
        }
    }
    if (argc - optind > 1) {
        fputs(usage, stderr);
        exit(EXIT_FAILURE);
    }
    waiting->domain = argv[optind];
}

int xl_main_migrate_wait(struct xl_context *xl, int argc, char **argv)
{
    struct waiting waiting = {.xl = xl};
    int status;

    parse_options(&waiting, argc, argv);
    if (xl_context_open(xl)) {
        return EXIT_FAILURE;
    }
    status = wait_or_say(&waiting);
    libxl_live_migrate_status_list_free(waiting.list, waiting.count);
    return status;
}
