/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The calls of rsockets: sockets of RDMA, by librdmacm.
 *
 * Only the process that carries a connection loads the library: a host that
 * does without RDMA needs neither the library nor its packages.
 *
 * A descriptor of these calls is none of the kernel's: poll(), read() and
 * SCM_RIGHTS do not know it, nor does a forked process.
 */
#ifndef XL_RDMA_RSOCKETS_H
#define XL_RDMA_RSOCKETS_H

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Each is like the call of sockets of that name; in the library the name
 * begins with an "r".  CALL(what it returns, name, arguments). */
#define XL_RSOCKETS(CALL) \
    CALL(int, socket, (int, int, int)) \
    CALL(int, bind, (int, const struct sockaddr *, socklen_t)) \
    CALL(int, listen, (int, int)) \
    CALL(int, accept, (int, struct sockaddr *, socklen_t *)) \
    CALL(int, connect, (int, const struct sockaddr *, socklen_t)) \
    CALL(int, shutdown, (int, int)) \
    CALL(int, close, (int)) \
    CALL(ssize_t, recv, (int, void *, size_t, int)) \
    CALL(ssize_t, send, (int, const void *, size_t, int)) \
    /* Takes the kernel's descriptors as well; none may be negative, and the \
     * time-out must be 0 or -1. */ \
    CALL(int, poll, (struct pollfd *, nfds_t, int)) \
    CALL(int, getsockname, (int, struct sockaddr *, socklen_t *)) \
    CALL(int, setsockopt, (int, int, int, const void *, socklen_t)) \
    CALL(int, getsockopt, (int, int, int, void *, socklen_t *)) \
    CALL(int, fcntl, (int, int, ...))

struct xl_rsockets {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type, a list of arguments */
#define XL_RSOCKETS_FIELD(type, name, arguments) type(*name) arguments;
    XL_RSOCKETS(XL_RSOCKETS_FIELD)
#undef XL_RSOCKETS_FIELD
};

/* Room for the reason of a failure: a phrase for a person. */
#define XL_RDMA_WHY_MAX 256

/* Load the library, for as long as the process lives.  0, or -1 with the
 * reason, which says what to install. */
int xl_rsockets_load(struct xl_rsockets *calls, char why[XL_RDMA_WHY_MAX]);

#endif
