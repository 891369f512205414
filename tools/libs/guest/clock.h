/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The clock of all durations.
 */
#ifndef XLM_CLOCK_H
#define XLM_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t xlm_clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

/* Microseconds of the monotonic clock. */
static inline uint64_t xlm_now_us(void)
{
    return xlm_clock_us(CLOCK_MONOTONIC);
}

/* Microseconds for which this thread has had a processor. */
static inline uint64_t xlm_thread_us(void)
{
    return xlm_clock_us(CLOCK_THREAD_CPUTIME_ID);
}

/* Initialise a condition whose timed waits use the same clock. */
static inline void xlm_init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

#endif
