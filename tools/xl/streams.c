/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The further streams of a push: connections to the receiver besides the first
 * one, each with a process of its own, as the fault channel has.
 */
#include "streams.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport_command.h"

/* ---- a thread of the library's, for each stream ---- */

static bool is_cancelled(int cancel_fd)
{
    struct pollfd poller = {.fd = cancel_fd, .events = POLLIN};

    return poll(&poller, 1, 0) > 0;
}

static int start(struct xl_streams *streams, uint32_t stream, int cancel_fd)
{
    struct xl_transport *transport = &streams->transports[stream];

    return is_cancelled(cancel_fd) ||
                   xl_sender_open_transport(streams->sender, transport,
                                            streams->command, streams->kind,
                                            cancel_fd)
               ? -1
               : 0;
}

static int connect_stream(uint32_t stream, int cancel_fd, int *send_fd,
                          int *recv_fd, void *user)
{
    struct xl_streams *streams = user;
    struct xl_transport *transport = &streams->transports[stream];
    int rc;

    pthread_mutex_lock(&streams->lock);
    rc = start(streams, stream, cancel_fd);
    pthread_mutex_unlock(&streams->lock);
    *send_fd = transport->send_fd;
    *recv_fd = transport->recv_fd;
    return rc;
}

/* ---- the thread that moves the guest ---- */

/* A stream that the user did not ask for must not ask for a password. */
static char *quiet_ssh(const struct xl_sender *sender)
{
    char *ssh, *command = NULL;

    if (asprintf(&ssh, "%s -o BatchMode=yes", sender->options.ssh_command) >=
        0) {
        command = xl_transport_command(ssh, sender->options.host,
                                       sender->xl->verbosity, " --recover");
        free(ssh);
    }
    return command;
}

/* With -s '' HOST is a command.  It is run once more for each stream, unless
 * the fault channel has a command of its own: then that is. */
static char *make_command(const struct xl_sender *sender, bool asked_for)
{
    const char *given = sender->options.fault_channel;

    if (xl_sender_kind(sender) == XL_TRANSPORT_COMMAND && given && given[0]) {
        return strdup(given);
    }
    return asked_for ? xl_sender_command(sender, " --recover")
                     : quiet_ssh(sender);
}

int xl_streams_want(struct xl_streams *streams, struct xl_sender *sender)
{
    libxl_live_migrate_params *params = &sender->options.params;
    bool asked_for = params->streams;

    if (!asked_for) {
        params->streams = xl_transport_streams(
            xl_sender_kind(sender) == XL_TRANSPORT_SSH && !sender->rdma
                ? sender->options.ssh_command
                : NULL,
            sysconf(_SC_NPROCESSORS_ONLN));
    }
    if (params->streams < 2) {
        return 0;
    }
    streams->sender = sender;
    streams->kind = xl_sender_kind(sender);
    streams->command = make_command(sender, asked_for);
    if (!streams->command) {
        perror("xl");
        return -1;
    }
    for (size_t i = 0; i < LIBXL_LIVE_MIGRATE_MAX_STREAMS; i++) {
        streams->transports[i] = XL_TRANSPORT_CLOSED;
        streams->transports[i].further = true;
    }
    params->connect_stream = connect_stream;
    params->stream_user = streams;
    return 0;
}

void xl_streams_end(struct xl_streams *streams)
{
    if (!streams->command) {
        return;
    }
    for (size_t i = 0; i < LIBXL_LIVE_MIGRATE_MAX_STREAMS; i++) {
        xl_transport_end(&streams->transports[i]);
    }
    free(streams->command);
    streams->command = NULL;
}
