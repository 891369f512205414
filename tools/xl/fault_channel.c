/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fault channel: a second connection to the receiver.
 *
 * The thread that moves the guest makes it, while the guest still runs.  A
 * process like that of a recovery answers there: it finds the receiver by what
 * it reads over the connection.
 */
#include "fault_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int connect_channel(int *send_fd, int *recv_fd, void *user)
{
    struct xl_fault_channel *channel = user;
    struct xl_sender *sender = channel->sender;
    enum xl_transport_kind kind =
        channel->connect ? XL_TRANSPORT_COMMAND : xl_sender_kind(sender);

    if (xl_sender_open_transport(sender, &channel->transport, channel->command,
                                 kind, sender->abort_fd)) {
        return -1;
    }
    *send_fd = channel->transport.send_fd;
    *recv_fd = channel->transport.recv_fd;
    return 0;
}

int xl_fault_channel_want(struct xl_fault_channel *channel,
                          struct xl_sender *sender)
{
    const char *given = sender->options.fault_channel;
    const char *connect = given[0] ? given : NULL;

    if (xl_sender_kind(sender) == XL_TRANSPORT_COMMAND && !connect) {
        fprintf(stderr,
                "xl: with -s '' say how to connect again: --fault-channel="
                "COMMAND, which runs xl migrate-receive --postcopy --recover "
                "there\n");
        return -1;
    }
    channel->sender = sender;
    channel->connect = connect;
    channel->command =
        connect ? strdup(connect) : xl_sender_command(sender, " --recover");
    if (!channel->command) {
        perror("xl");
        return -1;
    }
    sender->options.params.connect_fault_channel = connect_channel;
    sender->options.params.fault_channel_user = channel;
    return 0;
}

void xl_fault_channel_end(struct xl_fault_channel *channel)
{
    xl_transport_end(&channel->transport);
    free(channel->command);
    channel->command = NULL;
}
