/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Guests that end while they are moved: by themselves, or because a program
 * destroys them.
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
#include "wire/wire.h"

#define PAGES 3000

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 1);

    migration->script.answer = XLM_PRECOPY_POSTCOPY;
    return migration;
}

/* ---- at the source ---- */

static void shut_down(struct fake_migration *migration)
{
    fake_domain_suspend(migration->setup.source);
}

/* No process has destroyed the domain: no call fails, and still there is
 * nothing to move. */
static void shuts_down(void **state)
{
    int rounds;

    (void)state;
    for (rounds = 0; rounds < 2; rounds++) {
        struct fake_migration *migration = new_migration();

        migration->script.rounds = rounds;
        migration->script.at_policy = shut_down;
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_false(migration->outcome.transitioned);
        assert_false(migration->outcome.resumed);
        assert_false(migration->outcome.suspended);
        assert_non_null(
            strstr(migration->outcome.contexts[0].reason, "has shut down"));
        fake_migration_free(migration);
    }
}

/* ---- at the destination ---- */

static void destroy(struct fake_migration *migration)
{
    fake_domain_destroy(migration->outcome.destination);
}

static void destroy_in_postcopy(const struct fake_cut *cut, int source_rc)
{
    struct fake_migration *migration = new_migration();

    migration->setup.params.hot_pages_max = 0;
    migration->script.at_run = destroy;
    migration->script.cut = *cut;
    fake_migration_run(migration);
    assert_true(migration->outcome.transitioned);
    assert_true(migration->outcome.resumed);
    assert_int_equal(migration->outcome.restore_rc, 0);
    assert_non_null(strstr(migration->outcome.contexts[1].reason, "ended"));
    assert_true(migration->outcome.stats[1].outstanding > 0);
    assert_int_equal(migration->outcome.save_rc, source_rc);
    fake_migration_free(migration);
}

/* Both ends have ended; or the source cannot be told, and keeps its copy. */
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

/* ---- at the destination, by another program ---- */

static void take_away(struct fake_migration *migration)
{
    fake_domain_suspend(migration->outcome.destination);
    fake_domain_destroy(migration->outcome.destination);
}

/* The domain is suspended, as by xl save: that does not end the guest, and no
 * memory is given up. */
static void saved_by_another(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->setup.params.hot_pages_max = 0;
    migration->script.at_run = take_away;
    fake_migration_run(migration);
    assert_true(migration->outcome.transitioned);
    assert_int_equal(migration->outcome.restore_rc, -1);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_true(migration->outcome.contexts[0].lost);
    assert_true(migration->outcome.contexts[1].lost);
    assert_true(migration->outcome.stats[1].outstanding > 0);
    assert_non_null(strstr(migration->outcome.contexts[0].reason,
                           "was suspended and destroyed here by another"));
    assert_false(fake_domain_running(migration->setup.source));
    fake_migration_free(migration);
}

static void suspend_there(struct fake_migration *migration)
{
    fake_domain_suspend(migration->outcome.destination);
}

/* The engine makes the first checks; then another program resumes the domain.
 */
static void resume_when_looked_at(enum fake_op op, void *data)
{
    struct fake_migration *migration = data;

    if (op == FAKE_OP_domain_info && migration->outcome.ran &&
        fake_calls(migration->setup.hosts[1], op) % 8 == 0) {
        fake_domain_resume(migration->outcome.destination);
    }
}

static void kill_when_looked_at(enum fake_op op, void *data)
{
    struct fake_migration *migration = data;

    if (op == FAKE_OP_domain_info && migration->outcome.ran &&
        fake_calls(migration->setup.hosts[1], op) % 8 == 0) {
        fake_domain_destroy(migration->outcome.destination);
    }
}

/* All of the guest's pages come while it is suspended.  The program that
 * suspended it may have found holes: the domain must be destroyed. */
static void suspended_until_all_has_come(void **state)
{
    fake_hook *const hooks[] = {resume_when_looked_at, kill_when_looked_at};

    (void)state;
    for (int way = 0; way < 2; way++) {
        struct fake_migration *migration = new_migration();

        migration->setup.params.hot_pages_max = 0;
        migration->script.at_run = suspend_there;
        fake_host_hook(migration->setup.hosts[1], hooks[way], migration);
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.save_rc, -way);
        assert_int_equal(migration->outcome.restore_rc, -way);
        assert_int_equal(migration->outcome.contexts[0].lost, way);
        assert_int_equal(migration->outcome.contexts[1].lost, way);
        fake_migration_free(migration);
    }
}

/* ---- the source's half, after the go ---- */

static void begin_to_destroy(struct fake_migration *migration)
{
    fake_domain_begin_dying(migration->setup.source);
}

static void destroy_source(struct fake_migration *migration)
{
    fake_domain_destroy(migration->setup.source);
}

static void resume_source(struct fake_migration *migration)
{
    fake_domain_resume(migration->setup.source);
}

static void resume_and_suspend_source(struct fake_migration *migration)
{
    fake_domain_resume(migration->setup.source);
    fake_domain_suspend(migration->setup.source);
}

static const struct {
    fake_moment *loss;
    const char *fate;
} losses[] = {
    {begin_to_destroy, "is being destroyed"},
    {destroy_source, "was destroyed"},
    {resume_source, "was resumed"},
    {resume_and_suspend_source, "was resumed"},
};

/* Pages that were not sent by then are lost: the guest is stopped before it
 * can read anything else in their place. */
static void lose_source(fake_moment *loss, const char *fate, bool silent)
{
    struct fake_migration *migration = new_migration();

    migration->setup.params.hot_pages_max = 0;
    migration->setup.params.no_push = silent;
    migration->script.vcpu_seed = silent ? 0 : 1;
    migration->script.at_run = loss;
    fake_migration_run(migration);
    assert_true(migration->outcome.transitioned);
    assert_true(migration->outcome.resumed);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_int_equal(migration->outcome.restore_rc, -1);
    for (int end = 0; end < 2; end++) {
        assert_true(migration->outcome.contexts[end].lost);
        if (!strstr(migration->outcome.contexts[end].reason, fate)) {
            fail_msg("'%s' is not in '%s'", fate,
                     migration->outcome.contexts[end].reason);
        }
    }
    assert_non_null(
        strstr(migration->outcome.contexts[1].reason, "it is paused"));
    assert_false(fake_domain_running(migration->outcome.destination));
    assert_int_equal(migration->outcome.stats[1].dropped_pages, 0);
    assert_true(fake_domain_paged(migration->outcome.destination) > 0);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    fake_migration_free(migration);
}

static void the_source_is_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        lose_source(losses[i].loss, losses[i].fate, false);
        /* No page is requested, and the engine notices all the same.  (In the
         * domain's first moments it notices at the next page.) */
        if (losses[i].loss != begin_to_destroy) {
            lose_source(losses[i].loss, losses[i].fate, true);
        }
    }
}

/* The domain ends in the stop, in which no call about it fails. */
static void lose_before_the_go(struct fake_migration *migration,
                               enum fake_part part, bool after)
{
    if (part == FAKE_PART_PUT_AWAY && after) {
        fake_domain_begin_dying(migration->setup.source);
    }
}

static void lost_before_the_go(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.at_part = lose_before_the_go;
    fake_migration_run(migration);
    assert_false(migration->outcome.transitioned);
    assert_false(migration->outcome.ran);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_non_null(
        strstr(migration->outcome.contexts[0].reason, "is being destroyed"));
    fake_migration_free(migration);
}

/* Not all of the guest's memory is here, so it can be neither moved nor saved.
 */
static void paged_out(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    fake_page_set(migration->setup.source, 5, FAKE_PAGED);
    fake_migration_run(migration);
    assert_false(migration->outcome.transitioned);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_non_null(
        strstr(migration->outcome.contexts[0].reason, "1 pages of domain"));
    fake_page_set(migration->setup.source, 5, FAKE_HOLE);
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuts_down),
        cmocka_unit_test(destroyed_in_postcopy),
        cmocka_unit_test(saved_by_another),
        cmocka_unit_test(suspended_until_all_has_come),
        cmocka_unit_test(the_source_is_lost),
        cmocka_unit_test(lost_before_the_go),
        cmocka_unit_test(paged_out),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
