/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-start-postcopy, migrate-abort, migrate-set-rate: steer migrations
 * of other processes on this host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "libxl_live_migrate.h"
#include "migrations.h"
#include "options.h"
#include "rate.h"

/* A guest may take a minute to suspend. */
#define ANSWER_MS 90000

static int command(struct xl_context *xl, const char *domain,
                   libxl_live_migrate_command command, uint64_t rate,
                   const char *done)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint32_t domid;

    if (xl_context_open(xl) || xl_migrations_find(xl, domain, &domid)) {
        return EXIT_FAILURE;
    }
    if (libxl_live_migrate_request(domid, command, rate, ANSWER_MS, reason)) {
        fprintf(stderr, "xl: %s: %s\n", domain, reason);
        return EXIT_FAILURE;
    }
    fprintf(stderr, "xl: %s: %s\n", domain, done);
    return EXIT_SUCCESS;
}

int xl_main_migrate_start_postcopy(struct xl_context *xl, int argc,
                                   char **argv)
{
    struct xl_options options;
    int status;

    if (!xl_options_read(&options, XL_COMMAND_START_POSTCOPY, argc, argv,
                         &status)) {
        return status;
    }
    return command(xl, options.domain,
                   LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY, 0,
                   "its migration switches to postcopy");
}

int xl_main_migrate_abort(struct xl_context *xl, int argc, char **argv)
{
    struct xl_options options;
    int status;

    if (!xl_options_read(&options, XL_COMMAND_ABORT, argc, argv, &status)) {
        return status;
    }
    return command(xl, options.domain, LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0,
                   "its migration has ended, and it was not handed over");
}

int xl_main_migrate_set_rate(struct xl_context *xl, int argc, char **argv)
{
    struct xl_options options;
    const char *wrong;
    uint64_t rate;
    int status;

    if (!xl_options_read(&options, XL_COMMAND_SET_RATE, argc, argv, &status)) {
        return status;
    }
    wrong = xl_parse_rate(options.rate, &rate);
    if (wrong) {
        fprintf(stderr, "xl: '%s': %s\n", options.rate, wrong);
        return EXIT_FAILURE;
    }
    return command(xl, options.domain, LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE,
                   rate, "the rate of its migration is set");
}
