/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many neighbours of a requested page go along with it: pure policy.
 *
 * A guest that walks through memory wants many of those ahead of it, and one
 * that jumps about wants none.  So each request that comes near the last ones
 * widens the window on the side on which it lies, and narrows it on the other;
 * each that comes far from them narrows it on both.
 */
#ifndef XLM_NEIGHBOURS_H
#define XLM_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

/* What a side that adapts never leaves, in pages. */
#define XLM_NEIGHBOURS_LEAST 2
#define XLM_NEIGHBOURS_MOST 64

/* Pages below a requested one and above it. */
struct xlm_neighbours {
    uint32_t before;
    uint32_t after;
};

/* The window after a request near the last one: above it, or below. */
struct xlm_neighbours xlm_neighbours_near(struct xlm_neighbours window,
                                          bool above);
/* The window after a request that is near no other. */
struct xlm_neighbours xlm_neighbours_far(struct xlm_neighbours window);

#endif
