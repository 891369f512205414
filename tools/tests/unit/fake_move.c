/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A move with the library: both calls, and another connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_move.h"
#include "fake_xenstore.h"

void fake_move_init(struct fake_move *move, struct fake_migration *migration,
                    const char *name, const char *incoming)
{
    int end;

    *move = (struct fake_move){.migration = migration};
    for (end = 0; end < 2; end++) {
        move->ctxs[end] = fake_libxl_new(migration->setup.hosts[end]);
    }
    fake_libxl_add(move->ctxs[0], name, migration);
    fake_libxl_expect(move->ctxs[1], incoming, migration);
    libxl_live_migrate_params_init(&move->params);
    move->params.strategy = LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY;
    move->params.logger = fake_libxl_logger(move->ctxs[0]);
    libxl_live_migrate_receive_params_init(&move->receive_params);
    move->receive_params.final_name = name;
    move->receive_params.pager = fake_receive_pager();
    move->receive_params.logger = fake_libxl_logger(move->ctxs[1]);
    libxl_domain_config_init(&move->config);
    move->config.c_info.name = strdup(incoming);
    move->config.c_info.type = LIBXL_DOMAIN_TYPE_PVH;
}

void fake_move_cut(struct fake_move *move, struct fake_cut cut)
{
    struct fake_migration *migration = move->migration;

    fake_store_clear();
    migration->script.cut = cut;
    migration->script.cut.stream = FAKE_LIBXL;
    fake_domain_new(migration->setup.hosts[1], 1, 1, 1);
    /* No hot pages: otherwise the pages of the stop would decide what is
     * requested, and when. */
    move->params.hot_pages_max = 4;
}

void fake_move_dispose(struct fake_move *move)
{
    fake_move_await(move);
    libxl_domain_config_dispose(&move->config);
    fake_migration_free(move->migration);
    fake_libxl_free(move->ctxs[0]);
    fake_libxl_free(move->ctxs[1]);
}

struct fake_move *fake_move_new(struct fake_migration *migration,
                                const char *name, const char *incoming,
                                struct fake_cut cut)
{
    struct fake_move *move = calloc(1, sizeof(*move));

    fake_move_init(move, migration, name, incoming);
    fake_move_cut(move, cut);
    return move;
}

void fake_move_free(struct fake_move *move)
{
    fake_move_dispose(move);
    free(move);
}

static void *receive(void *data)
{
    struct fake_move *move = data;
    struct fake_migration *migration = move->migration;
    int fd = fake_link_end(migration->outcome.link, 1);

    move->rcs[1] = libxl_domain_live_migrate_receive(
        move->ctxs[1], &move->config, &move->domid, fd, fd,
        &move->receive_params, &move->results[1], &migration->outcome.resumed,
        NULL);
    fake_link_hang_up(migration->outcome.link, 1);
    return NULL;
}

int fake_move_start(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;
    int fd;

    migration->outcome.link = fake_link_new(&migration->script.cut);
    fake_guest_start(migration->setup.guest, 1);
    assert_int_equal(pthread_create(&move->receiver, NULL, receive, move), 0);
    move->receives = true;
    fd = fake_link_end(migration->outcome.link, 0);
    move->rcs[0] = libxl_domain_live_migrate_tuned(
        move->ctxs[0], fake_domain_id(migration->setup.source), fd, 0, fd,
        &move->params, &move->results[0], &migration->outcome.transitioned,
        NULL);
    fake_link_hang_up(migration->outcome.link, 0);
    return move->rcs[0];
}

void fake_move_await(struct fake_move *move)
{
    if (move->receives) {
        pthread_join(move->receiver, NULL);
    }
    move->receives = false;
}

void fake_move_run(struct fake_move *move)
{
    (void)fake_move_start(move);
    fake_move_await(move);
}

void fake_move_check_build(const struct fake_move *move,
                           libxl_live_migrate_build build, const char *why)
{
    int end;

    for (end = 0; end < 2; end++) {
        const libxl_live_migrate_result *result = &move->results[end];

        if (move->rcs[end]) {
            fail_msg("end %d: %s", end, result->reason);
        }
        assert_int_equal(result->build, build);
        if (!strstr(result->late_reason, why)) {
            fail_msg("end %d: late, as %s", end, result->late_reason);
        }
    }
}

/* ---- another connection ---- */

static void *serve(void *data)
{
    struct fake_visit *visit = data;
    int fd = fake_link_end(visit->link, 1);

    visit->rc = libxl_domain_live_migrate_receive_recover(
        visit->move->ctxs[1], fd, fd, &visit->move->receive_params,
        &visit->result, NULL);
    fake_link_hang_up(visit->link, 1);
    return NULL;
}

void fake_visit_start(struct fake_visit *visit)
{
    assert_int_equal(pthread_create(&visit->server, NULL, serve, visit), 0);
}

void fake_visit_await(struct fake_visit *visit)
{
    pthread_join(visit->server, NULL);
}

int fake_move_recover(struct fake_move *move, struct fake_cut cut,
                      libxl_live_migrate_recovery *found)
{
    struct fake_visit visit = {.move = move};
    int fd, rc;

    cut.stream = FAKE_BARE;
    visit.link = fake_link_new(&cut);
    fake_visit_start(&visit);
    fd = fake_link_end(visit.link, 0);
    rc = libxl_domain_live_migrate_recover(
        move->ctxs[0], fake_domain_id(move->migration->setup.source), fd, fd,
        &move->params, &move->results[0], found, NULL);
    fake_link_hang_up(visit.link, 0);
    fake_visit_await(&visit);
    fake_link_free(visit.link);
    assert_int_equal(rc == 0, *found != LIBXL_LIVE_MIGRATE_RECOVERY_NONE);
    return rc;
}
