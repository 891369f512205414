/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Streams of a move with the library: the process that has accepted a stream's
 * connection brings it to the receiving call over a local socket, at any time.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_move.h"
#include "fake_xenstore.h"
#include "wire/wire.h"

#define PAGES 600
#define VCPUS 2
#define NAME "guest"
#define INCOMING "guest--incoming"
#define STREAMS 3

#define CUT(where, record, after) \
    ((struct fake_cut){ \
        .way = where, .octets = after, .at_record = true, .type = record})

/* The streams of one call: a migration or a recovery. */
struct streams {
    struct fake_visit visits[STREAMS]; /* by number */
    bool connected[STREAMS];
    sem_t pushed;
};

static void post(void *data)
{
    sem_post(data);
}

/* Until both streams have sent a page. */
static void await_streams(void *data)
{
    struct streams *streams = data;

    sem_wait(&streams->pushed);
    sem_wait(&streams->pushed);
}

static int connect_stream(uint32_t stream, int cancel_fd, int *send_fd,
                          int *recv_fd, void *user)
{
    struct streams *streams = user;
    struct fake_visit *visit = &streams->visits[stream];
    struct fake_cut cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 0);

    (void)cancel_fd;
    cut.stream = FAKE_BARE;
    cut.strike = FAKE_STRIKE_NOTHING;
    cut.at = post;
    cut.data = &streams->pushed;
    visit->link = fake_link_new(&cut);
    fake_visit_start(visit);
    streams->connected[stream] = true;
    *send_fd = *recv_fd = fake_link_end(visit->link, 0);
    return 0;
}

static void open_streams(struct streams *streams, struct fake_move *move)
{
    *streams = (struct streams){.connected = {false}};
    assert_int_equal(sem_init(&streams->pushed, 0, 0), 0);
    for (int i = 0; i < STREAMS; i++) {
        streams->visits[i].move = move;
    }
    move->params.streams = STREAMS;
    move->params.connect_stream = connect_stream;
    move->params.stream_user = streams;
}

/* Call this when the calls at both ends have ended. */
static void close_streams(struct streams *streams, const char *name)
{
    char file[64];

    for (int i = 1; i < STREAMS; i++) {
        struct fake_visit *visit = &streams->visits[i];

        assert_true(streams->connected[i]);
        fake_link_hang_up(visit->link, 0);
        fake_visit_await(visit);
        assert_int_equal(visit->rc, 0);
        /* For check-stream. */
        snprintf(file, sizeof(file), "%s.stream%d-forth", name, i);
        fake_link_keep(visit->link, FAKE_FORTH, file);
        snprintf(file, sizeof(file), "%s.stream%d-back", name, i);
        fake_link_keep(visit->link, FAKE_BACK, file);
        fake_link_free(visit->link);
    }
    sem_destroy(&streams->pushed);
}

static void move_init(struct fake_move *move, struct fake_cut cut)
{
    fake_move_init(move, fake_migration_new(PAGES, VCPUS), NAME, INCOMING);
    fake_move_cut(move, cut);
}

static void check_whole(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;

    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
}

/* The first connection stands still at the go until both streams have sent a
 * page. */
static void move_over_streams(void **state)
{
    struct fake_cut cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_GO, FAKE_WHOLE);
    libxl_live_migrate_stats *stats;
    struct streams streams;
    struct fake_move move;

    (void)state;
    cut.strike = FAKE_STRIKE_NOTHING;
    cut.at = await_streams;
    cut.data = &streams;
    move_init(&move, cut);
    open_streams(&streams, &move);
    stats = &move.results[0].stats;
    fake_move_run(&move);
    assert_int_equal(move.rcs[0], 0);
    assert_int_equal(move.rcs[1], 0);
    assert_int_equal(stats->streams, STREAMS);
    assert_true(stats->stream_pages > 0);
    assert_int_equal(stats->requested_pages + stats->pushed_pages,
                     stats->postcopy_pages);
    fake_link_keep(move.migration->outcome.link, FAKE_FORTH,
                   "with-streams.forth");
    fake_link_keep(move.migration->outcome.link, FAKE_BACK,
                   "with-streams.back");
    close_streams(&streams, "with-streams");
    check_whole(&move);
    fake_move_dispose(&move);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(move_over_streams),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
