/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Of many numbers, such as times in microseconds or pages, how large they
 * were: a histogram of fixed size, exact to one sixteenth.
 */
#ifndef XLM_HISTOGRAM_H
#define XLM_HISTOGRAM_H

#include <stdint.h>

/* Buckets: one for each of 0 to 15, then 16 for each further power of two. */
#define XLM_HISTOGRAM_STEPS 16
#define XLM_HISTOGRAM_BUCKETS (XLM_HISTOGRAM_STEPS * 32)

struct xlm_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t most;
    uint64_t buckets[XLM_HISTOGRAM_BUCKETS];
};

void xlm_histogram_add(struct xlm_histogram *histogram, uint64_t value);
/* What `per_thousand` of a thousand did not exceed; 0: none yet. */
uint64_t xlm_histogram_quantile(const struct xlm_histogram *histogram,
                                unsigned int per_thousand);

/* The counts once more by whole powers of two: buckets[i] is for 2^i up to
 * 2^(i + 1), the first for 0 too and the last for all that is more too. */
void xlm_histogram_log2(const struct xlm_histogram *histogram,
                        uint64_t *buckets, unsigned int nr_buckets);

#endif
