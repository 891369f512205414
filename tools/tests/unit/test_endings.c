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

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 1);

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

static void destroy_in_postcopy(const struct fake_cut *cut, int source_rc)
{
    struct fake_migration *migration = new_migration();

    migration->params.hot_pages_max = 0;
    migration->at_run = destroy;
    migration->cut = *cut;
    fake_migration_run(migration);
    assert_true(migration->transitioned);
    assert_true(migration->resumed);
    assert_int_equal(migration->restore_rc, 0);
    assert_non_null(strstr(migration->contexts[1].reason, "ended"));
    assert_true(migration->stats[1].outstanding > 0);
    assert_int_equal(migration->save_rc, source_rc);
    fake_migration_free(migration);
}

/* Both ends are done; or the source cannot be told and keeps its copy. */
static void destroyed_in_postcopy(void **state)
{
    const struct fake_cut uncut = {.octets = FAKE_UNCUT};
    const struct fake_cut untold = {
        .way = FAKE_BACK,
        .octets = 1,
        .at_record = true,
        .type = XLM_REC_POSTCOPY_GONE,
    };

    (void)state;
    destroy_in_postcopy(&uncut, 0);
    destroy_in_postcopy(&untold, -1);
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
