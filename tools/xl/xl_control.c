/*
 * xl migrate-status, migrate-start-postcopy, migrate-abort, migrate-set-rate:
 * migrations of other processes on this host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "migrate_view.h"
#include "options.h"
#include "part_commands.h"
#include "rate.h"
#include "xl.h"

/* A guest may take a minute to suspend. */
#define ANSWER_MS 90000

/* ---- which domain ---- */

/* Once a guest is let go its domain here has another name, and on the same
 * host there can be one that has got its name: the migration knows it. */
static int find_migration(const char *domain, bool running, uint32_t *domid)
{
    libxl_live_migrate_status *list;
    int count, rc = -1;

    if (libxl_live_migrate_list(&list, &count)) {
        count = 0;
    }
    for (int i = 0; i < count && rc; i++) {
        bool runs = list[i].state == LIBXL_LIVE_MIGRATE_STATE_RUNNING;

        if (list[i].role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE &&
            runs == running && !strcmp(list[i].name, domain)) {
            *domid = list[i].domid;
            rc = 0;
        }
    }
    libxl_live_migrate_status_list_free(list, count);
    return rc;
}

static int find_domain(struct xl_context *xl, const char *domain,
                       uint32_t *domid)
{
    if (!find_migration(domain, true, domid) ||
        !libxl_domain_qualifier_to_domid(xl->ctx, domain, domid) ||
        !find_migration(domain, false, domid)) {
        return 0;
    }
    fprintf(stderr, "xl: there is no domain '%s' here\n", domain);
    return -1;
}

/* ---- status ---- */

struct status {
    struct xl_options options; /* as given */
    uint32_t domid;            /* of the domain, if one is given */
};

static void show_json(const libxl_live_migrate_status *list, int count)
{
    const char *between = "";

    putchar('[');
    for (int i = 0; i < count; i++) {
        char *json = libxl_live_migrate_status_to_json(&list[i]);

        if (json) {
            printf("%s%s", between, json);
            between = ", ";
        }
        free(json);
    }
    puts("]");
}

static void show_table(const libxl_live_migrate_status *list, int count)
{
    char line[XL_VIEW_MAX];
    char *faults;

    xl_view_heading(line);
    puts(line);
    for (int i = 0; i < count; i++) {
        xl_view_row(line, &list[i]);
        puts(line);
        if (list[i].reason[0]) {
            printf("    %s\n", list[i].reason);
        }
        if (xl_view_build(line, &list[i])) {
            puts(line);
        }
        faults = xl_view_faults(&list[i].stats);
        fputs(faults ? faults : "", stdout);
        free(faults);
        if (xl_view_back_ends(line, &list[i].outside)) {
            puts(line);
        }
    }
}

/* At the source nobody waits when it is paused. */
static bool is_under_way(const libxl_live_migrate_status *status)
{
    return status->state == LIBXL_LIVE_MIGRATE_STATE_RUNNING ||
           (status->state == LIBXL_LIVE_MIGRATE_STATE_PAUSED &&
            status->role == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION);
}

/* 1 while there is something to watch, 0 when not; -1 having said why. */
static int show_status(const struct status *status)
{
    libxl_live_migrate_status *list;
    int count, shown = 0;
    bool goes_on = false;

    if (libxl_live_migrate_list(&list, &count)) {
        fprintf(stderr, "xl: xenstore cannot be read\n");
        libxl_live_migrate_status_list_free(list, count);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (!status->options.domain || list[i].domid == status->domid) {
            list[shown++] = list[i];
            goes_on |= is_under_way(&list[i]);
        }
    }
    if (status->options.json) {
        show_json(list, shown);
    } else if (shown) {
        show_table(list, shown);
    } else {
        fprintf(stderr, "xl: no migration is under way\n");
    }
    libxl_live_migrate_status_list_free(list, count);
    fflush(stdout);
    return goes_on;
}

static int watch_status(const struct status *status)
{
    bool redraws = !status->options.json && isatty(STDOUT_FILENO);
    int rc;

    for (;;) {
        if (redraws) {
            fputs("\033[H\033[2J", stdout);
        }
        rc = show_status(status);
        if (rc < 0 || (!rc && status->options.domain) || ferror(stdout)) {
            return rc;
        }
        sleep(1);
    }
}

static int show_commands(void)
{
    char *table = xl_part_table();

    if (!table) {
        fprintf(stderr, "xl: out of memory\n");
        return EXIT_FAILURE;
    }
    fputs(table, stdout);
    free(table);
    return EXIT_SUCCESS;
}

int xl_main_migrate_status(struct xl_context *xl, int argc, char **argv)
{
    struct status status = {.domid = 0};
    const struct xl_options *options = &status.options;
    int exit_status;

    if (!xl_options_read(&status.options, XL_COMMAND_STATUS, argc, argv,
                         &exit_status)) {
        return exit_status;
    }
    if (options->commands) {
        return show_commands();
    }
    if (options->domain && (xl_context_open(xl) ||
                            find_domain(xl, options->domain, &status.domid))) {
        return EXIT_FAILURE;
    }
    return (options->watch ? watch_status(&status) : show_status(&status)) < 0
               ? EXIT_FAILURE
               : EXIT_SUCCESS;
}

/* ---- commands ---- */

static int command(struct xl_context *xl, const char *domain,
                   libxl_live_migrate_command command, uint64_t rate,
                   const char *done)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint32_t domid;

    if (xl_context_open(xl) || find_domain(xl, domain, &domid)) {
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
                   "its migration goes over to postcopy");
}

int xl_main_migrate_abort(struct xl_context *xl, int argc, char **argv)
{
    struct xl_options options;
    int status;

    if (!xl_options_read(&options, XL_COMMAND_ABORT, argc, argv, &status)) {
        return status;
    }
    return command(xl, options.domain, LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0,
                   "its migration has ended, it was not let go");
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
