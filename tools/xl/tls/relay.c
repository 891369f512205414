/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between plain descriptors and a session.
 *
 *   in_fd  ->  up    ->  the session      "up" is what goes to the other host
 *   out_fd <-  down  <-  the session
 *
 * Each way has a buffer, which is filled only when it is empty: so a reader
 * that does not read stops the writer at the other host, as without us.
 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prologue.h"

/* Some records at a time. */
#define ROOM (64 * 1024)
#define RECORD (16 * 1024)

struct way {
    size_t at, end; /* what of the buffer has not gone on */
    bool ended;     /* no more comes */
    char octets[ROOM];
};

struct relay {
    struct xl_tls *tls;
    int in_fd, out_fd; /* -1: closed */
    struct way up, down;
    bool under_way; /* a record is half written, and its rest goes first */
    bool said_end;  /* close_notify was written */
    bool heard_end; /* it was read */
    bool cut;       /* the session is of no more use */
    bool new_key;   /* one is being taken */
    uint64_t sent, rekey_octets;
    /* When the local end has been closed for long enough; 0: it is open. */
    uint64_t linger;
};

static bool is_empty(const struct way *way)
{
    return way->at == way->end;
}

/* ---- the plain side ---- */

static void close_out(struct relay *relay)
{
    if (relay->out_fd < 0) {
        return;
    }
    if (relay->out_fd == relay->in_fd) {
        shutdown(relay->out_fd, SHUT_WR);
    } else {
        close(relay->out_fd);
    }
    relay->out_fd = -1;
    relay->down.at = relay->down.end = 0;
}

/* Where a socket is both, the end of one leaves the other. */
static void close_in(struct relay *relay)
{
    relay->up.ended = true;
    if (relay->in_fd != relay->out_fd) {
        close(relay->in_fd);
        relay->in_fd = -1;
    }
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void read_plain(struct relay *relay)
{
    struct way *up = &relay->up;
    ssize_t got = read(relay->in_fd, up->octets, sizeof(up->octets));

    if (got > 0) {
        up->at = 0;
        up->end = got;
    } else if (!got || !would_block()) {
        close_in(relay);
    }
}

static void write_plain(struct relay *relay)
{
    struct way *down = &relay->down;
    ssize_t put =
        write(relay->out_fd, down->octets + down->at, down->end - down->at);

    if (put >= 0) {
        down->at += put;
    } else if (!would_block()) {
        close_out(relay);
    }
}

/* ---- the session's side ---- */

static void note_cut(struct relay *relay, const char *what)
{
    relay->cut = true;
    relay->down.ended = true;
    snprintf(relay->tls->why, sizeof(relay->tls->why),
             "the TLS connection with %.200s was cut: %s",
             relay->tls->host ? relay->tls->host : "the source", what);
}

static void note_error(struct relay *relay, int error)
{
    switch (error) {
    case GNUTLS_E_PREMATURE_TERMINATION:
        note_cut(relay, "it has ended, and the other end has not said so");
        break;
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        note_cut(relay, "the other host or the link is gone");
        break;
    default:
        note_cut(relay, gnutls_strerror(error));
    }
}

/* What nobody reads any more is only read on until its end. */
static void keep_received(struct relay *relay, size_t length)
{
    if (relay->out_fd >= 0) {
        relay->down.end += length;
    }
}

static void read_session(struct relay *relay)
{
    struct way *down = &relay->down;
    ssize_t got;

    down->at = down->end = 0;
    do {
        got = gnutls_record_recv(relay->tls->session, down->octets + down->end,
                                 sizeof(down->octets) - down->end);
        if (got > 0) {
            keep_received(relay, got);
        }
    } while (got > 0 && sizeof(down->octets) - down->end >= RECORD);
    if (!got) {
        down->ended = true;
        relay->heard_end = true;
    } else if (got < 0 && gnutls_error_is_fatal(got)) {
        note_error(relay, got);
    }
}

/* Errors that are none: try again later. */
static bool is_later(ssize_t error)
{
    return error == GNUTLS_E_AGAIN || error == GNUTLS_E_INTERRUPTED;
}

/* Sending fails: also a host that wants no more may have closed everything. */
static void stop_sending(struct relay *relay, int error)
{
    relay->up.at = relay->up.end;
    relay->said_end = true;
    if (relay->heard_end) {
        close_in(relay);
    } else {
        note_error(relay, error);
    }
}

/* False: not yet, or never more. */
static bool take_new_key(struct relay *relay)
{
    int ret;

    relay->new_key |=
        relay->tls->may_rekey && relay->sent >= relay->rekey_octets;
    if (!relay->new_key) {
        return true;
    }
    ret = gnutls_session_key_update(relay->tls->session, 0);
    if (is_later(ret)) {
        return false;
    }
    relay->new_key = false;
    relay->sent = 0;
    if (ret) {
        stop_sending(relay, ret);
    }
    return !ret;
}

static void write_session(struct relay *relay)
{
    struct way *up = &relay->up;
    ssize_t put;

    while (!is_empty(up) && (relay->under_way || take_new_key(relay))) {
        put = relay->under_way
                  ? gnutls_record_send(relay->tls->session, NULL, 0)
                  : gnutls_record_send(relay->tls->session,
                                       up->octets + up->at, up->end - up->at);
        relay->under_way = is_later(put);
        if (relay->under_way) {
            return;
        }
        if (put < 0) {
            stop_sending(relay, put);
            return;
        }
        up->at += put;
        relay->sent += put;
    }
}

static void say_end(struct relay *relay)
{
    int ret = gnutls_bye(relay->tls->session, GNUTLS_SHUT_WR);

    relay->said_end = !is_later(ret);
}

/* ---- going on ---- */

static bool wants_to_send(const struct relay *relay)
{
    return !relay->cut &&
           (!is_empty(&relay->up) || (relay->up.ended && !relay->said_end));
}

static bool wants_to_receive(const struct relay *relay)
{
    return !relay->down.ended && is_empty(&relay->down);
}

static bool wants_to_read(const struct relay *relay)
{
    return !relay->up.ended && is_empty(&relay->up);
}

/* Octets that came before the cut still get to the reader here. */
static bool is_done(const struct relay *relay)
{
    bool nothing_left = is_empty(&relay->down) || relay->out_fd < 0;

    if (relay->cut) {
        return nothing_left;
    }
    return relay->up.ended && relay->said_end && nothing_left &&
           (relay->down.ended || relay->out_fd < 0);
}

/* One attempt at each that may get on. */
static void step(struct relay *relay)
{
    if (wants_to_read(relay)) {
        read_plain(relay);
    }
    if (wants_to_send(relay)) {
        if (is_empty(&relay->up)) {
            say_end(relay);
        } else {
            write_session(relay);
        }
    }
    if (wants_to_receive(relay)) {
        read_session(relay);
    }
    if (!is_empty(&relay->down) && relay->out_fd >= 0) {
        write_plain(relay);
    }
    if (relay->down.ended && is_empty(&relay->down)) {
        close_out(relay);
    }
}

static int wait_ms(struct relay *relay)
{
    if (relay->out_fd >= 0 || !relay->up.ended) {
        return -1;
    }
    if (!relay->linger) {
        relay->linger = xl_deadline(XL_TLS_LINGER_SECONDS);
    }
    return xl_left_ms(relay->linger);
}

/* False: it has lasted too long.  Errors of descriptors show without being
 * asked for, of out_fd also that nobody reads there any more. */
static bool await(struct relay *relay)
{
    short session = relay->cut ? 0
                               : (wants_to_receive(relay) ? POLLIN : 0) |
                                     (wants_to_send(relay) ? POLLOUT : 0);
    struct pollfd pollers[] = {
        {.fd = wants_to_read(relay) ? relay->in_fd : -1, .events = POLLIN},
        {.fd = relay->out_fd, .events = is_empty(&relay->down) ? 0 : POLLOUT},
        {.fd = session ? relay->tls->fd : -1, .events = session},
    };
    int ready = poll(pollers, 3, wait_ms(relay));

    if (ready > 0 && pollers[1].revents & (POLLERR | POLLHUP)) {
        close_out(relay);
    }
    return ready || !relay->linger;
}

static void make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0) {
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

static void carry(struct relay *relay)
{
    do {
        step(relay);
    } while (!is_done(relay) && await(relay));
}

static void dispose(struct relay *relay)
{
    if (relay->in_fd >= 0) {
        close(relay->in_fd);
    }
    if (relay->out_fd >= 0 && relay->out_fd != relay->in_fd) {
        close(relay->out_fd);
    }
    explicit_bzero(relay, sizeof(*relay));
    free(relay);
}

enum xl_tls_how xl_tls_relay(struct xl_tls *tls, int in_fd, int out_fd,
                             uint64_t rekey_octets)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    enum xl_tls_how how;

    if (!relay) {
        snprintf(tls->why, sizeof(tls->why), "out of memory");
        return XL_TLS_CUT;
    }
    relay->tls = tls;
    relay->in_fd = in_fd;
    relay->out_fd = out_fd;
    relay->rekey_octets = rekey_octets;
    make_nonblocking(in_fd);
    make_nonblocking(out_fd);
    carry(relay);
    how = relay->cut ? XL_TLS_CUT : XL_TLS_ENDED;
    dispose(relay);
    return how;
}
