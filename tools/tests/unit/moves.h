/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What tests of whole migrations begin and end with.
 */
#ifndef MOVES_H
#define MOVES_H

#include <stdint.h>

#include "fake_migration.h"

#define PAGES 300

/* Its vCPUs are at work all the time. */
static inline struct fake_migration *new_migration(unsigned int vcpus)
{
    struct fake_migration *migration = fake_migration_new(PAGES, vcpus);

    migration->script.vcpu_seed = 1;
    return migration;
}

/* What its vCPU does is the test's choice. */
static inline struct fake_migration *new_quiet(unsigned int rounds,
                                               enum xlm_precopy_answer answer)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 1);

    migration->script.rounds = rounds;
    migration->script.answer = answer;
    return migration;
}

static inline void succeed(struct fake_migration *migration)
{
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_migration_free(migration);
}

/* One page in seven, others in each round. */
static inline void write_some(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = migration->outcome.iteration; pfn < PAGES; pfn += 7) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

#endif
