/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the threads of the postcopy phase share at the source: the plan of what
 * goes next, and the lanes that it goes over.
 *
 * Lane 0 is the first connection, which the pushing thread serves; lane n is
 * stream n, with a thread of its own.  The thread of a fault channel has no
 * lane: it takes what is requested there off the plan.
 */
#ifndef XLM_SAVE_SHARED_H
#define XLM_SAVE_SHARED_H

#include <pthread.h>

#include "policy/push_lanes.h"
#include "policy/push_plan.h"
#include "policy/push_window.h"
#include "save/saver.h"

struct xlm_push_shared {
    pthread_mutex_t lock; /* of all that follows */
    struct xlm_push_plan plan;
    struct xlm_push_lane lanes[XLM_STREAMS_MOST];
    int wake_fds[XLM_STREAMS_MOST]; /* an eventfd for the lane's thread; -1: no
                                       such lane */
    size_t nr_lanes;
    uint64_t asked_us; /* when lane 0 last brought a request */
};

/* Make the object with lane 0 and an empty plan.  The caller must call
 * dispose(), also after a failure. */
int xlm_push_shared_init(struct xlm_push_shared *shared);
void xlm_push_shared_dispose(struct xlm_push_shared *shared);

/* Call these with the lock held. */

/* The threads whose lanes have room may find something to do: wake those that
 * sleep. */
void xlm_push_shared_wake(struct xlm_push_shared *shared);
/* All threads may find something to do. */
void xlm_push_shared_wake_all(struct xlm_push_shared *shared);
/* Requests have come, and the thread of this lane may not be able to send:
 * wake another one for which that is worth while. */
void xlm_push_shared_wake_for_request(struct xlm_push_shared *shared,
                                      size_t mine);

/* As xlm_push_window_room().  If there is no room, there is none for *wait_us,
 * unless something comes. */
uint32_t xlm_push_shared_room(struct xlm_push_shared *shared,
                              struct xlm_saver *saver,
                              struct xlm_push_window *window,
                              uint64_t *wait_us);
/*
 * As xlm_push_plan_next(), for the thread of lane `mine`.  The lane counts as
 * idle from then on if there is nothing to send.  A requested page that
 * another lane would bring sooner is left to that lane.
 */
enum xlm_push_kind xlm_push_shared_next(struct xlm_push_shared *shared,
                                        size_t mine, uint32_t room,
                                        uint64_t *pfns, size_t *count);
/* Note how many pages the lane has under way now. */
void xlm_push_shared_note(struct xlm_push_shared *shared, size_t mine,
                          uint64_t under_way);

/* Without the lock: the thread is awake again, and will look into the plan. */
void xlm_push_shared_woke(struct xlm_push_shared *shared, size_t mine);

#endif
