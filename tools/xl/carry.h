/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between descriptors of the kernel, which the engine reads and
 * writes, and a connection that only calls of a library can carry: the wire.
 */
#ifndef XL_CARRY_H
#define XL_CARRY_H

#include <poll.h>
#include <stddef.h>
#include <sys/types.h>

/* How long octets under way may still take when the local end has closed. */
#define XL_CARRY_LINGER_SECONDS 5
/* The least room that a wire is asked to receive into. */
#define XL_CARRY_RECEIVE_MIN (16u * 1024)

/*
 * A wire, by its calls.  await() blocks; say_end() may block until the other
 * host has all that was sent; the others never do.  -1 with EAGAIN: the call
 * has done nothing, try it again later.  -1 with any other errno: the wire
 * has failed for good.
 */
struct xl_wire_ops {
    /* How many octets were received; 0: the other end sends no more.  `room`
     * is at least XL_CARRY_RECEIVE_MIN. */
    ssize_t (*receive)(void *wire, void *octets, size_t room);
    /* How many of the octets are sent; after EAGAIN the next call has the same
     * octets. */
    ssize_t (*send)(void *wire, const void *octets, size_t length);
    /* Tell the other end that no more comes: 0, or -1. */
    int (*say_end)(void *wire);
    /* Called once, when the connection counts as cut because a call has failed
     * for good: keep the reason, which is in errno. */
    void (*note_cut)(void *wire);
    /* Wait as poll(2) does, until the wire has one of `events` (0: do not wait
     * for the wire), or one of the `count` descriptors in `plain` has one of
     * its own.  None of these descriptors is negative. */
    int (*await)(void *wire, short events, struct pollfd *plain,
                 unsigned int count, int timeout_ms);
};

enum xl_carry_how {
    XL_CARRY_ENDED, /* the other end, or the local reader, has closed */
    XL_CARRY_CUT,   /* ops->note_cut() was called */
    XL_CARRY_NO_MEMORY,
};

/*
 * Carry octets both ways, until both have ended: what comes from in_fd goes
 * into the wire, and what the wire brings goes to out_fd, which may be the
 * same socket.  When in_fd ends, ops->say_end() is called; when the wire ends,
 * out_fd is closed.  A wire that is cut ends both ways.  Makes the descriptors
 * non-blocking, and closes them.
 */
enum xl_carry_how xl_carry(const struct xl_wire_ops *ops, void *wire,
                           int in_fd, int out_fd);

#endif
