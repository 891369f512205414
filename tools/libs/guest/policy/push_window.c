/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How much may be under way unasked in the postcopy phase.
 */
#include "policy/push_window.h"

/* What a round trip may take beside twice the empty path's. */
#define GRACE_US 1000
/* A slow round trip takes away one page of so many. */
#define SHRINK 8
/* The window holds so many sendings at the least, where they are not at their
 * least themselves. */
#define SENDINGS_IN_WINDOW 4

static void begin_round(struct xlm_push_window *window, bool heed_before,
                        uint64_t now_us)
{
    window->round_us = now_us;
    window->heed_before = heed_before;
    window->round_sum_us = 0;
    window->round_sendings = 0;
    window->round_pages = 0;
}

static void look_again(struct xlm_push_window *window, uint64_t now_us)
{
    window->pages = XLM_PUSH_WINDOW_SENDING;
    window->opening = true;
    window->empty_us = 0;
    window->looked_us = now_us;
    begin_round(window, false, now_us);
}

/* What is asked for waits behind one sending at least, and each costs both
 * ends their time: small ones where little may be under way, large ones where
 * that is a small part of it.  Doubled step by step: no sending crosses an
 * aligned boundary, and others would leave ends of a few pages over. */
static uint32_t sending_pages(uint32_t window)
{
    uint32_t pages = XLM_PUSH_WINDOW_SENDING;

    while (pages < XLM_PUSH_WINDOW_SENDING_MOST &&
           2 * pages * SENDINGS_IN_WINDOW <= window) {
        pages *= 2;
    }
    return pages;
}

/* A request can find all of the window before it, and then wait for a sending
 * that has its turn, with what credit came meanwhile. */
void xlm_push_window_init(struct xlm_push_window *window, uint32_t most)
{
    uint32_t turn = sending_pages(most);

    *window = (struct xlm_push_window){
        .most = most > XLM_PUSH_WINDOW_SENDING + turn
                    ? most - turn
                    : XLM_PUSH_WINDOW_SENDING,
    };
    look_again(window, 0);
}

/* How many may be under way now. */
static uint32_t pages_now(const struct xlm_push_window *window)
{
    uint32_t calm = window->most < XLM_PUSH_WINDOW_CALM ? window->most
                                                        : XLM_PUSH_WINDOW_CALM;

    /* Who looks at the empty path leaves it empty. */
    return window->calm && window->empty_us && window->pages < calm
               ? calm
               : window->pages;
}

uint32_t xlm_push_window_room(const struct xlm_push_window *window)
{
    uint32_t pages = pages_now(window);
    uint32_t sending = sending_pages(pages);

    if (window->nr_sendings == XLM_PUSH_WINDOW_SENDINGS) {
        return 0;
    }
    if (window->in_flight + sending <= pages) {
        return sending;
    }
    return window->in_flight < XLM_PUSH_WINDOW_SENDING
               ? XLM_PUSH_WINDOW_SENDING
               : 0;
}

void xlm_push_window_sent(struct xlm_push_window *window, uint32_t pages,
                          uint64_t now_us)
{
    uint32_t slot =
        (window->first + window->nr_sendings) % XLM_PUSH_WINDOW_SENDINGS;

    window->in_flight += pages;
    /* More requests than can be timed: they count, and the push waits. */
    if (window->nr_sendings < XLM_PUSH_WINDOW_SENDINGS) {
        window->sendings[slot] = (struct xlm_push_sending){
            .sent_us = now_us,
            .pages = pages,
            .uncredited = pages,
        };
        window->nr_sendings++;
    }
}

static void shrink(struct xlm_push_window *window)
{
    window->pages -= window->pages / SHRINK;
    if (window->pages < XLM_PUSH_WINDOW_SENDING) {
        window->pages = XLM_PUSH_WINDOW_SENDING;
    }
    window->opening = false;
}

static void grow(struct xlm_push_window *window, uint32_t pages)
{
    window->pages = window->most - window->pages > pages
                        ? window->pages + pages
                        : window->most;
}

/* A round trip is over. */
static void judge(struct xlm_push_window *window, uint64_t now_us)
{
    uint64_t took_us = window->round_sum_us / window->round_sendings;
    bool slow = took_us > 2 * window->empty_us + GRACE_US;

    if (now_us - window->looked_us > XLM_PUSH_WINDOW_BELIEVED_US) {
        look_again(window, now_us);
        return;
    }
    if (slow) {
        shrink(window);
    } else {
        grow(window,
             window->opening ? window->round_pages : window->round_sendings);
    }
    /* What waits in a queue now will be late for that reason alone. */
    begin_round(window, !slow, now_us);
}

static void end_look(struct xlm_push_window *window, uint64_t now_us)
{
    window->empty_us = window->round_sum_us / window->round_sendings + 1;
    begin_round(window, true, now_us);
}

static void learn(struct xlm_push_window *window,
                  const struct xlm_push_sending *sending, uint64_t now_us)
{
    bool of_round = sending->sent_us >= window->round_us;

    if (!of_round && !window->heed_before) {
        return;
    }
    window->round_sum_us += now_us - sending->sent_us;
    window->round_sendings++;
    window->round_pages += sending->pages;
    if (window->empty_us && of_round) {
        judge(window, now_us);
    } else if (!window->empty_us &&
               window->round_sendings == XLM_PUSH_WINDOW_LOOK) {
        end_look(window, now_us);
    }
}

int xlm_push_window_credited(struct xlm_push_window *window, uint32_t pages,
                             uint64_t now_us)
{
    if (pages > window->in_flight) {
        return -1;
    }
    window->in_flight -= pages;
    while (pages && window->nr_sendings) {
        struct xlm_push_sending *oldest = &window->sendings[window->first];
        uint32_t part =
            pages < oldest->uncredited ? pages : oldest->uncredited;

        pages -= part;
        oldest->uncredited -= part;
        if (!oldest->uncredited) {
            learn(window, oldest, now_us);
            window->first = (window->first + 1) % XLM_PUSH_WINDOW_SENDINGS;
            window->nr_sendings--;
        }
    }
    if (!window->in_flight) {
        window->nr_sendings = 0; /* what was not timed is back as well */
    }
    return 0;
}
