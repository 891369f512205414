/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which page goes next in the postcopy phase.
 */
#include "policy/push_plan.h"

#include <stdlib.h>
#include <string.h>

/* A request belongs to a place if it is no further from what was pushed there
 * than this many times the neighbours. */
#define NEAR_NEIGHBOURS 4

int xlm_push_plan_init(struct xlm_push_plan *plan, uint64_t limit,
                       const struct xlm_push_tuning *tuning)
{
    *plan = (struct xlm_push_plan){
        .tuning = *tuning,
        .neighbours = tuning->neighbours,
    };
    return xlm_pfn_set_reserve(&plan->queued, limit);
}

void xlm_push_plan_begin(struct xlm_push_plan *plan,
                         struct xlm_pfn_set *outstanding)
{
    plan->outstanding = *outstanding;
    *outstanding = XLM_PFN_SET_EMPTY;
}

void xlm_push_plan_dispose(struct xlm_push_plan *plan)
{
    xlm_pfn_set_dispose(&plan->outstanding);
    xlm_pfn_set_dispose(&plan->queued);
    xlm_pfn_set_dispose(&plan->asked_for);
    free(plan->queue);
    *plan = XLM_PUSH_PLAN_EMPTY;
}

static int grow_queue(struct xlm_push_plan *plan)
{
    size_t room = plan->queue_room ? 2 * plan->queue_room : 64;
    uint64_t *queue = malloc(room * sizeof(*queue));

    if (!queue) {
        return -1;
    }
    for (size_t i = 0; i < plan->queue_length; i++) {
        queue[i] = plan->queue[(plan->queue_head + i) % plan->queue_room];
    }
    free(plan->queue);
    plan->queue = queue;
    plan->queue_room = room;
    plan->queue_head = 0;
    return 0;
}

static void hand_out(struct xlm_push_plan *plan, uint64_t pfn)
{
    xlm_pfn_set_remove(&plan->outstanding, pfn);
    xlm_pfn_set_remove(&plan->queued, pfn);
}

bool xlm_push_plan_drop(struct xlm_push_plan *plan, uint64_t pfn)
{
    bool had = xlm_pfn_set_contains(&plan->outstanding, pfn);

    hand_out(plan, pfn);
    return had;
}

/* The oldest request that the push has not overtaken. */
static bool next_request(struct xlm_push_plan *plan, uint64_t *pfn)
{
    while (plan->queue_length) {
        uint64_t oldest = plan->queue[plan->queue_head];

        plan->queue_head = (plan->queue_head + 1) % plan->queue_room;
        plan->queue_length--;
        plan->urgent -= plan->urgent > 0;
        if (xlm_pfn_set_contains(&plan->outstanding, oldest)) {
            *pfn = oldest;
            return true;
        }
    }
    return false;
}

/* ---- where the guest is at work ---- */

/* Pages outwards that take turns: this many, for `after` upwards. */
static uint64_t cycle(const struct xlm_push_plan *plan)
{
    return (uint64_t)plan->tuning.neighbours.after +
           plan->tuning.neighbours.before;
}

static bool is_near(const struct xlm_push_plan *plan, uint64_t first,
                    uint64_t last, uint64_t pfn)
{
    uint64_t reach = NEAR_NEIGHBOURS * cycle(plan);

    return pfn + reach >= first && pfn <= last + reach;
}

/* The pivot that a request belongs to, else nr_pivots.  A guest that walks
 * through memory requests pages a little ahead of the push. */
static size_t find_pivot(const struct xlm_push_plan *plan, uint64_t pfn)
{
    size_t i = 0;

    while (i < plan->nr_pivots &&
           !is_near(plan, plan->pivots[i].down, plan->pivots[i].up, pfn)) {
        i++;
    }
    return i;
}

/* A new pivot; or, if there are too many, the one without a request for the
 * longest time. */
static size_t new_pivot(struct xlm_push_plan *plan)
{
    size_t oldest = 0;

    if (plan->nr_pivots < XLM_PUSH_PIVOTS) {
        return plan->nr_pivots++;
    }
    for (size_t i = 1; i < plan->nr_pivots; i++) {
        if (plan->pivots[i].asked < plan->pivots[oldest].asked) {
            oldest = i;
        }
    }
    return oldest;
}

static void learn_near(struct xlm_push_plan *plan,
                       struct xlm_push_pivot *pivot, uint64_t pfn)
{
    bool above = pfn >= pivot->pfn;

    if (plan->tuning.adapt) {
        pivot->neighbours = xlm_neighbours_near(pivot->neighbours, above);
        plan->neighbours = xlm_neighbours_near(plan->neighbours, above);
    }
}

static void learn_far(struct xlm_push_plan *plan, struct xlm_push_pivot *pivot)
{
    /* The first request of all is far from no other. */
    if (plan->tuning.adapt && plan->asked) {
        plan->neighbours = xlm_neighbours_far(plan->neighbours);
    }
    pivot->neighbours = plan->neighbours;
}

/* The neighbours of a page that was requested just now. */
static void set_neighbours(struct xlm_push_plan *plan,
                           struct xlm_push_pivot *pivot, uint64_t pfn)
{
    uint64_t before = pivot->neighbours.before;

    pivot->pfn = pfn;
    pivot->asked = ++plan->asked;
    pivot->neighbours_end = pfn + 1 + pivot->neighbours.after;
    pivot->neighbours_begin = pfn > before ? pfn - before : 0;
    plan->turn = pivot - plan->pivots;
}

/* The guest is at work here now. */
static void start_around(struct xlm_push_plan *plan, uint64_t pfn)
{
    size_t which = find_pivot(plan, pfn);
    struct xlm_push_pivot *pivot;

    if (which < plan->nr_pivots) {
        pivot = &plan->pivots[which];
        learn_near(plan, pivot, pfn);
    } else {
        pivot = &plan->pivots[new_pivot(plan)];
        learn_far(plan, pivot);
    }
    pivot->up = pfn + 1;
    pivot->down = pfn ? pfn - 1 : 0;
    pivot->in_cycle = 0;
    set_neighbours(plan, pivot, pfn);
}

/* The guest has reached pages that were sent ahead: send those that come
 * next. */
static void move_neighbours(struct xlm_push_plan *plan, uint64_t pfn)
{
    for (size_t i = 0; i < plan->nr_pivots; i++) {
        struct xlm_push_pivot *pivot = &plan->pivots[i];

        if (is_near(plan, pivot->pfn, pivot->pfn, pfn)) {
            learn_near(plan, pivot, pfn);
            set_neighbours(plan, pivot, pfn);
            return;
        }
    }
}

static void remember(struct xlm_push_plan *plan, uint64_t pfn)
{
    if (plan->asked_for.limit) {
        xlm_pfn_set_add(&plan->asked_for, pfn);
    }
}

int xlm_push_plan_remember(struct xlm_push_plan *plan)
{
    return xlm_pfn_set_reserve(&plan->asked_for, plan->queued.limit);
}

int xlm_push_plan_request(struct xlm_push_plan *plan, uint64_t pfn)
{
    remember(plan, pfn);
    if (!xlm_pfn_set_contains(&plan->outstanding, pfn)) {
        move_neighbours(plan, pfn);
        return 0;
    }
    if (xlm_pfn_set_contains(&plan->queued, pfn)) {
        return 0;
    }
    if (plan->queue_length == plan->queue_room && grow_queue(plan)) {
        return -1;
    }
    xlm_pfn_set_add(&plan->queued, pfn);
    plan->queue[(plan->queue_head + plan->queue_length) % plan->queue_room] =
        pfn;
    plan->queue_length++;
    return 0;
}

/* Put the page in front of the queue.  Its former place in the queue is
 * skipped when its turn comes. */
int xlm_push_plan_urge(struct xlm_push_plan *plan, uint64_t pfn)
{
    remember(plan, pfn);
    if (!xlm_pfn_set_contains(&plan->outstanding, pfn)) {
        return 0;
    }
    if (plan->queue_length == plan->queue_room && grow_queue(plan)) {
        return -1;
    }
    xlm_pfn_set_add(&plan->queued, pfn);
    plan->queue_head =
        (plan->queue_head + plan->queue_room - 1) % plan->queue_room;
    plan->queue[plan->queue_head] = pfn;
    plan->queue_length++;
    plan->urgent++;
    return 0;
}

/* ---- neighbours ---- */

static uint64_t next_upwards(const struct xlm_push_plan *plan,
                             const struct xlm_push_pivot *pivot)
{
    return xlm_pfn_set_next(&plan->outstanding, pivot->up);
}

static uint64_t next_downwards(const struct xlm_push_plan *plan,
                               const struct xlm_push_pivot *pivot)
{
    return xlm_pfn_set_previous(&plan->outstanding, pivot->down);
}

static void move_outwards(struct xlm_push_pivot *pivot, uint64_t pfn,
                          bool upwards)
{
    if (upwards) {
        pivot->up = pfn + 1;
    } else {
        pivot->down = pfn ? pfn - 1 : 0;
    }
}

/* The next neighbour that was not handed out, or XLM_PFN_NONE. */
static uint64_t look_among_neighbours(const struct xlm_push_plan *plan,
                                      const struct xlm_push_pivot *pivot,
                                      bool *upwards)
{
    uint64_t pfn = xlm_pfn_set_next_below(&plan->outstanding, pivot->up,
                                          pivot->neighbours_end);

    *upwards = pfn != XLM_PFN_NONE;
    if (*upwards) {
        return pfn;
    }
    pfn = next_downwards(plan, pivot);
    return pfn != XLM_PFN_NONE && pfn >= pivot->neighbours_begin
               ? pfn
               : XLM_PFN_NONE;
}

/* May this page be handed out together with those before it? */
static bool goes_along(const uint64_t *pfns, size_t count, uint64_t pfn)
{
    return pfn != XLM_PFN_NONE &&
           (!count || pfn / XLM_PUSH_ALIGN == pfns[0] / XLM_PUSH_ALIGN);
}

static size_t neighbours_at(struct xlm_push_plan *plan,
                            struct xlm_push_pivot *pivot, size_t max,
                            uint64_t *pfns)
{
    size_t count = 0;

    while (count < max) {
        bool upwards;
        uint64_t pfn = look_among_neighbours(plan, pivot, &upwards);

        if (!goes_along(pfns, count, pfn)) {
            break;
        }
        move_outwards(pivot, pfn, upwards);
        hand_out(plan, pfn);
        pfns[count++] = pfn;
    }
    return count;
}

/* The neighbours of the last request come first. */
static size_t push_neighbours(struct xlm_push_plan *plan, size_t max,
                              uint64_t *pfns)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->nr_pivots && !count; i++) {
        size_t which = (plan->turn + i) % plan->nr_pivots;

        count = neighbours_at(plan, &plan->pivots[which], max, pfns);
    }
    return count;
}

/* ---- the background ---- */

/* The next page outwards; tries both directions before it gives up. */
static uint64_t look_outwards(const struct xlm_push_plan *plan,
                              const struct xlm_push_pivot *pivot,
                              bool *upwards)
{
    uint64_t pfn;

    *upwards = !cycle(plan) || pivot->in_cycle < plan->tuning.neighbours.after;
    pfn = *upwards ? next_upwards(plan, pivot) : next_downwards(plan, pivot);
    if (pfn == XLM_PFN_NONE) {
        *upwards = !*upwards;
        pfn =
            *upwards ? next_upwards(plan, pivot) : next_downwards(plan, pivot);
    }
    return pfn;
}

static size_t push_outwards(struct xlm_push_plan *plan, size_t max,
                            uint64_t *pfns)
{
    struct xlm_push_pivot *pivot = &plan->pivots[plan->turn];
    size_t count = 0;

    while (count < max) {
        bool upwards;
        uint64_t pfn = look_outwards(plan, pivot, &upwards);

        if (!goes_along(pfns, count, pfn)) {
            break;
        }
        move_outwards(pivot, pfn, upwards);
        if (cycle(plan)) {
            pivot->in_cycle = (pivot->in_cycle + 1) % cycle(plan);
        }
        hand_out(plan, pfn);
        pfns[count++] = pfn;
    }
    if (plan->nr_pivots) {
        plan->turn = (plan->turn + 1) % plan->nr_pivots;
    }
    return count;
}

/* The next of the pages written last, or XLM_PFN_NONE: there is none, or the
 * search reached its limit of words. */
static uint64_t look_at_recent(struct xlm_push_plan *plan, size_t *words)
{
    while (*words && plan->recent_set < XLM_PUSH_RECENT) {
        const struct xlm_pfn_set *set = plan->recent[plan->recent_set];
        uint64_t pfn = XLM_PFN_NONE;

        if (set) {
            pfn = xlm_pfn_set_next_in_both(set, &plan->outstanding,
                                           &plan->recent_at, words);
        }
        if (pfn != XLM_PFN_NONE) {
            return pfn;
        }
        if (!set || plan->recent_at >= set->limit) {
            plan->recent_set++;
            plan->recent_at = 0;
        }
    }
    return XLM_PFN_NONE;
}

static size_t push_recent(struct xlm_push_plan *plan, size_t max,
                          uint64_t *pfns)
{
    size_t words = XLM_PUSH_RECENT_WORDS;
    size_t count = 0;

    while (count < max) {
        uint64_t pfn = look_at_recent(plan, &words);

        if (!goes_along(pfns, count, pfn)) {
            break;
        }
        hand_out(plan, pfn);
        pfns[count++] = pfn;
    }
    return count;
}

/* Once a pivot is known, pages that the guest wrote last take turns with pages
 * around pivots: the guest goes on with what it did, and with something
 * else. */
static size_t push_background(struct xlm_push_plan *plan, size_t max,
                              uint64_t *pfns)
{
    size_t count = 0;

    if (!plan->nr_pivots || !plan->after_recent) {
        count = push_recent(plan, max, pfns);
    }
    plan->after_recent = count;
    return count ? count : push_outwards(plan, max, pfns);
}

/* ---- what goes next ---- */

/* Neighbours never take the background's turn. */
static bool background_is_due(const struct xlm_push_plan *plan)
{
    return plan->tuning.background && plan->requested >= plan->tuning.share;
}

enum xlm_push_kind xlm_push_plan_next(struct xlm_push_plan *plan, size_t room,
                                      uint64_t *pfns, size_t *count)
{
    bool due = background_is_due(plan);

    if ((plan->urgent || !(due && room)) && next_request(plan, &pfns[0])) {
        hand_out(plan, pfns[0]);
        start_around(plan, pfns[0]);
        plan->requested++;
        *count = 1;
        return XLM_PUSH_REQUESTED;
    }
    return xlm_push_plan_next_unasked(plan, room, pfns, count);
}

enum xlm_push_kind xlm_push_plan_next_unasked(struct xlm_push_plan *plan,
                                              size_t room, uint64_t *pfns,
                                              size_t *count)
{
    *count = 0;
    if (!background_is_due(plan) && room) {
        *count = push_neighbours(plan, room, pfns);
        if (*count) {
            return XLM_PUSH_NEIGHBOURS;
        }
    }
    if (plan->tuning.background && room) {
        plan->requested = 0;
        *count = push_background(plan, room, pfns);
    }
    return *count ? XLM_PUSH_BACKGROUND : XLM_PUSH_NOTHING;
}

bool xlm_push_plan_take(struct xlm_push_plan *plan, uint64_t pfn)
{
    remember(plan, pfn);
    if (!xlm_pfn_set_contains(&plan->outstanding, pfn)) {
        return false;
    }
    hand_out(plan, pfn);
    start_around(plan, pfn);
    return true;
}

int xlm_push_plan_return(struct xlm_push_plan *plan, uint64_t pfn)
{
    xlm_pfn_set_add(&plan->outstanding, pfn);
    return xlm_push_plan_request(plan, pfn);
}

/* The background has passed it, and looks from there once more. */
static void look_again_from(struct xlm_push_plan *plan, uint64_t pfn)
{
    for (size_t i = 0; i < XLM_PUSH_PIVOTS; i++) {
        struct xlm_push_pivot *pivot = &plan->pivots[i];

        if (pfn > pivot->down && pfn < pivot->up) {
            pivot->up = pfn;
        }
    }
}

int xlm_push_plan_put_back(struct xlm_push_plan *plan, uint64_t pfn)
{
    xlm_pfn_set_add(&plan->outstanding, pfn);
    look_again_from(plan, pfn);
    return plan->asked_for.limit && xlm_pfn_set_contains(&plan->asked_for, pfn)
               ? xlm_push_plan_request(plan, pfn)
               : 0;
}
