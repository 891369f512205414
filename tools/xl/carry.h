/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between descriptors of the kernel, which the engine reads and
 * writes, and a connection that only calls of a library can carry: the wire.
 */
#ifndef XL_CARRY_H
#define XL_CARRY_H

#include <poll.h>
#include <stddef.h>
#include <sys/types.h>

/* What is on its way may take so long once nobody here cares any more. */
#define XL_CARRY_LINGER_SECONDS 5
/* The least room that a wire is asked to receive into. */
#define XL_CARRY_RECEIVE_MIN (16u * 1024)

/*
 * A wire, by its calls.  None of them blocks but await().  -1 with EAGAIN:
 * later, and nothing has changed; -1 with any other errno: never again.
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
    /* Called once, after a call that has failed for good: the connection was
     * cut by that.  Keep the reason. */
    void (*note_cut)(void *wire);
    /* As poll(2): until the wire has one of these events (0: none is waited
     * for), or one of `count` descriptors has its own, none of which is
     * negative. */
    int (*await)(void *wire, short events, struct pollfd *plain,
                 unsigned int count, int timeout_ms);
};

enum xl_carry_how {
    XL_CARRY_ENDED, /* the other end sends no more, or nobody here wants any */
    XL_CARRY_CUT,   /* ops->note_cut() was called */
    XL_CARRY_NO_MEMORY,
};

/*
 * Carry octets both ways, until both have ended: what comes from in_fd goes
 * into the wire, and what the wire brings goes to out_fd, which may be the
 * same socket.  The end of in_fd becomes ops->say_end(), and that of the wire
 * the end of out_fd; but what is cut off ends both.  Makes the descriptors
 * non-blocking, and closes them.
 */
enum xl_carry_how xl_carry(const struct xl_wire_ops *ops, void *wire,
                           int in_fd, int out_fd);

#endif
