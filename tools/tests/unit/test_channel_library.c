/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The library's moves with a fault channel.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_lost.h"
#include "wire/wire.h"

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
        struct fake_move *move = fake_lost_new(fake_uncut);
        struct second second = {
            .visit.move = move, .connects = way != WITHOUT, .cut = fake_uncut};
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
        fake_move_free(move);
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
    struct fake_move *move = fake_lost_new(fake_uncut);
    struct second second = {
        .visit.move = move, .connects = true, .cut = fake_uncut};
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
    fake_move_free(move);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_fault_channel),
        cmocka_unit_test(a_fault_channel_of_nothing),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
