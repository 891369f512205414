/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Guests that can never be whole any more, and what the library says of the
 * halves of one.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "fake_lost.h"
#include "keeping/kept.h"
#include "wire/wire.h"

/* ---- what can never be whole any more ---- */

/* Another program saved the guest there while the connection was lost.  Later
 * questions get the noted outcome, and nothing here is given up. */
static void saved_by_another(void **state)
{
    struct fake_move *move = fake_lose_in_push(1);
    struct fake_migration *migration = move->migration;
    uint32_t here = fake_domain_id(migration->setup.source);
    libxl_live_migrate_recovery found;

    (void)state;
    fake_domain_suspend(migration->outcome.destination);
    fake_domain_destroy(migration->outcome.destination);
    fake_move_await(move);
    assert_int_equal(move->rcs[1], ERROR_FAIL);
    assert_true(move->results[1].lost);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fake_move_recover(move, fake_uncut, &found),
                         ERROR_FAIL);
        assert_true(move->results[0].lost);
        assert_non_null(strstr(move->results[0].reason, "never be whole"));
        assert_string_equal(fake_kept(here, "state"), "lost");
    }
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    assert_false(fake_domain_running(migration->setup.source));
    fake_guest_stop(migration->setup.guest);
    fake_move_free(move);
}

/* No process has seen how the guest ended.  (The call of the dead receiver
 * lives on in this test, and would see it.) */
static void gone_after_its_receiver(void **state)
{
    struct fake_move *move = fake_lose_receiver(0);
    libxl_live_migrate_recovery found;
    uint8_t id[LM_ID_SIZE];
    struct lm_kept left;

    (void)state;
    assert_int_equal(
        lm_id_from_text(
            fake_kept(fake_domain_id(move->migration->setup.source), "id"),
            id),
        0);
    assert_int_equal(lm_kept_open(&left, id, NULL), 0);
    left.state->domid = 12345;
    lm_kept_close(&left, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fake_move_recover(move, fake_uncut, &found),
                         ERROR_FAIL);
        assert_true(move->results[0].lost);
    }
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    fake_bury(move);
}

/* The program that destroyed the domain, because it had shut down, has noted
 * that. */
static void ended_after_its_receiver(void **state)
{
    struct fake_move *move = fake_lose_receiver(0);
    uint32_t there = fake_domain_id(move->migration->outcome.destination);
    libxl_live_migrate_recovery found;

    (void)state;
    fake_domain_suspend(move->migration->outcome.destination);
    assert_int_equal(
        libxl_domain_live_migrate_receive_end(move->ctxs[1], there),
        ERROR_INVAL);
    fake_domain_resume(move->migration->outcome.destination);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            libxl_domain_live_migrate_receive_end(move->ctxs[1], there), 0);
    }
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_ENDED);
    fake_bury(move);
}

static void destroy_the_source(struct fake_migration *migration)
{
    fake_domain_destroy(migration->setup.source);
}

static void the_source_is_lost(void **state)
{
    struct fake_move *move = fake_lost_new(fake_uncut);
    struct fake_migration *migration = move->migration;
    uint32_t there;
    libxl_live_migrate_inspection found;

    (void)state;
    move->params.hot_pages_max = LIBXL_LIVE_MIGRATE_NO_HOT_PAGES;
    migration->script.at_run = destroy_the_source;
    assert_int_equal(fake_move_start(move), ERROR_FAIL);
    fake_move_await(move);
    assert_int_equal(move->rcs[1], ERROR_FAIL);
    assert_true(move->results[0].lost && move->results[1].lost);
    assert_true(migration->outcome.transitioned && migration->outcome.resumed);
    there = fake_domain_id(migration->outcome.destination);
    assert_string_equal(fake_kept(there, "state"), "lost");
    fake_libxl_be_here(move->ctxs[1]);
    assert_int_equal(libxl_live_migrate_inspect(there, &found), 0);
    assert_int_equal(found.half, LIBXL_LIVE_MIGRATE_HALF_ARRIVED);
    assert_non_null(strstr(found.text, "are lost with its source"));
    assert_false(fake_domain_running(migration->outcome.destination));
    fake_domain_stop(
        migration->outcome.destination); /* vCPUs that wait for ever */
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    fake_move_free(move);
}

/* This happens before the process that recovers the guest has begun: the
 * domain has other memory by now, and its nodes look as if it had not. */
static void the_source_has_run_meanwhile(void **state)
{
    struct fake_move *move = fake_lose_in_push(1);
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;
    const char *mark =
        fake_kept(fake_domain_id(migration->setup.source), "mark");
    char *before;

    (void)state;
    assert_non_null(mark);
    before = strdup(mark);
    fake_domain_resume(migration->setup.source);
    fake_domain_suspend(migration->setup.source);
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), ERROR_FAIL);
    assert_true(move->results[0].lost);
    assert_non_null(strstr(move->results[0].reason, "was resumed"));
    assert_string_equal(
        fake_kept(fake_domain_id(migration->setup.source), "state"), "lost");
    /* A second call gets the same answer. */
    assert_string_equal(
        fake_kept(fake_domain_id(migration->setup.source), "mark"), before);
    free(before);
    fake_move_await(move);
    assert_true(move->results[1].lost);
    assert_false(fake_domain_running(migration->outcome.destination));
    fake_domain_stop(migration->outcome.destination);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    fake_move_free(move);
}

/* ---- which half a domain is ---- */

static void inspect(struct fake_move *move, unsigned int end,
                    libxl_live_migrate_half half, bool attended)
{
    struct fake_domain *domains[] = {move->migration->setup.source,
                                     move->migration->outcome.destination};
    libxl_live_migrate_inspection found;

    fake_libxl_be_here(move->ctxs[end]);
    assert_int_equal(
        libxl_live_migrate_inspect(fake_domain_id(domains[end]), &found), 0);
    assert_int_equal(found.half, half);
    assert_int_equal(found.attended, attended);
    assert_true(found.needed);
    assert_string_equal(found.name, NAME);
    assert_int_not_equal(found.outstanding, 0);
    assert_non_null(strstr(found.text, NAME));
    if (end) {
        assert_int_equal(found.outstanding, fake_domain_paged(domains[end]));
    }
}

/* The nodes of the migration stay. */
static void refuse_to_move_on(struct fake_move *move)
{
    uint32_t there = fake_domain_id(move->migration->outcome.destination);
    libxl_live_migrate_result result;
    libxl_live_migrate_params params = move->params;
    bool transitioned;

    params.logger = fake_libxl_logger(move->ctxs[1]);
    fake_domain_put_param(move->migration->outcome.destination,
                          HVM_PARAM_CALLBACK_IRQ, 1);
    assert_int_equal(libxl_domain_live_migrate_tuned(move->ctxs[1], there, -1,
                                                     0, 0, &params, &result,
                                                     &transitioned, NULL),
                     ERROR_INVAL);
    assert_non_null(strstr(result.reason, "is not a whole guest"));
    assert_non_null(strstr(result.reason, "xl migrate-recover guest"));
    assert_string_equal(fake_kept(there, "role"), "destination");
}

static void halves_of_a_guest(void **state)
{
    struct fake_move *move =
        fake_lost_new(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1));
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_inspection found;

    (void)state;
    fake_libxl_be_here(move->ctxs[0]);
    assert_int_equal(libxl_live_migrate_inspect(
                         fake_domain_id(migration->setup.source), &found),
                     0);
    assert_int_equal(found.half, LIBXL_LIVE_MIGRATE_HALF_NONE);
    assert_string_equal(found.text, "");
    assert_int_equal(libxl_live_migrate_inspect(12345, &found),
                     ERROR_DOMAIN_NOTFOUND);
    fake_lose_link(move);
    fake_await_kept(fake_domain_id(migration->outcome.destination), "state",
                    "paused");
    inspect(move, 0, LIBXL_LIVE_MIGRATE_HALF_LEFT, false);
    inspect(move, 1, LIBXL_LIVE_MIGRATE_HALF_ARRIVED, true);
    fake_kill_receiver(move);
    inspect(move, 1, LIBXL_LIVE_MIGRATE_HALF_ARRIVED, false);
    refuse_to_move_on(move);
    fake_bury(move);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_by_another),
        cmocka_unit_test(gone_after_its_receiver),
        cmocka_unit_test(ended_after_its_receiver),
        cmocka_unit_test(the_source_is_lost),
        cmocka_unit_test(the_source_has_run_meanwhile),
        cmocka_unit_test(halves_of_a_guest),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
