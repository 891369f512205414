/*
 * How long things took.
 */
#include "latency.h"

static unsigned int bucket_of(uint64_t us)
{
    unsigned int octave;
    unsigned int bucket;

    if (us < XLM_LATENCY_STEPS) {
        return us;
    }
    octave = 63 - __builtin_clzll(us) - 4;
    bucket = (octave + 1) * XLM_LATENCY_STEPS +
             ((us >> octave) - XLM_LATENCY_STEPS);
    return bucket < XLM_LATENCY_BUCKETS ? bucket : XLM_LATENCY_BUCKETS - 1;
}

/* The longest time that falls into a bucket. */
static uint64_t top_of(unsigned int bucket)
{
    unsigned int octave = bucket / XLM_LATENCY_STEPS;
    uint64_t step = bucket % XLM_LATENCY_STEPS;

    if (!octave) {
        return step;
    }
    return ((XLM_LATENCY_STEPS + step + 1) << (octave - 1)) - 1;
}

void xlm_latency_add(struct xlm_latency *latency, uint64_t us)
{
    latency->count++;
    latency->sum_us += us;
    if (us > latency->max_us) {
        latency->max_us = us;
    }
    latency->buckets[bucket_of(us)]++;
}

uint64_t xlm_latency_quantile(const struct xlm_latency *latency,
                              unsigned int per_thousand)
{
    uint64_t wanted = (latency->count * per_thousand + 999) / 1000;
    uint64_t seen = 0;

    if (!latency->count) {
        return 0;
    }
    for (unsigned int i = 0; i < XLM_LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted) {
            uint64_t top = top_of(i);

            return top < latency->max_us ? top : latency->max_us;
        }
    }
    return latency->max_us;
}

void xlm_latency_log2(const struct xlm_latency *latency, uint64_t *buckets,
                      unsigned int nr_buckets)
{
    for (unsigned int i = 0; i < nr_buckets; i++) {
        buckets[i] = 0;
    }
    for (unsigned int i = 0; i < XLM_LATENCY_BUCKETS; i++) {
        uint64_t top = top_of(i);
        unsigned int power = top ? 63 - __builtin_clzll(top) : 0;

        buckets[power < nr_buckets ? power : nr_buckets - 1] +=
            latency->buckets[i];
    }
}
