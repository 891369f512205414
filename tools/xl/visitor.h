/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The kinds of visitors, which are hosts that have connected: the first octets
 * that come tell what a visitor wants.
 */
#ifndef XL_VISITOR_H
#define XL_VISITOR_H

#include <stddef.h>
#include <stdint.h>

enum xl_visitor {
    XL_VISITOR_UNKNOWN, /* not a protocol of a receiver */
    XL_VISITOR_UNCLEAR, /* too few octets to tell */
    XL_VISITOR_WISHES,  /* a guest will come, and the source has wishes */
    XL_VISITOR_GUEST,   /* a guest will come */
    XL_VISITOR_AGAIN,   /* its recovery, fault channel, or stream */
    XL_VISITOR_TLS,     /* the visitor speaks TLS */
    XL_VISITOR_RDMA, /* the visitor goes on by RDMA, and begins anew there */
};

/* This many octets tell each kind from the others. */
#define XL_VISITOR_OCTETS 4

/* The kind, by the `length` octets that have come so far.  Pure. */
enum xl_visitor xl_visitor_of(const void *octets, size_t length);

/*
 * Wait until a deadline (see prologue.h) for enough octets, and leave them to
 * be read.  A descriptor that is no socket brings a guest.  -1 with errno:
 * ETIMEDOUT; or ECONNRESET, the connection has ended.
 */
int xl_visitor_await(int fd, uint64_t deadline);

#endif
