/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many pushed pages may be under way in the postcopy phase: pure policy.
 *
 * A requested page queues behind all pages that are under way.  Pages of
 * zeroes and compressed ones are shorter on the wire, so pages are weighed:
 * windows are in pages of full length.  The product of a path's rate and its
 * round trip while it is empty fills the path; pages beyond that wait in a
 * queue.  So the policy measures both.  It measures the empty path first, and
 * again now and then, with one sending at a time.  The rate is that of credit,
 * the best of the last round trips: lower ones are mostly noise of busy hosts.
 *
 * While the guest requests pages, little more is under way than fills the
 * path.  While it is idle no vCPU waits: then the pages of a round trip more
 * are under way, and of the time for which the threads of both ends may be
 * late.
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
/* Sendings in a measurement of the empty path; by a path whose round trips
 * together take this time, at least these. */
#define XLM_PUSH_WINDOW_LOOK 8
#define XLM_PUSH_WINDOW_LOOK_US 100000
#define XLM_PUSH_WINDOW_LOOK_LEAST 2
/* A round trip from which on a path is long: what fills it may then be this
 * many times as much as else may be under way. */
#define XLM_PUSH_WINDOW_LONG_US 20000
#define XLM_PUSH_WINDOW_LONG_TIMES 16
/* A page weighs at least this many octets: one of zeroes is next to nothing on
 * the wire, but costs the destination nearly as much work as any other. */
#define XLM_PUSH_WINDOW_LEAST_OCTETS 512
/* How long the result of that holds: the path may change. */
#define XLM_PUSH_WINDOW_BELIEVED_US 10000000
/* Round trips whose best rate counts. */
#define XLM_PUSH_WINDOW_ROUNDS 8

struct xlm_push_window {
    bool calm;           /* the guest is idle: no request for a while */
    uint32_t pages;      /* how many may be under way while it is not ... */
    uint32_t calm_pages; /* ... and while it is */
    uint32_t max_pages;  /* limit of `pages`, and of neighbours */
    bool grows;          /* ... which a long path may exceed */
    uint32_t in_flight;  /* pages under way, of any length ... */
    uint64_t weight;     /* ... and their weight in octets */
    uint64_t empty_us;   /* round trip of the empty path; 0: being measured */
    uint64_t looked_us;  /* when that measurement began */
    /* Round trips in a row that brought no much better rate: after a few the
     * rate is known. */
    uint32_t rounds_alike;
    /* The current round trip, or the measurement: */
    uint64_t round_us;     /* when it began */
    uint64_t round_sum_us; /* sum of its sendings' times (measurement) */
    uint32_t round_sendings;
    uint64_t round_octets; /* of which all came */
    bool round_full;       /* there was no room for a sending */
    /* Octets a second of the last rounds, a ring. */
    uint64_t rates[XLM_PUSH_WINDOW_ROUNDS];
    uint32_t next_rate;
    struct xlm_push_sending {
        uint64_t sent_us;
        uint32_t pages;
        uint32_t uncredited;
        uint64_t octets; /* on the wire, no more than whole pages have */
        uint64_t weight; /* of the uncredited pages */
    } sendings[XLM_PUSH_WINDOW_SENDINGS]; /* a ring, the oldest at `first` */
    uint32_t first;
    uint32_t nr_sendings;
    bool last_timed; /* the last sending is in the ring */
};

/* Unless the guest is idle, a requested page is never behind more than `most`
 * pages of full length, or three times XLM_PUSH_WINDOW_SENDING if that is
 * more, plus one sending for every turn of the background but the first that
 * it waits for.  With `grows` and a long path that holds for
 * XLM_PUSH_WINDOW_LONG_TIMES as many: pages that fill the path are no
 * queue. */
void xlm_push_window_init(struct xlm_push_window *window, uint32_t most,
                          bool grows);
/* How many pages of full length may be under way now, in all. */
uint32_t xlm_push_window_pages(const struct xlm_push_window *window);
/* The guest is idle when no request has come for this time: for many round
 * trips, of which a wrong guess costs the guest one. */
uint64_t xlm_push_window_calm_us(const struct xlm_push_window *window);
/* How many pages may be pushed now, in one sending; 0: none.  Neighbours count
 * as well: a request can still overtake pages that are not under way. */
uint32_t xlm_push_window_room(struct xlm_push_window *window);
/* Report a sending, of requested or pushed pages, which counts with its full
 * length. */
void xlm_push_window_sent(struct xlm_push_window *window, uint32_t pages,
                          uint64_t now_us);
/* Report how many octets that sending was on the wire. */
void xlm_push_window_took(struct xlm_push_window *window, uint64_t octets);
/* Report credit, for the oldest pages under way: part of a sending, or
 * several. -1: fewer pages are under way. */
int xlm_push_window_credited(struct xlm_push_window *window, uint32_t pages,
                             uint64_t now_us);

#endif
