/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A receiver's connection: stdin and stdout, or what TLS makes of them, or
 * RDMA beside them.
 */
#ifndef XL_CONNECTION_H
#define XL_CONNECTION_H

#include "options.h"
#include "peers.h"

struct xl_connection {
    int recv_fd;
    int send_fd;
    /* The first connection, which stays open beside RDMA; -1: no RDMA. */
    int before_recv_fd;
    int before_send_fd;
};

#define XL_CONNECTION_NONE ((struct xl_connection){-1, -1, -1, -1})

/*
 * Move the connection away from stdin and stdout, which lead nowhere and to
 * stderr from then on: output of any program, hotplug scripts included, must
 * not get into it.  With --tls the other end has been verified then, and is
 * one of the peers (else NULL).  The process must have a single thread, and
 * must not have used libxl yet.  0, or -1 with a message on stderr.
 */
int xl_connection_take(struct xl_connection *connection,
                       const struct xl_options *options,
                       const struct xl_peers *peers);

/* Find out what the other end wants: enum xl_visitor; or -1 with a message on
 * stderr. */
int xl_connection_await_visitor(const struct xl_connection *connection);

/* Close the connection, and tell the other end that this is no failure.
 * Harmless when there is none. */
void xl_connection_close(struct xl_connection *connection);

#endif
