/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The process that makes a connection by RDMA and carries it, at either end:
 * docs/specs/migrate-rdma.md.
 */
#ifndef XL_RDMA_CARRIER_H
#define XL_RDMA_CARRIER_H

#include <sys/types.h>

#include "rdma/agree.h"
#include "xl_context.h"

/*
 * A process that makes a connection by RDMA and carries it: this program, as
 * the command below.  What is written to send_fd goes to the other host, and
 * recv_fd brings what comes from there.
 */
struct xl_rdma_carrier {
    pid_t pid;
    int send_fd;
    int recv_fd;
};

/* The roles of a carrier. */
#define XL_RDMA_LISTEN "listen"
#define XL_RDMA_CONNECT "connect"

/*
 * Start a carrier that listens at an address, or connects to a place.  The
 * caller must close the descriptors, and reap the process.  A carrier that
 * listens first sends a struct xl_rdma_answer, for the source.  Once it has
 * connected, the carrier sends the word of xl_pass_fd() over recv_fd.  If it
 * cannot connect, it says why on stderr, and recv_fd ends.  Any thread may
 * call this.  0, or -1 with errno.
 */
int xl_rdma_carrier_start(struct xl_rdma_carrier *carrier, const char *role,
                          const struct xl_rdma_place *place);

/* The command that the carrier runs: xl rdma-carrier --postcopy ROLE.  Its
 * stdin is the other end of send_fd, its stdout the other end of recv_fd. */
#define XL_RDMA_CARRIER "rdma-carrier"
int xl_main_rdma_carrier(struct xl_context *xl, int argc, char **argv);

#endif
