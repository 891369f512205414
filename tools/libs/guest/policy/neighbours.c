/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many neighbours of a requested page go along with it.
 */
#include "policy/neighbours.h"

static uint32_t within_limits(uint64_t pages)
{
    if (pages < XLM_NEIGHBOURS_LEAST) {
        return XLM_NEIGHBOURS_LEAST;
    }
    return pages < XLM_NEIGHBOURS_MOST ? pages : XLM_NEIGHBOURS_MOST;
}

static uint32_t widen(uint32_t pages)
{
    return within_limits(2 * (uint64_t)pages);
}

static uint32_t narrow(uint32_t pages)
{
    return within_limits(pages / 2);
}

struct xlm_neighbours xlm_neighbours_near(struct xlm_neighbours neighbours,
                                          bool above)
{
    return (struct xlm_neighbours){
        .before = above ? narrow(neighbours.before) : widen(neighbours.before),
        .after = above ? widen(neighbours.after) : narrow(neighbours.after),
    };
}

struct xlm_neighbours xlm_neighbours_far(struct xlm_neighbours neighbours)
{
    return (struct xlm_neighbours){
        .before = narrow(neighbours.before),
        .after = narrow(neighbours.after),
    };
}
