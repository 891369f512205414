/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The two-way byte channel between source and destination.
 *
 * One thread may read while others write; writers of whole records take
 * turns (see wire/record.h).
 */
#ifndef XLM_CHANNEL_H
#define XLM_CHANNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct xlm_channel {
    int in_fd;   /* -1: nothing to read */
    int out_fd;  /* -1: nowhere to write */
    int idle_ms; /* longest that the peer may neither send, when it is read
                     from, nor take anything; -1: any */
    /* Asked when idle_ms is over, from any thread that uses the channel:
     * whether it may last longer.  NULL: no. */
    bool (*may_be_silent)(void *data);
    void *silence_data;
    /* When all reads and writes have to be done, by xlm_now_us(); 0: any time.
     */
    uint64_t deadline_us;
    int abort_fd; /* readable: reads and writes fail with ECANCELED; or -1 */
    int in_flags; /* as they were before, -1: not changed */
    int out_flags;
    int stop_fd; /* see xlm_channel_stop() */
    /* Called each time a read is about to wait for the peer, who may be
     * waiting for something from us; -1 with errno: the read fails as well.
     * NULL: nothing to do.  It may write to the channel, not read. */
    int (*before_wait)(void *data);
    void *wait_data;
    _Atomic uint64_t bytes_out; /* read by threads that do not write */
    pthread_mutex_t write_lock;
};

#define XLM_CHANNEL_CLOSED \
    ((struct xlm_channel){.in_fd = -1, \
                          .out_fd = -1, \
                          .idle_ms = -1, \
                          .abort_fd = -1, \
                          .in_flags = -1, \
                          .out_flags = -1, \
                          .stop_fd = -1, \
                          .write_lock = PTHREAD_MUTEX_INITIALIZER})

/*
 * Take two descriptors into use: they are made non-blocking until
 * xlm_channel_close(), which does not close them.  The channel must be
 * XLM_CHANNEL_CLOSED.
 */
int xlm_channel_open(struct xlm_channel *channel, int in_fd, int out_fd,
                     int abort_fd);
void xlm_channel_close(struct xlm_channel *channel);

/*
 * Read exactly length octets.  ECONNRESET: the peer closed the channel;
 * ETIMEDOUT: it was silent for too long, or the deadline is over; ECANCELED:
 * aborted; other errno values as read(2).
 */
int xlm_channel_read(struct xlm_channel *channel, void *buffer, size_t length);

/* Write all parts; changes the vector.  EPIPE and ECONNRESET: the peer is
 * gone; ETIMEDOUT: it takes nothing; ECANCELED: aborted.  The caller holds
 * write_lock when there is more than one writer. */
int xlm_channel_write_parts(struct xlm_channel *channel, struct iovec *parts,
                            size_t count);
int xlm_channel_write(struct xlm_channel *channel, const void *bytes,
                      size_t length);

/* For idle_ms, where may_be_silent() knows of a time-out of so many
 * milliseconds: how often it is to be asked.  0, no time-out: never. */
int xlm_channel_look_ms(uint32_t timeout_ms);

/* Make a read or write that waits in another thread, and every later one that
 * would have to wait, fail with ECANCELED. */
void xlm_channel_stop(struct xlm_channel *channel);

/* Keep what waits in the kernel's send buffer small, so that what is urgent
 * does not queue behind what is not. */
void xlm_channel_keep_queue_short(struct xlm_channel *channel);

#endif
