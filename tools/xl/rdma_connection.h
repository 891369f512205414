/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Going on by RDMA, at the destination: docs/specs/migrate-rdma.md.
 */
#ifndef XL_RDMA_CONNECTION_H
#define XL_RDMA_CONNECTION_H

#include "connection.h"
#include "options.h"

/*
 * At the destination, whose visitor is XL_VISITOR_RDMA: answer the request,
 * and wait for the source to connect.  The connection is the one by RDMA then,
 * and begins anew; what there was before stays open beside it, for messages.
 * 0, or -1 with a message on stderr; the source was told why.
 */
int xl_rdma_take_over(struct xl_connection *connection,
                      const struct xl_options *options);

#endif
