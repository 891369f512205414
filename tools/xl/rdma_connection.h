/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Going on by RDMA, at the destination: docs/specs/migrate-rdma.md.
 */
#ifndef XL_RDMA_CONNECTION_H
#define XL_RDMA_CONNECTION_H

#include "connection.h"
#include "options.h"

/*
 * Call this at the destination when the visitor is XL_VISITOR_RDMA.  Answers
 * the request, and waits for the source to connect by RDMA.  Then send_fd and
 * recv_fd are those of the RDMA connection, over which the destination must
 * greet again; before_send_fd and before_recv_fd are those of the first
 * connection, which stays open for messages.
 * 0, or -1 with a message on stderr; the source was told why.
 */
int xl_rdma_take_over(struct xl_connection *connection,
                      const struct xl_options *options);

#endif
