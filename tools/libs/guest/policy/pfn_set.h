/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A set of pfns: one bit a pfn, and how many are set.
 *
 * Above these bits there are summaries, with a bit for 64, one for 4,096 and
 * one for 262,144 pfns, which says whether any of them is in the set.  So the
 * next member is found by looking at a handful of words, whatever the size of
 * the guest, and an operation on two sets takes as long as there are words
 * with members in it.
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

/* The members, and summaries of them. */
#define XLM_PFN_SET_LEVELS 4

struct xlm_pfn_set {
    /* A bit of a level says that a word of the level below is not 0; those of
     * the first are the pfns. */
    unsigned long *levels[XLM_PFN_SET_LEVELS];
    uint64_t limit; /* pfns below this can be in the set */
    uint64_t count;
    bool lent; /* the words of the first level are somebody else's */
};

/* Words that a set of pfns below limit has. */
static inline size_t xlm_pfn_set_words(uint64_t limit)
{
    return (limit + XLM_WORD_BITS - 1) / XLM_WORD_BITS;
}

#define XLM_PFN_SET_EMPTY ((struct xlm_pfn_set){.limit = 0})

/* Make room for pfns below limit; keeps what is in the set and never
 * shrinks.  Memory of which nothing is in the set is not touched.  EINVAL:
 * more than XLM_PFN_LIMIT; ENOMEM. */
int xlm_pfn_set_reserve(struct xlm_pfn_set *set, uint64_t limit);
/* Make an empty set without room one of what is in these words,
 * xlm_pfn_set_words(limit) of them, which stay the caller's and outlive it.
 * Nobody else changes them meanwhile.  ENOMEM. */
int xlm_pfn_set_lend(struct xlm_pfn_set *set, unsigned long *words,
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
/* The same of those below `end`. */
uint64_t xlm_pfn_set_next_below(const struct xlm_pfn_set *set, uint64_t from,
                                uint64_t end);
/* The highest member at or below `from`, or XLM_PFN_NONE. */
uint64_t xlm_pfn_set_previous(const struct xlm_pfn_set *set, uint64_t from);
/* The lowest members from `from` on, at most `most`; the number of them. */
size_t xlm_pfn_set_list(const struct xlm_pfn_set *set, uint64_t from,
                        uint64_t *pfns, size_t most);

/*
 * The lowest pfn from *from on that is in both of two sets of the same limit,
 * or XLM_PFN_NONE.  *words is how many words of both may be looked at, and
 * what is left of that afterwards: 0, and there may be one from *from on.
 */
uint64_t xlm_pfn_set_next_in_both(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t *from, size_t *words);

/* Become what is in these words, xlm_pfn_set_words(set->limit) of them; bits
 * past the limit are noise. */
void xlm_pfn_set_take(struct xlm_pfn_set *set, const unsigned long *words);

/* Word by word on sets of the same limit. */
void xlm_pfn_set_unite(struct xlm_pfn_set *set,
                       const struct xlm_pfn_set *other);
void xlm_pfn_set_intersect(struct xlm_pfn_set *set,
                           const struct xlm_pfn_set *other);
void xlm_pfn_set_subtract(struct xlm_pfn_set *set,
                          const struct xlm_pfn_set *other);
/* The lowest pfn from `from` on that is in the set and not in `other`, or
 * XLM_PFN_NONE; takes as long as there are words of the set before it. */
uint64_t xlm_pfn_set_next_lacking(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t from);

#endif
