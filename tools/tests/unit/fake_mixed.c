/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_mixed.h"

static void write_from(struct fake_migration *migration, uint64_t pfn)
{
    for (; pfn < migration->setup.mixture->pages;
         pfn += migration->setup.mixture->step) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static void at_policy(struct fake_migration *migration)
{
    write_from(migration, 2);
}

static void at_suspend(struct fake_migration *migration)
{
    write_from(migration, 3);
    if (migration->setup.mixture->hot) {
        fake_guest_write(migration->setup.guest, 0,
                         migration->setup.mixture->hot);
    }
    fake_guest_give_back(migration->setup.guest,
                         migration->setup.mixture->given_back);
}

void fake_mixed_at_build(struct fake_migration *migration)
{
    for (int i = 0; i < 2; i++) {
        fake_page_busy(migration->outcome.destination,
                       migration->setup.mixture->busy[i], true);
    }
}

/* No vCPU waits for a pager whose process died. */
void fake_mixed_at_run(struct fake_migration *migration)
{
    fake_guest_start(migration->setup.guest, 1);
    if (migration->script.answer == XLM_PRECOPY_POSTCOPY &&
        !migration->outcome.dead[1]) {
        fake_await_waiting(migration->outcome.destination, 1);
    }
}

struct fake_migration *fake_mixed_new(const struct fake_mixture *mixture,
                                      enum way_to_move way)
{
    struct fake_migration *migration = fake_migration_new(mixture->pages, 2);

    migration->setup.mixture = mixture;
    migration->script.rounds = way == PURE ? 0 : 1;
    migration->script.answer = way == STOP_AND_COPY ? XLM_PRECOPY_STOP_AND_COPY
                                                    : XLM_PRECOPY_POSTCOPY;
    migration->setup.params.hot_pages_max = 4;
    migration->script.at_policy = at_policy;
    migration->script.at_suspend = at_suspend;
    migration->script.at_build = fake_mixed_at_build;
    migration->script.at_run = fake_mixed_at_run;
    return migration;
}
