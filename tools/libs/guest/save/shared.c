/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the threads of the postcopy phase share at the source.
 */
#include "save/shared.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

int xlm_push_shared_init(struct xlm_push_shared *shared)
{
    *shared = (struct xlm_push_shared){
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .plan = XLM_PUSH_PLAN_EMPTY,
        .nr_lanes = 1,
    };
    for (size_t i = 0; i < XLM_STREAMS_MOST; i++) {
        shared->wake_fds[i] = -1;
    }
    shared->wake_fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return shared->wake_fds[0] < 0 ? -1 : 0;
}

void xlm_push_shared_dispose(struct xlm_push_shared *shared)
{
    xlm_push_plan_dispose(&shared->plan);
    pthread_mutex_destroy(&shared->lock);
    for (size_t i = 0; i < XLM_STREAMS_MOST; i++) {
        if (shared->wake_fds[i] >= 0) {
            close(shared->wake_fds[i]);
        }
    }
}

/* ---- threads that sleep ---- */

static void wake(struct xlm_push_shared *shared, size_t lane)
{
    if (shared->lanes[lane].idle) {
        shared->lanes[lane].idle = shared->lanes[lane].hungry = false;
        eventfd_write(shared->wake_fds[lane], 1);
    }
}

void xlm_push_shared_wake(struct xlm_push_shared *shared)
{
    wake(shared, 0);
    for (size_t i = 1; i < shared->nr_lanes; i++) {
        if (shared->lanes[i].hungry) {
            wake(shared, i);
        }
    }
}

void xlm_push_shared_wake_all(struct xlm_push_shared *shared)
{
    for (size_t i = 0; i < shared->nr_lanes; i++) {
        wake(shared, i);
    }
}

void xlm_push_shared_wake_for_request(struct xlm_push_shared *shared,
                                      size_t mine)
{
    wake(shared,
         xlm_push_lanes_for_request(shared->lanes, shared->nr_lanes, mine));
}

void xlm_push_shared_woke(struct xlm_push_shared *shared, size_t mine)
{
    eventfd_t count;

    (void)eventfd_read(shared->wake_fds[mine], &count);
}

/* ---- what goes next ---- */

uint32_t xlm_push_shared_room(struct xlm_push_shared *shared,
                              struct xlm_saver *saver,
                              struct xlm_push_window *window,
                              uint64_t *wait_us)
{
    *wait_us = xlm_save_background_wait_us(saver);
    if (*wait_us) {
        return 0;
    }
    *wait_us = XLM_RATE_WAIT_EVER; /* until credit comes */
    window->calm =
        xlm_now_us() - shared->asked_us > xlm_push_window_calm_us(window);
    return xlm_push_window_room(window);
}

static enum xlm_push_kind next_pages(struct xlm_push_shared *shared,
                                     size_t mine, uint32_t room,
                                     uint64_t *pfns, size_t *count)
{
    size_t best = mine;

    if (shared->plan.queue_length) {
        best =
            xlm_push_lanes_for_request(shared->lanes, shared->nr_lanes, mine);
    }
    if (best == mine) {
        return xlm_push_plan_next(&shared->plan, room, pfns, count);
    }
    wake(shared, best);
    return xlm_push_plan_next_unasked(&shared->plan, room, pfns, count);
}

enum xlm_push_kind xlm_push_shared_next(struct xlm_push_shared *shared,
                                        size_t mine, uint32_t room,
                                        uint64_t *pfns, size_t *count)
{
    enum xlm_push_kind kind = next_pages(shared, mine, room, pfns, count);

    shared->lanes[mine].idle = kind == XLM_PUSH_NOTHING;
    shared->lanes[mine].hungry = shared->lanes[mine].idle && room;
    return kind;
}

void xlm_push_shared_note(struct xlm_push_shared *shared, size_t mine,
                          uint64_t under_way)
{
    shared->lanes[mine].under_way = under_way;
}
