/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pattern.h"

#define MAGIC 0xa5u
#define MAGIC_SHIFT 56
#define PFN_SHIFT 32
#define PFN_MASK 0xffffffu

struct words {
    uint64_t header;
    uint64_t seed;
    uint64_t stride;
};

static uint64_t mix(uint64_t value)
{
    value ^= value >> 31;
    value *= 0x9e3779b97f4a7c15u;
    value ^= value >> 29;
    value *= 0xd6e8feb86659fd93u;
    return value ^ (value >> 32);
}

static struct words words_of_header(uint64_t header)
{
    struct words words;

    words.header = header;
    words.seed = mix(header);
    words.stride = mix(words.seed) | 1;
    return words;
}

static uint64_t word_at(const struct words *words, unsigned int index)
{
    if (index == 0) {
        return words->header;
    }
    if (index == PATTERN_WORDS - 1) {
        return ~words->header;
    }
    return words->seed + index * words->stride;
}

uint64_t pattern_header(uint64_t pfn, uint32_t generation)
{
    return (uint64_t)MAGIC << MAGIC_SHIFT | (pfn & PFN_MASK) << PFN_SHIFT |
           generation;
}

uint64_t pattern_word(uint64_t pfn, uint32_t generation, unsigned int index)
{
    struct words words = words_of_header(pattern_header(pfn, generation));

    return word_at(&words, index);
}

static bool is_header(uint64_t word)
{
    return word >> MAGIC_SHIFT == MAGIC;
}

static uint64_t header_pfn(uint64_t header)
{
    return (header >> PFN_SHIFT) & PFN_MASK;
}

void pattern_write(uint64_t *page, uint64_t pfn, uint32_t generation)
{
    struct words words = words_of_header(pattern_header(pfn, generation));
    uint64_t word = words.seed;
    unsigned int i;

    page[0] = words.header;
    for (i = 1; i < PATTERN_WORDS - 1; i++) {
        word += words.stride;
        page[i] = word;
    }
    page[PATTERN_WORDS - 1] = ~words.header;
}

static bool matches_header(const uint64_t *page, uint64_t header)
{
    struct words words = words_of_header(header);
    uint64_t word = words.seed;
    uint64_t wrong_bits;
    unsigned int i;

    wrong_bits = page[0] ^ words.header;
    for (i = 1; i < PATTERN_WORDS - 1; i++) {
        word += words.stride;
        wrong_bits |= page[i] ^ word;
    }
    wrong_bits |= page[PATTERN_WORDS - 1] ^ ~words.header;
    return wrong_bits == 0;
}

bool pattern_matches(const uint64_t *page, uint64_t pfn, uint32_t generation)
{
    return matches_header(page, pattern_header(pfn, generation));
}

static bool zero_from(const uint64_t *page, unsigned int first)
{
    while (first < PATTERN_WORDS && page[first] == 0) {
        first++;
    }
    return first == PATTERN_WORDS;
}

/* The page as its header says up to some word, as its trailer says after. */
static bool is_torn(const uint64_t *page, uint64_t pfn)
{
    struct words head = words_of_header(page[0]);
    struct words tail = words_of_header(~page[PATTERN_WORDS - 1]);
    unsigned int i = 0;

    if (!is_header(tail.header) || header_pfn(tail.header) != pfn ||
        !is_header(head.header) || header_pfn(head.header) != pfn) {
        return false;
    }
    while (i < PATTERN_WORDS && page[i] == word_at(&head, i)) {
        i++;
    }
    while (i < PATTERN_WORDS && page[i] == word_at(&tail, i)) {
        i++;
    }
    return i == PATTERN_WORDS;
}

static enum pattern_fault classify(const uint64_t *page, uint64_t pfn,
                                   uint32_t generation, unsigned int first)
{
    if (zero_from(page, first)) {
        return first == 0 ? PATTERN_ZERO : PATTERN_PARTIAL;
    }
    if (is_header(page[0]) && matches_header(page, page[0])) {
        if (header_pfn(page[0]) != (pfn & PFN_MASK)) {
            return PATTERN_MISPLACED;
        }
        return (int32_t)((uint32_t)page[0] - generation) > 0 ? PATTERN_NEWER
                                                             : PATTERN_STALE;
    }
    return is_torn(page, pfn & PFN_MASK) ? PATTERN_TORN : PATTERN_CORRUPT;
}

void pattern_diagnose(const uint64_t *page, uint64_t pfn, uint32_t generation,
                      struct pattern_diff *diff)
{
    struct words words = words_of_header(pattern_header(pfn, generation));
    unsigned int i;

    diff->first_word = 0;
    diff->expected = words.header;
    diff->found = page[0];
    diff->found_header = page[0];
    diff->differing = 0;
    for (i = 0; i < PATTERN_WORDS; i++) {
        if (page[i] == word_at(&words, i)) {
            continue;
        }
        if (diff->differing == 0) {
            diff->first_word = i;
            diff->expected = word_at(&words, i);
            diff->found = page[i];
        }
        diff->differing++;
    }
    diff->fault = classify(page, pfn, generation, diff->first_word);
}

const char *pattern_fault_name(enum pattern_fault fault)
{
    static const char *const names[PATTERN_FAULTS] = {
        [PATTERN_STALE] = "stale",         [PATTERN_NEWER] = "newer",
        [PATTERN_MISPLACED] = "misplaced", [PATTERN_ZERO] = "zero",
        [PATTERN_PARTIAL] = "partial",     [PATTERN_TORN] = "torn",
        [PATTERN_CORRUPT] = "corrupt",
    };

    return names[fault];
}
