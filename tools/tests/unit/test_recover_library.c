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

#include "fake_move.h"
#include "fake_xenstore.h"
#include "keeping/kept.h"
#include "keeping/memo.h"
#include "wire/wire.h"

#define PAGES 300
#define VCPUS 2
#define NAME "guest"
#define INCOMING "guest--incoming"
#define AWAY "guest--migratedaway"
#define CUT(where, record, after) \
    ((struct fake_cut){ \
        .way = where, .octets = after, .at_record = true, .type = record})

/* ---- the stores ---- */

static const char *kept(uint32_t domid, const char *node)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u/live-migrate/%s", domid, node);
    return fake_store_get(path);
}

static void keep(uint32_t domid, const char *node, const char *value)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u%s%s", domid,
             node ? "/live-migrate/" : "", node ? node : "");
    fake_store_put(path, value);
}

/* The status that another thread shows; the alarm ends a test that waits for
 * ever. */
static void await_kept(uint32_t domid, const char *node, const char *value)
{
    const char *found;

    while (!(found = kept(domid, node)) || strcmp(found, value)) {
        usleep(1000);
    }
}

static void keep_type(uint32_t domid, const char *type)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u/type", domid);
    fake_store_put(path, type);
}

static void assert_type(uint32_t domid, const char *type)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u/type", domid);
    assert_string_equal(fake_store_get(path), type);
}

static const char *target_of(const struct fake_domain *domain)
{
    char path[80];

    snprintf(path, sizeof(path), "/local/domain/%u/memory/target",
             fake_domain_id(domain));
    return fake_store_get(path);
}

/* The guest runs: libxl leaves alone what the source keeps, and may do all but
 * save it with what is here. */
static void assert_withheld(struct fake_migration *migration)
{
    assert_type(fake_domain_id(migration->setup.source), "invalid");
    assert_type(fake_domain_id(migration->outcome.destination), "pvh");
    /* Absent pages cannot be given back: the guest's target must not fall. */
    assert_null(target_of(migration->outcome.destination));
}

/* The id at the next destination; empty: the source's id. */
static uint8_t uuid_there[16];

static const char *trusted(uint32_t domid)
{
    static __thread char path[80];

    snprintf(path, sizeof(path), "/local/domain/%u/device/vbd/1/trusted",
             domid);
    return path;
}

static void expect_trusted(struct fake_move *move, const char *value)
{
    uint32_t domid = fake_domain_id(move->migration->outcome.destination);

    assert_string_equal(fake_store_get(trusted(domid)), value);
}

/* As libxl does while it builds. */
static void show_destination(struct fake_migration *migration)
{
    uint8_t uuid[16];
    char target[80];

    if (uuid_there[0]) {
        memcpy(uuid, uuid_there, sizeof(uuid));
    } else {
        memset(uuid, (int)fake_domain_id(migration->setup.source),
               sizeof(uuid));
    }
    fake_domain_set_handle(migration->outcome.destination, uuid);
    keep(fake_domain_id(migration->outcome.destination), NULL, "");
    keep_type(fake_domain_id(migration->outcome.destination), "pvh");
    fake_store_put(trusted(fake_domain_id(migration->outcome.destination)),
                   "1");
    snprintf(target, sizeof(target), "/local/domain/%u/memory/target",
             fake_domain_id(migration->outcome.destination));
    fake_store_put(target, "1234");
}

/* ---- one move ---- */

static struct fake_move *new_move(struct fake_cut cut)
{
    struct fake_move *move = calloc(1, sizeof(*move));
    struct fake_migration *migration = fake_migration_new(PAGES, VCPUS);

    fake_move_init(move, migration, NAME, INCOMING);
    fake_move_cut(move, cut);
    migration->script.at_build = show_destination;
    migration->script.at_run = assert_withheld;
    keep(fake_domain_id(migration->setup.source), NULL, "");
    keep_type(fake_domain_id(migration->setup.source), "pvh");
    return move;
}

/* The connection is lost after the go; the receiving call is under way. */
static void lose_link(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;

    assert_int_equal(fake_move_start(move), ERROR_FAIL);
    assert_true(migration->outcome.transitioned);
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    assert_string_equal(kept(fake_domain_id(migration->setup.source), "state"),
                        "paused");
    assert_non_null(
        strstr(kept(fake_domain_id(migration->setup.source), "reason"),
               "xl migrate-recover guest HOST"));
}

static struct fake_move *lose(struct fake_cut cut)
{
    struct fake_move *move = new_move(cut);

    lose_link(move);
    return move;
}

/* The same, `octets` into the push; and its receiver has read the go.  Before
 * that, another connection would make the receiver give the guest up. */
static struct fake_move *lose_in_push(uint64_t octets)
{
    struct fake_move *move =
        lose(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, octets));

    await_kept(fake_domain_id(move->migration->outcome.destination), "state",
               "paused");
    return move;
}

static void free_move(struct fake_move *move)
{
    fake_move_dispose(move);
    free(move);
}

/* ---- another connection ---- */

static const struct fake_cut uncut = {.octets = FAKE_UNCUT};

static void check_complete(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    if (found != LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE) {
        fake_move_await(move);
        fail_msg("it found %d; the receiver: %s", found,
                 move->results[1].reason);
    }
    fake_move_await(move);
    assert_int_equal(move->rcs[1], 0);
    assert_true(migration->outcome.resumed);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    assert_false(fake_domain_pager_enabled(migration->outcome.destination));
    expect_trusted(move, "1");
    assert_false(fake_domain_running(migration->setup.source));
    assert_true(fake_libxl_has(move->ctxs[1], NAME));
    assert_non_null(target_of(migration->outcome.destination));
    assert_string_equal(target_of(migration->outcome.destination), "1234");
    assert_string_equal(kept(fake_domain_id(migration->setup.source), "state"),
                        "complete");
}

/* ---- tests ---- */

static void lost_and_found(void **state)
{
    static const char path[] = "/tmp/test-recover-no-trace";
    struct fake_move *move = lose_in_push(5000);
    uint32_t there;

    (void)state;
    there = fake_domain_id(move->migration->outcome.destination);
    assert_non_null(strstr(kept(there, "reason"), "xl migrate-recover guest"));
    assert_string_equal(
        kept(there, "id"),
        kept(fake_domain_id(move->migration->setup.source), "id"));
    /* Only a successor may do this: a receiver that lives may have that file
     * open. */
    move->receive_params.trace = path;
    check_complete(move);
    assert_int_equal(access(path, F_OK), -1);
    free_move(move);
}

/* The source domain's highest pfn has grown: the migration is the same. */
static void found_though_it_has_grown(void **state)
{
    struct fake_move *move = lose_in_push(5000);
    struct fake_migration *migration = move->migration;

    (void)state;
    fake_domain_grow(migration->setup.source, 3 * migration->setup.nr_pfns);
    check_complete(move);
    free_move(move);
}

static void lost_three_times_more(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_LACKING, 1),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 5000),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_RECOVER, 1),
    };
    struct fake_move *move = lose_in_push(1);
    libxl_live_migrate_recovery found;

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        assert_int_equal(fake_move_recover(move, cuts[i], &found), ERROR_FAIL);
        assert_string_equal(
            kept(fake_domain_id(move->migration->setup.source), "state"),
            "paused");
    }
    check_complete(move);
    free_move(move);
}

/* The receiving call has ended well, and the source does not know that. */
static void complete_and_untold(void **state)
{
    struct fake_move *move =
        lose(CUT(FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE, 1));

    (void)state;
    fake_move_await(move);
    check_complete(move);
    free_move(move);
}

static void the_go_is_lost(void **state)
{
    struct fake_move *move = lose(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_GO, 1));
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    (void)state;
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
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
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_INVAL);
    assert_true(fake_domain_running(migration->setup.source));
    free_move(move);
}

/* Another host, or one that has been started anew. */
static void asked_where_it_is_not_known(void **state)
{
    struct fake_move *move = lose_in_push(1);
    uint32_t here = fake_domain_id(move->migration->setup.source);
    libxl_live_migrate_recovery found;
    char id[LM_ID_TEXT];

    (void)state;
    snprintf(id, sizeof(id), "%s", kept(here, "id"));
    keep(here, "id", "00112233445566778899aabbccddeeff");
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "knows nothing"));
    /* The status is still the former one. */
    assert_string_equal(kept(here, "state"), "paused");
    assert_string_equal(kept(here, "phase"), "postcopy");
    assert_int_not_equal(atoi(kept(here, "outstanding-pages")), 0);
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    assert_false(fake_domain_running(move->migration->setup.source));
    keep(here, "id", "00112233445566778899aabbccddeef");
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_NOTFOUND);
    keep(here, "id", id);
    keep(here, "name", NAME);
    check_complete(move);
    free_move(move);
}

/* The guest with that id has other pages: the source lies, or is confused. */
static void asked_for_another_guest(void **state)
{
    struct fake_move *move = lose_in_push(1);
    static const uint8_t other[16] = "another uuid";
    libxl_live_migrate_recovery found;
    uint8_t own[16];

    (void)state;
    memset(own, (int)fake_domain_id(move->migration->setup.source),
           sizeof(own));
    fake_domain_set_handle(move->migration->setup.source, other);
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "knows nothing"));
    fake_domain_set_handle(move->migration->setup.source, own);
    check_complete(move);
    free_move(move);
}

static void a_guest_that_was_never_moved(void **state)
{
    struct fake_move *move = new_move(uncut);
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
    free_move(move);
}

/* ---- a receiver that is killed ---- */

/* The receiver dies as far as others can see: it closes its files, and cannot
 * be reached.  Its call goes on, in a world of its own. */
static void let_receiver_die(struct fake_move *move)
{
    int directory = lm_memo_open(), nothing = open("/dev/null", O_RDWR);
    uint8_t id[LM_ID_SIZE];
    unsigned int killed = 0;

    assert_int_equal(
        lm_id_from_text(
            kept(fake_domain_id(move->migration->setup.source), "id"), id),
        0);
    lm_memo_remove_address(directory, id);
    close(directory);
    for (int fd = 3; fd < 256; fd++) {
        char link[64], path[256];
        ssize_t length;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        length = readlink(link, path, sizeof(path) - 1);
        if (length > 0 && memmem(path, length, ".kept", 5)) {
            assert_int_equal(flock(fd, LOCK_UN), 0);
            assert_int_equal(dup2(nothing, fd), fd);
            killed++;
        }
    }
    close(nothing);
    assert_int_equal(killed, 1);
}

static struct fake_move *lose_receiver(uint64_t link_timeout)
{
    struct fake_move *move =
        new_move(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1));

    move->receive_params.link_timeout = link_timeout;
    lose_link(move);
    await_kept(fake_domain_id(move->migration->outcome.destination), "state",
               "paused");
    let_receiver_die(move);
    expect_trusted(move, "0");
    return move;
}

/* The call of the dead receiver finds that the guest is gone, and ends. */
static void bury(struct fake_move *move)
{
    fake_domain_destroy(move->migration->outcome.destination);
    fake_guest_stop(move->migration->setup.guest);
    free_move(move);
}

static void another_takes_its_place(void **state)
{
    struct fake_move *move = lose_receiver(0);
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

    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    assert_int_equal(fake_domain_paged(migration->outcome.destination), 0);
    expect_trusted(move, "1");
    /* The guest is whole: the call removes what the receiver kept. */
    assert_int_equal(
        libxl_domain_live_migrate_receive_end_paging(move->ctxs[1], domid), 0);
    assert_false(fake_domain_pager_enabled(migration->outcome.destination));
    bury(move);
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
        rc = fake_move_recover(move, uncut, found);
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
    struct fake_move *move = lose_receiver(0);
    libxl_live_migrate_recovery found;

    (void)state;
    close(mkstemp(path));
    move->receive_params.trace = path;
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    assert_true(trace_says(path, "role destination\nid "));
    assert_true(trace_says(path, "recover_heard"));
    assert_true(trace_says(path, "lacking_sent"));
    assert_false(trace_says(path, "go_heard"));
    unlink(path);
    move->receive_params.trace = NULL;
    bury(move);
}

/* A trace that cannot be written is no reason to leave the guest without its
 * memory. */
static void its_successor_cannot_write_a_trace(void **state)
{
    struct fake_move *move = lose_receiver(0);
    libxl_live_migrate_recovery found;

    (void)state;
    move->receive_params.trace = "/tmp/no/such/directory/trace";
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    bury(move);
}

/* The successor leaves a link that stands still after the dead receiver's
 * time-out, although no caller has told it that time. */
static void it_is_as_patient_as_the_dead(void **state)
{
    struct fake_move *move = lose_receiver(1);
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
    bury(move);
}

/* Another domain has the number of the guest's domain by now: that says
 * nothing about the guest, and its memory is kept. */
static void its_number_is_anothers(void **state)
{
    static const uint8_t other[16] = "another uuid";
    struct fake_move *move = lose_receiver(0);
    uint32_t there = fake_domain_id(move->migration->outcome.destination);
    libxl_live_migrate_recovery found;

    (void)state;
    fake_domain_set_handle(move->migration->outcome.destination, other);
    keep(there, "id", "00112233445566778899aabbccddeeff");
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "is not the one that"));
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    bury(move);
}

/* A configuration without uuid: the domain there has a handle of its own. */
static void another_uuid_there(void **state)
{
    static const uint8_t other[16] = "made by libxl";
    struct fake_move *move =
        new_move(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1));
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    (void)state;
    memcpy(uuid_there, other, sizeof(uuid_there));
    lose_link(move);
    memset(uuid_there, 0, sizeof(uuid_there));
    await_kept(fake_domain_id(migration->outcome.destination), "state",
               "paused");
    let_receiver_die(move);
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    bury(move);
}

/* The call behaves as if the dead receiver lived: nothing has changed, and the
 * reason says so. */
static void its_pager_cannot_be_replaced(void **state)
{
    struct fake_move *move = lose_receiver(0);
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    (void)state;
    fake_fail(migration->setup.hosts[1], FAKE_OP_pager_take_over, 1, EINVAL);
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
    assert_non_null(strstr(move->results[0].reason, "is not free"));
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    /* If the failure could pass: */
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    bury(move);
}

/* What a killed receiver has left, with the guest that runs there. */
static void cleaning_up(void **state)
{
    struct fake_move *move = new_move(uncut);
    uint32_t domid = fake_domain_id(move->migration->setup.source);
    uint8_t id[LM_ID_SIZE];
    char text[LM_ID_TEXT];

    (void)state;
    /* What earlier runs have noted is still there. */
    assert_int_equal(getrandom(id, sizeof(id), 0), sizeof(id));
    lm_id_to_text(id, text);
    keep(domid, "id", text);
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
    free_move(move);
}

/* ---- what can never be whole any more ---- */

/* Another program saved the guest there while the connection was lost.  Later
 * questions get the noted outcome, and nothing here is given up. */
static void saved_by_another(void **state)
{
    struct fake_move *move = lose_in_push(1);
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
        assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
        assert_true(move->results[0].lost);
        assert_non_null(strstr(move->results[0].reason, "never be whole"));
        assert_string_equal(kept(here, "state"), "lost");
    }
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    assert_false(fake_domain_running(migration->setup.source));
    fake_guest_stop(migration->setup.guest);
    free_move(move);
}

/* No process has seen how the guest ended.  (The call of the dead receiver
 * lives on in this test, and would see it.) */
static void gone_after_its_receiver(void **state)
{
    struct fake_move *move = lose_receiver(0);
    libxl_live_migrate_recovery found;
    uint8_t id[LM_ID_SIZE];
    struct lm_kept left;

    (void)state;
    assert_int_equal(
        lm_id_from_text(
            kept(fake_domain_id(move->migration->setup.source), "id"), id),
        0);
    assert_int_equal(lm_kept_open(&left, id, NULL), 0);
    left.state->domid = 12345;
    lm_kept_close(&left, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
        assert_true(move->results[0].lost);
    }
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    bury(move);
}

/* The program that destroyed the domain, because it had shut down, has noted
 * that. */
static void ended_after_its_receiver(void **state)
{
    struct fake_move *move = lose_receiver(0);
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
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_ENDED);
    bury(move);
}

static void destroy_the_source(struct fake_migration *migration)
{
    fake_domain_destroy(migration->setup.source);
}

static void the_source_is_lost(void **state)
{
    struct fake_move *move = new_move(uncut);
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
    assert_string_equal(kept(there, "state"), "lost");
    fake_libxl_be_here(move->ctxs[1]);
    assert_int_equal(libxl_live_migrate_inspect(there, &found), 0);
    assert_int_equal(found.half, LIBXL_LIVE_MIGRATE_HALF_ARRIVED);
    assert_non_null(strstr(found.text, "are lost with its source"));
    assert_false(fake_domain_running(migration->outcome.destination));
    fake_domain_stop(
        migration->outcome.destination); /* vCPUs that wait for ever */
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    free_move(move);
}

/* This happens before the process that recovers the guest has begun: the
 * domain has other memory by now, and its nodes look as if it had not. */
static void the_source_has_run_meanwhile(void **state)
{
    struct fake_move *move = lose_in_push(1);
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;
    const char *mark = kept(fake_domain_id(migration->setup.source), "mark");
    char *before;

    (void)state;
    assert_non_null(mark);
    before = strdup(mark);
    fake_domain_resume(migration->setup.source);
    fake_domain_suspend(migration->setup.source);
    assert_int_equal(fake_move_recover(move, uncut, &found), ERROR_FAIL);
    assert_true(move->results[0].lost);
    assert_non_null(strstr(move->results[0].reason, "was resumed"));
    assert_string_equal(kept(fake_domain_id(migration->setup.source), "state"),
                        "lost");
    /* A second call gets the same answer. */
    assert_string_equal(kept(fake_domain_id(migration->setup.source), "mark"),
                        before);
    free(before);
    fake_move_await(move);
    assert_true(move->results[1].lost);
    assert_false(fake_domain_running(migration->outcome.destination));
    fake_domain_stop(migration->outcome.destination);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    free_move(move);
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
    assert_string_equal(kept(there, "role"), "destination");
}

static void halves_of_a_guest(void **state)
{
    struct fake_move *move =
        new_move(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1));
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
    lose_link(move);
    await_kept(fake_domain_id(migration->outcome.destination), "state",
               "paused");
    inspect(move, 0, LIBXL_LIVE_MIGRATE_HALF_LEFT, false);
    inspect(move, 1, LIBXL_LIVE_MIGRATE_HALF_ARRIVED, true);
    let_receiver_die(move);
    inspect(move, 1, LIBXL_LIVE_MIGRATE_HALF_ARRIVED, false);
    refuse_to_move_on(move);
    bury(move);
}

/* ---- a fault channel ---- */

struct second {
    struct fake_visit visit;
    struct fake_cut cut;
    bool connects;
};

static int connect_second(int *send_fd, int *recv_fd, void *user)
{
    struct second *second = user;

    if (!second->connects) {
        return -1;
    }
    second->cut.stream = FAKE_BARE;
    second->visit.link = fake_link_new(&second->cut);
    fake_visit_start(&second->visit);
    *send_fd = *recv_fd = fake_link_end(second->visit.link, 0);
    return 0;
}

/* For check-stream. */
static void keep_streams(struct fake_link *first, struct fake_link *second,
                         int number)
{
    static const char *const suffixes[2][2] = {
        {"forth", "back"},
        {"channel-forth", "channel-back"},
    };
    char name[32];

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "with-channel%d.%s", number,
                 suffixes[i / 2][i % 2]);
        fake_link_keep(i / 2 ? second : first, i % 2 ? FAKE_BACK : FAKE_FORTH,
                       name);
    }
}

static void move_with(struct fake_move *move, struct second *second)
{
    struct fake_migration *migration = move->migration;

    move->params.connect_fault_channel = connect_second;
    move->params.fault_channel_user = second;
    move->params.neighbours_below = move->params.neighbours_above = UINT32_MAX;
    assert_int_equal(fake_move_start(move), 0);
    fake_move_await(move);
    assert_int_equal(move->rcs[1], 0);
    if (second->connects) {
        fake_visit_await(&second->visit);
        assert_int_equal(second->visit.rc, 0);
    }
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
}

/* The process that has accepted the connection reaches the receiving call over
 * a local socket. */
static void with_a_fault_channel(void **state)
{
    enum { WITHOUT, WITH, BESIDE_A_PUSH, LOST, NR_WAYS };

    (void)state;
    for (int way = 0; way < NR_WAYS; way++) {
        struct fake_move *move = new_move(uncut);
        struct second second = {
            .visit.move = move, .connects = way != WITHOUT, .cut = uncut};
        libxl_live_migrate_stats *stats = &move->results[0].stats;

        if (way == LOST) {
            second.cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100);
            second.cut.nth = 3;
        }
        move->params.no_background_push = way != BESIDE_A_PUSH;
        move_with(move, &second);
        assert_true(stats->requested_pages > 100 || way == BESIDE_A_PUSH);
        if (way == LOST) {
            /* One of the first two connections has come, or no process had
             * requested a third.  The other one may be unread when the
             * destination finds that it cannot write. */
            assert_in_range(stats->channel_pages, 1, 100);
        } else {
            assert_int_equal(stats->channel_pages,
                             second.connects ? stats->requested_pages : 0);
        }
        if (second.connects) {
            keep_streams(move->migration->outcome.link, second.visit.link,
                         way);
            fake_link_free(second.visit.link);
        }
        free_move(move);
    }
}

/* No process receives such a migration: the source is told so, and goes on
 * without a fault channel. */
static void a_fault_channel_of_nothing(void **state)
{
    struct {
        struct xlm_wire_record_header header;
        struct xlm_wire_recover body;
    } joins = {
        .header = {XLM_REC_POSTCOPY_CHANNEL, sizeof(joins.body)},
        .body = {.version = XLM_RECOVER_VERSION, .pfns = 1},
    };
    struct {
        struct xlm_wire_record_header header;
        struct xlm_wire_answer body;
    } answer;
    struct fake_move *move = new_move(uncut);
    struct second second = {
        .visit.move = move, .connects = true, .cut = uncut};
    int fd;

    (void)state;
    assert_int_equal(connect_second(&fd, &fd, &second), 0);
    assert_int_equal(write(fd, &joins, sizeof(joins)), sizeof(joins));
    assert_int_equal(recv(fd, &answer, sizeof(answer), MSG_WAITALL),
                     sizeof(answer));
    assert_int_equal(answer.header.type, XLM_REC_POSTCOPY_JOINED);
    assert_int_equal(answer.body.status, XLM_REFUSED_OTHER);
    fake_link_hang_up(second.visit.link, 0);
    fake_visit_await(&second.visit);
    assert_int_equal(second.visit.rc, ERROR_NOTFOUND);
    fake_link_free(second.visit.link);
    move->migration->outcome.link =
        fake_link_new(&move->migration->script.cut);
    free_move(move);
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
        cmocka_unit_test(saved_by_another),
        cmocka_unit_test(gone_after_its_receiver),
        cmocka_unit_test(ended_after_its_receiver),
        cmocka_unit_test(the_source_is_lost),
        cmocka_unit_test(the_source_has_run_meanwhile),
        cmocka_unit_test(halves_of_a_guest),
        cmocka_unit_test(with_a_fault_channel),
        cmocka_unit_test(a_fault_channel_of_nothing),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
