/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How much may be under way unasked in the postcopy phase: pure policy.
 *
 * What is under way is what a requested page queues behind.  So it is kept to
 * what the path takes without queueing: as long as credit comes back in not
 * much more time than when hardly anything was under way, there may be more;
 * when it takes longer the pages wait somewhere, and there have to be fewer.
 *
 * Means are compared, of a round trip or several: single times are as much the
 * noise of busy hosts as anything.  What the path takes when it is empty is
 * looked at first and now and then, with one sending at a time.
 *
 * Not thread safe; the caller has the clock and the lock.
 */
#ifndef XLM_PUSH_WINDOW_H
#define XLM_PUSH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Pages that go at once, at the least.  So many may always be under way. */
#define XLM_PUSH_WINDOW_SENDING 8
/* The same while nobody asks for anything: nobody waits behind them. */
#define XLM_PUSH_WINDOW_CALM 64
/* Pages that go at once, at the most. */
#define XLM_PUSH_WINDOW_SENDING_MOST 128
/* Sendings under way whose time is taken. */
#define XLM_PUSH_WINDOW_SENDINGS 256
/* Sendings that a look at the empty path is made of ... */
#define XLM_PUSH_WINDOW_LOOK 8
/* ... and how long it is believed: the path may have changed. */
#define XLM_PUSH_WINDOW_BELIEVED_US 10000000

struct xlm_push_window {
    bool calm;      /* the guest has not asked for anything for a while */
    uint32_t pages; /* may be under way */
    uint32_t most;  /* what `pages` may be, and neighbours never exceed */
    uint32_t in_flight;
    uint64_t empty_us;  /* what the empty path takes; 0: looking at it */
    uint64_t looked_us; /* when that began */
    bool opening;       /* no round trip was slow since */
    /* Of the round trip under way, or the look: */
    uint64_t round_us;     /* when it began; what was sent before it ... */
    bool heed_before;      /* ... counts as well, or tells nothing new */
    uint64_t round_sum_us; /* what its sendings took */
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

/* What is requested is never behind more than `most` pages, or three times
 * XLM_PUSH_WINDOW_SENDING where that is more, and one sending for every turn
 * of the background after the first that it waits for. */
void xlm_push_window_init(struct xlm_push_window *window, uint32_t most);
/* How many pages may go now unasked, in one sending; 0: none.  Those beside
 * requested ones are no exception: what is not under way yet can still be
 * overtaken by a request. */
uint32_t xlm_push_window_room(const struct xlm_push_window *window);
/* So many pages go at once, asked for or not. */
void xlm_push_window_sent(struct xlm_push_window *window, uint32_t pages,
                          uint64_t now_us);
/* Credit for so many pages has come: the oldest under way, part of a sending
 * or several.  Returns -1 when not so many are under way. */
int xlm_push_window_credited(struct xlm_push_window *window, uint32_t pages,
                             uint64_t now_us);

#endif
