/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Recovery with the library as programs use it: public functions down to
 * fake hosts, a fake xenstore, and the files that a host keeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "fake_lost.h"
#include "keeping/kept.h"
#include "keeping/memo.h"
#include "wire/wire.h"

/* ---- tests ---- */

static void lost_and_found(void **state)
{
    static const char path[] = "/tmp/test-recover-no-trace";
    struct fake_move *move = fake_lose_in_push(5000);
    uint32_t there;

    (void)state;
    there = fake_domain_id(move->migration->outcome.destination);
    assert_non_null(
        strstr(fake_kept(there, "reason"), "xl migrate-recover guest"));
    assert_string_equal(
        fake_kept(there, "id"),
        fake_kept(fake_domain_id(move->migration->setup.source), "id"));
    /* Only a successor may do this: a receiver that lives may have that file
     * open. */
    move->receive_params.trace = path;
    fake_check_recovered(move);
    assert_int_equal(access(path, F_OK), -1);
    fake_move_free(move);
}

/* The source domain's highest pfn has grown: the migration is the same. */
static void found_though_it_has_grown(void **state)
{
    struct fake_move *move = fake_lose_in_push(5000);
    struct fake_migration *migration = move->migration;

    (void)state;
    fake_domain_grow(migration->setup.source, 3 * migration->setup.nr_pfns);
    fake_check_recovered(move);
    fake_move_free(move);
}

static void lost_three_times_more(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_LACKING, 1),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 5000),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_RECOVER, 1),
    };
    struct fake_move *move = fake_lose_in_push(1);
    libxl_live_migrate_recovery found;

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        assert_int_equal(fake_move_recover(move, cuts[i], &found), ERROR_FAIL);
        assert_string_equal(
            fake_kept(fake_domain_id(move->migration->setup.source), "state"),
            "paused");
    }
    fake_check_recovered(move);
    fake_move_free(move);
}

/* The receiving call has ended well, and the source does not know that. */
static void complete_and_untold(void **state)
{
    struct fake_move *move =
        fake_lose(CUT(FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE, 1));

    (void)state;
    fake_move_await(move);
    fake_check_recovered(move);
    fake_move_free(move);
}

static void the_go_is_lost(void **state)
{
    struct fake_move *move =
        fake_lose(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_GO, 1));
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    (void)state;
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK);
    fake_move_await(move);
    assert_false(migration->outcome.resumed);
    assert_false(migration->outcome.ran);
    assert_int_equal(fake_libxl_domains(move->ctxs[1]), 0);
    assert_true(fake_libxl_has(move->ctxs[0], NAME));
    assert_true(fake_domain_running(migration->setup.source));
    assert_true(fake_domain_suspend_cancelled(migration->setup.source));
    assert_int_equal(fake_domain_max_pages(migration->setup.source),
                     migration->setup.nr_pfns);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(
        fake_guest_compare(migration->setup.guest, migration->setup.source),
        0);
    /* Nothing is left to recover. */
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), ERROR_INVAL);
    assert_true(fake_domain_running(migration->setup.source));
    fake_move_free(move);
}

/* Another host, or one that has been started anew. */
static void asked_where_it_is_not_known(void **state)
{
    struct fake_move *move = fake_lose_in_push(1);
    uint32_t here = fake_domain_id(move->migration->setup.source);
    libxl_live_migrate_recovery found;
    char id[LM_ID_TEXT];

    (void)state;
    snprintf(id, sizeof(id), "%s", fake_kept(here, "id"));
    fake_keep(here, "id", "00112233445566778899aabbccddeeff");
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "knows nothing"));
    /* The status is still the former one. */
    assert_string_equal(fake_kept(here, "state"), "paused");
    assert_string_equal(fake_kept(here, "phase"), "postcopy");
    assert_int_not_equal(atoi(fake_kept(here, "outstanding-pages")), 0);
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    assert_false(fake_domain_running(move->migration->setup.source));
    fake_keep(here, "id", "00112233445566778899aabbccddeef");
    assert_int_equal(fake_move_recover(move, fake_uncut, &found),
                     ERROR_NOTFOUND);
    fake_keep(here, "id", id);
    fake_keep(here, "name", NAME);
    fake_check_recovered(move);
    fake_move_free(move);
}

/* The guest with that id has other pages: the source lies, or is confused. */
static void asked_for_another_guest(void **state)
{
    struct fake_move *move = fake_lose_in_push(1);
    static const uint8_t other[16] = "another uuid";
    libxl_live_migrate_recovery found;
    uint8_t own[16];

    (void)state;
    memset(own, (int)fake_domain_id(move->migration->setup.source),
           sizeof(own));
    fake_domain_set_handle(move->migration->setup.source, other);
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "knows nothing"));
    fake_domain_set_handle(move->migration->setup.source, own);
    fake_check_recovered(move);
    fake_move_free(move);
}

static void a_guest_that_was_never_moved(void **state)
{
    struct fake_move *move = fake_lost_new(fake_uncut);
    libxl_live_migrate_recovery found;

    (void)state;
    move->migration->outcome.link = NULL;
    assert_int_equal(libxl_domain_live_migrate_recover(
                         move->ctxs[0],
                         fake_domain_id(move->migration->setup.source), -1, -1,
                         &move->params, &move->results[0], &found, NULL),
                     ERROR_INVAL);
    assert_int_equal(libxl_domain_live_migrate_recover(
                         move->ctxs[0], 12345, -1, -1, &move->params,
                         &move->results[0], &found, NULL),
                     ERROR_DOMAIN_NOTFOUND);
    fake_guest_move(move->migration->setup.guest, NULL);
    fake_domain_suspend(move->migration->setup.source);
    assert_int_equal(libxl_domain_live_migrate_recover(
                         move->ctxs[0],
                         fake_domain_id(move->migration->setup.source), -1, -1,
                         &move->params, &move->results[0], &found, NULL),
                     ERROR_NOTFOUND);
    assert_int_equal(libxl_domain_live_migrate_recover(
                         move->ctxs[0],
                         fake_domain_id(move->migration->setup.source), -1, -1,
                         &move->params, &move->results[0], NULL, NULL),
                     ERROR_INVAL);
    fake_move_free(move);
}

/* ---- a receiver that is killed ---- */

static void another_takes_its_place(void **state)
{
    struct fake_move *move = fake_lose_receiver(0);
    struct fake_migration *migration = move->migration;
    uint32_t domid = fake_domain_id(migration->outcome.destination);
    libxl_live_migrate_recovery found;

    (void)state;
    /* The guest lacks pages: there is nothing to do, however often the call is
     * made. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            libxl_domain_live_migrate_receive_end_paging(move->ctxs[1], domid),
            0);
        assert_true(fake_domain_pager_enabled(migration->outcome.destination));
    }
    /* The guest has run here: no clean-up may destroy it. */
    assert_int_equal(
        libxl_domain_live_migrate_receive_clean_up(move->ctxs[1], domid), 0);
    assert_true(fake_libxl_has(move->ctxs[1], NAME));

    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    assert_int_equal(fake_domain_paged(migration->outcome.destination), 0);
    fake_expect_trusted(move, "1");
    /* The guest is whole: the call removes what the receiver kept. */
    assert_int_equal(
        libxl_domain_live_migrate_receive_end_paging(move->ctxs[1], domid), 0);
    assert_false(fake_domain_pager_enabled(migration->outcome.destination));
    fake_bury(move);
}

/* A logger that notes when a receiver says that it has lost its source. */
struct listener {
    xentoollog_logger logger; /* first */
    sem_t paused;
};

static void listen_for_pause(xentoollog_logger *logger, xentoollog_level level,
                             int errnoval, const char *context,
                             const char *format, va_list args)
{
    struct listener *listener = (struct listener *)logger;
    char text[LIBXL_LIVE_MIGRATE_REASON_MAX];

    (void)level;
    (void)errnoval;
    (void)context;
    vsnprintf(text, sizeof(text), format, args);
    if (strstr(text, "runs on here")) {
        sem_post(&listener->paused);
    }
}

/* The destination's time-out is short, and this machine may be busy: recover
 * as often as needed. */
static void recover_at_last(struct fake_move *move,
                            libxl_live_migrate_recovery *found)
{
    int rc;

    do {
        rc = fake_move_recover(move, fake_uncut, found);
    } while (rc == ERROR_FAIL);
    assert_int_equal(rc, 0);
}

static bool trace_says(const char *path, const char *words)
{
    char text[1 << 16];
    FILE *file = fopen(path, "r");
    size_t length;

    assert_non_null(file);
    length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    return strstr(text, words);
}

/* The successor traces only from its own start on, into a file of its own. */
static void its_successor_writes_a_trace(void **state)
{
    char path[] = "/tmp/test-recover-XXXXXX";
    struct fake_move *move = fake_lose_receiver(0);
    libxl_live_migrate_recovery found;

    (void)state;
    close(mkstemp(path));
    move->receive_params.trace = path;
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    assert_true(trace_says(path, "role destination\nid "));
    assert_true(trace_says(path, "recover_heard"));
    assert_true(trace_says(path, "lacking_sent"));
    assert_false(trace_says(path, "go_heard"));
    unlink(path);
    move->receive_params.trace = NULL;
    fake_bury(move);
}

/* A trace that cannot be written is no reason to leave the guest without its
 * memory. */
static void its_successor_cannot_write_a_trace(void **state)
{
    struct fake_move *move = fake_lose_receiver(0);
    libxl_live_migrate_recovery found;

    (void)state;
    move->receive_params.trace = "/tmp/no/such/directory/trace";
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_bury(move);
}

/* The successor leaves a link that stands still after the dead receiver's
 * time-out, although no caller has told it that time. */
static void it_is_as_patient_as_the_dead(void **state)
{
    struct fake_move *move = fake_lose_receiver(1);
    struct fake_cut stall = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1);
    struct listener listener = {.logger = *fake_libxl_logger(move->ctxs[1])};
    struct fake_visit heir = {.move = move};
    libxl_live_migrate_recovery found;
    int fd;

    (void)state;
    sem_init(&listener.paused, 0, 0);
    listener.logger.vmessage = listen_for_pause;
    move->receive_params.link_timeout = 0;
    move->receive_params.logger = &listener.logger;
    stall.stream = FAKE_BARE;
    stall.strike = FAKE_STRIKE_STALL;
    heir.link = fake_link_new(&stall);
    fake_visit_start(&heir);
    fd = fake_link_end(heir.link, 0);
    move->params.link_timeout = 1;
    assert_int_equal(libxl_domain_live_migrate_recover(
                         move->ctxs[0],
                         fake_domain_id(move->migration->setup.source), fd, fd,
                         &move->params, &move->results[0], &found, NULL),
                     ERROR_FAIL);
    /* The source has not closed its end. */
    sem_wait(&listener.paused);
    fake_link_hang_up(heir.link, 0);
    move->params.link_timeout = 0;
    recover_at_last(move, &found);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_visit_await(&heir);
    assert_int_equal(heir.rc, 0);
    fake_link_free(heir.link);
    sem_destroy(&listener.paused);
    fake_bury(move);
}

/* Another domain has the number of the guest's domain by now: that says
 * nothing about the guest, and its memory is kept. */
static void its_number_is_anothers(void **state)
{
    static const uint8_t other[16] = "another uuid";
    struct fake_move *move = fake_lose_receiver(0);
    uint32_t there = fake_domain_id(move->migration->outcome.destination);
    libxl_live_migrate_recovery found;

    (void)state;
    fake_domain_set_handle(move->migration->outcome.destination, other);
    fake_keep(there, "id", "00112233445566778899aabbccddeeff");
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "is not the one that"));
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    fake_bury(move);
}

/* A configuration without uuid: the domain there has a handle of its own. */
static void another_uuid_there(void **state)
{
    static const uint8_t other[16] = "made by libxl";
    struct fake_move *move =
        fake_lost_new(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1));
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    (void)state;
    memcpy(fake_uuid_there, other, sizeof(fake_uuid_there));
    fake_lose_link(move);
    memset(fake_uuid_there, 0, sizeof(fake_uuid_there));
    fake_await_kept(fake_domain_id(migration->outcome.destination), "state",
                    "paused");
    fake_kill_receiver(move);
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    fake_bury(move);
}

/* The call behaves as if the dead receiver lived: nothing has changed, and the
 * reason says so. */
static void its_pager_cannot_be_replaced(void **state)
{
    struct fake_move *move = fake_lose_receiver(0);
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    (void)state;
    fake_fail(migration->setup.hosts[1], FAKE_OP_pager_take_over, 1, EINVAL);
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "is not free"));
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    /* If the failure could pass: */
    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_bury(move);
}

/* What a killed receiver has left, with the guest that runs there. */
static void cleaning_up(void **state)
{
    struct fake_move *move = fake_lost_new(fake_uncut);
    uint32_t domid = fake_domain_id(move->migration->setup.source);
    uint8_t id[LM_ID_SIZE];
    char text[LM_ID_TEXT];

    (void)state;
    /* What earlier runs have noted is still there. */
    assert_int_equal(getrandom(id, sizeof(id), 0), sizeof(id));
    lm_id_to_text(id, text);
    fake_keep(domid, "id", text);
    assert_int_equal(
        libxl_domain_live_migrate_receive_clean_up(move->ctxs[0], domid),
        ERROR_INVAL);
    assert_int_equal(lm_memo_get(id), XLM_GUEST_UNKNOWN);
    fake_guest_move(move->migration->setup.guest, NULL);
    fake_domain_pause(move->migration->setup.source);
    assert_int_equal(
        libxl_domain_live_migrate_receive_clean_up(move->ctxs[0], domid), 0);
    assert_int_equal(fake_libxl_domains(move->ctxs[0]), 0);
    assert_int_equal(lm_memo_get(id), XLM_GUEST_NEVER_RAN);
    /* The first outcome that was noted stays. */
    assert_int_equal(lm_memo_put(id, XLM_GUEST_COMPLETE), 0);
    assert_int_equal(lm_memo_get(id), XLM_GUEST_NEVER_RAN);
    fake_move_free(move);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_and_found),
        cmocka_unit_test(found_though_it_has_grown),
        cmocka_unit_test(lost_three_times_more),
        cmocka_unit_test(complete_and_untold),
        cmocka_unit_test(the_go_is_lost),
        cmocka_unit_test(asked_where_it_is_not_known),
        cmocka_unit_test(asked_for_another_guest),
        cmocka_unit_test(a_guest_that_was_never_moved),
        cmocka_unit_test(another_takes_its_place),
        cmocka_unit_test(its_successor_writes_a_trace),
        cmocka_unit_test(its_successor_cannot_write_a_trace),
        cmocka_unit_test(it_is_as_patient_as_the_dead),
        cmocka_unit_test(its_number_is_anothers),
        cmocka_unit_test(another_uuid_there),
        cmocka_unit_test(its_pager_cannot_be_replaced),
        cmocka_unit_test(cleaning_up),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
