/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which of several connections a requested page goes over.
 */
#include "policy/push_lanes.h"

size_t xlm_push_lanes_for_request(const struct xlm_push_lane *lanes,
                                  size_t count, size_t mine)
{
    size_t best = mine;

    for (size_t i = 0; i < count; i++) {
        uint64_t worth = best == mine ? XLM_PUSH_LANES_WORTH_WAKING : 0;

        if (lanes[i].idle && i != mine &&
            lanes[i].under_way + worth < lanes[best].under_way) {
            best = i;
        }
    }
    return best;
}
