/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many neighbours of a requested page go along with it: pure policy.
 *
 * A guest that walks through memory needs many of the neighbours ahead of it;
 * one that jumps about needs none.  So a request near earlier ones makes
 * neighbours more on the side on which it lies, and fewer on the other side; a
 * request far from all makes them fewer on both.
 */
#ifndef XLM_NEIGHBOURS_H
#define XLM_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

/* Bounds for a side that adapts, in pages. */
#define XLM_NEIGHBOURS_LEAST 2
#define XLM_NEIGHBOURS_MOST 64

/* Pages below a requested one, and above it. */
struct xlm_neighbours {
    uint32_t before;
    uint32_t after;
};

/* The neighbours after a request near an earlier one: above it, or below. */
struct xlm_neighbours xlm_neighbours_near(struct xlm_neighbours neighbours,
                                          bool above);
/* The neighbours after a request that is near no other. */
struct xlm_neighbours xlm_neighbours_far(struct xlm_neighbours neighbours);

#endif
