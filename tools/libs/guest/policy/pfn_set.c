/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A set of pfns.
 */
#include "policy/pfn_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A test that counts accesses to words defines this. */
#ifndef XLM_PFN_SET_LOOK
#define XLM_PFN_SET_LOOK() ((void)0)
#endif

#define TOP (XLM_PFN_SET_LEVELS - 1)
#define WORD_SHIFT 6
_Static_assert(XLM_WORD_BITS == 1 << WORD_SHIFT, "words of 64 bits");

/* A level has no such index. */
#define NONE XLM_PFN_NONE

static unsigned long bit_of(uint64_t index)
{
    return 1UL << (index % XLM_WORD_BITS);
}

static unsigned long look_at(const struct xlm_pfn_set *set, unsigned int level,
                             uint64_t word)
{
    XLM_PFN_SET_LOOK();
    return set->levels[level][word];
}

/* ---- room ---- */

static size_t words_of(uint64_t limit, unsigned int level)
{
    unsigned int shift = WORD_SHIFT * (level + 1);

    return (limit + (UINT64_C(1) << shift) - 1) >> shift;
}

/* Allocate all summaries at once. calloc(): memory that stays untouched costs
 * nothing. */
static int make_summaries(struct xlm_pfn_set *set)
{
    size_t words = 0;

    for (unsigned int level = 1; level <= TOP; level++) {
        words += words_of(set->limit, level);
    }
    set->levels[1] = calloc(words ? words : 1, sizeof(unsigned long));
    for (unsigned int level = 2; set->levels[1] && level <= TOP; level++) {
        set->levels[level] =
            set->levels[level - 1] + words_of(set->limit, level - 1);
    }
    return set->levels[1] ? 0 : -1;
}

int xlm_pfn_set_reserve(struct xlm_pfn_set *set, uint64_t limit)
{
    struct xlm_pfn_set made = {.limit = limit};

    if (limit > XLM_PFN_LIMIT) {
        errno = EINVAL;
        return -1;
    }
    if (limit <= set->limit) {
        return 0;
    }
    made.levels[0] = calloc(xlm_pfn_set_words(limit), sizeof(unsigned long));
    if (!made.levels[0] || make_summaries(&made)) {
        free(made.levels[0]);
        return -1;
    }
    xlm_pfn_set_unite(&made, set);
    xlm_pfn_set_dispose(set);
    *set = made;
    return 0;
}

void xlm_pfn_set_dispose(struct xlm_pfn_set *set)
{
    if (!set->lent) {
        free(set->levels[0]);
    }
    free(set->levels[1]);
    *set = XLM_PFN_SET_EMPTY;
}

/* ---- members ---- */

bool xlm_pfn_set_contains(const struct xlm_pfn_set *set, uint64_t pfn)
{
    return pfn < set->limit &&
           (set->levels[0][pfn / XLM_WORD_BITS] & bit_of(pfn));
}

/* Note from this level up that the index is not empty any more. */
static void mark(struct xlm_pfn_set *set, unsigned int level, uint64_t index)
{
    unsigned long before = 0;

    for (; !before && level <= TOP; level++) {
        unsigned long *word = &set->levels[level][index / XLM_WORD_BITS];

        before = *word;
        *word |= bit_of(index);
        index /= XLM_WORD_BITS;
    }
}

/* Note from this level up that the index is empty now. */
static void unmark(struct xlm_pfn_set *set, unsigned int level, uint64_t index)
{
    unsigned long left = 0;

    for (; !left && level <= TOP; level++) {
        unsigned long *word = &set->levels[level][index / XLM_WORD_BITS];

        left = *word &= ~bit_of(index);
        index /= XLM_WORD_BITS;
    }
}

bool xlm_pfn_set_add(struct xlm_pfn_set *set, uint64_t pfn)
{
    if (xlm_pfn_set_contains(set, pfn)) {
        return false;
    }
    mark(set, 0, pfn);
    set->count++;
    return true;
}

bool xlm_pfn_set_remove(struct xlm_pfn_set *set, uint64_t pfn)
{
    if (!xlm_pfn_set_contains(set, pfn)) {
        return false;
    }
    unmark(set, 0, pfn);
    set->count--;
    return true;
}

/* ---- the next one ---- */

/* The lowest index of the first level below this index, which is not empty. */
static uint64_t first_below(const struct xlm_pfn_set *set, unsigned int level,
                            unsigned int down_to, uint64_t index)
{
    while (level-- > down_to) {
        index =
            index * XLM_WORD_BITS + __builtin_ctzl(look_at(set, level, index));
    }
    return index;
}

/* The first index of a level, from this one on, whose bit is set, or NONE: go
 * up until a word has a bit, and down again. */
static uint64_t next_at(const struct xlm_pfn_set *set, unsigned int at,
                        uint64_t index)
{
    unsigned int level = at;
    unsigned long word = 0;
    uint64_t words;

    for (;; level++) {
        words = words_of(set->limit, level);
        if (index / XLM_WORD_BITS >= words) {
            return NONE;
        }
        word =
            look_at(set, level, index / XLM_WORD_BITS) & ~(bit_of(index) - 1);
        if (word || level == TOP) {
            break;
        }
        index = index / XLM_WORD_BITS + 1;
    }
    index /= XLM_WORD_BITS;
    while (!word && ++index < words) {
        word = look_at(set, TOP, index);
    }
    return word ? first_below(set, level, at,
                              index * XLM_WORD_BITS + __builtin_ctzl(word))
                : NONE;
}

uint64_t xlm_pfn_set_next(const struct xlm_pfn_set *set, uint64_t from)
{
    return next_at(set, 0, from);
}

uint64_t xlm_pfn_set_next_below(const struct xlm_pfn_set *set, uint64_t from,
                                uint64_t end)
{
    uint64_t pfn = from < end ? next_at(set, 0, from) : NONE;

    return pfn < end ? pfn : NONE;
}

static uint64_t last_below(const struct xlm_pfn_set *set, unsigned int level,
                           uint64_t index)
{
    while (level--) {
        index = index * XLM_WORD_BITS + XLM_WORD_BITS - 1 -
                __builtin_clzl(look_at(set, level, index));
    }
    return index;
}

uint64_t xlm_pfn_set_previous(const struct xlm_pfn_set *set, uint64_t from)
{
    unsigned int level = 0;
    unsigned long word = 0;
    uint64_t index = from < set->limit ? from : set->limit - 1;

    if (!set->limit) {
        return NONE;
    }
    for (;; level++) {
        word = look_at(set, level, index / XLM_WORD_BITS) &
               (bit_of(index) | (bit_of(index) - 1));
        index /= XLM_WORD_BITS;
        if (word || level == TOP) {
            break;
        }
        if (!index--) {
            return NONE;
        }
    }
    while (!word && index) {
        word = look_at(set, TOP, --index);
    }
    return word ? last_below(set, level,
                             index * XLM_WORD_BITS + XLM_WORD_BITS - 1 -
                                 __builtin_clzl(word))
                : NONE;
}

size_t xlm_pfn_set_list(const struct xlm_pfn_set *set, uint64_t from,
                        uint64_t *pfns, size_t most)
{
    size_t count = 0;

    while (count < most) {
        uint64_t pfn = xlm_pfn_set_next(set, from);

        if (pfn == NONE) {
            break;
        }
        pfns[count++] = pfn;
        from = pfn + 1;
    }
    return count;
}

/* ---- two sets ---- */

/* The first word, from this one on, with members in both sets.  Each word with
 * members in only one of them is taken from *words. */
static uint64_t next_word_of_both(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t word, size_t *words)
{
    uint64_t found;

    while (*words) {
        word = next_at(set, 1, word);
        found = word == NONE ? NONE : next_at(other, 1, word);
        if (found == word || found == NONE) {
            return found;
        }
        word = found;
        --*words;
    }
    return word;
}

uint64_t xlm_pfn_set_next_in_both(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t *from, size_t *words)
{
    while (*words && *from < set->limit) {
        uint64_t word = *from / XLM_WORD_BITS;
        unsigned long both = look_at(set, 0, word) & look_at(other, 0, word) &
                             ~(bit_of(*from) - 1);

        if (both) {
            *from = word * XLM_WORD_BITS + __builtin_ctzl(both);
            return *from;
        }
        --*words;
        word = next_word_of_both(set, other, word + 1, words);
        *from = word == NONE ? set->limit : word * XLM_WORD_BITS;
    }
    return NONE;
}

uint64_t xlm_pfn_set_next_lacking(const struct xlm_pfn_set *set,
                                  const struct xlm_pfn_set *other,
                                  uint64_t from)
{
    unsigned long part = ~(bit_of(from) - 1);
    uint64_t word;

    for (word = next_at(set, 1, from / XLM_WORD_BITS); word != NONE;
         word = next_at(set, 1, word + 1)) {
        unsigned long lacking =
            look_at(set, 0, word) & ~look_at(other, 0, word);

        if (word == from / XLM_WORD_BITS) {
            lacking &= part;
        }
        if (lacking) {
            return word * XLM_WORD_BITS + __builtin_ctzl(lacking);
        }
    }
    return NONE;
}

/* Replace a word of the first level. */
static void put(struct xlm_pfn_set *set, uint64_t word, unsigned long now)
{
    unsigned long before = set->levels[0][word];

    if (now == before) {
        return;
    }
    set->levels[0][word] = now;
    set->count += __builtin_popcountl(now & ~before);
    set->count -= __builtin_popcountl(before & ~now);
    if (!before) {
        mark(set, 1, word);
    } else if (!now) {
        unmark(set, 1, word);
    }
}

/*
 * For each word w in which `driver` has members, replace the set's word by
 * what combine() makes of it and of the other set's word.  The words below one
 * word of the summary are handled in one loop: for a full set that is most of
 * the work.
 */
static inline __attribute__((always_inline)) void combine_all(
    struct xlm_pfn_set *set, const struct xlm_pfn_set *driver,
    const struct xlm_pfn_set *other,
    unsigned long (*combine)(unsigned long, unsigned long))
{
    uint64_t group;

    for (group = next_at(driver, 2, 0); group != NONE;
         group = next_at(driver, 2, group + 1)) {
        unsigned long left = look_at(driver, 1, group);

        for (; left; left &= left - 1) {
            uint64_t word = group * XLM_WORD_BITS + __builtin_ctzl(left);

            put(set, word,
                combine(look_at(set, 0, word), look_at(other, 0, word)));
        }
    }
}

static unsigned long either(unsigned long word, unsigned long other)
{
    return word | other;
}

static unsigned long both(unsigned long word, unsigned long other)
{
    return word & other;
}

static unsigned long only_first(unsigned long word, unsigned long other)
{
    return word & ~other;
}

void xlm_pfn_set_unite(struct xlm_pfn_set *set,
                       const struct xlm_pfn_set *other)
{
    combine_all(set, other, other, either);
}

void xlm_pfn_set_intersect(struct xlm_pfn_set *set,
                           const struct xlm_pfn_set *other)
{
    combine_all(set, set, other, both);
}

/* Words in which either set has no members need no change. */
void xlm_pfn_set_subtract(struct xlm_pfn_set *set,
                          const struct xlm_pfn_set *other)
{
    combine_all(set, other->count < set->count ? other : set, other,
                only_first);
}

void xlm_pfn_set_clear(struct xlm_pfn_set *set)
{
    combine_all(set, set, set, only_first);
}

/* ---- words of a caller ---- */

static unsigned long within_limit(const struct xlm_pfn_set *set, size_t word,
                                  unsigned long members)
{
    return word == set->limit / XLM_WORD_BITS
               ? members & (bit_of(set->limit) - 1)
               : members;
}

void xlm_pfn_set_take(struct xlm_pfn_set *set, const unsigned long *words)
{
    size_t count = xlm_pfn_set_words(set->limit);

    xlm_pfn_set_clear(set);
    for (size_t i = 0; i < count; i++) {
        if (words[i]) {
            put(set, i, within_limit(set, i, words[i]));
        }
    }
}

int xlm_pfn_set_lend(struct xlm_pfn_set *set, unsigned long *words,
                     uint64_t limit)
{
    struct xlm_pfn_set made = {.limit = limit, .lent = true};
    size_t count = xlm_pfn_set_words(limit);

    if (make_summaries(&made)) {
        return -1;
    }
    made.levels[0] = words;
    for (size_t i = 0; i < count; i++) {
        words[i] = within_limit(&made, i, words[i]);
        if (words[i]) {
            made.count += __builtin_popcountl(words[i]);
            mark(&made, 1, i);
        }
    }
    *set = made;
    return 0;
}
