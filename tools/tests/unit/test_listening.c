/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How a receiver handles a connection: the first octets say what the
 * visitor wants, the wishes what the source wants, and the process that
 * accepts the connection passes it to the process that uses it.  Addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pass_fd.h"
#include "prologue.h"
#include "save_header.h"
#include "tcp.h"
#include "rdma/agree.h"
#include "visitor.h"
#include "watchdog.h"
#include "wire/wire.h"
#include "wishes.h"

/* Record types, as in the engine. */
enum {
#define TO_DESTINATION(id, name, number, ...) RECORD_##id = (number),
#include "wire/records.def"
};

/* ---- visitors ---- */

static void assert_visitor(const void *octets, size_t length,
                           enum xl_visitor expected)
{
    assert_int_equal(xl_visitor_of(octets, length), expected);
    assert_int_equal(xl_visitor_of(octets, 1), XL_VISITOR_UNCLEAR);
}

/* Each visitor is known by the octets that it really sends. */
static void what_visitors_want(void **state)
{
    static const unsigned char tls[] = {0x16, 3, 1, 2};
    const uint32_t recover = RECORD_POSTCOPY_RECOVER;
    const uint32_t channel = RECORD_POSTCOPY_CHANNEL;
    const uint32_t stream = RECORD_POSTCOPY_STREAM;
    struct xl_save_header header;
    struct xl_options options;
    struct xl_wishes wishes;
    struct xl_save_data data;

    (void)state;
    xl_save_header_make(&header, &data, 10);
    xl_options_init(&options, XL_COMMAND_MIGRATE);
    xl_wishes_make(&wishes, &options);
    assert_visitor(&header, XL_VISITOR_OCTETS, XL_VISITOR_GUEST);
    assert_visitor(&wishes, XL_VISITOR_OCTETS, XL_VISITOR_WISHES);
    assert_visitor(&recover, sizeof(recover), XL_VISITOR_AGAIN);
    assert_visitor(&channel, sizeof(channel), XL_VISITOR_AGAIN);
    assert_visitor(&stream, sizeof(stream), XL_VISITOR_AGAIN);
    assert_visitor(tls, sizeof(tls), XL_VISITOR_TLS);
    assert_int_equal(xl_visitor_of(XL_RDMA_MAGIC, 4), XL_VISITOR_RDMA);
    assert_int_equal(xl_visitor_of(XL_RDMA_MAGIC, 2), XL_VISITOR_UNCLEAR);
}

static void what_is_spoken_nowhere(void **state)
{
    static const char *const others[] = {"GET / HTTP", "SSH-2.0", "x",
                                         "xl ",        "Xem",     "\x26\1",
                                         "\x16\x02",   "LibxlFmt"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(xl_visitor_of(others[i], strlen(others[i])),
                         XL_VISITOR_UNKNOWN);
    }
    assert_int_equal(xl_visitor_of("", 0), XL_VISITOR_UNCLEAR);
    assert_int_equal(xl_visitor_of("Xen", 3), XL_VISITOR_UNCLEAR);
}

static int connect_ends(void **state)
{
    int *ends = calloc(2, sizeof(*ends));

    alarm(WATCHDOG_SECONDS);
    *state = ends;
    return ends && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
               ? 0
               : -1;
}

static int close_ends(void **state)
{
    int *ends = *state;

    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
    }
    free(ends);
    return 0;
}

#define NEVER (~UINT64_C(0))
#define OVER 1

static void octets_stay_to_be_read(void **state)
{
    int *ends = *state;
    char text[9] = "";

    assert_int_equal(write(ends[1], XL_WISHES_MAGIC, 8), 8);
    assert_int_equal(xl_visitor_await(ends[0], NEVER), XL_VISITOR_WISHES);
    assert_int_equal(read(ends[0], text, 8), 8);
    assert_string_equal(text, XL_WISHES_MAGIC);
}

/* A peer that sends an octet in place of an answer, or closes, is refused. */
static void visitors_that_say_nothing(void **state)
{
    int *ends = *state;

    assert_int_equal(xl_visitor_await(ends[0], OVER), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(write(ends[1], "X", 1), 1);
    assert_int_equal(xl_visitor_await(ends[0], OVER), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static void visitors_that_go(void **state)
{
    int *ends = *state;

    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(xl_visitor_await(ends[0], NEVER), -1);
    assert_int_equal(errno, ECONNRESET);
}

/* No octet may be left unread in the socket: the child of ssh has it. */
static void a_pipe_has_a_guest(void **state)
{
    int pipe_fds[2];

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "&", 1), 1);
    assert_int_equal(xl_visitor_await(pipe_fds[0], NEVER), XL_VISITOR_GUEST);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* ---- wishes ---- */

static void wishes_are_granted(void **state)
{
    struct xl_options asked, granted;
    char wrong[XL_OPTION_WRONG_MAX];
    struct xl_wishes wishes;

    (void)state;
    xl_options_init(&asked, XL_COMMAND_MIGRATE);
    asked.leave_paused = true;
    asked.check = true;
    xl_wishes_make(&wishes, &asked);
    assert_null(xl_wishes_check(&wishes));
    xl_options_init(&granted, XL_COMMAND_RECEIVE);
    granted.params.link_timeout = 5;
    granted.no_monitor = true; /* its own command line's */
    xl_wishes_grant(&wishes, &granted);
    assert_true(granted.leave_paused);
    assert_true(granted.check);
    assert_true(granted.no_monitor);
    assert_false(granted.debug);
    assert_int_equal(granted.params.link_timeout, 5);
    assert_int_equal(
        xl_option_take(&asked,
                       xl_option_find(XL_COMMAND_MIGRATE, "link-timeout"), "7",
                       wrong),
        0);
    xl_wishes_make(&wishes, &asked);
    assert_null(xl_wishes_check(&wishes));
    xl_wishes_grant(&wishes, &granted);
    assert_int_equal(granted.params.link_timeout, 7);
}

static void wishes_of_others(void **state)
{
    struct xl_options options;
    struct xl_wishes wishes;

    (void)state;
    xl_options_init(&options, XL_COMMAND_MIGRATE);
    xl_wishes_make(&wishes, &options);
    wishes.flags = XL_WISHES_ALL + 1;
    assert_non_null(strstr(xl_wishes_check(&wishes), "another version"));
    wishes.flags = 0;
    wishes.version++;
    assert_non_null(strstr(xl_wishes_check(&wishes), "another version"));
    wishes.version--;
    wishes.magic[7] = 'T';
    assert_non_null(xl_wishes_check(&wishes));
}

/* The options that go to a receiver on its command line, by the list of
 * options. */
enum {
#define COMMAND(id, ...) id = 1 << XL_COMMAND_##id,
#include "options.def"
    EACH_COMMAND = 0,
};
#define NOWHERE 0
#define TO_RECEIVER 1
#define TO_BOTH TO_RECEIVER
#define TO_RECOVERY 0
#define TO_CONNECTIONS 0
#define TO_EACH 0

static const struct {
    int commands;
    const char *name;
    char letter;
    int to;
} rows[] = {
#define OPTION(of, long_name, short_name, takes, goes_on, text) \
    {(of), (long_name), (short_name), (goes_on)},
#include "options.def"
};

/* The options that go to a receiver as wishes; the user gives "trace" to each
 * end.  A new option must be a wish as well. */
static bool is_told(const char *name)
{
    static const char *const told[] = {"link-timeout", "no-monitor", "p",
                                       "debug",        "check",      "trace",
                                       "superpages"};

    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (!strcmp(name, told[i])) {
            return true;
        }
    }
    return false;
}

static void no_option_is_lost_over_tls(void **state)
{
    char letter[2] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        letter[0] = rows[i].letter;
        if (rows[i].commands & MIGRATE && rows[i].to & TO_RECEIVER &&
            !is_told(rows[i].name ? rows[i].name : letter)) {
            fail_msg("a receiver by TLS is not told of %s",
                     rows[i].name ? rows[i].name : letter);
        }
    }
}

/* ---- addresses ---- */

static void addresses(void **state)
{
    static const struct {
        const char *text, *host, *port;
    } good[] = {
        {"xen-b", "xen-b", "8002"},
        {"xen-b:9000", "xen-b", "9000"},
        {"10.0.0.2:1", "10.0.0.2", "1"},
        {":8003", "", "8003"},
        {"[fe80::1%eth0]", "fe80::1%eth0", "8002"},
        {"[::1]:9000", "::1", "9000"},
        {"::1", "::1", "8002"},
    };
    static const char *const bad[] = {
        "",        "xen-b:",     "xen-b:http", "[::1",     "[]:1",
        "[::1]x",  "[::1]:",     "root@xen-b", "-x",       "xen b",
        "ssh://b", "a:12345678", "b;id:80",    "[$(id)]:1"};
    struct xl_tcp_address address;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(xl_tcp_parse(good[i].text, &address));
        assert_string_equal(address.host, good[i].host);
        assert_string_equal(address.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (xl_tcp_parse(bad[i], &address)) {
            fail_msg("'%s' is taken for %s, port %s", bad[i], address.host,
                     address.port);
        }
    }
}

static void listening_and_connecting(void **state)
{
    struct xl_tcp_address address = {"127.0.0.1", "0"};
    char why[XL_TCP_WHY_MAX] = "", octet = 0;
    struct sockaddr_storage bound;
    socklen_t length = sizeof(bound);
    int listening, connected, accepted;

    (void)state;
    alarm(WATCHDOG_SECONDS);
    assert_int_equal(xl_tcp_listen(&address, &listening, 1, why), 1);
    assert_int_equal(
        getsockname(listening, (struct sockaddr *)&bound, &length), 0);
    snprintf(address.port, sizeof(address.port), "%u",
             ntohs(((struct sockaddr_in *)&bound)->sin_port));
    connected = xl_tcp_connect(&address, xl_deadline(60), why);
    assert_string_equal(why, "");
    assert_true(connected >= 0);
    accepted = accept(listening, NULL, NULL);
    assert_int_equal(write(connected, "x", 1), 1);
    assert_int_equal(read(accepted, &octet, 1), 1);
    assert_int_equal(octet, 'x');
    assert_int_equal(xl_tcp_listen(&address, &(int){-1}, 1, why), -1);
    assert_non_null(strstr(why, "in use"));
    close(connected);
    close(accepted);
    close(listening);
    assert_int_equal(xl_tcp_connect(&address, xl_deadline(60), why), -1);
    assert_non_null(strstr(why, "migrate-listen"));
}

/* ---- from one process to another ---- */

static void a_connection_is_passed_on(void **state)
{
    int *ends = *state;
    int pipe_fds[2], got = -1;
    char octet;

    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(xl_pass_fd(ends[0], pipe_fds[0]), 0);
    close(pipe_fds[0]);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    assert_int_equal(xl_take_fd(ends[1], &got), 0);
    assert_true(got >= 0);
    assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
    assert_int_equal(read(got, &octet, 1), 1);
    close(got);
    close(pipe_fds[1]);
}

/* The octets after the word are the connection's. */
static void a_connection_by_way_of_us(void **state)
{
    int *ends = *state;
    int got = 0;
    char octet;

    assert_int_equal(xl_pass_fd(ends[0], -1), 0);
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(xl_take_fd(ends[1], &got), 0);
    assert_int_equal(got, -1);
    assert_int_equal(read(ends[1], &octet, 1), 1);
    assert_int_equal(octet, 'x');
}

static void no_connection(void **state)
{
    int *ends = *state;
    int got = -1;

    assert_int_equal(write(ends[0], "no", 2), 2);
    assert_int_equal(xl_take_fd(ends[1], &got), -1);
    assert_int_equal(errno, EPROTO);
    close(ends[0]);
    ends[0] = -1;
    (void)read(ends[1], &(char[2]){0}, 2);
    assert_int_equal(xl_take_fd(ends[1], &got), 1);
    assert_int_equal(got, -1);
}

#define CONNECTED(test) \
    cmocka_unit_test_setup_teardown(test, connect_ends, close_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_visitors_want),
        cmocka_unit_test(what_is_spoken_nowhere),
        CONNECTED(octets_stay_to_be_read),
        CONNECTED(visitors_that_say_nothing),
        CONNECTED(visitors_that_go),
        cmocka_unit_test(a_pipe_has_a_guest),
        cmocka_unit_test(wishes_are_granted),
        cmocka_unit_test(wishes_of_others),
        cmocka_unit_test(no_option_is_lost_over_tls),
        cmocka_unit_test(addresses),
        cmocka_unit_test(listening_and_connecting),
        CONNECTED(a_connection_is_passed_on),
        CONNECTED(a_connection_by_way_of_us),
        CONNECTED(no_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
