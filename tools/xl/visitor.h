/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a visitor, a host that has connected, wants: by the first octets that
 * come.
 */
#ifndef XL_VISITOR_H
#define XL_VISITOR_H

#include <stddef.h>
#include <stdint.h>

enum xl_visitor {
    XL_VISITOR_UNKNOWN, /* nothing that is spoken here */
    XL_VISITOR_UNCLEAR, /* it may become any of the others */
    XL_VISITOR_WISHES,  /* a guest will come, and the source has wishes */
    XL_VISITOR_GUEST,   /* a guest will come */
    XL_VISITOR_AGAIN,   /* its recovery, fault channel, or stream */
    XL_VISITOR_TLS,     /* the visitor speaks TLS */
    XL_VISITOR_RDMA, /* the visitor goes on by RDMA, and begins anew there */
};

/* As many octets as tell any of them from the others. */
#define XL_VISITOR_OCTETS 4

/* By that many octets, or all that have come.  Pure. */
enum xl_visitor xl_visitor_of(const void *octets, size_t length);

/*
 * Wait for them before a deadline (see prologue.h), and leave them to be read.
 * What is no socket has a guest.  -1 with errno: ETIMEDOUT, or ECONNRESET, it
 * has ended.
 */
int xl_visitor_await(int fd, uint64_t deadline);

#endif
