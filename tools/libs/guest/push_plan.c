/*
 * Which page goes next in the postcopy phase.
 */
#include "push_plan.h"

#include <stdlib.h>
#include <string.h>

/* A request no further than so many windows from what was pushed is of the
 * same place. */
#define NEAR_WINDOWS 4

int xlm_push_plan_init(struct xlm_push_plan *plan, uint64_t limit,
                       const struct xlm_push_tuning *tuning)
{
    struct xlm_push_plan made = {.tuning = *tuning};

    if (xlm_pfn_set_reserve(&made.outstanding, limit) ||
        xlm_pfn_set_reserve(&made.queued, limit)) {
        xlm_push_plan_dispose(&made);
        return -1;
    }
    *plan = made;
    return 0;
}

void xlm_push_plan_dispose(struct xlm_push_plan *plan)
{
    xlm_pfn_set_dispose(&plan->outstanding);
    xlm_pfn_set_dispose(&plan->queued);
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

int xlm_push_plan_request(struct xlm_push_plan *plan, uint64_t pfn)
{
    if (!xlm_pfn_set_contains(&plan->outstanding, pfn) ||
        xlm_pfn_set_contains(&plan->queued, pfn)) {
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

static void hand_out(struct xlm_push_plan *plan, uint64_t pfn)
{
    xlm_pfn_set_remove(&plan->outstanding, pfn);
    xlm_pfn_set_remove(&plan->queued, pfn);
}

/* The oldest request that was not overtaken by the push. */
static bool next_request(struct xlm_push_plan *plan, uint64_t *pfn)
{
    while (plan->queue_length) {
        uint64_t oldest = plan->queue[plan->queue_head];

        plan->queue_head = (plan->queue_head + 1) % plan->queue_room;
        plan->queue_length--;
        if (xlm_pfn_set_contains(&plan->outstanding, oldest)) {
            *pfn = oldest;
            return true;
        }
    }
    return false;
}

/* Who goes through memory asks for what lies a little ahead of the push. */
static bool is_near(const struct xlm_push_plan *plan,
                    const struct xlm_push_pivot *pivot, uint64_t pfn)
{
    uint64_t reach =
        NEAR_WINDOWS * ((uint64_t)plan->tuning.after + plan->tuning.before);

    return pfn + reach >= pivot->down && pfn <= pivot->up + reach;
}

/* The pivot that a request belongs to, else a new one, else that which was not
 * asked for anything for longest. */
static size_t find_pivot(struct xlm_push_plan *plan, uint64_t pfn)
{
    size_t oldest = 0;

    for (size_t i = 0; i < plan->nr_pivots; i++) {
        if (is_near(plan, &plan->pivots[i], pfn)) {
            return i;
        }
        if (plan->pivots[i].asked < plan->pivots[oldest].asked) {
            oldest = i;
        }
    }
    return plan->nr_pivots < XLM_PUSH_PIVOTS ? plan->nr_pivots++ : oldest;
}

/* The guest works here now. */
static void start_around(struct xlm_push_plan *plan, uint64_t pfn)
{
    size_t which = find_pivot(plan, pfn);

    plan->pivots[which] = (struct xlm_push_pivot){
        .up = pfn + 1,
        .down = pfn ? pfn - 1 : 0,
        .asked = ++plan->asked,
    };
    plan->turn = which;
}

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

/* The next page outwards; both ends are tried before giving up. */
static uint64_t look_outwards(const struct xlm_push_plan *plan,
                              const struct xlm_push_pivot *pivot,
                              bool *upwards)
{
    uint64_t pfn;

    *upwards = pivot->in_cycle < plan->tuning.after;
    pfn = *upwards ? next_upwards(plan, pivot) : next_downwards(plan, pivot);
    if (pfn == XLM_PFN_NONE) {
        *upwards = !*upwards;
        pfn =
            *upwards ? next_upwards(plan, pivot) : next_downwards(plan, pivot);
    }
    return pfn;
}

static void move_outwards(struct xlm_push_plan *plan,
                          struct xlm_push_pivot *pivot, uint64_t pfn,
                          bool upwards)
{
    if (upwards) {
        pivot->up = pfn + 1;
    } else {
        pivot->down = pfn ? pfn - 1 : 0;
    }
    pivot->in_cycle =
        (pivot->in_cycle + 1) % (plan->tuning.after + plan->tuning.before);
    hand_out(plan, pfn);
}

static size_t push_batch(struct xlm_push_plan *plan, size_t max,
                         uint64_t *pfns)
{
    struct xlm_push_pivot *pivot = &plan->pivots[plan->turn];
    size_t count = 0;

    while (count < max) {
        bool upwards;
        uint64_t pfn = look_outwards(plan, pivot, &upwards);

        if (pfn == XLM_PFN_NONE ||
            (count && pfn / XLM_PUSH_ALIGN != pfns[0] / XLM_PUSH_ALIGN)) {
            break;
        }
        move_outwards(plan, pivot, pfn, upwards);
        pfns[count++] = pfn;
    }
    if (plan->nr_pivots) {
        plan->turn = (plan->turn + 1) % plan->nr_pivots;
    }
    return count;
}

enum xlm_push_kind xlm_push_plan_next(struct xlm_push_plan *plan,
                                      bool may_push, size_t max,
                                      uint64_t *pfns, size_t *count)
{
    bool turn = may_push && plan->requested >= plan->tuning.share;

    *count = 0;
    if (!turn && next_request(plan, &pfns[0])) {
        hand_out(plan, pfns[0]);
        start_around(plan, pfns[0]);
        plan->requested++;
        *count = 1;
        return XLM_PUSH_REQUESTED;
    }
    plan->requested = 0;
    if (may_push) {
        *count = push_batch(plan, max, pfns);
    }
    return *count ? XLM_PUSH_UNASKED : XLM_PUSH_NOTHING;
}
