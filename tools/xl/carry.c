/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A process between plain descriptors and a wire.
 *
 *   in_fd  ->  up    ->  the wire         "up" is what goes to the other host
 *   out_fd <-  down  <-  the wire
 *
 * Each way has a buffer, which is filled only when it is empty: so a reader
 * that does not read stops the writer at the other host, as it would without
 * this process.
 */
#include "carry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prologue.h"

#define ROOM (64 * 1024)

struct way {
    size_t at, end; /* the octets between these have yet to go on */
    bool ended;     /* no more comes */
    char octets[ROOM];
};

struct relay {
    const struct xl_wire_ops *ops;
    void *wire;
    int in_fd, out_fd; /* -1: closed */
    struct way up, down;
    bool said_end;  /* the other end was told that no more comes */
    bool heard_end; /* the other end has told this one */
    bool cut;       /* the wire has failed */
    /* Deadline for octets under way since the local end closed; 0: it is
     * open. */
    uint64_t linger;
};

static bool is_empty(const struct way *way)
{
    return way->at == way->end;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
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

/* If one socket is both descriptors, it stays open for the other way. */
static void close_in(struct relay *relay)
{
    relay->up.ended = true;
    if (relay->in_fd != relay->out_fd) {
        close(relay->in_fd);
        relay->in_fd = -1;
    }
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

/* ---- the wire's side ---- */

static void note_cut(struct relay *relay)
{
    if (!relay->cut) {
        relay->ops->note_cut(relay->wire);
    }
    relay->cut = true;
    relay->down.ended = true;
}

/* After the local reader has closed, octets are received and dropped, until
 * the wire's end. */
static void keep_received(struct relay *relay, size_t length)
{
    if (relay->out_fd >= 0) {
        relay->down.end += length;
    }
}

static void receive(struct relay *relay)
{
    struct way *down = &relay->down;
    ssize_t got;

    down->at = down->end = 0;
    do {
        got = relay->ops->receive(relay->wire, down->octets + down->end,
                                  sizeof(down->octets) - down->end);
        if (got > 0) {
            keep_received(relay, got);
        }
    } while (got > 0 &&
             sizeof(down->octets) - down->end >= XL_CARRY_RECEIVE_MIN);
    if (!got) {
        down->ended = true;
        relay->heard_end = true;
    } else if (got < 0 && !would_block()) {
        note_cut(relay);
    }
}

/* Call this when sending has failed.  The connection was not cut if the other
 * host has said its end before: it may have closed both ways. */
static void stop_sending(struct relay *relay)
{
    relay->up.at = relay->up.end;
    relay->said_end = true;
    if (relay->heard_end) {
        close_in(relay);
    } else {
        note_cut(relay);
    }
}

static void send_up(struct relay *relay)
{
    struct way *up = &relay->up;
    ssize_t put = 0;

    while (put >= 0 && !is_empty(up)) {
        put = relay->ops->send(relay->wire, up->octets + up->at,
                               up->end - up->at);
        up->at += put > 0 ? put : 0;
    }
    if (put < 0 && !would_block()) {
        stop_sending(relay);
    }
}

static void say_end(struct relay *relay)
{
    relay->said_end = !relay->ops->say_end(relay->wire) || !would_block();
}

/* ---- the loop ---- */

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

/* After a cut, octets that came before it still go to the local reader. */
static bool is_done(const struct relay *relay)
{
    bool nothing_left = is_empty(&relay->down) || relay->out_fd < 0;

    if (relay->cut) {
        return nothing_left;
    }
    return relay->up.ended && relay->said_end && nothing_left &&
           (relay->down.ended || relay->out_fd < 0);
}

/* Try each operation once that may make progress. */
static void step(struct relay *relay)
{
    if (wants_to_read(relay)) {
        read_plain(relay);
    }
    if (wants_to_send(relay)) {
        if (is_empty(&relay->up)) {
            say_end(relay);
        } else {
            send_up(relay);
        }
    }
    if (wants_to_receive(relay)) {
        receive(relay);
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
        relay->linger = xl_deadline(XL_CARRY_LINGER_SECONDS);
    }
    return xl_left_ms(relay->linger);
}

/* False: the time to linger is over.  Errors of descriptors show without being
 * asked for; one of them says that out_fd has lost its reader. */
static bool await(struct relay *relay)
{
    struct pollfd plain[2];
    unsigned int count = 0;
    short events = relay->cut ? 0
                              : (wants_to_receive(relay) ? POLLIN : 0) |
                                    (wants_to_send(relay) ? POLLOUT : 0);
    int ready;

    if (relay->out_fd >= 0) {
        plain[count++] = (struct pollfd){
            .fd = relay->out_fd,
            .events = is_empty(&relay->down) ? 0 : POLLOUT,
        };
    }
    if (wants_to_read(relay)) {
        plain[count++] = (struct pollfd){.fd = relay->in_fd, .events = POLLIN};
    }
    ready =
        relay->ops->await(relay->wire, events, plain, count, wait_ms(relay));
    if (ready > 0 && relay->out_fd >= 0 &&
        plain[0].revents & (POLLERR | POLLHUP)) {
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

enum xl_carry_how xl_carry(const struct xl_wire_ops *ops, void *wire,
                           int in_fd, int out_fd)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    enum xl_carry_how how;

    if (!relay) {
        return XL_CARRY_NO_MEMORY;
    }
    relay->ops = ops;
    relay->wire = wire;
    relay->in_fd = in_fd;
    relay->out_fd = out_fd;
    make_nonblocking(in_fd);
    make_nonblocking(out_fd);
    do {
        step(relay);
    } while (!is_done(relay) && await(relay));
    how = relay->cut ? XL_CARRY_CUT : XL_CARRY_ENDED;
    dispose(relay);
    return how;
}
