/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which of several connections a requested page goes over: pure policy.
 *
 * A requested page waits behind what its connection has under way.  So it goes
 * over the connection with the least of that, unless it takes longer to wake
 * that connection's thread than the page would wait.
 */
#ifndef XLM_PUSH_LANES_H
#define XLM_PUSH_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Another lane's thread is woken if the page would wait behind this many more
 * pages here.  At 1 GiB/s these take as long as waking a thread. */
#define XLM_PUSH_LANES_WORTH_WAKING 16

/* A connection of the push, with its thread. */
struct xlm_push_lane {
    bool idle;          /* the thread sleeps, or is about to */
    bool hungry;        /* the thread sleeps although the lane has room */
    uint64_t under_way; /* pages, when the thread last looked */
};

/* Which of `count` lanes a requested page goes over, when the thread of lane
 * `mine` is awake and asks: `mine`, or an idle lane that must be woken. */
size_t xlm_push_lanes_for_request(const struct xlm_push_lane *lanes,
                                  size_t count, size_t mine);

#endif
