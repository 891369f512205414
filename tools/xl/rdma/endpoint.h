/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection by RDMA.  Only the process that makes a connection can carry
 * it: rsockets.h.
 */
#ifndef XL_RDMA_ENDPOINT_H
#define XL_RDMA_ENDPOINT_H

#include <stdint.h>

#include "agree.h"
#include "carry.h"
#include "rsockets.h"

/* In this time both ends must be connected. */
#define XL_RDMA_SECONDS 30
/* A connection that sends no token in this time is closed, so that another one
 * can be accepted. */
#define XL_RDMA_TOKEN_SECONDS 5

struct xl_rdma {
    const struct xl_rsockets *calls; /* the caller's; must outlive this */
    int listener, fd;                /* of rsockets; -1: none */
    int timer_fd;                    /* of the kernel; -1: not needed yet */
    char why[XL_RDMA_WHY_MAX];       /* of a failure */
};

#define XL_RDMA_CLOSED(calls_) \
    ((struct xl_rdma){ \
        .calls = (calls_), .listener = -1, .fd = -1, .timer_fd = -1})

/* These return 0, or -1 with the reason in rdma->why.  xl_deadline() of
 * prologue.h makes deadlines. */

/* Listen at the place's address; puts the port and a new token into it. */
int xl_rdma_listen(struct xl_rdma *rdma, struct xl_rdma_place *place);
/* Wait for a connection that begins with the place's token, and close others.
 * Closes the listener when there is one. */
int xl_rdma_accept(struct xl_rdma *rdma, const struct xl_rdma_place *place,
                   uint64_t deadline);
/* Connect to the place, and send its token. */
int xl_rdma_connect(struct xl_rdma *rdma, const struct xl_rdma_place *place,
                    uint64_t deadline);
/* Carry octets between descriptors of the kernel and the connection, until
 * both ways have ended: carry.h.  -1: the connection was cut. */
int xl_rdma_carry(struct xl_rdma *rdma, int in_fd, int out_fd);

/* Harmless on XL_RDMA_CLOSED, and twice. */
void xl_rdma_close(struct xl_rdma *rdma);

#endif
