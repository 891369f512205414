/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-status: migrations of this host, under way and ended.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "libxl_live_migrate.h"
#include "migrate_view.h"
#include "migrations.h"
#include "options.h"
#include "part_commands.h"
#include "terminal.h"

struct status {
    struct xl_options options; /* as given */
    uint32_t domid;            /* the domain's, if one is given */
    /* The last status of its migration; role and state are of no use
     * before. */
    libxl_live_migrate_status last;
    bool seen;
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
        if (xl_view_ended(line, &list[i])) {
            puts(line);
        }
        if (list[i].reason[0]) {
            printf("    %s\n", list[i].reason);
        }
        if (xl_view_stop(line, &list[i])) {
            puts(line);
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

static void show(const struct status *status,
                 const libxl_live_migrate_status *list, int count)
{
    if (status->options.json) {
        show_json(list, count);
    } else if (count) {
        show_table(list, count);
    }
    fflush(stdout);
}

/* ---- under way ---- */

/* At the source no process is left when the migration is paused. */
static bool is_under_way(const libxl_live_migrate_status *status)
{
    return status->state == LIBXL_LIVE_MIGRATE_STATE_RUNNING ||
           (status->state == LIBXL_LIVE_MIGRATE_STATE_PAUSED &&
            status->role == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION);
}

/* How many were shown; -1 with a message on stderr. */
static int show_current(struct status *status)
{
    libxl_live_migrate_status *list;
    int count, shown = 0;

    if (libxl_live_migrate_list(&list, &count)) {
        fprintf(stderr, "xl: xenstore cannot be read\n");
        libxl_live_migrate_status_list_free(list, count);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (!status->options.domain || list[i].domid == status->domid) {
            list[shown++] = list[i];
        }
    }
    if (shown || !status->options.domain || !status->options.watch) {
        show(status, list, shown);
    }
    if (shown) {
        status->seen = true;
        status->last = list[0];
    }
    libxl_live_migrate_status_list_free(list, count);
    return shown;
}

static int show_once(struct status *status)
{
    int shown = show_current(status);

    if (!shown) {
        fprintf(stderr, "xl: no migration is under way\n");
    }
    return shown < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- ended ---- */

static bool is_wanted(const struct status *status,
                      const libxl_live_migrate_status *ended)
{
    const char *domain = status->options.domain;
    char number[16];

    snprintf(number, sizeof(number), "%" PRIu32, ended->domid);
    return !domain || !strcmp(domain, ended->name) || !strcmp(domain, number);
}

static int show_completed(const struct status *status)
{
    libxl_live_migrate_status *list;
    int count, shown = 0;

    if (libxl_live_migrate_list_completed(&list, &count)) {
        fprintf(stderr, "xl: cannot read the list of migrations that have "
                        "ended: are you root?\n");
        libxl_live_migrate_status_list_free(list, count);
        return EXIT_FAILURE;
    }
    for (int i = 0; i < count; i++) {
        if (is_wanted(status, &list[i])) {
            list[shown++] = list[i];
        }
    }
    show(status, list, shown);
    if (!shown) {
        fprintf(stderr, "xl: no such migration has ended here since this "
                        "host was started\n");
    }
    libxl_live_migrate_status_list_free(list, count);
    return EXIT_SUCCESS;
}

/* The end of the watched migration, which is not shown any more: at the source
 * the domain goes at once after success, and so do the nodes of a guest that
 * has arrived. */
static bool find_end(struct status *status)
{
    libxl_live_migrate_status *list;
    bool found = false;
    int count;

    if (libxl_live_migrate_list_completed(&list, &count)) {
        count = 0;
    }
    for (int i = count - 1; i >= 0 && !found; i--) {
        found = list[i].domid == status->domid &&
                (!status->seen || list[i].role == status->last.role);
        if (found) {
            status->last = list[i];
        }
    }
    libxl_live_migrate_status_list_free(list, count);
    return found;
}

/* ---- watching ---- */

static int end_watch(struct status *status, int shown)
{
    if (!shown && !status->seen) {
        fprintf(stderr, "xl: no migration of it is under way\n");
        return EXIT_FAILURE;
    }
    if (!shown) {
        if (!find_end(status)) {
            fprintf(stderr, "xl: how its migration ended is not known: see xl "
                            "list here and there\n");
            return EXIT_FAILURE;
        }
        show(status, &status->last, 1);
    }
    return xl_exit_of_status(&status->last);
}

static int watch_status(struct status *status)
{
    bool redraws = !status->options.json && isatty(STDOUT_FILENO);
    int shown;

    for (;;) {
        if (redraws) {
            xl_terminal_control(stdout, "\033[H\033[2J");
        }
        shown = show_current(status);
        if (shown < 0 || ferror(stdout)) {
            return EXIT_FAILURE;
        }
        if (status->options.domain &&
            (!shown || !is_under_way(&status->last))) {
            return end_watch(status, shown);
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
    if (options->completed) {
        return show_completed(&status);
    }
    if (options->domain &&
        (xl_context_open(xl) ||
         xl_migrations_find(xl, options->domain, &status.domid))) {
        return EXIT_FAILURE;
    }
    return options->watch ? watch_status(&status) : show_once(&status);
}
