/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_mixed.h"

static void write_from(struct fake_migration *migration, uint64_t pfn)
{
    for (; pfn < migration->mixture->pages; pfn += migration->mixture->step) {
        fake_guest_write(migration->guest, 0, pfn);
    }
}

static void at_policy(struct fake_migration *migration)
{
    write_from(migration, 2);
}

static void at_suspend(struct fake_migration *migration)
{
    write_from(migration, 3);
    if (migration->mixture->hot) {
        fake_guest_write(migration->guest, 0, migration->mixture->hot);
    }
    fake_guest_give_back(migration->guest, migration->mixture->given_back);
}

void fake_mixed_at_build(struct fake_migration *migration)
{
    for (int i = 0; i < 2; i++) {
        fake_page_busy(migration->destination, migration->mixture->busy[i],
                       true);
    }
}

/* No vCPU waits for the pager of a process that died. */
void fake_mixed_at_run(struct fake_migration *migration)
{
    fake_guest_start(migration->guest, 1);
    if (migration->answer == XLM_PRECOPY_POSTCOPY && !migration->dead[1]) {
        fake_await_waiting(migration->destination, 1);
    }
}

struct fake_migration *fake_mixed_new(const struct fake_mixture *mixture,
                                      enum way_to_move way)
{
    struct fake_migration *migration = fake_migration_new(mixture->pages, 2);

    migration->mixture = mixture;
    migration->rounds = way == PURE ? 0 : 1;
    migration->answer = way == STOP_AND_COPY ? XLM_PRECOPY_STOP_AND_COPY
                                             : XLM_PRECOPY_POSTCOPY;
    migration->params.hot_pages_max = 4;
    migration->at_policy = at_policy;
    migration->at_suspend = at_suspend;
    migration->at_build = fake_mixed_at_build;
    migration->at_run = fake_mixed_at_run;
    return migration;
}
