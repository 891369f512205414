/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The two-way byte channel between source and destination.
 *
 * One thread may read while others write; threads that write whole records
 * take turns (see wire/record.h).
 */
#ifndef XLM_CHANNEL_H
#define XLM_CHANNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct xlm_channel {
    int in_fd;  /* -1: nothing to read from */
    int out_fd; /* -1: nowhere to write */
    /* how long the peer may be silent while this end reads, or take nothing
     * while this end writes; -1: no limit */
    int idle_ms;
    /* Called after idle_ms by any thread that uses the channel: may the
     * silence last longer?  NULL: no. */
    bool (*may_be_silent)(void *data);
    void *silence_data;
    /* All reads and writes must be done at this time of xlm_now_us(); 0: no
     * limit. */
    uint64_t deadline_us;
    int abort_fd; /* readable: reads and writes fail with ECANCELED; or -1 */
    int in_flags; /* flags before xlm_channel_open(); -1: unchanged */
    int out_flags;
    int stop_fd; /* see xlm_channel_stop() */
    /* Called each time before a read waits for the peer, because the peer may
     * wait for something from this end. -1 with errno: the read fails, too.
     * NULL: nothing to do.  The function may write to the channel, but not
     * read. */
    int (*before_wait)(void *data);
    void *wait_data;
    /* Called when a write has to wait and the peer has sent something: the
     * function reads some of that, because the peer may wait for it. -1 with
     * errno: the write fails, too.  It may read from the channel, but not
     * write.  NULL: another thread reads.  Otherwise only one thread uses the
     * channel. */
    int (*while_blocked)(void *data);
    void *blocked_data;
    uint64_t under_way; /* see xlm_channel_keep_queue() */
    bool buffer_is_ours;
    _Atomic uint64_t bytes_out; /* other threads read this */
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
 * Use two descriptors: they are non-blocking until xlm_channel_close(), which
 * does not close them.  The channel must be XLM_CHANNEL_CLOSED.
 */
int xlm_channel_open(struct xlm_channel *channel, int in_fd, int out_fd,
                     int abort_fd);
void xlm_channel_close(struct xlm_channel *channel);

/*
 * Read exactly length octets.  ECONNRESET: the peer has closed the channel, or
 * the kernel, which does TLS on the descriptor, has met the peer's last word;
 * ETIMEDOUT: the peer was silent for too long, or the deadline has passed;
 * ECANCELED: aborted; otherwise errno of read(2).
 */
int xlm_channel_read(struct xlm_channel *channel, void *buffer, size_t length);

/* Write all parts; changes the vector.  EPIPE and ECONNRESET: the peer is
 * gone; ETIMEDOUT: the peer takes nothing; ECANCELED: aborted.  If there is
 * more than one writer, the caller must hold write_lock. */
int xlm_channel_write_parts(struct xlm_channel *channel, struct iovec *parts,
                            size_t count);
int xlm_channel_write(struct xlm_channel *channel, const void *bytes,
                      size_t length);

/* A value of idle_ms for may_be_silent() functions that know a time-out of
 * timeout_ms: how often to call them. timeout_ms 0 means no time-out. */
int xlm_channel_look_ms(uint32_t timeout_ms);

/* Make a read or write that waits in another thread, and every later one that
 * would wait, fail with ECANCELED. */
void xlm_channel_stop(struct xlm_channel *channel);

/* Take the write lock.  False: another thread has it, or the kernel has no
 * room for a short record now.  The caller then writes a short record with
 * xlm_channel_write_parts(), which does not wait, and releases the lock. */
bool xlm_channel_try_lock(struct xlm_channel *channel);

/* Is there anything to read, or the end of the stream? */
bool xlm_channel_has_input(const struct xlm_channel *channel);

/* Wait at most most_us for input, for other_fd (-1: none) to be readable, or
 * for xlm_channel_stop().  May return before.  Ignores deadline and idle_ms.
 */
void xlm_channel_await_input(const struct xlm_channel *channel, int other_fd,
                             uint64_t most_us);

/*
 * Fit the kernel's send buffer to the `under_way` octets that should be under
 * way: it must hold them, and few of them may wait unsent, so that urgent
 * records
 * do not queue there behind others.  0: as short as possible.  Cheap to call
 * for each record; only for the thread that writes.
 */
void xlm_channel_keep_queue(struct xlm_channel *channel, uint64_t under_way);

#endif
