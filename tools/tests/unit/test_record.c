/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Records: what goes over the wire, octet by octet, and what a reader
 * refuses. Lists of pfns: test_pfn_lists.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_log.h"
#include "watchdog.h"
#include "wire/record.h"

#define BODY_MAX (8u << 20)

struct wire {
    struct xlm_context ctx;
    struct xlm_channel channel; /* the end under test */
    int peer;
    struct xlm_record record;
};

static int open_wire(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct wire *wire = calloc(1, sizeof(*wire));
    int fds[2];

    alarm(WATCHDOG_SECONDS);
    wire->ctx = fresh;
    wire->ctx.logger = fake_logger();
    wire->channel = XLM_CHANNEL_CLOSED;
    wire->record = XLM_RECORD_EMPTY;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(xlm_channel_open(&wire->channel, fds[0], fds[0], -1), 0);
    wire->peer = fds[1];
    *state = wire;
    return 0;
}

static int close_wire(void **state)
{
    struct wire *wire = *state;
    int fd = wire->channel.in_fd;

    xlm_channel_close(&wire->channel);
    close(fd);
    close(wire->peer);
    xlm_record_dispose(&wire->record);
    free(wire);
    return 0;
}

/* ---- the writer: golden octets ---- */

static void expect_octets(struct wire *wire, const void *expected,
                          size_t length)
{
    uint8_t *got = malloc(length + 1);
    ssize_t n = recv(wire->peer, got, length + 1, MSG_DONTWAIT);

    assert_int_equal(n, length);
    assert_memory_equal(got, expected, length);
    free(got);
}

#define EXPECT_OCTETS(wire, ...) \
    do { \
        static const uint8_t octets[] = {__VA_ARGS__}; \
        expect_octets(wire, octets, sizeof(octets)); \
    } while (0)

static void write_empty(void **state)
{
    static const uint8_t types[] = {0x00, 0x10, 0x13, 0x14,
                                    0x16, 0x19, 0x1c, 0x1f};
    struct wire *wire = *state;
    size_t i;

    for (i = 0; i < sizeof(types); i++) {
        uint8_t octets[8] = {types[i]};

        assert_int_equal(xlm_write_simple_record(&wire->ctx, &wire->channel,
                                                 types[i], NULL, 0),
                         0);
        expect_octets(wire, octets, sizeof(octets));
    }
}

static void write_padded(void **state)
{
    struct wire *wire = *state;
    struct iovec parts[] = {{(void *)"abc", 3}, {NULL, 0}, {(void *)"de", 2}};

    assert_int_equal(
        xlm_write_record(&wire->ctx, &wire->channel, 0x80000123u, parts, 3),
        0);
    EXPECT_OCTETS(wire, 0x23, 0x01, 0, 0x80, 5, 0, 0, 0, 'a', 'b', 'c', 'd',
                  'e', 0, 0, 0);
    assert_int_equal(wire->channel.bytes_out, 16);
}

static void write_fixed_bodies(void **state)
{
    const struct xlm_wire_tsc_info tsc = {1, 0x01020304, 0x1112131415161718ULL,
                                          7, 0};
    const struct xlm_wire_prepare prepare = {
        .version = 1,
        .pages = 0x0203,
        .pfns = 0x100000,
        .credit = 512,
        .id = "0123456789abcdef",
        .uuid = "ABCDEFGHIJKLMNOP",
    };
    const struct xlm_wire_credit credit = {.pages = 64};
    struct wire *wire = *state;

    xlm_write_simple_record(&wire->ctx, &wire->channel, XLM_REC_TSC_INFO, &tsc,
                            sizeof(tsc));
    EXPECT_OCTETS(wire, 0x08, 0, 0, 0, 24, 0, 0, 0, /* mode, khz */
                  1, 0, 0, 0, 4, 3, 2, 1,           /* nsec */
                  0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 7, 0, 0, 0,
                  0, 0, 0, 0);
    xlm_write_simple_record(&wire->ctx, &wire->channel,
                            XLM_REC_POSTCOPY_PREPARE, &prepare,
                            sizeof(prepare));
    EXPECT_OCTETS(wire, 0x1a, 0, 0, 0, 64, 0, 0, 0, /* version, flags */
                  1, 0, 0, 0, 0, 0, 0, 0,           /* pages */
                  3, 2, 0, 0, 0, 0, 0, 0,           /* pfns */
                  0, 0, 0x10, 0, 0, 0, 0, 0,        /* credit */
                  0, 2, 0, 0, 0, 0, 0, 0,           /* id, uuid */
                  '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b',
                  'c', 'd', 'e', 'f', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
                  'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P');
    xlm_write_simple_record(&wire->ctx, &wire->channel,
                            XLM_REC_POSTCOPY_CREDIT, &credit, sizeof(credit));
    EXPECT_OCTETS(wire, 0x21, 0, 0, 0, 8, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0);
}

static void write_statistics(void **state)
{
    struct xlm_wire_stats stats = {1, 2,  3,  4,  5,   6,  7, 8,
                                   9, 10, 11, 12, {0}, 45, 0};
    struct wire *wire = *state;
    uint8_t octets[8 + 360] = {0x22, 0, 0, 0, 360 - 256, 1};
    size_t i;

    for (i = 0; i < 32; i++) {
        stats.histogram[i] = 13 + i;
    }
    for (i = 0; i < 45; i++) {
        octets[8 + 8 * i] = i + 1;
    }
    xlm_write_simple_record(&wire->ctx, &wire->channel, XLM_REC_POSTCOPY_STATS,
                            &stats, sizeof(stats));
    expect_octets(wire, octets, sizeof(octets));
}

static void write_answers(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(xlm_write_answer(&wire->ctx, &wire->channel,
                                      XLM_REC_POSTCOPY_READY, 0, ""),
                     0);
    EXPECT_OCTETS(wire, 0x1e, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(xlm_write_answer(&wire->ctx, &wire->channel,
                                      XLM_REC_POSTCOPY_PREPARED,
                                      XLM_REFUSED_NO_HAP, "no HAP"),
                     0);
    EXPECT_OCTETS(wire, 0x1b, 0, 0, 0, 14, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0,
                  'n', 'o', ' ', 'H', 'A', 'P', 0, 0);
}

static void write_pfn_lists(void **state)
{
    const uint64_t entries[] = {0x123456789abcULL,
                                xlm_entry(0xfefff, XLM_TYPE_XTAB)};
    struct wire *wire = *state;

    assert_int_equal(xlm_write_pfns(&wire->ctx, &wire->channel,
                                    XLM_REC_POSTCOPY_PFNS, entries, 2),
                     0);
    EXPECT_OCTETS(wire, 0x15, 0, 0, 0, 24, 0, 0, 0,         /* count */
                  2, 0, 0, 0, 0, 0, 0, 0,                   /* entries */
                  0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, /* second */
                  0xff, 0xef, 0x0f, 0, 0, 0, 0, 0xf0);
    assert_int_equal(xlm_write_pfns(&wire->ctx, &wire->channel,
                                    XLM_REC_POSTCOPY_FAULT, entries, 1),
                     0);
    EXPECT_OCTETS(wire, 0x18, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                  0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0);
}

/* An empty list is not sent, but an answer always is. */
static void write_empty_lists(void **state)
{
    struct wire *wire = *state;
    char octet;

    assert_int_equal(xlm_write_pfns(&wire->ctx, &wire->channel,
                                    XLM_REC_POSTCOPY_PFNS, NULL, 0),
                     0);
    assert_int_equal(recv(wire->peer, &octet, 1, MSG_DONTWAIT), -1);
    assert_int_equal(xlm_write_pfns(&wire->ctx, &wire->channel,
                                    XLM_REC_POSTCOPY_EVICTED, NULL, 0),
                     0);
    EXPECT_OCTETS(wire, 0x1d, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void long_lists_are_split(void **state)
{
    static uint64_t entries[XLM_LIST_PFNS + 1];
    struct wire *wire = *state;
    struct xlm_wire_record_header header;
    struct xlm_wire_pfn_list list;
    static uint64_t got[XLM_LIST_PFNS];
    size_t i;

    for (i = 0; i <= XLM_LIST_PFNS; i++) {
        entries[i] = i;
    }
    assert_int_equal(xlm_write_pfns(&wire->ctx, &wire->channel,
                                    XLM_REC_POSTCOPY_PFNS, entries,
                                    XLM_LIST_PFNS + 1),
                     0);
    recv(wire->peer, &header, sizeof(header), MSG_WAITALL);
    recv(wire->peer, &list, sizeof(list), MSG_WAITALL);
    assert_int_equal(header.length, 8 + 8 * XLM_LIST_PFNS);
    assert_int_equal(list.count, XLM_LIST_PFNS);
    recv(wire->peer, got, sizeof(got), MSG_WAITALL);
    assert_memory_equal(got, entries, sizeof(got));
    EXPECT_OCTETS(wire, 0x15, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                  0x20, 0, 0, 0, 0, 0, 0);
}

static void too_many_parts(void **state)
{
    static struct iovec parts[XLM_BATCH_PAGES + 3];
    struct wire *wire = *state;

    assert_int_equal(xlm_write_record(&wire->ctx, &wire->channel,
                                      XLM_REC_PAGE_DATA, parts,
                                      XLM_BATCH_PAGES + 3),
                     -1);
    assert_int_equal(xlm_write_record(&wire->ctx, &wire->channel,
                                      XLM_REC_PAGE_DATA, parts,
                                      XLM_BATCH_PAGES + 2),
                     0);
}

/* ---- the reader ---- */

static void peer_sends(struct wire *wire, const void *octets, size_t length)
{
    assert_int_equal(send(wire->peer, octets, length, MSG_NOSIGNAL), length);
}

static void peer_sends_record(struct wire *wire, uint32_t type,
                              const void *body, uint32_t length)
{
    const struct xlm_wire_record_header header = {type, length};
    static const char zeroes[8];

    peer_sends(wire, &header, sizeof(header));
    if (length) {
        peer_sends(wire, body, length);
    }
    if (length % 8) {
        peer_sends(wire, zeroes, 8 - length % 8);
    }
}

static int read_one(struct wire *wire, enum xlm_reader_state state)
{
    wire->ctx.reason[0] = '\0';
    errno = 0;
    return xlm_read_record(&wire->ctx, &wire->channel, state, &wire->record);
}

static void expect_refused(struct wire *wire, enum xlm_reader_state state)
{
    char rest[64];

    assert_int_equal(read_one(wire, state), -1);
    assert_int_equal(errno, EPROTO);
    assert_non_null(strstr(wire->ctx.reason, "bad migration stream"));
    while (recv(wire->peer, rest, sizeof(rest), MSG_DONTWAIT) > 0) {
    }
    while (recv(wire->channel.in_fd, rest, sizeof(rest), MSG_DONTWAIT) > 0) {
    }
}

static void read_back(void **state)
{
    struct wire *wire = *state;

    peer_sends_record(wire, XLM_REC_HVM_CONTEXT, "0123456789", 10);
    peer_sends_record(wire, XLM_REC_END, NULL, 0);
    assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
    assert_int_equal(wire->record.type, XLM_REC_HVM_CONTEXT);
    assert_int_equal(wire->record.length, 10);
    assert_memory_equal(wire->record.body, "0123456789", 10);
    assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
    assert_int_equal(wire->record.type, XLM_REC_END);
    assert_int_equal(wire->record.length, 0);
}

/* The list of records, which check-spec compares with the page: a reader
 * accepts each record in exactly the states in which the list says that it is
 * legal. */
#define IN(state) (1u << XLM_READ_##state)
#define EMPTY 0, 0
#define LIST(least, most) 8 + 8 * (least), 8 + 8 * (most)
#define PAGES(least, most) 8 + 8 * (least), 8 + (8 + 4096) * (most)
#define COMPRESSED(least, most) 9 + 8 * (least), 8 + (8 + 4096) * (most)
#define REPEATED(least, most) 8 + 16 * (least), 8 + 16 * (most)
#define ANSWER 8, 8 + 1024
#define FIXED(layout) sizeof(layout), sizeof(layout)
#define OCTETS(least, most) least, most
static const struct legality {
    uint32_t type;
    uint32_t least, most; /* octets */
    unsigned int states;
} legalities[] = {
#define TO_DESTINATION(constant, name, number, body, states, taken_by) \
    {number, body, states},
#define TO_SOURCE TO_DESTINATION
#include "wire/records.def"
};
#define NR_LEGALITIES (sizeof(legalities) / sizeof(legalities[0]))

static void each_record_in_each_state(void **state)
{
    static const uint8_t zeroes[360];
    struct wire *wire = *state;
    unsigned int in;
    size_t i;

    for (i = 0; i < NR_LEGALITIES; i++) {
        for (in = 0; in <= XLM_READ_CREDIT; in++) {
            peer_sends_record(wire, legalities[i].type, zeroes,
                              legalities[i].least);
            if (!(legalities[i].states & 1u << in)) {
                expect_refused(wire, in);
                continue;
            }
            assert_int_equal(read_one(wire, in), 0);
            assert_int_equal(wire->record.type, legalities[i].type);
            assert_int_equal(wire->record.length, legalities[i].least);
        }
    }
}

/* The header alone is refused. */
static void each_record_too_short_or_long(void **state)
{
    struct wire *wire = *state;

    for (size_t i = 0; i < NR_LEGALITIES; i++) {
        const struct legality *legal = &legalities[i];
        const uint32_t wrong[] = {legal->most + 1, legal->least - 1};

        for (size_t j = 0; j < 1 + !!legal->least; j++) {
            const struct xlm_wire_record_header header = {legal->type,
                                                          wrong[j]};

            peer_sends(wire, &header, sizeof(header));
            expect_refused(wire, __builtin_ctz(legal->states));
        }
    }
}

/* The header alone is refused: nothing is allocated, nothing awaited. */
static void huge_lengths(void **state)
{
    static const uint32_t lengths[] = {65u << 20, 0x7fffffff, 0xfffffff9,
                                       0xffffffff};
    struct wire *wire = *state;
    size_t i, j;

    for (i = 0; i < NR_LEGALITIES; i++) {
        for (j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++) {
            const struct xlm_wire_record_header header = {legalities[i].type,
                                                          lengths[j]};

            peer_sends(wire, &header, sizeof(header));
            expect_refused(wire, __builtin_ctz(legalities[i].states));
            assert_true(wire->record.room < 4096);
        }
    }
}

/* The longest legal record of each kind, and one octet more. */
static const struct longest {
    uint32_t type;
    enum xlm_reader_state in;
    uint32_t max;
} longest[] = {
    {XLM_REC_PAGE_DATA, XLM_READ_LIVE, 8 + 1024 * (8 + 4096)},
    {XLM_REC_POSTCOPY_PAGE_DATA, XLM_READ_POSTCOPY, 8 + 1024 * (8 + 4096)},
    {XLM_REC_POSTCOPY_PFNS, XLM_READ_EVICTION, 8 + 8192 * 8},
    {XLM_REC_POSTCOPY_FAULT, XLM_READ_REQUESTS, 8 + 8192 * 8},
    {XLM_REC_POSTCOPY_EVICTED, XLM_READ_EVICTED, 8 + 8192 * 8},
    {XLM_REC_POSTCOPY_ZERO_PAGES, XLM_READ_LAST, 8 + 1024 * 8},
    {XLM_REC_POSTCOPY_COMPRESSED, XLM_READ_CHANNEL, 8 + 1024 * (8 + 4096)},
    {XLM_REC_POSTCOPY_REPEATED_PAGES, XLM_READ_POSTCOPY, 8 + 1024 * 16},
    {XLM_REC_POSTCOPY_PREPARED, XLM_READ_PREPARED, 8 + 1024},
    {XLM_REC_POSTCOPY_READY, XLM_READ_READY, 8 + 1024},
    {XLM_REC_POSTCOPY_RUNNING, XLM_READ_REQUESTS, 8 + 1024},
};
#define NR_LONGEST (sizeof(longest) / sizeof(longest[0]))

/* A record larger than a socket's buffer: it is sent while the other end
 * reads. */
static void *send_longest(void *data)
{
    struct wire *wire = data;
    uint8_t *zeroes = calloc(1, BODY_MAX);
    size_t i;

    for (i = 0; i < NR_LONGEST; i++) {
        peer_sends_record(wire, longest[i].type, zeroes, longest[i].max);
    }
    free(zeroes);
    return NULL;
}

static void longest_records(void **state)
{
    struct wire *wire = *state;
    pthread_t sender;
    size_t i;

    for (i = 0; i < NR_LONGEST; i++) {
        struct xlm_wire_record_header header = {longest[i].type,
                                                longest[i].max + 1};

        peer_sends(wire, &header, sizeof(header));
        expect_refused(wire, longest[i].in);
    }
    assert_int_equal(pthread_create(&sender, NULL, send_longest, wire), 0);
    for (i = 0; i < NR_LONGEST; i++) {
        assert_int_equal(read_one(wire, longest[i].in), 0);
        assert_int_equal(wire->record.type, longest[i].type);
        assert_int_equal(wire->record.length, longest[i].max);
    }
    pthread_join(sender, NULL);
}

/* Read to the reader's own memory, so that the body's last octet is the last
 * one there. */
static void records_in_lent_memory(void **state)
{
    static const size_t lengths[] = {8 + 4096 + 8, 8, 4096, 13, 2 * 4096};
    struct wire *wire = *state;
    struct xlm_record *record = &wire->record;
    uint8_t *octets = malloc(2 * XLM_PAGE_SIZE);
    uint8_t *sent = malloc(2 * XLM_PAGE_SIZE + 1);

    record->lent = octets;
    record->lent_octets = 2 * XLM_PAGE_SIZE;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t padded = (lengths[i] + 7) & ~(size_t)7;

        memset(sent, (int)i + 1, lengths[i]);
        peer_sends_record(wire, XLM_REC_HVM_CONTEXT, sent, lengths[i]);
        assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
        assert_int_equal(record->length, lengths[i]);
        assert_ptr_equal(record->body, octets + 2 * XLM_PAGE_SIZE - padded);
        assert_memory_equal(record->body, sent, lengths[i]);
    }
    memset(sent, 0x55, 2 * XLM_PAGE_SIZE + 1);
    peer_sends_record(wire, XLM_REC_HVM_CONTEXT, sent, 2 * XLM_PAGE_SIZE + 1);
    assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
    assert_ptr_equal(record->body, record->grown);
    assert_memory_equal(record->body, sent, 2 * XLM_PAGE_SIZE + 1);
    free(octets);
    free(sent);
}

static void unknown_records(void **state)
{
    static const uint32_t unknown[] = {0x02, 0x03, 0x0b,      0x0d,
                                       0x0e, 0x25, 0x7fffffff};
    struct wire *wire = *state;
    size_t i;

    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        peer_sends_record(wire, unknown[i], NULL, 0);
        expect_refused(wire, XLM_READ_LIVE);
    }
}

static void optional_records_are_skipped(void **state)
{
    static const uint8_t noise[9001];
    struct wire *wire = *state;

    peer_sends_record(wire, XLM_REC_OPTIONAL | 0x99, noise, sizeof(noise));
    peer_sends_record(wire, XLM_REC_OPTIONAL, NULL, 0);
    peer_sends_record(wire, XLM_REC_OPTIONAL | 0x1, "x", 1);
    peer_sends_record(wire, XLM_REC_END, NULL, 0);
    assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
    assert_int_equal(wire->record.type, XLM_REC_END);
}

/* The peer closes: before a record, within a header, a body, padding. */
static void cut_records(void **state)
{
    static const struct xlm_wire_record_header header = {XLM_REC_HVM_CONTEXT,
                                                         10};
    uint8_t octets[8 + 16] = {0};
    size_t length;

    memcpy(octets, &header, sizeof(header));
    close_wire(state);
    for (length = 0; length <= sizeof(octets); length++) {
        struct wire *wire;

        open_wire(state);
        wire = *state;
        peer_sends(wire, octets, length);
        shutdown(wire->peer, SHUT_WR);
        if (length == sizeof(octets)) {
            assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
        } else {
            assert_int_equal(read_one(wire, XLM_READ_LIVE), -1);
            assert_int_equal(errno, ECONNRESET);
            assert_true(wire->ctx.reason[0]);
        }
        if (length < sizeof(octets)) {
            close_wire(state);
        }
    }
}

static void aborted(void **state)
{
    struct wire *wire = *state;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    wire->channel.abort_fd = fds[0];
    assert_int_equal(write(fds[1], "", 1), 1);
    assert_int_equal(read_one(wire, XLM_READ_LIVE), -1);
    assert_int_equal(errno, ECANCELED);
    /* Octets that have arrived may be read all the same. */
    peer_sends_record(wire, XLM_REC_END, NULL, 0);
    assert_int_equal(read_one(wire, XLM_READ_LIVE), 0);
    close(fds[0]);
    close(fds[1]);
}

static void peer_is_gone(void **state)
{
    struct wire *wire = *state;

    close(wire->peer);
    wire->peer = -1;
    assert_int_equal(xlm_write_simple_record(&wire->ctx, &wire->channel,
                                             XLM_REC_END, NULL, 0),
                     -1);
    assert_int_equal(errno, EPIPE);
    assert_true(wire->ctx.reason[0]);
}

/* Nothing comes, and the connection stays open. */
static void silent_peer(void **state)
{
    struct wire *wire = *state;

    wire->channel.idle_ms = 1;
    assert_int_equal(read_one(wire, XLM_READ_LIVE), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(wire->ctx.reason[0]);
}

/* ---- answers ---- */

static int check_answer(struct wire *wire, uint32_t status, uint32_t length,
                        const char *text, uint32_t text_length)
{
    uint8_t body[8 + 64] = {0};

    memcpy(body, &status, 4);
    memcpy(body + 4, &length, 4);
    memcpy(body + 8, text, text_length);
    peer_sends_record(wire, XLM_REC_POSTCOPY_PREPARED, body, 8 + text_length);
    assert_int_equal(read_one(wire, XLM_READ_PREPARED), 0);
    return xlm_check_answer(&wire->ctx, &wire->record);
}

static void answers(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(check_answer(wire, 0, 0, "", 0), 0);
    assert_int_equal(check_answer(wire, 0, 2, "ok", 2), 0);
    assert_int_equal(check_answer(wire, 3, 6, "no HAP", 6), -1);
    assert_non_null(strstr(wire->ctx.reason, "no HAP"));
    assert_int_equal(check_answer(wire, 1, 0, "", 0), -1);
    assert_true(wire->ctx.reason[0]);
}

static void answers_with_wrong_length(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(check_answer(wire, 0, 1, "", 0), -1);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(check_answer(wire, 0, 1, "ok", 2), -1);
    assert_int_equal(check_answer(wire, 1, 3, "ok", 2), -1);
    assert_int_equal(check_answer(wire, 1, 0xffffffff, "ok", 2), -1);
    assert_int_equal(errno, EPROTO);
}

/* A peer's text is shown on a terminal. */
static void answers_are_made_printable(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(check_answer(wire, 1, 9, "a\033[2J\n\0%s", 9), -1);
    assert_non_null(strstr(wire->ctx.reason, "a?[2J??%s"));
    assert_null(strchr(wire->ctx.reason, '\033'));
    /* To some terminals 0x9b means the same as ESC and [ do to others. */
    assert_int_equal(check_answer(wire, 1, 5,
                                  "a\x9b"
                                  "2J\xff",
                                  5),
                     -1);
    assert_non_null(strstr(wire->ctx.reason, "a?2J?"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_wire, close_wire)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(write_empty),
        TEST(write_padded),
        TEST(write_fixed_bodies),
        TEST(write_statistics),
        TEST(write_answers),
        TEST(write_pfn_lists),
        TEST(write_empty_lists),
        TEST(long_lists_are_split),
        TEST(too_many_parts),
        TEST(read_back),
        TEST(each_record_in_each_state),
        TEST(each_record_too_short_or_long),
        TEST(huge_lengths),
        TEST(longest_records),
        TEST(records_in_lent_memory),
        TEST(unknown_records),
        TEST(optional_records_are_skipped),
        TEST(cut_records),
        TEST(aborted),
        TEST(peer_is_gone),
        TEST(silent_peer),
        TEST(answers),
        TEST(answers_with_wrong_length),
        TEST(answers_are_made_printable),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
