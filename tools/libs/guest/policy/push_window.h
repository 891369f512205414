/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many pushed pages may be under way in the postcopy phase: pure policy.
 *
 * A requested page queues behind the pages under way.  So their number is
 * limited to what the path takes without queueing.  As long as credit comes
 * back in not much more time than on an empty path, there may be more pages;
 * when credit takes longer, pages wait somewhere on the path, and there have
 * to be fewer.
 *
 * The policy compares means over one round trip or more: on busy hosts single
 * times are mostly noise.  It measures the empty path first, and again now and
 * then, with one sending at a time.
 *
 * Not thread safe; the caller has the clock and the lock.
 */
#ifndef XLM_PUSH_WINDOW_H
#define XLM_PUSH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Smallest sending, in pages.  This many may always be under way. */
#define XLM_PUSH_WINDOW_SENDING 8
/* The same while the guest is idle: no requested page queues behind them. */
#define XLM_PUSH_WINDOW_CALM 64
/* Largest sending, in pages. */
#define XLM_PUSH_WINDOW_SENDING_MOST 128
/* Most sendings under way that are timed. */
#define XLM_PUSH_WINDOW_SENDINGS 256
/* Sendings in a measurement of the empty path ... */
#define XLM_PUSH_WINDOW_LOOK 8
/* ... and how long its result holds: the path may change. */
#define XLM_PUSH_WINDOW_BELIEVED_US 10000000

struct xlm_push_window {
    bool calm;      /* the guest is idle: no request for a while */
    uint32_t pages; /* how many may be under way */
    uint32_t most;  /* limit of `pages`, and of neighbours */
    uint32_t in_flight;
    uint64_t empty_us;  /* round trip of the empty path; 0: being measured */
    uint64_t looked_us; /* when that measurement began */
    bool opening;       /* no round trip was slow since then */
    /* Of the current round trip, or of the measurement: */
    uint64_t round_us;     /* when it began; sendings before that ... */
    bool heed_before;      /* ... count as well, or tell nothing new */
    uint64_t round_sum_us; /* sum of its sendings' times */
    uint32_t round_sendings;
    uint32_t round_pages;
    struct xlm_push_sending {
        uint64_t sent_us;
        uint32_t pages;
        uint32_t uncredited;
    } sendings[XLM_PUSH_WINDOW_SENDINGS]; /* a ring, the oldest at `first` */
    uint32_t first;
    uint32_t nr_sendings;
};

/* A requested page is never behind more than `most` pages, or three times
 * XLM_PUSH_WINDOW_SENDING if that is more, plus one sending for every turn of
 * the background but the first that it waits for. */
void xlm_push_window_init(struct xlm_push_window *window, uint32_t most);
/* How many pages may be pushed now, in one sending; 0: none.  Neighbours count
 * as well: a request can still overtake pages that are not under way. */
uint32_t xlm_push_window_room(const struct xlm_push_window *window);
/* Report a sending, of requested or pushed pages. */
void xlm_push_window_sent(struct xlm_push_window *window, uint32_t pages,
                          uint64_t now_us);
/* Report credit, for the oldest pages under way: part of a sending, or
 * several. -1: fewer pages are under way. */
int xlm_push_window_credited(struct xlm_push_window *window, uint32_t pages,
                             uint64_t now_us);

#endif
