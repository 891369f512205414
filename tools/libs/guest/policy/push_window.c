/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many pushed pages may be under way in the postcopy phase.
 */
#include "policy/push_window.h"

#include "policy/page.h"

/* While the guest makes requests, a quarter more is under way than fills the
 * path, and what the path carries while a thread is late by this time:
 * otherwise the path would run empty each time. */
#define ASKED_GAIN_QUARTERS 5
#define ASKED_LATE_US 25
/* While the guest is calm, and while the rate is not known: twice that, which
 * finds a rate that is twice as high in one round trip. */
#define CALM_GAIN_QUARTERS 8
#define CALM_LATE_US 1000
/* The rate is known when this many rounds found none that is a quarter
 * better. */
#define ROUNDS_ALIKE 3
/* The window holds at least this many sendings, unless they have the smallest
 * size. */
#define SENDINGS_IN_WINDOW 4
/* A guest without requests is calm after this number of round trips, within
 * these bounds of time. */
#define CALM_ROUNDS 100
#define CALM_LEAST_US 50000
#define CALM_MOST_US 1000000
/* All that can be timed. */
#define CALM_MOST (XLM_PUSH_WINDOW_SENDINGS * XLM_PUSH_WINDOW_SENDING_MOST)

static void begin_round(struct xlm_push_window *window, uint64_t now_us)
{
    window->round_us = now_us;
    window->round_sum_us = 0;
    window->round_sendings = 0;
    window->round_octets = 0;
    window->round_full = false;
}

static void look_again(struct xlm_push_window *window, uint64_t now_us)
{
    window->pages = window->calm_pages = XLM_PUSH_WINDOW_SENDING;
    window->rounds_alike = 0;
    window->empty_us = 0;
    window->looked_us = now_us;
    begin_round(window, now_us);
}

/* A requested page waits behind one sending at least, and each sending costs
 * both ends time: small ones when little may be under way, large ones when a
 * sending is a small part of that.  Sizes are doubled step by step: no sending
 * crosses an aligned boundary, and other sizes would leave ends of a few
 * pages. */
static uint32_t sending_pages(uint32_t window)
{
    uint32_t pages = XLM_PUSH_WINDOW_SENDING;

    while (pages < XLM_PUSH_WINDOW_SENDING_MOST &&
           2 * pages * SENDINGS_IN_WINDOW <= window) {
        pages *= 2;
    }
    return pages;
}

/* A request can find the whole window before it, and then wait for one sending
 * that has its turn with credit that came meanwhile. */
void xlm_push_window_init(struct xlm_push_window *window, uint32_t most,
                          bool grows)
{
    uint32_t turn = sending_pages(most);

    *window = (struct xlm_push_window){
        .grows = grows,
        .max_pages = most > XLM_PUSH_WINDOW_SENDING + turn
                         ? most - turn
                         : XLM_PUSH_WINDOW_SENDING,
    };
    look_again(window, 0);
}

uint32_t xlm_push_window_pages(const struct xlm_push_window *window)
{
    /* While the empty path is being measured, send nothing extra. */
    if (!window->calm || !window->empty_us) {
        return window->pages;
    }
    return window->calm_pages > XLM_PUSH_WINDOW_CALM ? window->calm_pages
                                                     : XLM_PUSH_WINDOW_CALM;
}

uint64_t xlm_push_window_calm_us(const struct xlm_push_window *window)
{
    uint64_t us = CALM_ROUNDS * window->empty_us;

    if (!window->empty_us || us > CALM_MOST_US) {
        return CALM_MOST_US;
    }
    return us < CALM_LEAST_US ? CALM_LEAST_US : us;
}

/* The pages of full length that weigh as much as all that is under way. */
static uint64_t full_pages(const struct xlm_push_window *window)
{
    return (window->weight + XLM_PAGE_SIZE - 1) / XLM_PAGE_SIZE;
}

uint32_t xlm_push_window_room(struct xlm_push_window *window)
{
    uint32_t pages = xlm_push_window_pages(window);
    uint32_t sending = sending_pages(pages);
    uint64_t under_way = full_pages(window);

    if (window->nr_sendings < XLM_PUSH_WINDOW_SENDINGS) {
        if (under_way + sending <= pages) {
            return sending;
        }
        if (under_way < XLM_PUSH_WINDOW_SENDING) {
            return XLM_PUSH_WINDOW_SENDING;
        }
    }
    window->round_full = true;
    return 0;
}

void xlm_push_window_sent(struct xlm_push_window *window, uint32_t pages,
                          uint64_t now_us)
{
    uint32_t slot =
        (window->first + window->nr_sendings) % XLM_PUSH_WINDOW_SENDINGS;
    uint64_t octets = (uint64_t)pages * XLM_PAGE_SIZE;

    window->in_flight += pages;
    window->weight += octets;
    /* More sendings than can be timed: they count, and the push waits. */
    window->last_timed = window->nr_sendings < XLM_PUSH_WINDOW_SENDINGS;
    if (window->last_timed) {
        window->sendings[slot] = (struct xlm_push_sending){
            .sent_us = now_us,
            .pages = pages,
            .uncredited = pages,
            .octets = octets,
            .weight = octets,
        };
        window->nr_sendings++;
    }
}

void xlm_push_window_took(struct xlm_push_window *window, uint64_t octets)
{
    struct xlm_push_sending *last =
        &window->sendings[(window->first + window->nr_sendings - 1) %
                          XLM_PUSH_WINDOW_SENDINGS];
    uint64_t weight;

    if (!window->nr_sendings || !window->last_timed) {
        return;
    }
    if (octets < last->octets) {
        last->octets = octets;
    }
    weight = (uint64_t)last->pages * XLM_PUSH_WINDOW_LEAST_OCTETS;
    if (weight < last->octets) {
        weight = last->octets;
    }
    weight = weight * last->uncredited / last->pages;
    window->weight += weight - last->weight;
    last->weight = weight;
}

/* ---- what a round trip tells ---- */

static uint64_t best_rate(const struct xlm_push_window *window)
{
    uint64_t best = 0;

    for (uint32_t i = 0; i < XLM_PUSH_WINDOW_ROUNDS; i++) {
        best = window->rates[i] > best ? window->rates[i] : best;
    }
    return best;
}

/* The pages under way that fill the path this many times, and that it carries
 * while a thread is late; plus a sending, because a sending counts as under
 * way until all of it has come. */
static uint32_t fill(const struct xlm_push_window *window, uint64_t rate,
                     uint64_t quarters, uint64_t late_us, uint32_t most)
{
    uint64_t us = window->empty_us * quarters / 4 + late_us;
    uint64_t pages = rate * us / 1000000 / XLM_PAGE_SIZE;

    pages = pages < most ? pages : most;
    pages += sending_pages(pages);
    return pages < most ? pages : most;
}

/* Less than fills a long path would leave that idle most of the time. */
static uint32_t most_pages(const struct xlm_push_window *window)
{
    uint64_t most = (uint64_t)window->max_pages * XLM_PUSH_WINDOW_LONG_TIMES;

    if (!window->grows || window->empty_us < XLM_PUSH_WINDOW_LONG_US) {
        return window->max_pages;
    }
    return most < CALM_MOST ? most : CALM_MOST;
}

static void set_windows(struct xlm_push_window *window)
{
    uint64_t rate = best_rate(window);
    bool known = window->rounds_alike >= ROUNDS_ALIKE;

    window->calm_pages =
        fill(window, rate, CALM_GAIN_QUARTERS, CALM_LATE_US, CALM_MOST);
    window->pages =
        fill(window, rate, known ? ASKED_GAIN_QUARTERS : CALM_GAIN_QUARTERS,
             ASKED_LATE_US, most_pages(window));
}

/* A round in which there was always room only tells of a better rate: the path
 * could have carried more. */
static void take_rate(struct xlm_push_window *window, uint64_t now_us)
{
    uint64_t us = now_us > window->round_us ? now_us - window->round_us : 1;
    uint64_t rate = window->round_octets * UINT64_C(1000000) / us;
    uint64_t best = best_rate(window);

    if (!window->round_full && rate < best) {
        return;
    }
    window->rounds_alike =
        rate > best + best / 4 ? 0 : window->rounds_alike + 1;
    window->rates[window->next_rate] = rate;
    window->next_rate = (window->next_rate + 1) % XLM_PUSH_WINDOW_ROUNDS;
}

/* A round trip is over. */
static void end_round(struct xlm_push_window *window, uint64_t now_us)
{
    if (now_us - window->looked_us > XLM_PUSH_WINDOW_BELIEVED_US) {
        look_again(window, now_us);
        return;
    }
    take_rate(window, now_us);
    set_windows(window);
    begin_round(window, now_us);
}

/* Forget the former rates: the path may have changed. */
static void end_look(struct xlm_push_window *window, uint64_t now_us)
{
    window->empty_us = window->round_sum_us / window->round_sendings + 1;
    for (uint32_t i = 0; i < XLM_PUSH_WINDOW_ROUNDS; i++) {
        window->rates[i] = 0;
    }
    window->rates[0] =
        window->round_octets * UINT64_C(1000000) / (window->round_sum_us + 1);
    set_windows(window);
    begin_round(window, now_us);
}

/* While a long path is measured, most of what it could carry does not go. */
static bool has_looked(const struct xlm_push_window *window)
{
    return window->round_sendings == XLM_PUSH_WINDOW_LOOK ||
           (window->round_sendings >= XLM_PUSH_WINDOW_LOOK_LEAST &&
            window->round_sum_us >= XLM_PUSH_WINDOW_LOOK_US);
}

/* Learn from a sending, all of whose pages have come. */
static void learn(struct xlm_push_window *window,
                  const struct xlm_push_sending *sending, uint64_t now_us)
{
    bool of_round = sending->sent_us >= window->round_us;

    if (window->empty_us) {
        window->round_octets += sending->octets;
        if (of_round) {
            end_round(window, now_us);
        }
    } else if (of_round) {
        window->round_sum_us += now_us - sending->sent_us;
        window->round_octets += sending->octets;
        window->round_sendings++;
        if (has_looked(window)) {
            end_look(window, now_us);
        }
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
        uint64_t weight = oldest->weight * part / oldest->uncredited;

        pages -= part;
        oldest->uncredited -= part;
        oldest->weight -= weight;
        window->weight -= weight;
        if (!oldest->uncredited) {
            learn(window, oldest, now_us);
            window->first = (window->first + 1) % XLM_PUSH_WINDOW_SENDINGS;
            window->nr_sendings--;
        }
    }
    /* Sendings that were not timed. */
    window->weight -= (uint64_t)pages * XLM_PAGE_SIZE;
    return 0;
}
