/*
 * xl migrate-recover: the source, once more, after the connection was lost.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "progress.h"
#include "sender.h"
#include "transport.h"
#include "xl.h"

static const char usage[] =
    "usage: xl migrate-recover [options] DOMAIN HOST\n"
    "\n"
    "Goes on with a migration to HOST whose connection was lost after the "
    "guest\n"
    "was handed over, or finds out that it never ran there and takes it "
    "back.\n"
    "DOMAIN is the guest's name, or what its suspended domain is called "
    "here.\n"
    "\n"
    "  --background-rate RATE       octets a second for what the guest does "
    "not\n"
    "                               wait for (K, M, G; unlimited)\n"
    "  --json         progress as one JSON object a line, on stdout\n"
    "  -s SSHCOMMAND  use this in place of ssh; '': HOST is itself a command\n"
    "                 that runs xl migrate-receive --postcopy --recover "
    "there\n"
    "\n"
    "Exit status: 0, the destination has all of the guest, or it has ended "
    "there;\n"
    "3, nothing has changed: try again; 4, it runs here again.\n";

struct xl_recover {
    struct xl_context *xl;
    /* As given. */
    const char *domain;
    const char *host;
    const char *ssh_command;
    bool json;
    libxl_live_migrate_params params;
    /* Made of these. */
    uint32_t domid;
    char *name; /* the guest's own */
    char *command;
    int abort_fd;
    struct xl_transport transport;
};

/* ---- options ---- */

enum {
    OPTION_RATE = 0x100,
    OPTION_JSON,
};

static const struct option long_options[] = {
    {"background-rate", required_argument, NULL, OPTION_RATE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void parse_options(struct xl_recover *recover, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "s:h", long_options, NULL)) !=
           -1) {
        switch (option) {
        case 's':
            recover->ssh_command = optarg;
            break;
        case OPTION_RATE:
            recover->params.background_rate = xl_rate_option(optarg);
            break;
        case OPTION_JSON:
            recover->json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default: /* getopt_long() said what is wrong */
            fputs(usage, stderr);
            exit(EXIT_FAILURE);
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "xl: migrate-recover wants a domain and a host\n%s",
                usage);
        exit(EXIT_FAILURE);
    }
    recover->domain = argv[optind];
    recover->host = argv[optind + 1];
}

/* ---- stages ---- */

/* By the guest's own name before all else: on a host that migrates to itself
 * that is the name of the copy that runs. */
static int find_domain(struct xl_recover *recover)
{
    libxl_live_migrate_status *list;
    bool by_name = false;
    int count;

    if (libxl_domain_qualifier_to_domid(recover->xl->ctx, recover->domain,
                                        &recover->domid)) {
        recover->domid = INVALID_DOMID;
    }
    if (libxl_live_migrate_list(&list, &count)) {
        count = 0;
    }
    for (int i = 0; i < count; i++) {
        bool named = !strcmp(list[i].name, recover->domain);

        if (list[i].role != LIBXL_LIVE_MIGRATE_ROLE_SOURCE || by_name ||
            (!named && list[i].domid != recover->domid)) {
            continue;
        }
        by_name = named;
        recover->domid = list[i].domid;
        free(recover->name);
        recover->name = strdup(list[i].name);
    }
    free(list);
    if (!recover->name) {
        fprintf(stderr,
                "xl: no migration of '%s' away from here is known: see xl "
                "migrate-status\n",
                recover->domain);
        return -1;
    }
    return 0;
}

static void say_kept(const struct xl_recover *recover)
{
    fprintf(stderr,
            "xl: Nothing has changed: %s is kept here, suspended (domain %u). "
            "Try again:\n"
            "xl:     xl migrate-recover %u %s\n",
            recover->name, recover->domid, recover->domid, recover->host);
}

static int connect_receiver(struct xl_recover *recover)
{
    recover->command =
        xl_transport_command(recover->ssh_command, recover->host,
                             recover->xl->verbosity, " --recover");
    if (!recover->command ||
        xl_transport_start(&recover->transport, recover->host,
                           recover->command, recover->ssh_command[0])) {
        return -1;
    }
    return xl_transport_greet(&recover->transport, recover->abort_fd);
}

static libxl_live_migrate_state end_state(libxl_live_migrate_recovery found)
{
    switch (found) {
    case LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE:
    case LIBXL_LIVE_MIGRATE_RECOVERY_ENDED:
        return LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
    case LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK:
        return LIBXL_LIVE_MIGRATE_STATE_FAILED;
    case LIBXL_LIVE_MIGRATE_RECOVERY_NONE:
        break;
    }
    return LIBXL_LIVE_MIGRATE_STATE_PAUSED;
}

static void report_failure(struct xl_recover *recover,
                           const libxl_live_migrate_result *result, int rc)
{
    char how[256];

    xl_transport_explain(&recover->transport, how, sizeof(how));
    fprintf(stderr, "xl: Recovery failed (libxl error %d): %s.\n", rc,
            result->reason[0] ? result->reason : "no reason was given");
    if (how[0]) {
        fprintf(stderr, "xl: %s\n", how);
    }
}

static int conclude(struct xl_recover *recover,
                    libxl_live_migrate_recovery found)
{
    switch (found) {
    case LIBXL_LIVE_MIGRATE_RECOVERY_ENDED:
        fprintf(stderr, "xl: %s has ended at the destination.\n",
                recover->name);
        return xl_destroy_source(recover->xl, recover->domid);
    case LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE:
        return xl_destroy_source(recover->xl, recover->domid);
    case LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK:
        fprintf(stderr,
                "xl: %s never ran at the destination and never will: it runs "
                "on here, as before.\n",
                recover->name);
        return XL_EXIT_TAKEN_BACK;
    case LIBXL_LIVE_MIGRATE_RECOVERY_NONE:
        break;
    }
    say_kept(recover);
    return XL_EXIT_PAUSED;
}

static int go_on(struct xl_recover *recover)
{
    struct xl_progress progress = {
        .json = recover->json,
        .domid = recover->domid,
        .name = recover->name,
        .background_rate = recover->params.background_rate,
    };
    libxl_live_migrate_recovery found;
    libxl_live_migrate_result result;
    int rc;

    recover->params.logger = recover->xl->logger;
    recover->params.progress = xl_progress_show;
    recover->params.progress_user = &progress;
    rc = libxl_domain_live_migrate_recover(
        recover->xl->ctx, recover->domid, recover->transport.send_fd,
        recover->transport.recv_fd, &recover->params, &result, &found, NULL);
    xl_progress_end(&progress, end_state(found), &result);
    xl_transport_end(&recover->transport);
    if (rc) {
        report_failure(recover, &result, rc);
    }
    return conclude(recover, found);
}

static int recover_domain(struct xl_recover *recover)
{
    int ret;

    if (find_domain(recover)) {
        return -1;
    }
    recover->abort_fd = xl_take_signals();
    if (recover->abort_fd < 0) {
        return -1;
    }
    recover->params.abort_fd = recover->abort_fd;
    if (connect_receiver(recover)) {
        say_kept(recover);
        ret = XL_EXIT_PAUSED;
    } else {
        ret = go_on(recover);
    }
    xl_transport_end(&recover->transport);
    close(recover->abort_fd);
    return ret;
}

int xl_main_migrate_recover(struct xl_context *xl, int argc, char **argv)
{
    struct xl_recover recover = {
        .xl = xl,
        .ssh_command = xl_ssh_default,
        .transport = XL_TRANSPORT_CLOSED,
    };
    int status;

    libxl_live_migrate_params_init(&recover.params);
    parse_options(&recover, argc, argv);
    if (xl_context_open(xl)) {
        return EXIT_FAILURE;
    }
    status = recover_domain(&recover);
    free(recover.command);
    free(recover.name);
    return status < 0 ? EXIT_FAILURE : status;
}
