/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a pager keeps in memory that outlives its process, for the process that
 * takes its place: the set of outstanding pfns, the set of requested pfns, the
 * number of the paging mechanism, and then the words of that mechanism, which
 * name the waiting vCPUs.
 */
#ifndef XLM_PAGER_KEPT_H
#define XLM_PAGER_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "hypervisor/paging.h"
#include "policy/pfn_set.h"

/* Words to keep for a guest with pfns below `pfns`: all 0 at first. */
static inline size_t xlm_kept_words(uint64_t pfns)
{
    return 2 * xlm_pfn_set_words(pfns) + 1 + XLM_PAGING_KEPT_WORDS;
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

#endif
