/*
 * xl migrate-status, migrate-start-postcopy, migrate-abort, migrate-set-rate:
 * migrations of other processes on this host.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "migrate_view.h"
#include "part_commands.h"
#include "rate.h"
#include "xl.h"

/* A guest may take a minute to suspend. */
#define ANSWER_MS 90000

static const char status_usage[] =
    "usage: xl migrate-status [--json] [--watch] [DOMAIN]\n"
    "       xl migrate-status --commands\n"
    "\n"
    "Shows the migrations with postcopy support of this host, or that of "
    "DOMAIN.\n"
    "\n"
    "  --json      an array of objects on one line, in place of a table\n"
    "  --watch     again each second; with DOMAIN until its migration ends\n"
    "  --commands  which other commands may be used on a guest that moves\n";

static const char command_usage[] =
    "usage: xl migrate-start-postcopy DOMAIN\n"
    "       xl migrate-abort DOMAIN\n"
    "       xl migrate-set-rate DOMAIN RATE\n"
    "\n"
    "Steers a migration that is under way: moves the guest now, gives up "
    "while\n"
    "it is still here, or limits what is sent in the background to RATE "
    "octets\n"
    "a second (with K, M, G; 0 holds it; unlimited).\n";

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
    bool json;
    bool watch;
    const char *domain; /* NULL: all */
    uint32_t domid;     /* of that */
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
        if (!status->domain || list[i].domid == status->domid) {
            list[shown++] = list[i];
            goes_on |= is_under_way(&list[i]);
        }
    }
    if (status->json) {
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
    bool redraws = !status->json && isatty(STDOUT_FILENO);
    int rc;

    for (;;) {
        if (redraws) {
            fputs("\033[H\033[2J", stdout);
        }
        rc = show_status(status);
        if (rc < 0 || (!rc && status->domain) || ferror(stdout)) {
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
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'j'},
        {"watch", no_argument, NULL, 'w'},
        {"commands", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct status status = {.json = false};
    int option;

    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'j':
            status.json = true;
            break;
        case 'w':
            status.watch = true;
            break;
        case 'c':
            return show_commands();
        case 'h':
            fputs(status_usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(status_usage, stderr);
            return EXIT_FAILURE;
        }
    }
    if (argc - optind > 1) {
        fputs(status_usage, stderr);
        return EXIT_FAILURE;
    }
    status.domain = argv[optind];
    if (status.domain && (xl_context_open(xl) ||
                          find_domain(xl, status.domain, &status.domid))) {
        return EXIT_FAILURE;
    }
    return (status.watch ? watch_status(&status) : show_status(&status)) < 0
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

/* So many arguments are there and no option, or the usage is shown: with what
 * then to exit. */
static bool takes_arguments(int argc, char **argv, int wanted, int *status)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option = getopt_long(argc, argv, "h", long_options, NULL);

    *status = option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
    if (option == -1 && argc - optind == wanted) {
        return true;
    }
    fputs(command_usage, option == 'h' ? stdout : stderr);
    return false;
}

int xl_main_migrate_start_postcopy(struct xl_context *xl, int argc,
                                   char **argv)
{
    int status;

    if (!takes_arguments(argc, argv, 1, &status)) {
        return status;
    }
    return command(xl, argv[optind], LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY,
                   0, "its migration goes over to postcopy");
}

int xl_main_migrate_abort(struct xl_context *xl, int argc, char **argv)
{
    int status;

    if (!takes_arguments(argc, argv, 1, &status)) {
        return status;
    }
    return command(xl, argv[optind], LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0,
                   "its migration has ended, it was not let go");
}

int xl_main_migrate_set_rate(struct xl_context *xl, int argc, char **argv)
{
    const char *wrong;
    uint64_t rate;
    int status;

    if (!takes_arguments(argc, argv, 2, &status)) {
        return status;
    }
    wrong = xl_parse_rate(argv[optind + 1], &rate);
    if (wrong) {
        fprintf(stderr, "xl: '%s': %s\n", argv[optind + 1], wrong);
        return EXIT_FAILURE;
    }
    return command(xl, argv[optind], LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE, rate,
                   "the rate of its migration is set");
}
