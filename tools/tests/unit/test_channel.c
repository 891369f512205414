/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The byte streams of a connection: which octets wait in them, and which
 * thread waits for which.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "watchdog.h"
#include "wire/channel.h"

#define LETTER 4096 /* octets that one read returns */
#define LETTERS 512

static void open_pair(struct xlm_channel *channel, int fds[2])
{
    *channel = XLM_CHANNEL_CLOSED;
    alarm(WATCHDOG_SECONDS);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(xlm_channel_open(channel, fds[0], fds[0], -1), 0);
}

static void close_pair(struct xlm_channel *channel, int fds[2])
{
    xlm_channel_close(channel);
    close(fds[0]);
    close(fds[1]);
    alarm(0);
}

/* ---- both ends write ---- */

struct talk {
    struct xlm_channel channel;
    int fds[2];
    unsigned int heard; /* letters */
    int fail_at;        /* of them; 0: at none */
};

/* The peer reads nothing until it has sent all of its octets, which are more
 * than the connection holds. */
static void *say_all_first(void *data)
{
    struct talk *talk = data;
    char letter[LETTER] = {0};
    size_t left = (size_t)LETTER * LETTERS;

    for (unsigned int i = 0; i < LETTERS; i++) {
        for (size_t at = 0; at < LETTER;) {
            ssize_t now = write(talk->fds[1], letter + at, LETTER - at);

            if (now <= 0) {
                return NULL;
            }
            at += now;
        }
    }
    while (left) {
        ssize_t now = read(talk->fds[1], letter, sizeof(letter));

        if (now <= 0) {
            return NULL;
        }
        left -= now;
    }
    return talk;
}

static int hear(void *data)
{
    struct talk *talk = data;
    char letter[LETTER];

    if (xlm_channel_read(&talk->channel, letter, sizeof(letter))) {
        return -1;
    }
    talk->heard++;
    if (talk->fail_at && talk->heard == (unsigned int)talk->fail_at) {
        errno = EPROTO;
        return -1;
    }
    return 0;
}

static void *talk_to(struct talk *talk, int *rc, int *why)
{
    static char much[LETTER * LETTERS];
    pthread_t peer;
    void *good;

    open_pair(&talk->channel, talk->fds);
    talk->channel.while_blocked = hear;
    talk->channel.blocked_data = talk;
    assert_int_equal(pthread_create(&peer, NULL, say_all_first, talk), 0);
    *rc = xlm_channel_write(&talk->channel, much, sizeof(much));
    *why = errno;
    shutdown(talk->fds[0], SHUT_RDWR);
    pthread_join(peer, &good);
    close_pair(&talk->channel, talk->fds);
    return good;
}

/* Neither end would go on if both only wrote. */
static void a_write_that_waits_hears(void **state)
{
    struct talk talk = {.heard = 0};
    int rc, why;

    (void)state;
    (void)talk_to(&talk, &rc, &why);
    assert_int_equal(rc, 0);
    /* All octets that do not fit into the connection. */
    assert_in_range(talk.heard, LETTERS / 2, LETTERS);
}

static void what_it_hears_can_end_it(void **state)
{
    struct talk talk = {.fail_at = 3};
    int rc, why;

    (void)state;
    assert_null(talk_to(&talk, &rc, &why));
    assert_int_equal(rc, -1);
    assert_int_equal(why, EPROTO);
    assert_int_equal(talk.heard, 3);
}

/* ---- who has to wait does not begin ---- */

static void only_where_there_is_room(void **state)
{
    static const char junk[4096];
    struct xlm_channel channel;
    int fds[2];

    (void)state;
    open_pair(&channel, fds);
    assert_true(xlm_channel_try_lock(&channel));
    assert_false(xlm_channel_try_lock(&channel)); /* a thread writes */
    pthread_mutex_unlock(&channel.write_lock);
    while (send(fds[0], junk, sizeof(junk), MSG_DONTWAIT) > 0) {
        continue;
    }
    assert_false(xlm_channel_try_lock(&channel));
    assert_int_equal(pthread_mutex_trylock(&channel.write_lock), 0);
    pthread_mutex_unlock(&channel.write_lock);
    close_pair(&channel, fds);
}

static void input_is_seen(void **state)
{
    struct xlm_channel channel;
    char octet;
    int fds[2];

    (void)state;
    open_pair(&channel, fds);
    assert_false(xlm_channel_has_input(&channel));
    xlm_channel_await_input(&channel, -1, 1);
    assert_int_equal(write(fds[1], "", 1), 1);
    assert_true(xlm_channel_has_input(&channel));
    xlm_channel_await_input(&channel, -1, UINT64_MAX / 2);
    assert_int_equal(xlm_channel_read(&channel, &octet, 1), 0);
    assert_false(xlm_channel_has_input(&channel));
    xlm_channel_stop(&channel);
    xlm_channel_await_input(&channel, -1, UINT64_MAX / 2);
    shutdown(fds[1], SHUT_WR);
    assert_true(xlm_channel_has_input(&channel)); /* its end */
    close_pair(&channel, fds);
}

/* ---- what waits in the kernel ---- */

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static int unsent(int fd)
{
    return option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
}

static void connect_tcp(int fds[2])
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (void *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (void *)&address, &length), 0);
    assert_int_equal(connect(fds[0], (void *)&address, length), 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(listener);
}

/* A part of what is under way, within bounds; and the kernel's own buffer is
 * left to it where it makes that large enough. */
static void what_waits_follows_what_is_under_way(void **state)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int fds[2], buffer;

    (void)state;
    connect_tcp(fds);
    assert_int_equal(xlm_channel_open(&channel, fds[0], fds[0], -1), 0);
    buffer = option(fds[0], SOL_SOCKET, SO_SNDBUF);
    xlm_channel_keep_queue(&channel, 0);
    assert_int_equal(unsent(fds[0]), 64 << 10);
    xlm_channel_keep_queue(&channel, 1 << 20);
    assert_int_equal(unsent(fds[0]), 256 << 10);
    assert_int_equal(option(fds[0], SOL_SOCKET, SO_SNDBUF), buffer);
    xlm_channel_keep_queue(&channel, 128 << 20);
    assert_int_equal(unsent(fds[0]), 1 << 20);
    assert_true(option(fds[0], SOL_SOCKET, SO_SNDBUF) != buffer);
    xlm_channel_keep_queue(&channel, 64 << 10);
    assert_int_equal(unsent(fds[0]), 64 << 10);
    close_pair(&channel, fds);
}

/* The callback is called for each sending. */
static void little_changes_cost_nothing(void **state)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int fds[2], marked = 12345;

    (void)state;
    connect_tcp(fds);
    assert_int_equal(xlm_channel_open(&channel, fds[0], fds[0], -1), 0);
    xlm_channel_keep_queue(&channel, 1 << 20);
    assert_int_equal(setsockopt(fds[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                                &marked, sizeof(marked)),
                     0);
    xlm_channel_keep_queue(&channel, (2 << 20) - 1);
    xlm_channel_keep_queue(&channel, (512 << 10) + 1);
    assert_int_equal(unsent(fds[0]), marked);
    xlm_channel_keep_queue(&channel, 2 << 20);
    assert_int_equal(unsent(fds[0]), 512 << 10);
    close_pair(&channel, fds);
}

/* A pipe to ssh counts the octets that ssh has not read yet. */
static void between_processes_as_well(void **state)
{
    struct xlm_channel channel;
    int fds[2];

    (void)state;
    open_pair(&channel, fds);
    xlm_channel_keep_queue(&channel, 0);
    /* The kernel counts its own overhead as well. */
    assert_int_equal(option(fds[0], SOL_SOCKET, SO_SNDBUF), 2 * (64 << 10));
    close_pair(&channel, fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_waits_hears),
        cmocka_unit_test(what_it_hears_can_end_it),
        cmocka_unit_test(only_where_there_is_room),
        cmocka_unit_test(input_is_seen),
        cmocka_unit_test(what_waits_follows_what_is_under_way),
        cmocka_unit_test(little_changes_cost_nothing),
        cmocka_unit_test(between_processes_as_well),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
