/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which page goes next in the postcopy phase: pure policy, no I/O, no locks.
 *
 * Pages that the guest waits for go first, in the order in which they were
 * asked for, and the neighbours of each go along with it: policy/neighbours.h
 * says how many.  All else is the background.  It has what the guest wrote
 * last, which it is likely to need again, and what lies outwards from the
 * pages that were asked for last, since that is where the guest is at work:
 * from several places, in turn, since it can be at work in several.
 */
#ifndef XLM_PUSH_PLAN_H
#define XLM_PUSH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/neighbours.h"
#include "policy/pfn_set.h"

/* Pages that are handed out together never lie on both sides of a boundary of
 * so many pages: 1 GiB. */
#define XLM_PUSH_ALIGN (1u << 18)

/* Places that are pushed from at the most. */
#define XLM_PUSH_PIVOTS 4

/* How finely it is told what was written last. */
#define XLM_PUSH_RECENT 4

/* Words of these sets that are looked at for one call: where little of them is
 * left, what lies outwards goes for a turn. */
#define XLM_PUSH_RECENT_WORDS 4096

struct xlm_push_tuning {
    /* Of a request; at first, where they adapt.  The background goes outwards
     * in the same proportion. */
    struct xlm_neighbours neighbours;
    bool adapt;
    bool background; /* else only neighbours go unasked */
    uint32_t share;  /* the background has its turn after so many requests */
};

enum xlm_push_kind {
    XLM_PUSH_NOTHING,
    XLM_PUSH_REQUESTED, /* one page, waited for */
    XLM_PUSH_NEIGHBOURS,
    XLM_PUSH_BACKGROUND,
};

/* A place where the guest is at work. */
struct xlm_push_pivot {
    uint64_t up;                      /* next pfn to look at, upwards ... */
    uint64_t down;                    /* ... and downwards */
    uint64_t window_end;              /* neighbours are below this ... */
    uint64_t window;                  /* ... and not below this */
    struct xlm_neighbours neighbours; /* of the next request here */
    uint32_t in_cycle; /* pages pushed of the present after + before */
    uint64_t pfn;      /* the last that was asked for here */
    uint64_t asked;    /* the number of that request */
};

struct xlm_push_plan {
    struct xlm_push_tuning tuning;
    struct xlm_pfn_set outstanding; /* not yet handed out */
    struct xlm_pfn_set queued;      /* outstanding and in the queue */
    uint64_t *queue;                /* a ring of requests */
    size_t queue_room;
    size_t queue_head;
    size_t queue_length;
    size_t urgent; /* those at its head that nothing else goes before */
    /* Before the first request there is none, and the first of these is the
     * bottom of memory. */
    struct xlm_push_pivot pivots[XLM_PUSH_PIVOTS];
    size_t nr_pivots;
    size_t turn;                      /* the pivot that is pushed from next */
    struct xlm_neighbours neighbours; /* of a request at a new place */
    uint64_t asked;                   /* requests handed out */
    uint32_t requested; /* pages requested since the background's turn */
    /* The caller's: what the guest wrote, the last of it first; NULL: not
     * known, or not to be heeded.  They may have a pfn more than once. */
    const struct xlm_pfn_set *recent[XLM_PUSH_RECENT];
    size_t recent_set;  /* all of those before were handed out ... */
    uint64_t recent_at; /* ... and of this those below */
    bool after_recent;  /* some of them were the background's last */
};

#define XLM_PUSH_PLAN_EMPTY ((struct xlm_push_plan){.queue = NULL})

/* A plan for these pages, which the destination lacks.  The set becomes the
 * plan's, and an empty one without room is left.  ENOMEM: it stays as it is.
 */
int xlm_push_plan_init(struct xlm_push_plan *plan,
                       struct xlm_pfn_set *outstanding,
                       const struct xlm_push_tuning *tuning);
void xlm_push_plan_dispose(struct xlm_push_plan *plan);

/* The guest waits for this page.  One that is queued already changes nothing,
 * and one that is not outstanding is under way: it only tells where the guest
 * is.  ENOMEM. */
int xlm_push_plan_request(struct xlm_push_plan *plan, uint64_t pfn);

/* The same of a page that a back end waits for, with less patience than a
 * guest has: it goes before what the guest waits for, and before the
 * background's share.  ENOMEM. */
int xlm_push_plan_urge(struct xlm_push_plan *plan, uint64_t pfn);

/* Nobody wants this page any more; false: it was handed out before. */
bool xlm_push_plan_drop(struct xlm_push_plan *plan, uint64_t pfn);

/* Hand out this page, which the guest waits for, ahead of all that are queued.
 * False: it is not outstanding, which is under way then. */
bool xlm_push_plan_take(struct xlm_push_plan *plan, uint64_t pfn);

/* A page that was asked for and handed out did not arrive: it is outstanding
 * again, and asked for.  ENOMEM. */
int xlm_push_plan_return(struct xlm_push_plan *plan, uint64_t pfn);

/*
 * Hand out the next pages and take them off the outstanding set: a requested
 * one, or up to `room` that nobody waits for.  *count is 0 exactly when the
 * answer is XLM_PUSH_NOTHING.
 */
enum xlm_push_kind xlm_push_plan_next(struct xlm_push_plan *plan, size_t room,
                                      uint64_t *pfns, size_t *count);

#endif
