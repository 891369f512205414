/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a guest may use of a processor.
 */
#include "cpu_features.h"

#include <inttypes.h>
#include <stdio.h>

#define NELEMS(array) (sizeof(array) / sizeof((array)[0]))

enum reg { EAX, EBX, ECX, EDX, NR_REGS };
static const char *const reg_names[NR_REGS] = {"eax", "ebx", "ecx", "edx"};

/* The words of CPUID in which each bit is a feature. */
static const struct word {
    uint32_t leaf, subleaf;
    bool regs[NR_REGS];
} words[] = {
    {0x1, LM_CPUID_NO_SUBLEAF, {[ECX] = true, [EDX] = true}},
    {0x7, 0, {[EBX] = true, [ECX] = true, [EDX] = true}},
    {0x7, 1, {[EAX] = true, [EBX] = true, [ECX] = true, [EDX] = true}},
    {0x7, 2, {[EDX] = true}},
    {0xd, 0, {[EAX] = true, [EDX] = true}}, /* state for XSAVE */
    {0xd, 1, {[EAX] = true}},
    {0x80000001, LM_CPUID_NO_SUBLEAF, {[ECX] = true, [EDX] = true}},
    {0x80000007, LM_CPUID_NO_SUBLEAF, {[EDX] = true}},
    {0x80000008, LM_CPUID_NO_SUBLEAF, {[EBX] = true}},
    {0x80000021, LM_CPUID_NO_SUBLEAF, {[EAX] = true}},
};

static bool is_of(const struct lm_cpuid_leaf *leaf, const struct word *word)
{
    return leaf->leaf == word->leaf && leaf->subleaf == word->subleaf;
}

bool lm_cpuid_has_features(const struct lm_cpuid_leaf *leaf)
{
    for (size_t i = 0; i < NELEMS(words); i++) {
        if (is_of(leaf, &words[i])) {
            return true;
        }
    }
    return false;
}

/* A leaf that is not there has no features. */
static uint32_t value_of(const struct lm_cpuid *cpuid, const struct word *word,
                         enum reg reg)
{
    for (size_t i = 0; i < cpuid->count; i++) {
        const struct lm_cpuid_leaf *leaf = &cpuid->leaves[i];

        if (is_of(leaf, word)) {
            const uint32_t values[NR_REGS] = {leaf->eax, leaf->ebx, leaf->ecx,
                                              leaf->edx};

            return values[reg];
        }
    }
    return 0;
}

static int spell(char *text, size_t room, const struct word *word,
                 enum reg reg, uint32_t missing)
{
    char subleaf[16] = "";

    if (word->subleaf != LM_CPUID_NO_SUBLEAF) {
        snprintf(subleaf, sizeof(subleaf), ":%" PRIu32, word->subleaf);
    }
    return snprintf(text, room, "%" PRIx32 "%s %s %08" PRIx32, word->leaf,
                    subleaf, reg_names[reg], missing);
}

unsigned int lm_cpuid_missing(const struct lm_cpuid *guest,
                              const struct lm_cpuid *here,
                              const struct lm_cpuid *there, char *text,
                              size_t room)
{
    unsigned int count = 0;
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < NELEMS(words) * NR_REGS; i++) {
        const struct word *word = &words[i / NR_REGS];
        enum reg reg = i % NR_REGS;
        uint32_t missing = value_of(guest, word, reg) &
                           value_of(here, word, reg) &
                           ~value_of(there, word, reg);

        if (!word->regs[reg] || !missing) {
            continue;
        }
        if (length + 2 < room) {
            length += snprintf(text + length, room - length, "%s",
                               count ? ", " : "");
            length += spell(text + length, room - length, word, reg, missing);
        }
        count += __builtin_popcount(missing);
    }
    return count;
}
