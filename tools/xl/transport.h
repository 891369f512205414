/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The process that connects this host with the receiver: ssh, or the user's
 * command.
 */
#ifndef XL_TRANSPORT_H
#define XL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tls/kernel.h"

/* The receiver's first line: it is there, and knows postcopy. */
#define XL_BANNER_START "xl postcopy migration receiver ready, version "
#define XL_BANNER XL_BANNER_START "1\n"

/* The line in clear of a listener that takes TLS only. */
#define XL_BANNER_TLS "xl postcopy migration receiver wants --tls\n"

/* Longest silence of the other host until the library has taken over: longer
 * than sshd waits for a password. */
#define XL_PATIENCE_MS (3 * 60 * 1000)

enum xl_transport_kind {
    XL_TRANSPORT_COMMAND, /* of the user's */
    XL_TRANSPORT_SSH,     /* its exit status means what ssh's means */
    XL_TRANSPORT_TLS,     /* xl migrate-connect, which says why it fails */
};

struct xl_transport {
    bool further; /* not the migration's first: it may be given up silently */
    const char *host;
    const char *command; /* for the shell */
    enum xl_transport_kind kind;
    bool connected;      /* TLS: the process has connected and verified */
    enum xl_tls_how how; /* once closed: how TLS ended, if the kernel did it */
    pid_t pid;           /* 0: none, or reaped */
    int status;          /* once reaped; -1: not known */
    int send_fd;
    int recv_fd;
    /* The host's address for RDMA, by which the connection goes on once the
     * receiver has answered: the caller's, and has to outlive the transport;
     * NULL: no RDMA. */
    const char *rdma;
    bool answered; /* the receiver has, and was asked to go on by RDMA */
    /* With RDMA, send_fd and recv_fd lead to a second process, rdma_pid, and
     * the descriptors here are the first connection's.  Without it: 0, -1,
     * -1. */
    pid_t rdma_pid;
    int before_send_fd;
    int before_recv_fd;
};

#define XL_TRANSPORT_CLOSED \
    ((struct xl_transport){.status = -1, \
                           .send_fd = -1, \
                           .recv_fd = -1, \
                           .before_send_fd = -1, \
                           .before_recv_fd = -1})

/* These return 0, or -1 with a message on stderr.  The host and the command
 * must outlive the transport. */
int xl_transport_start(struct xl_transport *transport, const char *host,
                       const char *command, enum xl_transport_kind kind);
#define XL_TRANSPORT_NO_POSTCOPY 1
/* Wait for the receiver's banner, or until abort_fd is readable; with `rdma`
 * go on by that, and wait for the banner there.  Also returns
 * XL_TRANSPORT_NO_POSTCOPY: the xl there has no postcopy, or another version
 * of it. */
int xl_transport_greet(struct xl_transport *transport, int abort_fd);

/* Close the connection and reap the process, after giving it some seconds to
 * end by itself.  Harmless when there is none. */
void xl_transport_end(struct xl_transport *transport);

/* After xl_transport_end(): a sentence about how the process failed, or an
 * empty string if it did not. */
void xl_transport_explain(const struct xl_transport *transport, char *text,
                          size_t room);

#endif
