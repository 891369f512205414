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

/* A thread is woken for a page that would wait behind this many pages more.
 * At 1 GiB/s that takes as long as to wake a thread up. */
#define XLM_PUSH_LANES_WORTH_WAKING 16

/* A connection of the push, with its thread. */
struct xlm_push_lane {
    bool idle;          /* the thread sleeps, or is about to */
    bool hungry;        /* ... although the lane had room for pages */
    uint64_t under_way; /* pages, when the thread last looked */
};

/* The lane for a requested page, of `count` lanes, as seen by the thread of
 * lane `mine`, which is awake: that lane, or an idle one that must be woken.
 */
size_t xlm_push_lanes_for_request(const struct xlm_push_lane *lanes,
                                  size_t count, size_t mine);

#endif
