/*
 * How long things took: a histogram of fixed size, exact to one sixteenth.
 */
#ifndef XLM_LATENCY_H
#define XLM_LATENCY_H

#include <stdint.h>

/* Buckets: 16 of one microsecond, then 16 for each further power of two. */
#define XLM_LATENCY_STEPS 16
#define XLM_LATENCY_BUCKETS (XLM_LATENCY_STEPS * 32)

struct xlm_latency {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t buckets[XLM_LATENCY_BUCKETS];
};

void xlm_latency_add(struct xlm_latency *latency, uint64_t us);
/* The time that `per_thousand` of a thousand did not exceed; 0: none yet. */
uint64_t xlm_latency_quantile(const struct xlm_latency *latency,
                              unsigned int per_thousand);

/* The counts once more by whole powers of two: buckets[i] is for 2^i up to
 * 2^(i + 1) us, the first for 0 us and the last for all that is longer too. */
void xlm_latency_log2(const struct xlm_latency *latency, uint64_t *buckets,
                      unsigned int nr_buckets);

#endif
