/*
 * Which page goes next in the postcopy phase.
 */
#include "push_plan.h"

#include <stdlib.h>
#include <string.h>

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

/* The guest works here now. */
static void start_around(struct xlm_push_plan *plan, uint64_t pfn)
{
    plan->up = pfn + 1;
    plan->down = pfn ? pfn - 1 : 0;
    plan->in_cycle = 0;
}

static uint64_t next_upwards(const struct xlm_push_plan *plan)
{
    return xlm_pfn_set_next(&plan->outstanding, plan->up);
}

static uint64_t next_downwards(const struct xlm_push_plan *plan)
{
    return xlm_pfn_set_previous(&plan->outstanding, plan->down);
}

/* The next page outwards; both ends are tried before giving up. */
static uint64_t look_outwards(const struct xlm_push_plan *plan, bool *upwards)
{
    uint64_t pfn;

    *upwards = plan->in_cycle < plan->tuning.after;
    pfn = *upwards ? next_upwards(plan) : next_downwards(plan);
    if (pfn == XLM_PFN_NONE) {
        *upwards = !*upwards;
        pfn = *upwards ? next_upwards(plan) : next_downwards(plan);
    }
    return pfn;
}

static void move_outwards(struct xlm_push_plan *plan, uint64_t pfn,
                          bool upwards)
{
    if (upwards) {
        plan->up = pfn + 1;
    } else {
        plan->down = pfn ? pfn - 1 : 0;
    }
    plan->in_cycle =
        (plan->in_cycle + 1) % (plan->tuning.after + plan->tuning.before);
    hand_out(plan, pfn);
}

static size_t push_batch(struct xlm_push_plan *plan, size_t max,
                         uint64_t *pfns)
{
    size_t count = 0;

    while (count < max) {
        bool upwards;
        uint64_t pfn = look_outwards(plan, &upwards);

        if (pfn == XLM_PFN_NONE ||
            (count && pfn / XLM_PUSH_ALIGN != pfns[0] / XLM_PUSH_ALIGN)) {
            break;
        }
        move_outwards(plan, pfn, upwards);
        pfns[count++] = pfn;
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
