/*
 * Which page goes next in the postcopy phase: pure policy, no I/O, no locks.
 *
 * Pages that the guest waits for go first, in the order in which they were
 * asked for.  What is pushed unasked spreads outwards from the pages that were
 * asked for last, since that is where the guest is at work: from several, in
 * turn, since it can be at work in several places.
 */
#ifndef XLM_PUSH_PLAN_H
#define XLM_PUSH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pfn_set.h"

/* A batch that is pushed never crosses a boundary of so many pages. */
#define XLM_PUSH_ALIGN 64

/* Places that are pushed from at the most. */
#define XLM_PUSH_PIVOTS 4

struct xlm_push_tuning {
    uint32_t after;  /* pages above a request pushed before ... */
    uint32_t before; /* ... so many below it, and so on in turn; not both 0 */
    uint32_t share;  /* one pushed batch after so many requested pages */
};

enum xlm_push_kind {
    XLM_PUSH_NOTHING,
    XLM_PUSH_REQUESTED, /* one page, waited for */
    XLM_PUSH_UNASKED,
};

/* A place where the guest is at work. */
struct xlm_push_pivot {
    uint64_t up;       /* next pfn to look at, upwards ... */
    uint64_t down;     /* ... and downwards */
    uint32_t in_cycle; /* pages pushed of the present after + before */
    uint64_t asked;    /* the number of the last request here */
};

struct xlm_push_plan {
    struct xlm_push_tuning tuning;
    struct xlm_pfn_set outstanding; /* not yet handed out */
    struct xlm_pfn_set queued;      /* outstanding and in the queue */
    uint64_t *queue;                /* a ring of requests */
    size_t queue_room;
    size_t queue_head;
    size_t queue_length;
    /* Before the first request there is none, and the first of these is the
     * bottom of memory. */
    struct xlm_push_pivot pivots[XLM_PUSH_PIVOTS];
    size_t nr_pivots;
    size_t turn;        /* the pivot that is pushed from next */
    uint64_t asked;     /* requests handed out */
    uint32_t requested; /* pages in a row that were requested */
};

#define XLM_PUSH_PLAN_EMPTY ((struct xlm_push_plan){.queue = NULL})

/* A plan for pfns below limit, all of them absent.  ENOMEM. */
int xlm_push_plan_init(struct xlm_push_plan *plan, uint64_t limit,
                       const struct xlm_push_tuning *tuning);
void xlm_push_plan_dispose(struct xlm_push_plan *plan);

/* The guest waits for this page.  One that is not outstanding, or is queued
 * already, changes nothing: it is under way.  ENOMEM. */
int xlm_push_plan_request(struct xlm_push_plan *plan, uint64_t pfn);

/*
 * Hand out the next pages, at most max, and take them off the outstanding
 * set.  Pages nobody asked for are handed out only when may_push.  *count is
 * 0 exactly when the answer is XLM_PUSH_NOTHING.
 */
enum xlm_push_kind xlm_push_plan_next(struct xlm_push_plan *plan,
                                      bool may_push, size_t max,
                                      uint64_t *pfns, size_t *count);

#endif
