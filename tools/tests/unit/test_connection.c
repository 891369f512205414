/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The receiver's end of a TLS connection, in a process of its own, as a
 * listener starts for each connection.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "connection.h"
#include "fake_tls.h"
#include "visitor.h"
#include "watchdog.h"

/* ---- the receiver ---- */

struct receiver {
    struct fake_tls *tls;
    const char *directory; /* NULL: no TLS */
    const char *listed[2];
    pid_t pid;
};

/* What the exit status of that process says. */
enum {
    WELL,
    NOT_TAKEN,
    NO_GUEST,
    NOT_READ,
};

#define GREETING "hello\n"

static int receive(const struct xl_options *options,
                   const struct xl_peers *peers)
{
    struct xl_connection connection = XL_CONNECTION_NONE;
    char octets[8];

    if (xl_connection_take(&connection, options, peers)) {
        return NOT_TAKEN;
    }
    /* Output of that process does not get into the stream. */
    if (write(STDOUT_FILENO, "", 0) ||
        write(connection.send_fd, GREETING, strlen(GREETING)) < 0) {
        return NOT_READ;
    }
    if (xl_connection_await_visitor(&connection) != XL_VISITOR_GUEST) {
        return NO_GUEST;
    }
    if (recv(connection.recv_fd, octets, sizeof(octets), MSG_WAITALL) !=
        sizeof(octets)) {
        return NOT_READ;
    }
    xl_connection_close(&connection);
    return WELL;
}

static int set_up(void **state)
{
    struct receiver *receiver = calloc(1, sizeof(*receiver));

    alarm(WATCHDOG_SECONDS);
    receiver->tls = fake_tls_new();
    receiver->directory = receiver->tls->server.directory;
    fake_credentials_load(&receiver->tls->client.credentials,
                          receiver->tls->client.directory, XL_TLS_CLIENT);
    receiver->listed[0] = "source.*";
    *state = receiver;
    return 0;
}

static int tear_down(void **state)
{
    struct receiver *receiver = *state;

    fake_tls_free(receiver->tls);
    free(receiver);
    return 0;
}

static void start(struct receiver *receiver)
{
    struct fake_end *server = &receiver->tls->server;
    const struct xl_peers peers = {
        .names = receiver->listed,
        .where = "a list",
    };
    struct xl_options options;

    xl_options_init(&options, XL_COMMAND_RECEIVE);
    options.tls = receiver->directory;
    receiver->pid = fork();
    if (!receiver->pid) {
        alarm(WATCHDOG_SECONDS);
        dup2(server->fd, STDIN_FILENO);
        dup2(server->fd, STDOUT_FILENO);
        close(server->fd);
        close(receiver->tls->client.fd);
        _exit(receive(&options, &peers));
    }
    assert_true(receiver->pid > 0);
    close(server->fd);
    server->fd = -1;
}

static void assert_exits(const struct receiver *receiver, int expected)
{
    int status;

    assert_int_equal(waitpid(receiver->pid, &status, 0), receiver->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void assert_greeted(int fd)
{
    char got[sizeof(GREETING)] = "";

    assert_int_equal(recv(fd, got, strlen(GREETING), MSG_WAITALL),
                     strlen(GREETING));
    assert_string_equal(got, GREETING);
}

/* ---- tests ---- */

static void a_guest_by_tls(void **state)
{
    struct receiver *receiver = *state;
    struct fake_end *client = &receiver->tls->client;
    char octet;

    start(receiver);
    fake_end_start(client);
    assert_greeted(client->plain[0]);
    assert_int_equal(write(client->plain[0], "Xen saved domain", 8), 8);
    assert_int_equal(read(client->plain[0], &octet, 1), 0);
    close(client->plain[0]);
    client->plain[0] = -1;
    assert_exits(receiver, WELL);
    fake_end_join(client);
    assert_int_equal(client->ret, 0);
    assert_int_equal(client->how, XL_TLS_ENDED);
}

/* The same octets arrive without TLS when no --tls was given. */
static void a_guest_in_clear(void **state)
{
    struct receiver *receiver = *state;
    int fd = receiver->tls->client.fd;

    receiver->directory = NULL;
    start(receiver);
    assert_greeted(fd);
    assert_int_equal(write(fd, "Xen saved domain", 8), 8);
    assert_exits(receiver, WELL);
}

/* A client of TLS meets a greeting in clear, and says so; the receiver knows
 * its first octets. */
static void tls_where_none_is_spoken(void **state)
{
    struct receiver *receiver = *state;
    struct fake_end *client = &receiver->tls->client;

    receiver->directory = NULL;
    start(receiver);
    assert_int_equal(xl_tls_open(&client->tls, client->fd, &client->wishes),
                     -1);
    assert_non_null(strstr(client->tls.why, "answers without TLS"));
    assert_exits(receiver, NO_GUEST);
}

static void a_source_that_is_not_listed(void **state)
{
    struct receiver *receiver = *state;
    struct fake_end *client = &receiver->tls->client;

    receiver->listed[0] = "other.*";
    start(receiver);
    assert_int_equal(xl_tls_open(&client->tls, client->fd, &client->wishes),
                     -1);
    assert_non_null(strstr(client->tls.why, "add one to a list there"));
    assert_exits(receiver, NOT_TAKEN);
}

static void a_receiver_without_files(void **state)
{
    struct receiver *receiver = *state;

    receiver->directory = "/nonexistent";
    start(receiver);
    assert_exits(receiver, NOT_TAKEN);
}

/* The relay ends with the receiver, and no process waits for its close_notify.
 */
static void a_receiver_that_is_killed(void **state)
{
    struct receiver *receiver = *state;
    struct fake_end *client = &receiver->tls->client;
    char octet;
    int status;

    start(receiver);
    fake_end_start(client);
    assert_greeted(client->plain[0]);
    kill(receiver->pid, SIGKILL);
    assert_int_equal(waitpid(receiver->pid, &status, 0), receiver->pid);
    assert_int_equal(read(client->plain[0], &octet, 1), 0);
    close(client->plain[0]);
    client->plain[0] = -1;
    fake_end_join(client);
}

#define CONNECTED(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED(a_guest_by_tls),
        CONNECTED(a_guest_in_clear),
        CONNECTED(tls_where_none_is_spoken),
        CONNECTED(a_source_that_is_not_listed),
        CONNECTED(a_receiver_without_files),
        CONNECTED(a_receiver_that_is_killed),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
