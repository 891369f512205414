/*
 * A set of pfns.
 */
#include "policy/pfn_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned long bit_of(uint64_t pfn)
{
    return 1UL << (pfn % XLM_WORD_BITS);
}

int xlm_pfn_set_reserve(struct xlm_pfn_set *set, uint64_t limit)
{
    unsigned long *words;
    size_t had = xlm_pfn_set_words(set->limit);

    if (limit > XLM_PFN_LIMIT) {
        errno = EINVAL;
        return -1;
    }
    if (limit <= set->limit) {
        return 0;
    }
    /* calloc(): memory that stays untouched costs nothing. */
    words = calloc(xlm_pfn_set_words(limit), sizeof(*words));
    if (!words) {
        return -1;
    }
    if (had) {
        memcpy(words, set->words, had * sizeof(*words));
    }
    free(set->words);
    set->words = words;
    set->limit = limit;
    return 0;
}

void xlm_pfn_set_lend(struct xlm_pfn_set *set, unsigned long *words,
                      uint64_t limit)
{
    *set = (struct xlm_pfn_set){
        .words = words,
        .limit = limit,
        .lent = true,
    };
    xlm_pfn_set_recount(set);
}

void xlm_pfn_set_dispose(struct xlm_pfn_set *set)
{
    if (!set->lent) {
        free(set->words);
    }
    *set = XLM_PFN_SET_EMPTY;
}

void xlm_pfn_set_clear(struct xlm_pfn_set *set)
{
    if (set->words) {
        memset(set->words, 0,
               xlm_pfn_set_words(set->limit) * sizeof(*set->words));
    }
    set->count = 0;
}

bool xlm_pfn_set_contains(const struct xlm_pfn_set *set, uint64_t pfn)
{
    return pfn < set->limit && (set->words[pfn / XLM_WORD_BITS] & bit_of(pfn));
}

bool xlm_pfn_set_add(struct xlm_pfn_set *set, uint64_t pfn)
{
    if (xlm_pfn_set_contains(set, pfn)) {
        return false;
    }
    set->words[pfn / XLM_WORD_BITS] |= bit_of(pfn);
    set->count++;
    return true;
}

bool xlm_pfn_set_remove(struct xlm_pfn_set *set, uint64_t pfn)
{
    if (!xlm_pfn_set_contains(set, pfn)) {
        return false;
    }
    set->words[pfn / XLM_WORD_BITS] &= ~bit_of(pfn);
    set->count--;
    return true;
}

uint64_t xlm_pfn_set_next(const struct xlm_pfn_set *set, uint64_t from)
{
    size_t words = xlm_pfn_set_words(set->limit);
    size_t i = from / XLM_WORD_BITS;
    unsigned long word;

    if (from >= set->limit) {
        return XLM_PFN_NONE;
    }
    word = set->words[i] & ~(bit_of(from) - 1);
    while (!word) {
        if (++i == words) {
            return XLM_PFN_NONE;
        }
        word = set->words[i];
    }
    return i * XLM_WORD_BITS + __builtin_ctzl(word);
}

uint64_t xlm_pfn_set_previous(const struct xlm_pfn_set *set, uint64_t from)
{
    unsigned long word;
    size_t i;

    if (!set->limit) {
        return XLM_PFN_NONE;
    }
    if (from >= set->limit) {
        from = set->limit - 1;
    }
    i = from / XLM_WORD_BITS;
    word = set->words[i] & (bit_of(from) | (bit_of(from) - 1));
    while (!word) {
        if (!i--) {
            return XLM_PFN_NONE;
        }
        word = set->words[i];
    }
    return i * XLM_WORD_BITS + XLM_WORD_BITS - 1 - __builtin_clzl(word);
}

void xlm_pfn_set_recount(struct xlm_pfn_set *set)
{
    size_t words = xlm_pfn_set_words(set->limit);
    uint64_t count = 0;

    /* The hypervisor writes whole words: what is past the limit is noise. */
    if (set->limit % XLM_WORD_BITS) {
        set->words[words - 1] &= bit_of(set->limit) - 1;
    }
    for (size_t i = 0; i < words; i++) {
        count += __builtin_popcountl(set->words[i]);
    }
    set->count = count;
}

void xlm_pfn_set_unite(struct xlm_pfn_set *set,
                       const struct xlm_pfn_set *other)
{
    for (size_t i = 0; i < xlm_pfn_set_words(set->limit); i++) {
        set->words[i] |= other->words[i];
    }
    xlm_pfn_set_recount(set);
}

void xlm_pfn_set_intersect(struct xlm_pfn_set *set,
                           const struct xlm_pfn_set *other)
{
    for (size_t i = 0; i < xlm_pfn_set_words(set->limit); i++) {
        set->words[i] &= other->words[i];
    }
    xlm_pfn_set_recount(set);
}

void xlm_pfn_set_subtract(struct xlm_pfn_set *set,
                          const struct xlm_pfn_set *other)
{
    for (size_t i = 0; i < xlm_pfn_set_words(set->limit); i++) {
        set->words[i] &= ~other->words[i];
    }
    xlm_pfn_set_recount(set);
}

void xlm_pfn_set_negate_within(struct xlm_pfn_set *set,
                               const struct xlm_pfn_set *other)
{
    for (size_t i = 0; i < xlm_pfn_set_words(set->limit); i++) {
        set->words[i] = other->words[i] & ~set->words[i];
    }
    xlm_pfn_set_recount(set);
}
