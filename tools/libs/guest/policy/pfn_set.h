/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A set of pfns: one bit a pfn, and a count of the bits that are set.
 *
 * Summaries lie above these bits, with one bit for 64, for 4,096 and for
 * 262,144 pfns, which says whether any of these is in the set.  So to find the
 * next member takes a handful of words, whatever the size of the guest, and an
 * operation on two sets takes time in proportion to the words with members.
 */
#ifndef XLM_PFN_SET_H
#define XLM_PFN_SET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No set, and so no guest, may have this pfn or a higher one: 16 TiB. */
#define XLM_PFN_LIMIT (1ULL << 32)

#define XLM_PFN_NONE UINT64_MAX

#define XLM_WORD_BITS (sizeof(unsigned long) * CHAR_BIT)

/* The members, and their summaries. */
#define XLM_PFN_SET_LEVELS 4

struct xlm_pfn_set {
    /* A bit of a level says that a word of the level below is not 0; the bits
     * of the first level are the pfns. */
    unsigned long *levels[XLM_PFN_SET_LEVELS];
    uint64_t limit; /* pfns below this can be in the set */
    uint64_t count;
    bool lent; /* the caller owns the words of the first level */
};

/* How many words a set of pfns below limit has. */
static inline size_t xlm_pfn_set_words(uint64_t limit)
{
    return (limit + XLM_WORD_BITS - 1) / XLM_WORD_BITS;
}

#define XLM_PFN_SET_EMPTY ((struct xlm_pfn_set){.limit = 0})

/* Make room for pfns below limit.  Keeps the members, and never shrinks.  Does
 * not touch memory for pfns that are not in the set.  EINVAL: more than
 * XLM_PFN_LIMIT; ENOMEM. */
int xlm_pfn_set_reserve(struct xlm_pfn_set *set, uint64_t limit);
/* Give an empty set without room the members in these xlm_pfn_set_words(limit)
 * words.  The words stay the caller's, must outlive the set, and only the set
 * may change them.  ENOMEM. */
int xlm_pfn_set_lend(struct xlm_pfn_set *set, unsigned long *words,
                     uint64_t limit);
/* Leaves an empty set without room; may be called again. */
void xlm_pfn_set_dispose(struct xlm_pfn_set *set);
void xlm_pfn_set_clear(struct xlm_pfn_set *set);

/* Returns whether the pfn was not in the set before.  It must be below
 * limit. */
bool xlm_pfn_set_add(struct xlm_pfn_set *set, uint64_t pfn);
/* Returns whether the pfn was in the set before. */
bool xlm_pfn_set_remove(struct xlm_pfn_set *set, uint64_t pfn);
bool xlm_pfn_set_contains(const struct xlm_pfn_set *set, uint64_t pfn);
/* The lowest member from pfn `from` on, or XLM_PFN_NONE. */
uint64_t xlm_pfn_set_next(const struct xlm_pfn_set *set, uint64_t from);
/* The same below `end`. */
uint64_t xlm_pfn_set_next_below(const struct xlm_pfn_set *set, uint64_t from,
                                uint64_t end);
/* The highest member at or below `from`, or XLM_PFN_NONE. */
uint64_t xlm_pfn_set_previous(const struct xlm_pfn_set *set, uint64_t from);
/* Lists the lowest members from `from` on, at most `most`; returns how
 * many. */
size_t xlm_pfn_set_list(const struct xlm_pfn_set *set, uint64_t from,
                        uint64_t *pfns, size_t most);

/*
 * The lowest pfn from *from on that is in both of two sets with the same
 * limit, or XLM_PFN_NONE.  The search looks at no more than *words words of
 * both sets, and takes those it looked at from *words.  If that becomes 0
 * there may be such a pfn from *from on.
 */
uint64_t xlm_pfn_set_next_in_both(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t *from, size_t *words);

/* Take the members from these xlm_pfn_set_words(set->limit) words; bits at and
 * above the limit do not count. */
void xlm_pfn_set_take(struct xlm_pfn_set *set, const unsigned long *words);

/* Both sets must have the same limit. */
void xlm_pfn_set_unite(struct xlm_pfn_set *set,
                       const struct xlm_pfn_set *other);
void xlm_pfn_set_intersect(struct xlm_pfn_set *set,
                           const struct xlm_pfn_set *other);
void xlm_pfn_set_subtract(struct xlm_pfn_set *set,
                          const struct xlm_pfn_set *other);
/* The lowest pfn from `from` on that is in the set and not in `other`, or
 * XLM_PFN_NONE; takes time in proportion to the set's words before it. */
uint64_t xlm_pfn_set_next_lacking(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t from);

#endif
