/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of a further connection, besides the first one: what the
 * fault channel and the streams of the push have in common.
 *
 * A further connection joins a migration by its first record.  Pages that went
 * over it without credit so far are kept in order.  When the connection is
 * lost, both ends agree over the first one on how many of its pages came, and
 * the others go into the plan again: no page is lost with a connection, and
 * none goes twice.
 */
#ifndef XLM_SAVE_FURTHER_H
#define XLM_SAVE_FURTHER_H

#include <pthread.h>

#include "hypervisor/source_memory.h"
#include "save/saver.h"
#include "save/shared.h"
#include "wire/page_batch.h"

/* A page that was sent, and is not credited. */
struct xlm_sent_page {
    uint64_t pfn;
    uint64_t sent_us;
    enum xlm_push_kind kind;
};

/* What went over it since it was last counted. */
struct xlm_further_counts {
    uint64_t requested;
    uint64_t pushed;
    uint64_t neighbours; /* of these */
    uint64_t zeroes;
    uint64_t octets;
    uint64_t crossed; /* requests whose pages had been sent */
};

struct xlm_further {
    struct xlm_saver *saver;
    /* A failure here fails nothing else: it has its own reason. */
    struct xlm_context ctx;
    struct xlm_channel channel;
    struct xlm_push_shared *shared; /* NULL: the push has not begun */
    pthread_t thread;
    bool runs;
    /* The pushing thread's: */
    bool warned; /* the log says that it is lost ... */
    bool told;   /* ... and the destination knows */

    /* Its own thread's. */
    struct xlm_record record;
    struct xlm_source_memory memory;
    struct xlm_page_batch batch;

    /* Guarded by the shared lock. */
    uint64_t sent;               /* pages sent over it */
    uint64_t credited;           /* the first of these, which came */
    struct xlm_sent_page *pages; /* page n is at n % most */
    uint32_t most;               /* pages under way */
    bool lost;                   /* no more pages go over it ... */
    bool ended;                  /* ... and the destination knows */
    struct xlm_further_counts counts;
};

/* Make a connection's object with room for this many pages under way.  ENOMEM;
 * dispose() also then. */
int xlm_further_init(struct xlm_further *further, struct xlm_saver *saver,
                     uint32_t most);
/* Call when its thread has ended. */
void xlm_further_dispose(struct xlm_further *further);

/* Say by this record which migration the connection belongs to, and wait for
 * the answer; given up when abort_fd is readable. */
int xlm_further_join(struct xlm_further *further, int in_fd, int out_fd,
                     int abort_fd, uint32_t type, const void *body,
                     size_t length);

/* With the lock held. */

/* Pages that may still go over it. */
uint32_t xlm_further_room(const struct xlm_further *further);
/* Note a page that goes over it now, after all those noted before. */
void xlm_further_note(struct xlm_further *further, uint64_t pfn,
                      enum xlm_push_kind kind);
/* Did pages go that may not have arrived? */
bool xlm_further_pending(const struct xlm_further *further);
/* Add to the stats what went since the last call. */
void xlm_further_count(struct xlm_further *further, struct xlm_stats *stats);
/* The destination says that only the first `pages` came.  False: that cannot
 * be. */
bool xlm_further_may_end_after(const struct xlm_further *further,
                               uint64_t pages);
/* Call after that: put all other pages into the plan again, by this function.
 * ENOMEM. */
int xlm_further_end_after(struct xlm_further *further, uint64_t pages,
                          int (*again)(struct xlm_push_plan *plan,
                                       uint64_t pfn));

/* Without the lock, by its own thread. */

/* Write the batch, the pages noted last, and count what it took. */
int xlm_further_write(struct xlm_further *further);
/* Take CREDIT.  -1: it is for pages that were not sent. */
int xlm_further_take_credit(struct xlm_further *further, uint32_t *pages);
void xlm_further_lose(struct xlm_further *further);

/*
 * By the pushing thread: true once the connection is lost or stalls and the
 * destination has to be told, over the first one; the connection is stopped
 * then, and the log says so, with `what`.
 */
bool xlm_further_must_tell(struct xlm_further *further, const char *what);

#endif
