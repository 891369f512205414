/*
 * The clock that all durations are measured with.
 */
#ifndef XLM_CLOCK_H
#define XLM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds of a clock that only goes forward. */
static inline uint64_t xlm_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

#endif
