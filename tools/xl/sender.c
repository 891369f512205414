/*
 * What xl migrate and xl migrate-recover have in common.
 */
#include "sender.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "rate.h"
#include "transport_command.h"

/* ---- options ---- */

void xl_sender_init(struct xl_sender *sender, struct xl_context *xl,
                    const char *usage)
{
    *sender = (struct xl_sender){
        .xl = xl,
        .usage = usage,
        .ssh_command = xl_ssh_default,
        .abort_fd = -1,
        .transport = XL_TRANSPORT_CLOSED,
    };
    libxl_live_migrate_params_init(&sender->params);
}

static uint64_t parse_rate(const char *text)
{
    uint64_t rate;
    const char *wrong = xl_parse_rate(text, &rate);

    /* Held from the start it would not begin. */
    if (wrong || !rate) {
        fprintf(stderr, "xl: --background-rate '%s': %s\n", text,
                wrong ? wrong : "nothing would ever be sent");
        exit(EXIT_FAILURE);
    }
    return rate;
}

void xl_sender_option(struct xl_sender *sender, int option)
{
    switch (option) {
    case 's':
        sender->ssh_command = optarg;
        break;
    case XL_SENDER_RATE:
        sender->params.background_rate = parse_rate(optarg);
        sender->rate_text = optarg;
        break;
    case XL_SENDER_LINK_TIMEOUT:
        sender->params.link_timeout = xl_link_timeout(optarg);
        sender->link_timeout_text = optarg;
        break;
    case XL_SENDER_JSON:
        sender->json = true;
        break;
    case 'h':
        fputs(sender->usage, stdout);
        exit(EXIT_SUCCESS);
    default: /* getopt_long() said what is wrong */
        fputs(sender->usage, stderr);
        exit(EXIT_FAILURE);
    }
}

void xl_sender_arguments(struct xl_sender *sender, int argc, char **argv)
{
    if (argc - optind != 2) {
        fprintf(stderr, "xl: %s wants a domain and a host\n%s", argv[0],
                sender->usage);
        exit(EXIT_FAILURE);
    }
    sender->domain = argv[optind];
    sender->host = argv[optind + 1];
    if (sender->ssh_command[0] && !xl_transport_host_is_plain(sender->host)) {
        fprintf(stderr, "xl: the host has characters that no host's name has; "
                        "a command instead of a host wants -s ''\n");
        exit(EXIT_FAILURE);
    }
}

int xl_sender_open(struct xl_sender *sender)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX] = "out of memory";

    if (xl_context_open(sender->xl)) {
        return -1;
    }
    if (libxl_live_migrate_check_host(reason)) {
        fprintf(stderr, "xl: %s\n", reason);
        return -1;
    }
    return 0;
}

/* ---- the connection ---- */

int xl_sender_take_signals(struct xl_sender *sender)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    sender->abort_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    sender->params.abort_fd = sender->abort_fd;
    if (sender->abort_fd < 0) {
        perror("xl: signalfd");
        return -1;
    }
    return 0;
}

int xl_sender_connect(struct xl_sender *sender, const char *receive_options)
{
    sender->command =
        xl_transport_command(sender->ssh_command, sender->host,
                             sender->xl->verbosity, receive_options);
    if (!sender->command) {
        perror("xl");
        return -1;
    }
    if (xl_transport_start(&sender->transport, sender->host, sender->command,
                           sender->ssh_command[0])) {
        return -1;
    }
    return xl_transport_greet(&sender->transport, sender->abort_fd);
}

void xl_sender_show(struct xl_sender *sender, const char *name)
{
    sender->progress = (struct xl_progress){
        .json = sender->json,
        .domid = sender->domid,
        .name = name,
        .background_rate = sender->params.background_rate,
    };
    sender->params.logger = sender->xl->logger;
    sender->params.progress = xl_progress_show;
    sender->params.progress_user = &sender->progress;
}

int xl_sender_destroy_source(struct xl_sender *sender)
{
    int rc = libxl_domain_destroy(sender->xl->ctx, sender->domid, NULL);

    if (rc) {
        fprintf(stderr,
                "xl: The guest runs at the destination, but domain "
                "%u, its empty shell here, could not be destroyed "
                "(libxl error %d): use xl destroy\n",
                sender->domid, rc);
        return XL_EXIT_SHELL_LEFT;
    }
    return 0;
}

void xl_sender_say_why(const struct xl_sender *sender,
                       const libxl_live_migrate_result *result)
{
    char how[256];

    xl_transport_explain(&sender->transport, how, sizeof(how));
    fprintf(stderr, ": %s.\n",
            result->reason[0] ? result->reason : "no reason was given");
    if (how[0]) {
        fprintf(stderr, "xl: %s\n", how);
    }
}

char *xl_sender_recovery(const struct xl_sender *sender, const char *name)
{
    const struct xl_recovery recovery = {
        .ssh_command = sender->ssh_command,
        .background_rate = sender->rate_text,
        .link_timeout = sender->link_timeout_text,
        .json = sender->json,
        .name = name,
        .host = sender->host,
    };

    return xl_recovery_command(&recovery);
}

void xl_sender_say_recovery(const struct xl_sender *sender)
{
    char domid[16];
    char *line;

    snprintf(domid, sizeof(domid), "%" PRIu32, sender->domid);
    line = xl_sender_recovery(sender, domid);
    fprintf(stderr, "xl:     %s\n", line ? line : "xl migrate-recover");
    free(line);
    if (!sender->ssh_command[0]) {
        fprintf(stderr,
                "xl: where what it connects to runs xl migrate-receive "
                "--postcopy --recover.\n");
    }
}

void xl_sender_close(struct xl_sender *sender)
{
    xl_transport_end(&sender->transport);
    if (sender->abort_fd >= 0) {
        close(sender->abort_fd);
        sender->abort_fd = -1;
    }
    free(sender->command);
    sender->command = NULL;
}
