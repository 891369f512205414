/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A source with two streams, whose destination is the test: one that lies
 * about what came over a stream, and one that tells the truth.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_heard.h"
#include "fake_migration.h"
#include "fake_relink.h"
#include "wire/channel.h"
#include "wire/record.h"
#include "wire/wire.h"

#define PAGES 640
#define LACKING 300

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->setup.params.streams = 2;
    return migration;
}

/* A source that recovers with two streams; the test plays the destination on
 * both connections. */
struct liar {
    struct fake_migration *migration;
    struct xlm_context ctx;
    int fds[2][2]; /* of each connection: the source's end, and ours */
    struct xlm_channel channels[2];
    struct xlm_record record;
    pthread_t thread;
    enum xlm_guest_state found;
    int rc;
    unsigned int came[PAGES]; /* how often each page counted as come */
};

static int connect_stream(uint32_t index, int cancel_fd, int *in_fd,
                          int *out_fd, void *data)
{
    struct liar *liar = data;

    (void)cancel_fd;
    assert_int_equal(index, 1);
    *in_fd = *out_fd = liar->fds[1][0];
    return 0;
}

static void *run_recover(void *data)
{
    struct liar *liar = data;
    const struct xlm_save_callbacks callbacks = {
        .connect_stream = connect_stream,
        .data = liar,
    };
    struct xlm_save_params params = liar->migration->setup.params;

    params.domid = fake_domain_id(liar->migration->setup.source);
    params.in_fd = params.out_fd = liar->fds[0][0];
    liar->rc =
        xlm_recover(&liar->migration->outcome.contexts[0], &params, &callbacks,
                    &liar->migration->outcome.stats[0], &liar->found);
    shutdown(liar->fds[0][0], SHUT_RDWR);
    return NULL;
}

/* The next record on a connection, of this type. */
static const void *expect(struct liar *liar, unsigned int connection,
                          enum xlm_reader_state state, uint32_t type)
{
    assert_int_equal(xlm_read_record(&liar->ctx, &liar->channels[connection],
                                     state, &liar->record),
                     0);
    assert_int_equal(liar->record.type, type);
    return liar->record.body;
}

static void say(struct liar *liar, uint32_t type, const void *body,
                size_t length)
{
    xlm_write_simple_record(&liar->ctx, &liar->channels[0], type, body,
                            length);
}

static void say_end(struct liar *liar, uint32_t index, uint64_t pages)
{
    const struct xlm_wire_stream_end end = {.index = index, .pages = pages};

    say(liar, XLM_REC_POSTCOPY_STREAM_END, &end, sizeof(end));
}

static struct liar *start_liar(void)
{
    struct liar *liar = calloc(1, sizeof(*liar));
    uint64_t pfns[LACKING];
    size_t count = 0;

    liar->migration = new_migration();
    liar->record = XLM_RECORD_EMPTY;
    fake_guest_move(liar->migration->setup.guest, NULL);
    fake_domain_suspend(liar->migration->setup.source);
    fake_migration_init_context(&liar->ctx, liar->migration->setup.hosts[1]);
    for (unsigned int i = 0; i < 2; i++) {
        assert_int_equal(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, liar->fds[i]),
            0);
        liar->channels[i] = XLM_CHANNEL_CLOSED;
        assert_int_equal(xlm_channel_open(&liar->channels[i], liar->fds[i][1],
                                          liar->fds[i][1], -1),
                         0);
    }
    assert_int_equal(pthread_create(&liar->thread, NULL, run_recover, liar),
                     0);
    expect(liar, 0, XLM_READ_RECOVER, XLM_REC_POSTCOPY_RECOVER);
    xlm_write_answer(&liar->ctx, &liar->channels[0], XLM_REC_POSTCOPY_STATE,
                     XLM_GUEST_RUNS, "");
    for (uint64_t pfn = 0; count < LACKING; pfn++) {
        if (fake_guest_has(liar->migration->setup.guest, pfn)) {
            pfns[count++] = pfn;
        }
    }
    xlm_write_pfns(&liar->ctx, &liar->channels[0], XLM_REC_POSTCOPY_LACKING,
                   pfns, count);
    return liar;
}

/* Start a liar whose stream has joined, and which the source uses. */
static struct liar *start_liar_with_stream(void)
{
    struct liar *liar = start_liar();
    const struct xlm_wire_stream *joins =
        expect(liar, 1, XLM_READ_RECOVER, XLM_REC_POSTCOPY_STREAM);

    assert_int_equal(joins->index, 1);
    assert_int_equal(joins->pfns, liar->migration->setup.nr_pfns);
    xlm_answer_channel(&liar->ctx, liar->fds[1][1], NULL);
    return liar;
}

static void expect_refusal(struct liar *liar, const char *why)
{
    pthread_join(liar->thread, NULL);
    assert_int_equal(liar->rc, why ? -1 : 0);
    if (why && !strstr(liar->migration->outcome.contexts[0].reason, why)) {
        fail_msg("'%s' is not in: %s", why,
                 liar->migration->outcome.contexts[0].reason);
    }
    xlm_record_dispose(&liar->record);
    for (unsigned int i = 0; i < 2; i++) {
        xlm_channel_close(&liar->channels[i]);
        close(liar->fds[i][0]);
        close(liar->fds[i][1]);
    }
    xlm_hypervisor_close(liar->ctx.hypervisor);
    fake_migration_free(liar->migration);
    free(liar);
}

static void ends_that_lie(void **state)
{
    static const struct {
        uint32_t index;
        uint64_t pages;
    } lies[] = {{0, 0}, {2, 0}, {UINT32_MAX, 0}, {1, 1000000}};

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct liar *liar = start_liar_with_stream();

        say_end(liar, lies[i].index, lies[i].pages);
        expect_refusal(liar, "bad migration stream: the end of stream");
    }
}

/* The stream has not joined. */
static void end_before_the_beginning(void **state)
{
    struct liar *liar = start_liar();

    (void)state;
    say_end(liar, 1, 0);
    expect_refusal(liar, "which was not in use");
}

/* Read until the first connection says that the stream is in use.  Pages come
 * before that; without credit these are few. */
static void await_use(struct liar *liar)
{
    struct xlm_pfn_list list;

    for (;;) {
        assert_int_equal(xlm_read_record(&liar->ctx, &liar->channels[0],
                                         XLM_READ_POSTCOPY, &liar->record),
                         0);
        if (liar->record.type == XLM_REC_POSTCOPY_STREAM_USE) {
            return;
        }
        if (liar->record.type == XLM_REC_POSTCOPY_SRC_ALIVE) {
            continue;
        }
        assert_int_equal(
            xlm_parse_pfn_list(&liar->ctx, &liar->record, PAGES, &list), 0);
        for (size_t i = 0; i < list.count; i++) {
            liar->came[xlm_entry_pfn(list.entries[i])]++;
        }
    }
}

static void end_twice(void **state)
{
    struct liar *liar = start_liar_with_stream();

    (void)state;
    await_use(liar);
    say_end(liar, 1, 0);
    say_end(liar, 1, 0);
    expect_refusal(liar, "bad migration stream: the end of stream 1");
}

/* Pages of a record on the stream that count as come. */
static uint64_t take_record(struct liar *liar, unsigned int connection)
{
    struct xlm_pfn_list list = {.count = 0};

    assert_int_equal(
        xlm_read_record(&liar->ctx, &liar->channels[connection],
                        connection ? XLM_READ_CHANNEL : XLM_READ_POSTCOPY,
                        &liar->record),
        0);
    if (fake_brings_pages(liar->record.type)) {
        assert_int_equal(
            xlm_parse_pfn_list(&liar->ctx, &liar->record, PAGES, &list), 0);
    }
    for (size_t i = 0; i < list.count; i++) {
        liar->came[xlm_entry_pfn(list.entries[i])]++;
    }
    return list.count;
}

/* Pages that the stream has brought do not come again, and all others do: the
 * first records of several count, and no credit was paid for them. */
static void what_did_not_come_goes_again(void **state)
{
    (void)state;
    for (unsigned int records = 0; records < 2; records++) {
        struct liar *liar = start_liar_with_stream();
        struct xlm_wire_credit credit = {.pages = 0};
        uint64_t over_stream = 0, all = 0;

        await_use(liar);
        for (unsigned int i = 0; i < records; i++) {
            over_stream += take_record(liar, 1);
        }
        say_end(liar, 1, over_stream);
        /* Give credit for the pages that came over the first connection. */
        for (size_t i = 0; i < PAGES; i++) {
            all += liar->came[i];
        }
        credit.pages = all - over_stream;
        while (liar->record.type != XLM_REC_END || !all) {
            if (credit.pages) {
                say(liar, XLM_REC_POSTCOPY_CREDIT, &credit, sizeof(credit));
            }
            credit.pages = take_record(liar, 0);
            all += credit.pages;
        }
        assert_int_equal(all, LACKING);
        for (size_t i = 0; i < PAGES; i++) {
            assert_true(liar->came[i] <= 1);
        }
        say(liar, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
        expect_refusal(liar, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_that_lie),
        cmocka_unit_test(end_before_the_beginning),
        cmocka_unit_test(end_twice),
        cmocka_unit_test(what_did_not_come_goes_again),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
