/*
 * Guests that end while they are being moved: by themselves, or destroyed by
 * somebody.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "wire.h"

#define PAGES 3000
#define WATCHDOG_SECONDS 60

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 1);

    alarm(WATCHDOG_SECONDS);
    migration->answer = XLM_PRECOPY_POSTCOPY;
    return migration;
}

/* ---- at the source ---- */

static void shut_down(struct fake_migration *migration)
{
    fake_domain_suspend(migration->source);
}

/* Nobody buries it: no call fails, and still there is nothing to move. */
static void shuts_down(void **state)
{
    int rounds;

    (void)state;
    for (rounds = 0; rounds < 2; rounds++) {
        struct fake_migration *migration = new_migration();

        migration->rounds = rounds;
        migration->at_policy = shut_down;
        fake_migration_run(migration);
        assert_int_equal(migration->save_rc, -1);
        assert_false(migration->transitioned);
        assert_false(migration->resumed);
        assert_false(migration->suspended);
        assert_non_null(
            strstr(migration->contexts[0].reason, "has shut down"));
        fake_migration_free(migration);
    }
}

/* ---- at the destination ---- */

static void destroy(struct fake_migration *migration)
{
    fake_domain_destroy(migration->destination);
}

static struct fake_migration *destroy_in_postcopy(uint64_t cut_after)
{
    struct fake_migration *migration = new_migration();

    migration->params.hot_pages_max = 0;
    migration->at_run = destroy;
    migration->cut_way = FAKE_BACK;
    migration->cut_after = cut_after;
    fake_migration_run(migration);
    assert_true(migration->transitioned);
    assert_true(migration->resumed);
    assert_int_equal(migration->restore_rc, 0);
    assert_non_null(strstr(migration->contexts[1].reason, "ended"));
    assert_true(migration->stats[1].outstanding > 0);
    return migration;
}

/* Both ends are done; or the source cannot be told and keeps its copy. */
static void destroyed_in_postcopy(void **state)
{
    struct fake_migration *migration = destroy_in_postcopy(FAKE_UNCUT);
    size_t told =
        fake_migration_find(migration, FAKE_BACK, XLM_REC_POSTCOPY_GONE);

    (void)state;
    assert_int_equal(migration->save_rc, 0);
    fake_migration_free(migration);
    migration = destroy_in_postcopy(told + 1);
    assert_int_equal(migration->save_rc, -1);
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuts_down),
        cmocka_unit_test(destroyed_in_postcopy),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
