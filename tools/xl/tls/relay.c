/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A session as the wire of a relay.
 */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "carry.h"

/* A record of TLS has to fit into what a relay has room for. */
_Static_assert(XL_CARRY_RECEIVE_MIN >= 16 * 1024, "a record");

struct wire {
    struct xl_tls *tls;
    bool under_way; /* a record is half written, and its rest goes first */
    bool new_key;   /* one is being taken */
    uint64_t sent, rekey_octets;
    int error; /* GnuTLS's, of the call that has failed */
};

/* Errors that are none: try again later. */
static bool is_later(ssize_t error)
{
    return error == GNUTLS_E_AGAIN || error == GNUTLS_E_INTERRUPTED;
}

static int fail(struct wire *wire, int error)
{
    wire->error = error;
    errno = EIO;
    return -1;
}

static int fail_for_now(void)
{
    errno = EAGAIN;
    return -1;
}

static ssize_t receive(void *data, void *octets, size_t room)
{
    struct wire *wire = data;
    ssize_t got = gnutls_record_recv(wire->tls->session, octets, room);

    if (got >= 0) {
        return got;
    }
    return gnutls_error_is_fatal(got) ? fail(wire, got) : fail_for_now();
}

/* 0, or -1 with errno. */
static int take_new_key(struct wire *wire)
{
    int ret;

    wire->new_key |= wire->tls->may_rekey && wire->sent >= wire->rekey_octets;
    if (!wire->new_key) {
        return 0;
    }
    ret = gnutls_session_key_update(wire->tls->session, 0);
    if (is_later(ret)) {
        return fail_for_now();
    }
    wire->new_key = false;
    wire->sent = 0;
    return ret ? fail(wire, ret) : 0;
}

static ssize_t send(void *data, const void *octets, size_t length)
{
    struct wire *wire = data;
    ssize_t put;

    if (!wire->under_way && take_new_key(wire)) {
        return -1;
    }
    put = wire->under_way
              ? gnutls_record_send(wire->tls->session, NULL, 0)
              : gnutls_record_send(wire->tls->session, octets, length);
    wire->under_way = is_later(put);
    if (wire->under_way) {
        return fail_for_now();
    }
    if (put < 0) {
        return fail(wire, put);
    }
    wire->sent += put;
    return put;
}

static int say_end(void *data)
{
    struct wire *wire = data;
    int ret = gnutls_bye(wire->tls->session, GNUTLS_SHUT_WR);

    if (is_later(ret)) {
        return fail_for_now();
    }
    return ret ? fail(wire, ret) : 0;
}

static const char *reason_of(int error)
{
    switch (error) {
    case GNUTLS_E_PREMATURE_TERMINATION:
        return "it has ended, and the other end has not said so";
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        return "the other host or the link is gone";
    default:
        return gnutls_strerror(error);
    }
}

static void note_cut(void *data)
{
    struct wire *wire = data;
    struct xl_tls *tls = wire->tls;

    snprintf(tls->why, sizeof(tls->why),
             "the TLS connection with %.200s was cut: %s",
             tls->host ? tls->host : "the source", reason_of(wire->error));
}

static int await(void *data, short events, struct pollfd *plain,
                 unsigned int count, int timeout_ms)
{
    struct wire *wire = data;
    struct pollfd pollers[3];
    int ready;

    for (unsigned int i = 0; i < count; i++) {
        pollers[i] = plain[i];
    }
    pollers[count] = (struct pollfd){
        .fd = events ? wire->tls->fd : -1,
        .events = events,
    };
    ready = poll(pollers, count + 1, timeout_ms);
    for (unsigned int i = 0; i < count; i++) {
        plain[i].revents = pollers[i].revents;
    }
    return ready;
}

static const struct xl_wire_ops session_ops = {
    .receive = receive,
    .send = send,
    .say_end = say_end,
    .note_cut = note_cut,
    .await = await,
};

enum xl_tls_how xl_tls_relay(struct xl_tls *tls, int in_fd, int out_fd,
                             uint64_t rekey_octets)
{
    struct wire wire = {.tls = tls, .rekey_octets = rekey_octets};

    switch (xl_carry(&session_ops, &wire, in_fd, out_fd)) {
    case XL_CARRY_ENDED:
        return XL_TLS_ENDED;
    case XL_CARRY_NO_MEMORY:
        snprintf(tls->why, sizeof(tls->why), "out of memory");
        return XL_TLS_CUT;
    default:
        return XL_TLS_CUT;
    }
}
