/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a page of the guest holds: 512 words derived from its pfn and its
 * generation (how often it was written).
 *
 *   word 0         header: magic, pfn, generation
 *   word 1 .. 510  seed + i * stride, both hashed from the header
 *   word 511       the header inverted
 *
 * Every word depends on pfn and generation, so a page that is stale, zero,
 * torn between two generations, or in another page's place is told apart from
 * what was written, and from each other.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SIZE 4096u
#define PATTERN_WORDS (PAGE_SIZE / sizeof(uint64_t))

enum pattern_fault {
    PATTERN_STALE,     /* an earlier generation of this page, whole */
    PATTERN_NEWER,     /* a later generation: it is the record that is old */
    PATTERN_MISPLACED, /* another page, whole */
    PATTERN_ZERO,      /* nothing but zeroes */
    PATTERN_PARTIAL,   /* right up to some word, zeroes from there */
    PATTERN_TORN,      /* one generation up to some word, then another */
    PATTERN_CORRUPT,   /* anything else */
    PATTERN_FAULTS
};

struct pattern_diff {
    enum pattern_fault fault;
    unsigned int first_word; /* the first one that differs, */
    uint64_t expected;       /* what it should be */
    uint64_t found;          /* and what it is */
    unsigned int differing;  /* how many words differ */
    uint64_t found_header;   /* word 0 as found */
};

uint64_t pattern_header(uint64_t pfn, uint32_t generation);

/* The word at this index of a page. */
uint64_t pattern_word(uint64_t pfn, uint32_t generation, unsigned int index);
void pattern_write(uint64_t *page, uint64_t pfn, uint32_t generation);
bool pattern_matches(const uint64_t *page, uint64_t pfn, uint32_t generation);

/* Says in what way a page that does not match is wrong. */
void pattern_diagnose(const uint64_t *page, uint64_t pfn, uint32_t generation,
                      struct pattern_diff *diff);

const char *pattern_fault_name(enum pattern_fault fault);

#endif
