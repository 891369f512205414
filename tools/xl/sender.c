/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What xl migrate and xl migrate-recover have in common.
 */
#include "sender.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "signals.h"
#include "transport_command.h"

/* ---- options ---- */

/* Set the address for RDMA.  0, or -1 with a message on stderr. */
static int find_rdma(struct xl_sender *sender)
{
    const struct xl_options *options = &sender->options;

    if (options->tls) {
        fprintf(stderr, "xl: --tls encrypts, and --rdma sends all in clear: "
                        "leave one of them out\n");
        return -1;
    }
    if (!options->rdma[0] && !options->ssh_command[0]) {
        fprintf(stderr, "xl: with -s '' say which address of the destination "
                        "RDMA goes to: --rdma=ADDRESS\n");
        return -1;
    }
    sender->rdma = options->rdma[0] ? strdup(options->rdma)
                                    : xl_transport_host_alone(options->host);
    if (!sender->rdma) {
        perror("xl");
        return -1;
    }
    return 0;
}

bool xl_sender_read(struct xl_sender *sender, struct xl_context *xl,
                    enum xl_command_id command, int argc, char **argv,
                    int *status)
{
    const struct xl_options *options = &sender->options;

    *sender = (struct xl_sender){
        .xl = xl,
        .abort_fd = -1,
        .transport = XL_TRANSPORT_CLOSED,
    };
    if (!xl_options_read(&sender->options, command, argc, argv, status)) {
        return false;
    }
    if ((options->tls || options->ssh_command[0]) &&
        !xl_transport_host_is_plain(options->host)) {
        fprintf(stderr, "xl: the host has characters that no host's name has; "
                        "to give a command in place of a host, use -s ''\n");
        *status = EXIT_FAILURE;
        return false;
    }
    if (options->rdma && find_rdma(sender)) {
        *status = EXIT_FAILURE;
        return false;
    }
    return true;
}

int xl_sender_open(struct xl_sender *sender)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX] = "out of memory";

    if (xl_check_host() || xl_context_open(sender->xl)) {
        return -1;
    }
    if (libxl_live_migrate_check_host(reason)) {
        fprintf(stderr, "xl: %s\n", reason);
        return -1;
    }
    if (!xl_options_trace(&sender->options, "source", &sender->trace_path)) {
        perror("xl");
        return -1;
    }
    sender->options.params.trace = sender->trace_path;
    return 0;
}

/* ---- the connection ---- */

int xl_sender_take_signals(struct xl_sender *sender)
{
    sender->abort_fd = xl_take_signals();
    sender->options.params.abort_fd = sender->abort_fd;
    return sender->abort_fd < 0 ? -1 : 0;
}

/* By TLS the receiver has a command line of its own. */
static char *tls_command(const struct xl_sender *sender)
{
    char *options = xl_options_for_connector(&sender->options);
    char *command =
        options ? xl_transport_tls_command(sender->options.host,
                                           sender->xl->verbosity, options)
                : NULL;

    free(options);
    return command;
}

/* A receiver that reads from a socket recognises a request for RDMA; any other
 * must be told by an option. */
static char *receiver_command(const struct xl_sender *sender,
                              const char *receive_options)
{
    char *options, *command;

    if (asprintf(&options, "%s%s", sender->rdma ? " --by-rdma" : "",
                 receive_options) < 0) {
        return NULL;
    }
    command =
        xl_transport_command(sender->options.ssh_command, sender->options.host,
                             sender->xl->verbosity, options);
    free(options);
    return command;
}

char *xl_sender_command(const struct xl_sender *sender,
                        const char *receive_options)
{
    return sender->options.tls ? tls_command(sender)
                               : receiver_command(sender, receive_options);
}

enum xl_transport_kind xl_sender_kind(const struct xl_sender *sender)
{
    if (sender->options.tls) {
        return XL_TRANSPORT_TLS;
    }
    return sender->options.ssh_command[0] ? XL_TRANSPORT_SSH
                                          : XL_TRANSPORT_COMMAND;
}

int xl_sender_open_transport(const struct xl_sender *sender,
                             struct xl_transport *transport,
                             const char *command, enum xl_transport_kind kind,
                             int abort_fd)
{
    transport->rdma = sender->rdma;
    if (xl_transport_start(transport, sender->options.host, command, kind)) {
        return -1;
    }
    return xl_transport_greet(transport, abort_fd);
}

int xl_sender_connect(struct xl_sender *sender, const char *receive_options)
{
    sender->command = xl_sender_command(sender, receive_options);
    if (!sender->command) {
        perror("xl");
        return -1;
    }
    return xl_sender_open_transport(sender, &sender->transport,
                                    sender->command, xl_sender_kind(sender),
                                    sender->abort_fd);
}

bool xl_sender_has_given_up(const struct xl_sender *sender)
{
    struct pollfd poller = {.fd = sender->abort_fd, .events = POLLIN};

    return poll(&poller, 1, 0) > 0;
}

void xl_sender_show(struct xl_sender *sender, const char *name)
{
    sender->progress = (struct xl_progress){
        .quiet = sender->options.quiet,
        .json = sender->options.json,
        .domid = sender->domid,
        .name = name,
        .abort_fd = sender->abort_fd,
        .background_rate = sender->options.params.background_rate,
    };
    sender->options.params.logger = sender->xl->logger;
    sender->options.params.progress = xl_progress_show;
    sender->options.params.progress_user = &sender->progress;
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

void xl_sender_say_recovery(const struct xl_sender *sender)
{
    char domid[16];
    char *line;

    snprintf(domid, sizeof(domid), "%" PRIu32, sender->domid);
    line = xl_options_recovery(&sender->options, domid);
    fprintf(stderr, "xl:     %s\n", line ? line : "xl migrate-recover");
    free(line);
    if (xl_sender_kind(sender) == XL_TRANSPORT_COMMAND) {
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
    free(sender->rdma);
    free(sender->trace_path);
    sender->command = NULL;
    sender->rdma = NULL;
}
