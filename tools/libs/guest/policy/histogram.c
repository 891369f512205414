/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A histogram of many numbers.
 */
#include "policy/histogram.h"

static unsigned int bucket_of(uint64_t value)
{
    unsigned int octave;
    unsigned int bucket;

    if (value < XLM_HISTOGRAM_STEPS) {
        return value;
    }
    octave = 63 - __builtin_clzll(value) - 4;
    bucket = (octave + 1) * XLM_HISTOGRAM_STEPS +
             ((value >> octave) - XLM_HISTOGRAM_STEPS);
    return bucket < XLM_HISTOGRAM_BUCKETS ? bucket : XLM_HISTOGRAM_BUCKETS - 1;
}

/* The largest number in a bucket. */
static uint64_t top_of(unsigned int bucket)
{
    unsigned int octave = bucket / XLM_HISTOGRAM_STEPS;
    uint64_t step = bucket % XLM_HISTOGRAM_STEPS;

    if (!octave) {
        return step;
    }
    return ((XLM_HISTOGRAM_STEPS + step + 1) << (octave - 1)) - 1;
}

void xlm_histogram_add(struct xlm_histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->greatest) {
        histogram->greatest = value;
    }
    histogram->buckets[bucket_of(value)]++;
}

uint64_t xlm_histogram_quantile(const struct xlm_histogram *histogram,
                                unsigned int per_thousand)
{
    uint64_t wanted = (histogram->count * per_thousand + 999) / 1000;
    uint64_t seen = 0;

    if (!histogram->count) {
        return 0;
    }
    for (unsigned int i = 0; i < XLM_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t top = top_of(i);

            return top < histogram->greatest ? top : histogram->greatest;
        }
    }
    return histogram->greatest;
}

void xlm_histogram_log2(const struct xlm_histogram *histogram,
                        uint64_t *buckets, unsigned int nr_buckets)
{
    for (unsigned int i = 0; i < nr_buckets; i++) {
        buckets[i] = 0;
    }
    for (unsigned int i = 0; i < XLM_HISTOGRAM_BUCKETS; i++) {
        uint64_t top = top_of(i);
        unsigned int power = top ? 63 - __builtin_clzll(top) : 0;

        buckets[power < nr_buckets ? power : nr_buckets - 1] +=
            histogram->buckets[i];
    }
}
