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

/* Its role. */
#define XL_RDMA_LISTEN "listen"
#define XL_RDMA_CONNECT "connect"

/*
 * Start a carrier that listens at an address, or connects to a place.  The
 * caller must close the descriptors, and reap the process.  A carrier that
 * listens first sends a struct xl_rdma_answer, for the source.  Once there is
 * a connection recv_fd has the word of xl_pass_fd(); when there is none
 * recv_fd ends, and the process has said why on stderr.  Any thread may call
 * this.  0, or -1 with errno.
 */
int xl_rdma_carrier_start(struct xl_rdma_carrier *carrier, const char *role,
                          const struct xl_rdma_place *place);

/* The process itself, a command: xl rdma-carrier --postcopy ROLE.  What it
 * does stands above, with stdin for send_fd and stdout for recv_fd. */
#define XL_RDMA_CARRIER "rdma-carrier"
int xl_main_rdma_carrier(struct xl_context *xl, int argc, char **argv);

#endif
