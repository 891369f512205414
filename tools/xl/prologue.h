/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver reads before it has a guest.  Until then the receiver only
 * waits for its peer, which therefore has limited time.
 */
#ifndef XL_PROLOGUE_H
#define XL_PROLOGUE_H

#include <stddef.h>
#include <stdint.h>

/* The source's time for all of it. */
#define XL_PROLOGUE_SECONDS 30

/* The time this many seconds from now, in milliseconds of the monotonic
 * clock. */
uint64_t xl_deadline(unsigned int seconds);

/* For poll(): the milliseconds until then, at most a minute. */
int xl_left_ms(uint64_t deadline);

/* Wait for events of poll()'s, or until the deadline: 0, or -1 with errno. */
int xl_await_until(int fd, short events, uint64_t deadline);

/*
 * Read exactly length octets before the deadline, in pieces of any size.  0,
 * or -1 with errno: ETIMEDOUT, the deadline has passed; ECONNRESET, the other
 * end is gone; otherwise as read(2).
 */
int xl_read_until(int fd, void *buffer, size_t length, uint64_t deadline);

/* Have the kernel notice within a minute that the host at the other end of a
 * connection has died.  No effect unless it is a TCP connection. */
void xl_keep_alive(int fd);

#endif
