/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which page goes next in the postcopy phase: pure policy, no I/O, no locks.
 *
 * Requested pages go first, in the order of the requests, each with its
 * neighbours (policy/neighbours.h says how many).  All others are the
 * background.  They are of two kinds, which take turns: pages that the guest
 * wrote last, because the guest is likely to need them again; and pages
 * outwards from the last requests, because the guest is at work there.  It can
 * be at work in several places, so several take turns.
 */
#ifndef XLM_PUSH_PLAN_H
#define XLM_PUSH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/neighbours.h"
#include "policy/pfn_set.h"

/* Pages that are handed out together never cross a multiple of this number of
 * pages: 1 GiB. */
#define XLM_PUSH_ALIGN (1u << 18)

/* Most places to push from. */
#define XLM_PUSH_PIVOTS 4

/* How many sets say what was written last. */
#define XLM_PUSH_RECENT 4

/* How many words of these sets one call looks at.  Where the sets have few
 * pages left, pages outwards go instead for a turn. */
#define XLM_PUSH_RECENT_WORDS 4096

struct xlm_push_tuning {
    /* The neighbours of a request; if they adapt, only of the first ones.  The
     * background goes outwards in the same proportion. */
    struct xlm_neighbours neighbours;
    bool adapt;
    bool background; /* false: push neighbours only */
    uint32_t share;  /* requests between turns of the background */
};

enum xlm_push_kind {
    XLM_PUSH_NOTHING,
    XLM_PUSH_REQUESTED, /* one page, on which a fault waits */
    XLM_PUSH_NEIGHBOURS,
    XLM_PUSH_BACKGROUND,
};

/* A place where the guest is at work. */
struct xlm_push_pivot {
    uint64_t up;                      /* next pfn to consider, upwards ... */
    uint64_t down;                    /* ... and downwards */
    uint64_t neighbours_end;          /* neighbours are below this ... */
    uint64_t neighbours_begin;        /* ... and not below this */
    struct xlm_neighbours neighbours; /* of the next request here */
    uint32_t in_cycle; /* pages pushed, of the present after + before */
    uint64_t pfn;      /* the last request here */
    uint64_t asked;    /* number of that request */
};

struct xlm_push_plan {
    struct xlm_push_tuning tuning;
    struct xlm_pfn_set outstanding; /* not yet handed out */
    struct xlm_pfn_set queued;      /* outstanding, and in the queue */
    /* Requested at any time, if xlm_push_plan_remember() was called. */
    struct xlm_pfn_set asked_for;
    uint64_t *queue; /* a ring of requests */
    size_t queue_room;
    size_t queue_head;
    size_t queue_length;
    size_t urgent; /* at the head of the queue: only these go first */
    /* The first pivot is made at the first request or push; it is then the
     * bottom of memory. */
    struct xlm_push_pivot pivots[XLM_PUSH_PIVOTS];
    size_t nr_pivots;
    /* index of the pivot that is pushed from next */
    size_t turn;
    struct xlm_neighbours neighbours; /* of a request at a new pivot */
    uint64_t asked;                   /* requests handed out */
    uint32_t requested; /* pages requested since the background's last turn */
    /* The caller's: what the guest wrote, the latest first; NULL: not known,
     * or not used.  A pfn may be in more than one. */
    const struct xlm_pfn_set *recent[XLM_PUSH_RECENT];
    size_t recent_set;  /* all sets before this are handed out ... */
    uint64_t recent_at; /* ... and of this set all pfns below this */
    bool after_recent;  /* the background's last pages were from these */
};

#define XLM_PUSH_PLAN_EMPTY ((struct xlm_push_plan){.queue = NULL})

/* Make room for a plan about pfns below the limit, of which none is
 * outstanding yet.  ENOMEM. */
int xlm_push_plan_init(struct xlm_push_plan *plan, uint64_t limit,
                       const struct xlm_push_tuning *tuning);
/* These are the pages that the destination lacks, all below the limit.  The
 * plan takes the set over and leaves an empty one without room. */
void xlm_push_plan_begin(struct xlm_push_plan *plan,
                         struct xlm_pfn_set *outstanding);
void xlm_push_plan_dispose(struct xlm_push_plan *plan);

/* Request a page on which a fault waits.  Nothing changes if it is queued
 * already.  A page that is not outstanding is under way: the request then only
 * tells where the guest is at work.  ENOMEM. */
int xlm_push_plan_request(struct xlm_push_plan *plan, uint64_t pfn);

/* Request a page that a back end waits for.  Back ends give up sooner than
 * guests: the page goes before all that guests wait for, and before the
 * background's turn.  ENOMEM. */
int xlm_push_plan_urge(struct xlm_push_plan *plan, uint64_t pfn);

/* Drop a page that is not needed any more; false: it was handed out before. */
bool xlm_push_plan_drop(struct xlm_push_plan *plan, uint64_t pfn);

/* Hand out this requested page before all queued ones.  False: it is not
 * outstanding, so it is under way. */
bool xlm_push_plan_take(struct xlm_push_plan *plan, uint64_t pfn);

/* Remember which pages are requested, also of those that are under way, for
 * xlm_push_plan_put_back().  Call before the first request.  ENOMEM. */
int xlm_push_plan_remember(struct xlm_push_plan *plan);

/* A page that was requested and handed out did not arrive: make it outstanding
 * and requested again.  ENOMEM. */
int xlm_push_plan_return(struct xlm_push_plan *plan, uint64_t pfn);

/* A page that was handed out did not arrive: make it outstanding again, and
 * requested if a request is remembered.  ENOMEM: it is outstanding all the
 * same. */
int xlm_push_plan_put_back(struct xlm_push_plan *plan, uint64_t pfn);

/*
 * Hand out the next pages, which are not outstanding any more then: one
 * requested page, or up to `room` others.  *count is 0 if and only if the
 * function returns XLM_PUSH_NOTHING.
 */
enum xlm_push_kind xlm_push_plan_next(struct xlm_push_plan *plan, size_t room,
                                      uint64_t *pfns, size_t *count);

/* The same without requested pages: these go over another connection. */
enum xlm_push_kind xlm_push_plan_next_unasked(struct xlm_push_plan *plan,
                                              size_t room, uint64_t *pfns,
                                              size_t *count);

#endif
