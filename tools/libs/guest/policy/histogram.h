/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A histogram of fixed size, exact to one sixteenth, of times in microseconds
 * or numbers of pages.
 */
#ifndef XLM_HISTOGRAM_H
#define XLM_HISTOGRAM_H

#include <stdint.h>

/* One bucket for each of 0 to 15, then 16 for each further power of two. */
#define XLM_HISTOGRAM_STEPS 16
#define XLM_HISTOGRAM_BUCKETS (XLM_HISTOGRAM_STEPS * 32)

struct xlm_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t greatest;
    uint64_t buckets[XLM_HISTOGRAM_BUCKETS];
};

void xlm_histogram_add(struct xlm_histogram *histogram, uint64_t value);
/* The value that `per_thousand` of a thousand entries do not exceed; 0: no
 * entries. */
uint64_t xlm_histogram_quantile(const struct xlm_histogram *histogram,
                                unsigned int per_thousand);

/* The same counts by whole powers of two: buckets[i] has the entries from 2^i
 * up to 2^(i + 1), the first also those of 0, the last all larger ones. */
void xlm_histogram_log2(const struct xlm_histogram *histogram,
                        uint64_t *buckets, unsigned int nr_buckets);

#endif
