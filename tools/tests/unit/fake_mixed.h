/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration with something of everything in it: pages that are written
 * between the rounds and at the last moment, one that is given back, some that
 * refuse to be evicted.  The vCPUs start where the guest runs in the end:
 * until then every run is the same to the octet.
 */
#ifndef FAKE_MIXED_H
#define FAKE_MIXED_H

#include <stdint.h>

#include "fake_migration.h"

enum way_to_move { PURE, HYBRID, STOP_AND_COPY, NR_WAYS };

struct fake_mixture {
    uint64_t pages;
    /* One of this many pages is written between the rounds, and the page after
     * it while the guest suspends. */
    uint64_t step;
    /* This page is written then as well, although the list may have it; 0:
     * none. */
    uint64_t hot;
    uint64_t given_back;
    uint64_t busy[2];
};

/* The mixture must exist as long as the migration. */
struct fake_migration *fake_mixed_new(const struct fake_mixture *mixture,
                                      enum way_to_move way);

/* The moments that the mixture uses, for tests that do more in them. */
void fake_mixed_at_build(struct fake_migration *migration);
void fake_mixed_at_run(struct fake_migration *migration);

#endif
