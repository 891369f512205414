/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frames.h"

void frames_add(struct frames *frames, uint64_t first, uint64_t count)
{
    if (count == 0 || frames->ranges == FRAMES_MAX_RANGES) {
        return;
    }
    frames->range[frames->ranges].first = first;
    frames->range[frames->ranges].count = count;
    frames->ranges++;
}

void frames_remove(struct frames *frames, uint64_t first, uint64_t count)
{
    struct frames kept = {.ranges = 0};
    uint64_t end = first + count;
    unsigned int i;

    for (i = 0; i < frames->ranges; i++) {
        uint64_t range_first = frames->range[i].first;
        uint64_t range_end = range_first + frames->range[i].count;

        if (range_end <= first || end <= range_first) {
            frames_add(&kept, range_first, range_end - range_first);
            continue;
        }
        if (range_first < first) {
            frames_add(&kept, range_first, first - range_first);
        }
        if (end < range_end) {
            frames_add(&kept, end, range_end - end);
        }
    }
    *frames = kept;
}

uint64_t frames_total(const struct frames *frames)
{
    uint64_t total = 0;
    unsigned int i;

    for (i = 0; i < frames->ranges; i++) {
        total += frames->range[i].count;
    }
    return total;
}

uint64_t frames_at(const struct frames *frames, uint64_t position)
{
    const struct frame_range *range = frames->range;

    while (position >= range->count) {
        position -= range->count;
        range++;
    }
    return range->first + position;
}

uint64_t frames_take(struct frames *frames, uint64_t count)
{
    struct frame_range *largest = frames->range;
    unsigned int i;

    for (i = 1; i < frames->ranges; i++) {
        if (frames->range[i].count > largest->count) {
            largest = &frames->range[i];
        }
    }
    if (frames->ranges == 0 || largest->count <= count) {
        return 0;
    }
    largest->count -= count;
    return largest->first + largest->count;
}
