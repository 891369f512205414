/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of page frames, as a short list of ranges. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>

#define FRAMES_MAX_RANGES 32

struct frame_range {
    uint64_t first;
    uint64_t count;
};

struct frames {
    unsigned int ranges;
    struct frame_range range[FRAMES_MAX_RANGES];
};

void frames_add(struct frames *frames, uint64_t first, uint64_t count);
void frames_remove(struct frames *frames, uint64_t first, uint64_t count);
uint64_t frames_total(const struct frames *frames);

/* The frame at a position below frames_total(). */
uint64_t frames_at(const struct frames *frames, uint64_t position);

/* Cuts count frames off the end of the largest range; 0 if none has them. */
uint64_t frames_take(struct frames *frames, uint64_t count);

#endif
