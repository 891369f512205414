/*
 * A set of pfns: one bit a pfn, and how many are set.
 */
#ifndef XLM_PFN_SET_H
#define XLM_PFN_SET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Highest pfn plus one that a set, and so a guest, may have: 16 TiB. */
#define XLM_PFN_LIMIT (1ULL << 32)

#define XLM_PFN_NONE UINT64_MAX

#define XLM_WORD_BITS (sizeof(unsigned long) * CHAR_BIT)

struct xlm_pfn_set {
    unsigned long *words;
    uint64_t limit; /* pfns below this can be in the set */
    uint64_t count;
    bool lent; /* the words are somebody else's */
};

/* Words that a set of pfns below limit has. */
static inline size_t xlm_pfn_set_words(uint64_t limit)
{
    return (limit + XLM_WORD_BITS - 1) / XLM_WORD_BITS;
}

#define XLM_PFN_SET_EMPTY ((struct xlm_pfn_set){.words = NULL})

/* Make room for pfns below limit; keeps what is in the set and never
 * shrinks.  EINVAL: more than XLM_PFN_LIMIT; ENOMEM. */
int xlm_pfn_set_reserve(struct xlm_pfn_set *set, uint64_t limit);
/* Make an empty set without room one of what is in these words,
 * xlm_pfn_set_words(limit) of them, which stay the caller's and outlive it. */
void xlm_pfn_set_lend(struct xlm_pfn_set *set, unsigned long *words,
                      uint64_t limit);
/* Leaves an empty set without room; harmless on one. */
void xlm_pfn_set_dispose(struct xlm_pfn_set *set);
void xlm_pfn_set_clear(struct xlm_pfn_set *set);

/* True when the pfn was not in the set before.  It must be below limit. */
bool xlm_pfn_set_add(struct xlm_pfn_set *set, uint64_t pfn);
/* True when the pfn was in the set before. */
bool xlm_pfn_set_remove(struct xlm_pfn_set *set, uint64_t pfn);
bool xlm_pfn_set_contains(const struct xlm_pfn_set *set, uint64_t pfn);
/* The lowest member from pfn `from` on, or XLM_PFN_NONE. */
uint64_t xlm_pfn_set_next(const struct xlm_pfn_set *set, uint64_t from);
/* The highest member at or below `from`, or XLM_PFN_NONE. */
uint64_t xlm_pfn_set_previous(const struct xlm_pfn_set *set, uint64_t from);
/* Recount after the words were written directly. */
void xlm_pfn_set_recount(struct xlm_pfn_set *set);

/* Word by word on sets of the same limit. */
void xlm_pfn_set_unite(struct xlm_pfn_set *set,
                       const struct xlm_pfn_set *other);
void xlm_pfn_set_intersect(struct xlm_pfn_set *set,
                           const struct xlm_pfn_set *other);
void xlm_pfn_set_subtract(struct xlm_pfn_set *set,
                          const struct xlm_pfn_set *other);
/* Leave what is in other and was not in the set. */
void xlm_pfn_set_negate_within(struct xlm_pfn_set *set,
                               const struct xlm_pfn_set *other);

#endif
