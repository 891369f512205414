/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a pager keeps in memory that outlives its process, for the process that
 * takes its place: the set of outstanding pfns, the set of requested pfns, the
 * number of the paging mechanism, the words of that mechanism, which name the
 * waiting vCPUs, and which region is away.
 */
#ifndef XLM_PAGER_KEPT_H
#define XLM_PAGER_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "hypervisor/paging.h"
#include "policy/pfn_set.h"

/* A region whose pages may be elsewhere, while the domain is paused: see
 * restore/superpages.c. */
struct xlm_kept_region {
    unsigned long first;     /* its first pfn; 0: none */
    unsigned long spare;     /* where its pages may be; 0: nowhere yet */
    unsigned long blank;     /* a pfn with a page without contents; 0: none */
    unsigned long max_pages; /* what the domain may have; 0: not changed */
};

#define XLM_KEPT_REGION_WORDS \
    (sizeof(struct xlm_kept_region) / sizeof(unsigned long))

/* Words to keep for a guest with pfns below `pfns`: all 0 at first. */
static inline size_t xlm_kept_words(uint64_t pfns)
{
    return 2 * xlm_pfn_set_words(pfns) + 1 + XLM_PAGING_KEPT_WORDS +
           XLM_KEPT_REGION_WORDS;
}

static inline unsigned long *xlm_kept_outstanding(unsigned long *kept)
{
    return kept;
}

static inline unsigned long *xlm_kept_requested(unsigned long *kept,
                                                uint64_t pfns)
{
    return kept + xlm_pfn_set_words(pfns);
}

/* xlm_paging_number(); 0: paging was not started. */
static inline unsigned long *xlm_kept_mechanism(unsigned long *kept,
                                                uint64_t pfns)
{
    return kept + 2 * xlm_pfn_set_words(pfns);
}

/* The mechanism's part of them. */
static inline unsigned long *xlm_kept_paging(unsigned long *kept,
                                             uint64_t pfns)
{
    return xlm_kept_mechanism(kept, pfns) + 1;
}

static inline struct xlm_kept_region *xlm_kept_region(unsigned long *kept,
                                                      uint64_t pfns)
{
    return (void *)(xlm_kept_paging(kept, pfns) + XLM_PAGING_KEPT_WORDS);
}

#endif
