/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of a further connection, besides the first one: what
 * the fault channel and the streams of the push have in common.
 *
 * A thread of its own reads the connection and pages in the pages.  The
 * connection can be lost at any time, and the migration goes on: the thread
 * that notices says over the first connection how many pages came, so that the
 * source sends the others again.  The reading thread notices when the
 * connection fails, and the caller's thread when the source says so.
 */
#ifndef XLM_RESTORE_FURTHER_H
#define XLM_RESTORE_FURTHER_H

#include <pthread.h>
#include <stdatomic.h>

#include "restore/restorer.h"

struct xlm_further_reader;

/* What a kind of further connection does in its own way. */
struct xlm_further_kind {
    /* Called after each record that brought `pages`: write CREDIT for them
     * now, or with a later record. */
    int (*pay)(struct xlm_further_reader *reader, uint32_t pages);
    /* Called once, by the thread that notices the loss, when the channel is
     * stopped and no page comes any more: tell the source over the first
     * connection. */
    int (*end)(struct xlm_further_reader *reader);
    /* For the log, after "of domain N". */
    const char *consequence;
};

struct xlm_further_reader {
    const struct xlm_further_kind *kind;
    char name[24]; /* for the log */
    struct xlm_restorer *restorer;
    /* Has the reason of this connection's failure, which fails nothing
     * else. */
    struct xlm_context ctx;
    struct xlm_channel channel;
    struct xlm_record record;
    struct xlm_expander expander; /* for its contents */
    pthread_t thread;
    bool runs;
    atomic_bool stopping; /* set by the caller's thread */
    /* Only the reading thread uses these, until it has ended. */
    uint64_t pages; /* pages that came, in complete records */
    uint32_t owed;  /* of these, not credited yet */
    bool ended;     /* the source was told */
};

/* Call init() first and close() last.  The caller's thread calls all of these,
 * but the kind's functions may call warn() and pay_all(). */
void xlm_further_reader_init(struct xlm_further_reader *reader,
                             struct xlm_restorer *restorer,
                             const struct xlm_further_kind *kind);
/* Open the channel.  -1 with a reason in reader->ctx. */
int xlm_further_reader_open(struct xlm_further_reader *reader, int in_fd,
                            int out_fd);
/* Start to read. */
int xlm_further_reader_start(struct xlm_further_reader *reader);
/* The source has lost the connection: end as after a loss, unless that was
 * done. */
int xlm_further_reader_take_lost(struct xlm_further_reader *reader);
/* Stop reading, and tell the source nothing. */
void xlm_further_reader_stop(struct xlm_further_reader *reader);
void xlm_further_reader_close(struct xlm_further_reader *reader);

/* Log that the connection is lost. */
void xlm_further_reader_warn(const struct xlm_further_reader *reader);
/* For pay(): write CREDIT for what is owed, if anything. */
int xlm_further_reader_pay_all(struct xlm_further_reader *reader);

#endif
