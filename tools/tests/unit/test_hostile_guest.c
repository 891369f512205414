/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest that writes to everything that it can reach, wherever it runs: to
 * its own pages, to the rings that it shares with the toolstack, and to
 * pfns where it has no page.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"

#define PAGES 300
#define HERE 0x51
#define THERE 0xd7

/* Pages of the toolstack that the guest wrote to and finds unchanged on the
 * other host. */
static atomic_uint came_along;

static void scribble(void *page, uint64_t pfn, void *data)
{
    const unsigned char *octet = data;

    (void)pfn;
    if (*octet == THERE && *(unsigned char *)page == HERE) {
        atomic_fetch_add(&came_along, 1);
    }
    memset(page, *octet, XLM_PAGE_SIZE);
}

static void scribble_over_all(struct fake_migration *migration,
                              struct fake_domain *domain, unsigned int vcpu,
                              unsigned char octet)
{
    static const uint64_t far_off[] = {1ull << 28, 1ull << 52, UINT64_MAX};
    uint64_t pfn;
    size_t i;

    for (pfn = 0; pfn < migration->setup.nr_pfns; pfn++) {
        if (pfn < PAGES && fake_guest_has(migration->setup.guest, pfn)) {
            fake_guest_write(migration->setup.guest, vcpu, pfn);
        } else {
            fake_vcpu_access(domain, vcpu, pfn, true, scribble, &octet);
        }
    }
    for (i = 0; i < sizeof(far_off) / sizeof(far_off[0]); i++) {
        assert_int_equal(
            fake_vcpu_access(domain, vcpu, far_off[i], true, scribble, &octet),
            FAKE_ACCESS_NO_PAGE);
    }
}

static void scribble_here(struct fake_migration *migration)
{
    scribble_over_all(migration, migration->setup.source, 0, HERE);
}

static void *scribble_there(void *data)
{
    struct fake_migration *migration = data;

    scribble_over_all(migration, migration->outcome.destination, 1, THERE);
    return NULL;
}

static void start_there(struct fake_migration *migration)
{
    assert_int_equal(
        pthread_create(migration->data, NULL, scribble_there, migration), 0);
}

/* All that the guest wrote to its own pages is there, and nothing else
 * changed. */
static void scribbles_on_everything(void **state)
{
    static const struct {
        unsigned int rounds;
        enum xlm_precopy_answer answer;
    } ways[] = {
        {0, XLM_PRECOPY_POSTCOPY},
        {2, XLM_PRECOPY_POSTCOPY},
        {2, XLM_PRECOPY_STOP_AND_COPY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct fake_migration *migration = fake_migration_new(PAGES, 2);
        pthread_t thread;

        migration->setup.params.hot_pages_max = 4;
        migration->script.rounds = ways[i].rounds;
        migration->script.answer = ways[i].answer;
        migration->script.at_policy = scribble_here;
        migration->script.at_round = scribble_here;
        migration->script.at_suspend = scribble_here;
        migration->script.at_run = start_there;
        migration->data = &thread;
        fake_migration_run(migration);
        pthread_join(thread, NULL);
        fake_migration_check_success(migration);
        assert_int_equal(atomic_load(&came_along), 0);
        fake_migration_free(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scribbles_on_everything),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
