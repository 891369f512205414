/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection by RDMA.
 */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "prologue.h"

#define BACKLOG 8
/* After this time a silent connection is probed: RDMA notices that a host has
 * died only when something is sent there. */
#define KEEP_ALIVE_SECONDS 30
/* Each of a migration's connections may have left a stale one. */
#define CONNECT_TRIES 20

/* ---- failing ---- */

static int fail(struct xl_rdma *rdma, const char *what)
{
    switch (errno) {
    case ENODEV:
    case EADDRNOTAVAIL:
        snprintf(rdma->why, sizeof(rdma->why),
                 "%s: no RDMA device has that address (the command rdma link "
                 "shows the devices there are)",
                 what);
        break;
    case ETIMEDOUT:
        snprintf(rdma->why, sizeof(rdma->why),
                 "%s: nothing has come for %d seconds: do the RDMA devices of "
                 "both hosts reach each other?",
                 what, XL_RDMA_SECONDS);
        break;
    default:
        snprintf(rdma->why, sizeof(rdma->why), "%s: %s", what,
                 strerror(errno));
    }
    return -1;
}

/* rsocket() is the first call of the library, and looks for devices. */
static int open_socket(struct xl_rdma *rdma, const struct xl_rdma_place *place)
{
    int fd = rdma->calls->socket(place->address.ss_family, SOCK_STREAM, 0);

    if (fd < 0) {
        snprintf(rdma->why, sizeof(rdma->why),
                 "this host has no RDMA device, or its kernel has not loaded "
                 "rdma_ucm and ib_uverbs (the command rdma link shows the "
                 "devices): %s",
                 strerror(errno));
    }
    return fd;
}

/* ---- waiting ---- */

static int start_timer(struct xl_rdma *rdma, int ms)
{
    const struct itimerspec after = {
        .it_value = {ms / 1000, ms % 1000 * 1000000L},
    };

    if (rdma->timer_fd < 0) {
        rdma->timer_fd =
            timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    }
    return rdma->timer_fd < 0
               ? -1
               : timerfd_settime(rdma->timer_fd, 0, &after, NULL);
}

/*
 * As poll(2), of at most POLLED_MAX descriptors.  A timer beside them stands
 * for rpoll()'s own time-out: before librdmacm 63 a call of rpoll() that times
 * out stays counted as a polling thread, and a later call waits for that
 * thread for ever.
 */
#define POLLED_MAX 3
static int poll_all(struct xl_rdma *rdma, struct pollfd *pollers,
                    unsigned int count, int timeout_ms)
{
    struct pollfd timed[POLLED_MAX + 1];
    int ready;

    if (timeout_ms <= 0) {
        return rdma->calls->poll(pollers, count, timeout_ms);
    }
    if (start_timer(rdma, timeout_ms)) {
        return -1;
    }
    for (unsigned int i = 0; i < count; i++) {
        timed[i] = pollers[i];
    }
    timed[count] = (struct pollfd){.fd = rdma->timer_fd, .events = POLLIN};
    ready = rdma->calls->poll(timed, count + 1, -1);
    for (unsigned int i = 0; i < count; i++) {
        pollers[i].revents = timed[i].revents;
    }
    return ready > 0 && timed[count].revents ? ready - 1 : ready;
}

static int await_one(struct xl_rdma *rdma, int fd, short events,
                     uint64_t deadline)
{
    struct pollfd poller = {.fd = fd, .events = events};
    int left, ready;

    do {
        left = xl_left_ms(deadline);
        ready = poll_all(rdma, &poller, 1, left);
    } while ((ready < 0 && errno == EINTR) || (!ready && left));
    if (!ready) {
        errno = ETIMEDOUT;
    }
    return ready > 0 ? 0 : -1;
}

static int set_up(struct xl_rdma *rdma, int fd)
{
    const int on = 1, idle = KEEP_ALIVE_SECONDS;

    (void)rdma->calls->setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle,
                                  sizeof(idle));
    (void)rdma->calls->setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on,
                                  sizeof(on));
    return rdma->calls->fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* ---- the end that waits ---- */

int xl_rdma_listen(struct xl_rdma *rdma, struct xl_rdma_place *place)
{
    const struct xl_rsockets *calls = rdma->calls;
    socklen_t length = sizeof(place->address);

    if (getrandom(place->token, sizeof(place->token), 0) !=
        sizeof(place->token)) {
        return fail(rdma, "no random octets");
    }
    rdma->listener = open_socket(rdma, place);
    if (rdma->listener < 0) {
        return -1;
    }
    if (calls->bind(rdma->listener, (struct sockaddr *)&place->address,
                    xl_rdma_address_length(place)) ||
        calls->fcntl(rdma->listener, F_SETFL, O_NONBLOCK) ||
        calls->listen(rdma->listener, BACKLOG) ||
        calls->getsockname(rdma->listener, (struct sockaddr *)&place->address,
                           &length)) {
        return fail(rdma, "cannot listen by RDMA");
    }
    return 0;
}

/* Takes the same time whichever octet differs. */
static bool is_same(const uint8_t *a, const uint8_t *b, size_t length)
{
    uint8_t differs = 0;

    for (size_t i = 0; i < length; i++) {
        differs |= a[i] ^ b[i];
    }
    return !differs;
}

static bool says_token(struct xl_rdma *rdma, const struct xl_rdma_place *place,
                       uint64_t deadline)
{
    uint8_t token[XL_RDMA_TOKEN_SIZE];
    size_t have = 0;
    ssize_t got;

    while (have < sizeof(token)) {
        if (await_one(rdma, rdma->fd, POLLIN, deadline)) {
            return false;
        }
        got =
            rdma->calls->recv(rdma->fd, token + have, sizeof(token) - have, 0);
        if (!got || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        have += got > 0 ? got : 0;
    }
    return is_same(token, place->token, sizeof(token));
}

static void close_one(const struct xl_rdma *rdma, int *fd)
{
    if (*fd >= 0) {
        rdma->calls->close(*fd);
        *fd = -1;
    }
}

/* 0: accepted a connection, which may be a stranger's; 1: there is none after
 * all, and the next may be accepted; -1 with rdma->why. */
static int accept_one(struct xl_rdma *rdma, uint64_t deadline)
{
    if (await_one(rdma, rdma->listener, POLLIN, deadline)) {
        return fail(rdma, "the source has not connected by RDMA");
    }
    rdma->fd = rdma->calls->accept(rdma->listener, NULL, NULL);
    if (rdma->fd >= 0) {
        return set_up(rdma, rdma->fd) ? fail(rdma, "rfcntl") : 0;
    }
    return errno == EAGAIN || errno == EINTR
               ? 1
               : fail(rdma, "cannot accept by RDMA");
}

int xl_rdma_accept(struct xl_rdma *rdma, const struct xl_rdma_place *place,
                   uint64_t deadline)
{
    uint64_t patience;
    int ret;

    for (;;) {
        ret = accept_one(rdma, deadline);
        if (ret < 0) {
            return -1;
        }
        patience = xl_deadline(XL_RDMA_TOKEN_SECONDS);
        if (!ret && says_token(rdma, place,
                               patience < deadline ? patience : deadline)) {
            close_one(rdma, &rdma->listener);
            return 0;
        }
        close_one(rdma, &rdma->fd);
    }
}

/* ---- the end that connects ---- */

static int await_connected(struct xl_rdma *rdma, uint64_t deadline)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (await_one(rdma, rdma->fd, POLLOUT, deadline) ||
        rdma->calls->getsockopt(rdma->fd, SOL_SOCKET, SO_ERROR, &error,
                                &length)) {
        return -1;
    }
    errno = error;
    return error ? -1 : 0;
}

static int send_token(struct xl_rdma *rdma, const struct xl_rdma_place *place,
                      uint64_t deadline)
{
    size_t sent = 0;
    ssize_t put;

    while (sent < sizeof(place->token)) {
        if (await_one(rdma, rdma->fd, POLLOUT, deadline)) {
            return -1;
        }
        put = rdma->calls->send(rdma->fd, place->token + sent,
                                sizeof(place->token) - sent, 0);
        if (put < 0 && errno != EAGAIN && errno != EINTR) {
            return -1;
        }
        sent += put > 0 ? put : 0;
    }
    return 0;
}

/* 1: refused, with errno. */
static int connect_once(struct xl_rdma *rdma,
                        const struct xl_rdma_place *place, uint64_t deadline)
{
    rdma->fd = open_socket(rdma, place);
    if (rdma->fd < 0) {
        return -1;
    }
    if (set_up(rdma, rdma->fd) ||
        (rdma->calls->connect(rdma->fd,
                              (const struct sockaddr *)&place->address,
                              xl_rdma_address_length(place)) &&
         (errno != EINPROGRESS || await_connected(rdma, deadline)))) {
        return errno == ECONNREFUSED ? 1
                                     : fail(rdma, "cannot connect by RDMA");
    }
    return 0;
}

/*
 * The destination's kernel refuses a queue pair of which it remembers another
 * connection: a stale one, whose process was killed a moment ago.  Some
 * devices give a new process the number of that queue pair again; and the next
 * number only while the refused socket is open.
 */
static int connect_by_some(struct xl_rdma *rdma,
                           const struct xl_rdma_place *place,
                           uint64_t deadline)
{
    int refused[CONNECT_TRIES];
    int nr_refused = 0, ret;

    for (;;) {
        ret = connect_once(rdma, place, deadline);
        if (ret <= 0) {
            break;
        }
        refused[nr_refused++] = rdma->fd;
        rdma->fd = -1;
        if (nr_refused == CONNECT_TRIES) {
            ret = fail(rdma, "cannot connect by RDMA");
            break;
        }
    }
    while (nr_refused) {
        close_one(rdma, &refused[--nr_refused]);
    }
    return ret;
}

int xl_rdma_connect(struct xl_rdma *rdma, const struct xl_rdma_place *place,
                    uint64_t deadline)
{
    if (connect_by_some(rdma, place, deadline)) {
        return -1;
    }
    return send_token(rdma, place, deadline)
               ? fail(rdma, "cannot connect by RDMA")
               : 0;
}

/* ---- carrying ---- */

static ssize_t receive(void *wire, void *octets, size_t room)
{
    struct xl_rdma *rdma = wire;
    ssize_t got = rdma->calls->recv(rdma->fd, octets, room, 0);
    int error = 0;
    socklen_t length = sizeof(error);

    /* rrecv() returns 0 for a connection that has failed as for one that has
     * ended. */
    if (!got &&
        !rdma->calls->getsockopt(rdma->fd, SOL_SOCKET, SO_ERROR, &error,
                                 &length) &&
        error) {
        errno = error;
        return -1;
    }
    return got;
}

static ssize_t send_octets(void *wire, const void *octets, size_t length)
{
    struct xl_rdma *rdma = wire;

    return rdma->calls->send(rdma->fd, octets, length, 0);
}

/* rshutdown() waits until the other host has all, or RDMA has given up. */
static int say_end(void *wire)
{
    struct xl_rdma *rdma = wire;

    return rdma->calls->shutdown(rdma->fd, SHUT_WR);
}

static void note_cut(void *wire)
{
    struct xl_rdma *rdma = wire;

    snprintf(rdma->why, sizeof(rdma->why),
             "the RDMA connection was cut (%s): the other host or the link "
             "is gone",
             strerror(errno));
}

static int await(void *wire, short events, struct pollfd *plain,
                 unsigned int count, int timeout_ms)
{
    struct xl_rdma *rdma = wire;
    struct pollfd pollers[POLLED_MAX];
    unsigned int all = count;
    int ready;

    for (unsigned int i = 0; i < count; i++) {
        pollers[i] = plain[i];
    }
    if (events) {
        pollers[all++] = (struct pollfd){.fd = rdma->fd, .events = events};
    }
    ready = poll_all(rdma, pollers, all, timeout_ms);
    for (unsigned int i = 0; i < count; i++) {
        plain[i].revents = pollers[i].revents;
    }
    return ready;
}

static const struct xl_wire_ops wire_ops = {
    .receive = receive,
    .send = send_octets,
    .say_end = say_end,
    .note_cut = note_cut,
    .await = await,
};

int xl_rdma_carry(struct xl_rdma *rdma, int in_fd, int out_fd)
{
    switch (xl_carry(&wire_ops, rdma, in_fd, out_fd)) {
    case XL_CARRY_ENDED:
        return 0;
    case XL_CARRY_NO_MEMORY:
        snprintf(rdma->why, sizeof(rdma->why), "out of memory");
        return -1;
    default:
        return -1;
    }
}

void xl_rdma_close(struct xl_rdma *rdma)
{
    close_one(rdma, &rdma->listener);
    close_one(rdma, &rdma->fd);
    if (rdma->timer_fd >= 0) {
        close(rdma->timer_fd);
        rdma->timer_fd = -1;
    }
}
