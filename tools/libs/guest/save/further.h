/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of a further connection, besides the first one: what the
 * fault channel and the streams of the push have in common.
 *
 * A further connection joins a migration by its first record.  The source
 * keeps a list, in order, of the pages that it sent there and has no credit
 * for.  When the connection is lost, the destination says over the first
 * connection how many pages came, and the source puts the others back into the
 * plan: no page is lost with a connection, and none goes twice.
 */
#ifndef XLM_SAVE_FURTHER_H
#define XLM_SAVE_FURTHER_H

#include <pthread.h>

#include "hypervisor/source_memory.h"
#include "save/features.h"
#include "save/saver.h"
#include "save/shared.h"
#include "wire/page_batch.h"

/* A page that was sent, and is not credited. */
struct xlm_sent_page {
    uint64_t pfn;
    uint64_t sent_us;
    enum xlm_push_kind kind;
};

/* What went over a connection since xlm_further_count() was last called. */
struct xlm_further_counts {
    uint64_t requested;
    uint64_t pushed;
    uint64_t neighbours; /* of the pushed ones */
    struct xlm_save_forms forms;
    uint64_t octets;
    uint64_t crossed; /* requests whose pages had been sent */
};

struct xlm_further {
    struct xlm_saver *saver;
    /* Has the reason of this connection's failure, which fails nothing
     * else. */
    struct xlm_context ctx;
    struct xlm_channel channel;
    struct xlm_push_shared *shared; /* NULL: the push has not begun */
    pthread_t thread;
    bool runs;
    /* Only the pushing thread uses these. */
    bool warned; /* the log says that the connection is lost */
    bool told;   /* the destination was told so, or knows it */

    /* Only the connection's thread uses these. */
    struct xlm_record record;
    struct xlm_source_memory memory;
    struct xlm_page_batch batch;
    struct xlm_compressor *compressor; /* NULL: contents go as they are */

    /* Guarded by the shared lock. */
    uint64_t sent;               /* pages sent over it */
    uint64_t credited;           /* how many of these came, in order */
    struct xlm_sent_page *pages; /* page n is at n % most */
    uint32_t most;               /* pages under way, at most */
    bool lost;                   /* no more pages go over it ... */
    bool ended;                  /* ... and the destination has said so */
    struct xlm_further_counts counts;
};

/* Make a connection's object with room for `most` pages under way.  -1 with
 * errno; the caller must call dispose(), also then. */
int xlm_further_init(struct xlm_further *further, struct xlm_saver *saver,
                     uint32_t most);
/* Call when its thread has ended. */
void xlm_further_dispose(struct xlm_further *further);

/* Send a record that says which migration the connection belongs to, and wait
 * for the answer, or until abort_fd is readable. */
int xlm_further_join(struct xlm_further *further, int in_fd, int out_fd,
                     int abort_fd, uint32_t type, const void *body,
                     size_t length);

/* With the lock held. */

/* Pages that may still go over it. */
uint32_t xlm_further_room(const struct xlm_further *further);
/* Note a page that goes over it now, after all those noted before. */
void xlm_further_note(struct xlm_further *further, uint64_t pfn,
                      enum xlm_push_kind kind);
/* Were pages sent over it that may not have arrived? */
bool xlm_further_pending(const struct xlm_further *further);
/* Add to the stats what went over it since the last call. */
void xlm_further_count(struct xlm_further *further, struct xlm_stats *stats);
/* May it be true that only the first `pages` came, as the destination says? */
bool xlm_further_may_end_after(const struct xlm_further *further,
                               uint64_t pages);
/* Call this after xlm_further_may_end_after(): put all other pages back into
 * the plan, by again().  ENOMEM. */
int xlm_further_end_after(struct xlm_further *further, uint64_t pages,
                          int (*again)(struct xlm_push_plan *plan,
                                       uint64_t pfn));

/* Without the lock, by its own thread. */

/* Write the batch, whose pages are those noted last, and count its octets. */
int xlm_further_write(struct xlm_further *further);
/* Take CREDIT.  -1: it is for pages that were not sent. */
int xlm_further_take_credit(struct xlm_further *further, uint32_t *pages);
void xlm_further_lose(struct xlm_further *further);

/*
 * Call this in the pushing thread.  When the connection is lost or stalls, it
 * stops the connection, and logs `what` with the reason.  True, once: the
 * destination must be told over the first connection.
 */
bool xlm_further_must_tell(struct xlm_further *further, const char *what);

#endif
