/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The client of QEMU's monitor against a peer that follows a script.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/qmp.h"
#include "fake_log.h"
#include "watchdog.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define DONE "{\"return\": {}}\r\n"
#define EVENT "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n"
#define SOON_MS (1000 * WATCHDOG_SECONDS)
#define AT_ONCE_MS 50
#define MOST_LINES 4

/* The peer's lines: the first comes by itself, and each other one after a line
 * that the peer reads.  At the end the peer closes, or stays silent until the
 * client has closed. */
struct peer {
    const char *says[MOST_LINES + 1];
    bool stays;
    bool in_octets; /* one at a time */
    int listener;
    char path[64];
    pthread_t thread;
    char heard[1024];
    int got_fd;
};

static struct xlm_context new_context(void)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;

    xlm.logger = fake_logger();
    return xlm;
}

static void say(struct peer *peer, int fd, const char *text)
{
    size_t step = peer->in_octets ? 1 : strlen(text);

    for (; *text; text += step) {
        if (send(fd, text, step, MSG_NOSIGNAL) < 0) {
            return;
        }
    }
}

static void keep_fd(struct peer *peer, struct msghdr *message)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);

    if (head && head->cmsg_type == SCM_RIGHTS) {
        memcpy(&peer->got_fd, CMSG_DATA(head), sizeof(int));
    }
}

/* False when the client has gone. */
static bool hear_line(struct peer *peer, int fd)
{
    char control[CMSG_SPACE(sizeof(int))];
    char octet = 0;

    while (octet != '\n') {
        struct iovec part = {&octet, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};

        if (recvmsg(fd, &message, 0) <= 0) {
            return false;
        }
        keep_fd(peer, &message);
        strncat(peer->heard, &octet, 1);
    }
    return true;
}

static void *follow_script(void *data)
{
    struct peer *peer = data;
    int fd = accept(peer->listener, NULL, NULL);

    say(peer, fd, peer->says[0] ? peer->says[0] : "");
    for (size_t i = 1; peer->says[0] && peer->says[i]; i++) {
        if (!hear_line(peer, fd)) {
            break;
        }
        say(peer, fd, peer->says[i]);
    }
    while (peer->stays && hear_line(peer, fd)) {
        continue;
    }
    close(fd);
    return NULL;
}

static void start(struct peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    alarm(WATCHDOG_SECONDS);
    peer->got_fd = -1;
    snprintf(peer->path, sizeof(peer->path), "/tmp/test-qmp.%d", getpid());
    strcpy(address.sun_path, peer->path);
    unlink(peer->path);
    peer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(
        bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(peer->listener, 1), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, follow_script, peer),
                     0);
}

static void end(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    if (peer->got_fd >= 0) {
        close(peer->got_fd);
    }
    unlink(peer->path);
}

/* Connect and run a command: the errno of the first that fails, or 0. */
static int converse(struct peer *peer, struct xlm_context *xlm, int timeout_ms)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    int error = 0;

    start(peer);
    if (lm_qmp_connect(&qmp, xlm, peer->path, xlm->abort_fd, timeout_ms) ||
        lm_qmp_execute(&qmp, "stop", NULL, -1)) {
        error = errno;
    }
    lm_qmp_close(&qmp);
    lm_qmp_close(&qmp); /* once more does no harm */
    end(peer);
    return error;
}

static void expect(struct peer peer, int error, const char *reason)
{
    struct xlm_context xlm = new_context();

    assert_int_equal(converse(&peer, &xlm, SOON_MS), error);
    if (!strstr(xlm.reason, reason)) {
        fail_msg("the reason is %s", xlm.reason);
    }
}

/* ---- what works ---- */

static void conversation(void **state)
{
    struct xlm_context xlm = new_context();
    struct peer peer = {.says = {GREETING, DONE, DONE}};

    (void)state;
    assert_int_equal(converse(&peer, &xlm, SOON_MS), 0);
    assert_string_equal(peer.heard, "{\"execute\": \"qmp_capabilities\"}\n"
                                    "{\"execute\": \"stop\"}\n");
    peer = (struct peer){.says = {GREETING, DONE, DONE}, .in_octets = true};
    assert_int_equal(converse(&peer, &xlm, SOON_MS), 0);
}

static void events_in_between(void **state)
{
    (void)state;
    expect((struct peer){.says = {EVENT GREETING EVENT, EVENT DONE EVENT EVENT,
                                  EVENT EVENT DONE}},
           0, "");
}

static void descriptor_and_number(void **state)
{
    struct xlm_context xlm = new_context();
    struct lm_qmp qmp = LM_QMP_CLOSED;
    struct peer peer = {
        .says = {GREETING, DONE, "{\"return\": {\"fdset-id\": 7}}\n"}};
    long long number = 0;
    int fd = eventfd(3, 0);
    eventfd_t value = 0;

    (void)state;
    start(&peer);
    assert_int_equal(lm_qmp_connect(&qmp, &xlm, peer.path, -1, SOON_MS), 0);
    assert_int_equal(lm_qmp_execute(&qmp, "add-fd", "{\"opaque\": \"x\"}", fd),
                     0);
    assert_int_equal(lm_qmp_number(&qmp, "fdset-id", &number), 0);
    assert_int_equal(number, 7);
    assert_int_equal(lm_qmp_number(&qmp, "fd", &number), -1);
    lm_qmp_close(&qmp);
    pthread_join(peer.thread, NULL);
    assert_non_null(strstr(peer.heard,
                           "{\"execute\": \"add-fd\", \"arguments\": "
                           "{\"opaque\": \"x\"}}\n"));
    assert_int_equal(eventfd_read(peer.got_fd, &value), 0);
    assert_int_equal(value, 3);
    close(fd);
    close(peer.listener);
    close(peer.got_fd);
    unlink(peer.path);
}

/* ---- what does not ---- */

static void refused(void **state)
{
    (void)state;
    expect((struct peer){.says = {GREETING, DONE,
                                  "{\"error\": {\"class\": \"GenericError\", "
                                  "\"desc\": \"not\\u0007 now\"}}\n"}},
           EREMOTEIO, "refuses stop: not? now");
    expect((struct peer){.says = {GREETING, "{\"error\": 3}\n"}}, EREMOTEIO,
           "refuses qmp_capabilities: no reason");
}

static void malformed(void **state)
{
    static const char *const bad[] = {
        "\n",   "{\"return\": \n",       "return\n", "[]\n", "3\n",
        "{}\n", "{\"return\": {}} {}\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect((struct peer){.says = {GREETING, DONE, bad[i]}}, EPROTO,
               "the device model");
    }
    expect((struct peer){.says = {DONE}}, EPROTO, "greet");
}

static void closed(void **state)
{
    (void)state;
    expect((struct peer){.says = {NULL}}, ECONNRESET, "closed");
    expect((struct peer){.says = {"{\"QMP\": "}}, ECONNRESET, "closed");
    expect((struct peer){.says = {GREETING, ""}}, ECONNRESET, "closed");
    expect((struct peer){.says = {GREETING, DONE, EVENT}}, ECONNRESET,
           "closed");
}

static void endless(void **state)
{
    char *text = malloc((1 << 20) + 1);

    (void)state;
    memset(text, '{', 1 << 20);
    text[1 << 20] = '\0';
    expect((struct peer){.says = {text}}, EPROTO, "without end");
    free(text);
}

/* Answers that nest so deep that freeing their tree would overflow the stack.
 */
static void deep(void **state)
{
    const size_t depth = 100000;
    char *text = malloc(2 * depth + 40);
    size_t at = (size_t)sprintf(text, "{\"return\": ");

    (void)state;
    memset(text + at, '[', depth);
    memset(text + at + depth, ']', depth);
    strcpy(text + at + 2 * depth, "}\r\n");
    expect((struct peer){.says = {GREETING, DONE, text}}, EPROTO,
           "not a message");
    free(text);
}

static void silent(void **state)
{
    struct peer peers[] = {
        {.says = {""}, .stays = true},
        {.says = {GREETING}, .stays = true},
        {.says = {GREETING, DONE, EVENT}, .stays = true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        struct xlm_context xlm = new_context();

        assert_int_equal(converse(&peers[i], &xlm, AT_ONCE_MS), ETIMEDOUT);
        assert_non_null(strstr(xlm.reason, "does not answer"));
    }
}

static void aborted(void **state)
{
    struct xlm_context xlm = new_context();
    struct peer peer = {.says = {GREETING, DONE}, .stays = true};

    (void)state;
    xlm.abort_fd = eventfd(1, 0);
    assert_int_equal(converse(&peer, &xlm, SOON_MS), ECANCELED);
    close(xlm.abort_fd);
}

static void nobody_there(void **state)
{
    struct xlm_context xlm = new_context();
    struct lm_qmp qmp = LM_QMP_CLOSED;
    char path[200];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(lm_qmp_connect(&qmp, &xlm, path, -1, SOON_MS), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    lm_qmp_close(&qmp);
    assert_int_equal(lm_qmp_connect(&qmp, &xlm, "/nowhere/qmp", -1, SOON_MS),
                     -1);
    assert_int_equal(errno, ENOENT);
    lm_qmp_close(&qmp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversation),
        cmocka_unit_test(events_in_between),
        cmocka_unit_test(descriptor_and_number),
        cmocka_unit_test(refused),
        cmocka_unit_test(malformed),
        cmocka_unit_test(closed),
        cmocka_unit_test(endless),
        cmocka_unit_test(deep),
        cmocka_unit_test(silent),
        cmocka_unit_test(aborted),
        cmocka_unit_test(nobody_there),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
