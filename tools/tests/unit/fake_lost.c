/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A move whose connection or receiver is lost.
 */
#include "fake_lost.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeping/kept.h"
#include "keeping/memo.h"
#include "wire/wire.h"

#define PAGES 300
#define VCPUS 2

/* ---- the stores ---- */

const char *fake_kept(uint32_t domid, const char *node)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u/live-migrate/%s", domid, node);
    return fake_store_get(path);
}

void fake_keep(uint32_t domid, const char *node, const char *value)
{
    char path[80];

    snprintf(path, sizeof(path), "/libxl/%u%s%s", domid,
             node ? "/live-migrate/" : "", node ? node : "");
    fake_store_put(path, value);
}

void fake_await_kept(uint32_t domid, const char *node, const char *value)
{
    const char *found;

    while (!(found = fake_kept(domid, node)) || strcmp(found, value)) {
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

uint8_t fake_uuid_there[16];

static const char *trusted(uint32_t domid)
{
    static __thread char path[80];

    snprintf(path, sizeof(path), "/local/domain/%u/device/vbd/1/trusted",
             domid);
    return path;
}

void fake_expect_trusted(struct fake_move *move, const char *value)
{
    uint32_t domid = fake_domain_id(move->migration->outcome.destination);

    assert_string_equal(fake_store_get(trusted(domid)), value);
}

/* As libxl does while it builds. */
static void show_destination(struct fake_migration *migration)
{
    uint8_t uuid[16];
    char target[80];

    if (fake_uuid_there[0]) {
        memcpy(uuid, fake_uuid_there, sizeof(uuid));
    } else {
        memset(uuid, (int)fake_domain_id(migration->setup.source),
               sizeof(uuid));
    }
    fake_domain_set_handle(migration->outcome.destination, uuid);
    fake_keep(fake_domain_id(migration->outcome.destination), NULL, "");
    keep_type(fake_domain_id(migration->outcome.destination), "pvh");
    fake_store_put(trusted(fake_domain_id(migration->outcome.destination)),
                   "1");
    snprintf(target, sizeof(target), "/local/domain/%u/memory/target",
             fake_domain_id(migration->outcome.destination));
    fake_store_put(target, "1234");
}

/* ---- one move ---- */

struct fake_move *fake_lost_new(struct fake_cut cut)
{
    struct fake_migration *migration = fake_migration_new(PAGES, VCPUS);
    struct fake_move *move = fake_move_new(migration, NAME, INCOMING, cut);

    migration->script.at_build = show_destination;
    migration->script.at_run = assert_withheld;
    fake_keep(fake_domain_id(migration->setup.source), NULL, "");
    keep_type(fake_domain_id(migration->setup.source), "pvh");
    return move;
}

void fake_lose_link(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;

    assert_int_equal(fake_move_start(move), ERROR_FAIL);
    assert_true(migration->outcome.transitioned);
    assert_true(fake_libxl_has(move->ctxs[0], AWAY));
    assert_string_equal(
        fake_kept(fake_domain_id(migration->setup.source), "state"), "paused");
    assert_non_null(
        strstr(fake_kept(fake_domain_id(migration->setup.source), "reason"),
               "xl migrate-recover guest HOST"));
}

struct fake_move *fake_lose(struct fake_cut cut)
{
    struct fake_move *move = fake_lost_new(cut);

    fake_lose_link(move);
    return move;
}

struct fake_move *fake_lose_in_push(uint64_t octets)
{
    struct fake_move *move =
        fake_lose(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, octets));

    fake_await_kept(fake_domain_id(move->migration->outcome.destination),
                    "state", "paused");
    return move;
}

/* ---- another connection ---- */

const struct fake_cut fake_uncut = {.octets = FAKE_UNCUT};

void fake_check_recovered(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;
    libxl_live_migrate_recovery found;

    assert_int_equal(fake_move_recover(move, fake_uncut, &found), 0);
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
    fake_expect_trusted(move, "1");
    assert_false(fake_domain_running(migration->setup.source));
    assert_true(fake_libxl_has(move->ctxs[1], NAME));
    assert_non_null(target_of(migration->outcome.destination));
    assert_string_equal(target_of(migration->outcome.destination), "1234");
    assert_string_equal(
        fake_kept(fake_domain_id(migration->setup.source), "state"),
        "complete");
}

/* ---- a receiver that is killed ---- */

void fake_kill_receiver(struct fake_move *move)
{
    int directory = lm_memo_open(), nothing = open("/dev/null", O_RDWR);
    uint8_t id[LM_ID_SIZE];
    unsigned int killed = 0;

    assert_int_equal(
        lm_id_from_text(
            fake_kept(fake_domain_id(move->migration->setup.source), "id"),
            id),
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

struct fake_move *fake_lose_receiver(uint64_t link_timeout)
{
    struct fake_move *move =
        fake_lost_new(CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1));

    move->receive_params.link_timeout = link_timeout;
    fake_lose_link(move);
    fake_await_kept(fake_domain_id(move->migration->outcome.destination),
                    "state", "paused");
    fake_kill_receiver(move);
    fake_expect_trusted(move, "0");
    return move;
}

void fake_bury(struct fake_move *move)
{
    fake_domain_destroy(move->migration->outcome.destination);
    fake_guest_stop(move->migration->setup.guest);
    fake_move_free(move);
}
