/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Going on by RDMA, with all of the processes: the transport of a source, the
 * receiver that it starts, and the carrier of each.  This program's arguments
 * say which of them it is; librdmacm is the fake of tools/tests/rdma.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "connection.h"
#include "prologue.h"
#include "rdma/endpoint.h"
#include "rdma_carrier.h"
#include "rdma_connection.h"
#include "transport.h"
#include "visitor.h"
#include "watchdog.h"

#define ADDRESS "127.0.0.1"
#define GUEST "Xen saved domain"
#define THANKS "thanks"

/* ---- the receiver ---- */

static int greet(const struct xl_connection *connection)
{
    return write(connection->send_fd, XL_BANNER, strlen(XL_BANNER)) < 0;
}

/* Begins as xl migrate-receive does, and then takes a guest, and says so. */
static int run_receiver(bool by_tls, bool leaves)
{
    struct xl_connection connection = XL_CONNECTION_NONE;
    char octets[sizeof(GUEST)] = "";
    struct xl_options options;

    xl_options_init(&options, XL_COMMAND_RECEIVE);
    if (xl_connection_take(&connection, &options, NULL) ||
        greet(&connection) ||
        xl_connection_await_visitor(&connection) != XL_VISITOR_RDMA ||
        leaves) {
        return EXIT_FAILURE;
    }
    options.tls = by_tls ? "" : NULL;
    if (xl_rdma_take_over(&connection, &options) || greet(&connection) ||
        xl_connection_await_visitor(&connection) != XL_VISITOR_GUEST ||
        read(connection.recv_fd, octets, strlen(GUEST)) < 0 ||
        strcmp(octets, GUEST) ||
        write(connection.send_fd, THANKS, strlen(THANKS)) < 0) {
        return EXIT_FAILURE;
    }
    /* The end of the source's octets comes through as well. */
    if (read(connection.recv_fd, octets, 1)) {
        return EXIT_FAILURE;
    }
    xl_connection_close(&connection);
    return EXIT_SUCCESS;
}

/* ---- the source ---- */

static int set_up(void **state)
{
    (void)state;
    alarm(WATCHDOG_SECONDS);
    unsetenv("FAKE_RDMA");
    return 0;
}

static int connect_receiver(struct xl_transport *transport, const char *who,
                            const char *rdma)
{
    static char command[64];

    snprintf(command, sizeof(command), "exec /proc/%d/exe %s", (int)getpid(),
             who);
    *transport = XL_TRANSPORT_CLOSED;
    transport->rdma = rdma;
    assert_int_equal(
        xl_transport_start(transport, "there", command, XL_TRANSPORT_COMMAND),
        0);
    return xl_transport_greet(transport, -1);
}

static void assert_guest_goes(void)
{
    struct xl_transport transport;
    char octets[sizeof(THANKS)] = "";

    assert_int_equal(connect_receiver(&transport, "receiver", ADDRESS), 0);
    assert_true(transport.rdma_pid > 0);
    assert_int_equal(write(transport.send_fd, GUEST, strlen(GUEST)),
                     strlen(GUEST));
    assert_int_equal(
        recv(transport.recv_fd, octets, strlen(THANKS), MSG_WAITALL),
        strlen(THANKS));
    assert_string_equal(octets, THANKS);
    shutdown(transport.send_fd, SHUT_WR);
    assert_int_equal(read(transport.recv_fd, octets, 1), 0);
    xl_transport_end(&transport);
    assert_true(WIFEXITED(transport.status));
    assert_int_equal(WEXITSTATUS(transport.status), EXIT_SUCCESS);
    assert_int_equal(transport.rdma_pid, 0);
}

static void a_guest_by_rdma(void **state)
{
    (void)state;
    assert_guest_goes();
}

/* The destination remembers connections of a source that was killed. */
static void a_guest_after_a_killed_source(void **state)
{
    (void)state;
    setenv("FAKE_RDMA", "stale", 1);
    assert_guest_goes();
}

/* When the receiver is killed, the source reads an end, whatever comes by the
 * first connection. */
static void a_receiver_that_is_killed(void **state)
{
    struct xl_transport transport;
    char octet;

    (void)state;
    assert_int_equal(connect_receiver(&transport, "receiver", ADDRESS), 0);
    kill(transport.pid, SIGKILL);
    assert_int_equal(read(transport.recv_fd, &octet, 1), 0);
    xl_transport_end(&transport);
    assert_true(WIFSIGNALED(transport.status));
}

/* When the source's carrier is killed, the receiver reads an end. */
static void a_carrier_that_is_killed(void **state)
{
    struct xl_transport transport;
    char octet;

    (void)state;
    assert_int_equal(connect_receiver(&transport, "receiver", ADDRESS), 0);
    kill(transport.rdma_pid, SIGKILL);
    assert_int_equal(read(transport.recv_fd, &octet, 1), 0);
    xl_transport_end(&transport);
    assert_int_equal(WEXITSTATUS(transport.status), EXIT_FAILURE);
}

static void assert_refused(const char *who, const char *rdma)
{
    struct xl_transport transport;

    assert_int_equal(connect_receiver(&transport, who, rdma), -1);
    assert_int_equal(transport.rdma_pid, 0);
    xl_transport_end(&transport);
}

static void no_device_there(void **state)
{
    (void)state;
    setenv("FAKE_RDMA", "no-device", 1);
    assert_refused("receiver", ADDRESS);
}

static void no_device_with_the_address(void **state)
{
    (void)state;
    setenv("FAKE_RDMA", "elsewhere", 1);
    assert_refused("receiver", ADDRESS);
}

static void no_such_address(void **state)
{
    (void)state;
    assert_refused("receiver", "no.such.name.invalid");
}

static void a_receiver_that_takes_tls_only(void **state)
{
    (void)state;
    assert_refused("tls-receiver", ADDRESS);
}

/* A receiver that has greeted has postcopy, even if it ends then. */
static void a_receiver_that_leaves(void **state)
{
    (void)state;
    assert_refused("leaver", ADDRESS);
}

/* ---- the words ---- */

static void the_request(void **state)
{
    struct xl_rdma_place place, read;
    struct xl_rdma_request request;
    char why[XL_RDMA_WHY_MAX];

    (void)state;
    assert_int_equal(xl_rdma_resolve("10.1.2.3", &place, why), 0);
    xl_rdma_make_request(&request, &place);
    assert_memory_equal(&request, "XLRDMACM\1\0\0\0\4\0\0\0\12\1\2\3", 20);
    assert_int_equal(xl_rdma_read_request(&request, &read), 0);
    assert_memory_equal(&read.address, &place.address,
                        sizeof(struct sockaddr_in));
    request.family = 5;
    assert_int_equal(xl_rdma_read_request(&request, &read), -1);
    request.family = 4;
    request.version = 2;
    assert_int_equal(xl_rdma_read_request(&request, &read), -1);
    request.version = 1;
    request.magic[7] = 'X';
    assert_int_equal(xl_rdma_read_request(&request, &read), -1);
}

static void the_request_by_ipv6(void **state)
{
    struct xl_rdma_place place, read;
    struct xl_rdma_request request;
    char why[XL_RDMA_WHY_MAX];

    (void)state;
    assert_int_equal(xl_rdma_resolve("fd00::1", &place, why), 0);
    xl_rdma_make_request(&request, &place);
    assert_int_equal(request.family, 6);
    assert_int_equal(xl_rdma_read_request(&request, &read), 0);
    assert_int_equal(xl_rdma_address_length(&read),
                     sizeof(struct sockaddr_in6));
    assert_memory_equal(&read.address, &place.address,
                        sizeof(struct sockaddr_in6));
    assert_int_equal(xl_rdma_resolve("fe80::1", &place, why), -1);
    assert_non_null(strstr(why, "give another one"));
}

static void the_answer(void **state)
{
    struct xl_rdma_place place = {.address = {.ss_family = AF_INET}}, read;
    struct sockaddr_in *address = (struct sockaddr_in *)&place.address;
    struct xl_rdma_answer answer;
    char why[XL_RDMA_WHY_MAX];

    (void)state;
    read = place;
    address->sin_port = htons(40000);
    memset(place.token, 7, sizeof(place.token));
    xl_rdma_make_answer(&answer, &place);
    assert_int_equal(xl_rdma_read_answer(&answer, &read, why), 0);
    assert_memory_equal(&read, &place, sizeof(place));
    answer.port = 0;
    assert_int_equal(xl_rdma_read_answer(&answer, &read, why), -1);
    answer.port = 65536;
    assert_int_equal(xl_rdma_read_answer(&answer, &read, why), -1);
    answer.port = 1;
    answer.refused = 2;
    assert_int_equal(xl_rdma_read_answer(&answer, &read, why), -1);
}

/* A reason of the peer's may hold control characters, and lack the zero at its
 * end. */
static void a_refusal(void **state)
{
    struct xl_rdma_place place = {.address = {.ss_family = AF_INET}};
    struct xl_rdma_answer answer;
    char why[XL_RDMA_WHY_MAX];

    (void)state;
    xl_rdma_make_refusal(&answer, "it \033[2J will not");
    assert_int_equal(xl_rdma_read_answer(&answer, &place, why), -1);
    assert_null(strchr(why, '\033'));
    assert_non_null(strstr(why, "will not"));
    memset(answer.why, 'a', sizeof(answer.why));
    assert_int_equal(xl_rdma_read_answer(&answer, &place, why), -1);
    assert_int_equal(strlen(why), sizeof(answer.why));
}

/* ---- a peer that is no xl: a socket of TCP, where the fake has RDMA ---- */

struct meeting {
    struct xl_rsockets calls;
    struct xl_rdma rdma;
    struct xl_rdma_place place;
};

static void listen_here(struct meeting *meeting)
{
    char why[XL_RDMA_WHY_MAX];

    assert_int_equal(xl_rsockets_load(&meeting->calls, why), 0);
    assert_int_equal(xl_rdma_resolve(ADDRESS, &meeting->place, why), 0);
    meeting->rdma = XL_RDMA_CLOSED(&meeting->calls);
    assert_int_equal(xl_rdma_listen(&meeting->rdma, &meeting->place), 0);
}

static int connect_tcp(const struct meeting *meeting)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd,
                             (const struct sockaddr *)&meeting->place.address,
                             sizeof(struct sockaddr_in)),
                     0);
    return fd;
}

static int connect_and_say(const struct meeting *meeting, const void *token)
{
    int fd = connect_tcp(meeting);

    assert_int_equal(write(fd, token, XL_RDMA_TOKEN_SIZE), XL_RDMA_TOKEN_SIZE);
    return fd;
}

/* Two strangers connect before the source: one sends another token, and one
 * closes without any. */
static void only_who_knows_the_token(void **state)
{
    struct meeting meeting;
    int stranger, gone, source;
    char octet;

    (void)state;
    listen_here(&meeting);
    stranger = connect_and_say(&meeting, "0123456789abcdef");
    gone = connect_tcp(&meeting);
    close(gone);
    source = connect_and_say(&meeting, meeting.place.token);
    assert_int_equal(
        xl_rdma_accept(&meeting.rdma, &meeting.place, xl_deadline(60)), 0);
    assert_int_equal(read(stranger, &octet, 1), 0);
    assert_int_equal(meeting.calls.send(meeting.rdma.fd, "x", 1, 0), 1);
    assert_int_equal(read(source, &octet, 1), 1);
    close(stranger);
    close(source);
    xl_rdma_close(&meeting.rdma);
}

static void nobody_comes(void **state)
{
    struct meeting meeting;

    (void)state;
    listen_here(&meeting);
    assert_int_equal(xl_rdma_accept(&meeting.rdma, &meeting.place, 1), -1);
    assert_non_null(strstr(meeting.rdma.why, "reach each other"));
    xl_rdma_close(&meeting.rdma);
}

static void nobody_listens(void **state)
{
    struct meeting meeting;
    struct xl_rdma source;

    (void)state;
    listen_here(&meeting);
    xl_rdma_close(&meeting.rdma);
    source = XL_RDMA_CLOSED(&meeting.calls);
    assert_int_equal(xl_rdma_connect(&source, &meeting.place, xl_deadline(60)),
                     -1);
    assert_non_null(strstr(source.why, "refused"));
    xl_rdma_close(&source);
}

/* A cut connection is no end: the carrier passes on the octets that came
 * before the cut, and reports it. */
static void a_link_that_is_cut(void **state)
{
    const struct linger at_once = {.l_onoff = 1};
    struct meeting meeting;
    int source, plain[2];
    char octets[8];

    (void)state;
    listen_here(&meeting);
    source = connect_and_say(&meeting, meeting.place.token);
    assert_int_equal(
        xl_rdma_accept(&meeting.rdma, &meeting.place, xl_deadline(60)), 0);
    setsockopt(source, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(source);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plain),
                     0);
    assert_int_equal(xl_rdma_carry(&meeting.rdma, plain[1], plain[1]), -1);
    assert_non_null(strstr(meeting.rdma.why, "was cut"));
    assert_int_equal(read(plain[0], octets, sizeof(octets)), 0);
    close(plain[0]);
    xl_rdma_close(&meeting.rdma);
}

static void an_end_that_is_none(void **state)
{
    struct meeting meeting;
    int source, plain[2];
    char octets[8] = "";

    (void)state;
    listen_here(&meeting);
    source = connect_and_say(&meeting, meeting.place.token);
    assert_int_equal(
        xl_rdma_accept(&meeting.rdma, &meeting.place, xl_deadline(60)), 0);
    assert_int_equal(write(source, "last", 4), 4);
    close(source);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plain),
                     0);
    shutdown(plain[0], SHUT_WR);
    assert_int_equal(xl_rdma_carry(&meeting.rdma, plain[1], plain[1]), 0);
    assert_int_equal(read(plain[0], octets, sizeof(octets)), 4);
    assert_string_equal(octets, "last");
    close(plain[0]);
    xl_rdma_close(&meeting.rdma);
}

/* ---- this program, by its arguments ---- */

/* The loader reads LD_LIBRARY_PATH only when a program begins. */
static void begin_with_fake(char **argv)
{
    static char directory[4096];
    ssize_t length = readlink("/proc/self/exe", directory, 4000);
    char *slash;

    if (getenv("LD_LIBRARY_PATH") || length < 0) {
        return;
    }
    directory[length] = '\0';
    slash = strrchr(directory, '/');
    strcpy(slash, "/rdma");
    setenv("LD_LIBRARY_PATH", directory, 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_guest_by_rdma, set_up),
        cmocka_unit_test_setup(a_guest_after_a_killed_source, set_up),
        cmocka_unit_test_setup(a_receiver_that_is_killed, set_up),
        cmocka_unit_test_setup(a_carrier_that_is_killed, set_up),
        cmocka_unit_test_setup(no_device_there, set_up),
        cmocka_unit_test_setup(no_device_with_the_address, set_up),
        cmocka_unit_test_setup(no_such_address, set_up),
        cmocka_unit_test_setup(a_receiver_that_takes_tls_only, set_up),
        cmocka_unit_test_setup(a_receiver_that_leaves, set_up),
        cmocka_unit_test(the_request),
        cmocka_unit_test(the_request_by_ipv6),
        cmocka_unit_test(the_answer),
        cmocka_unit_test(a_refusal),
        cmocka_unit_test_setup(only_who_knows_the_token, set_up),
        cmocka_unit_test_setup(nobody_comes, set_up),
        cmocka_unit_test_setup(nobody_listens, set_up),
        cmocka_unit_test_setup(a_link_that_is_cut, set_up),
        cmocka_unit_test_setup(an_end_that_is_none, set_up),
    };

    begin_with_fake(argv);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && !strcmp(argv[1], XL_RDMA_CARRIER)) {
        return xl_main_rdma_carrier(NULL, argc - 1, argv + 1);
    }
    if (argc > 1) {
        return run_receiver(!strcmp(argv[1], "tls-receiver"),
                            !strcmp(argv[1], "leaver"));
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
