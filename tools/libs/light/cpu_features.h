/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a guest may use of a processor, by CPUID (pure).
 */
#ifndef LM_CPU_FEATURES_H
#define LM_CPU_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A leaf, in the layout of xen_cpuid_leaf_t. */
struct lm_cpuid_leaf {
    uint32_t leaf;
    uint32_t subleaf; /* LM_CPUID_NO_SUBLEAF: the leaf has none */
    uint32_t eax, ebx, ecx, edx;
};

#define LM_CPUID_NO_SUBLEAF 0xffffffffu

struct lm_cpuid {
    const struct lm_cpuid_leaf *leaves;
    size_t count;
};

/* Does the leaf hold features?  All others are left out of a comparison. */
bool lm_cpuid_has_features(const struct lm_cpuid_leaf *leaf);

/*
 * What the guest has and processors `there` lack, one word of features after
 * the other, into `text`, which is cut if it is too long.  Features that the
 * guest has and the processors `here` lack are none of processors, and are
 * left out.  Returns the number of missing features.
 */
unsigned int lm_cpuid_missing(const struct lm_cpuid *guest,
                              const struct lm_cpuid *here,
                              const struct lm_cpuid *there, char *text,
                              size_t room);

#endif
