/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many pages are due now, at a set rate.  A guest that was stopped, or
 * cannot keep up, catches up with at most PACER_MEMORY_US of lost time.
 */
#ifndef PACER_H
#define PACER_H

#include <stdint.h>

#define PACER_UNLIMITED UINT64_MAX
#define PACER_MEMORY_US 20000u

struct pacer {
    uint64_t pages_per_second;
    uint64_t last_us;
    uint64_t credit; /* in millionths of a page */
};

void pacer_start(struct pacer *pacer, uint64_t pages_per_second,
                 uint64_t now_us);

/* Takes up to limit pages of those that are due. */
unsigned int pacer_take(struct pacer *pacer, uint64_t now_us,
                        unsigned int limit);

#endif
