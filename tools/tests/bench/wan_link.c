/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A long link: carries octets between its stdin and stdout, which are one
 * socket, and a TCP port of this host, each way no faster than a rate and by a
 * delay later.
 *
 *     wan-link PORT MBIT DELAY_MS
 *
 * A link has a queue before it: 50 ms of its rate, at least 64 KiB, and not
 * taken from the delay.  Nothing is lost, and nothing comes in another order.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "die.h"

#define QUEUE_US 50000
#define QUEUE_LEAST (64u << 10)
/* A piece is what one packet of a fast network card carries. */
#define PIECE (16u << 10)
#define PIECES 16384u

struct piece {
    uint64_t due_us;
    size_t length;
    size_t done;
    char octets[PIECE];
};

/* One way. */
struct way {
    int from, to;
    uint64_t rate; /* octets a second */
    uint64_t delay_us;
    uint64_t free_us; /* when the link has taken all that was read */
    struct piece *pieces;
    uint64_t first, end; /* modulo PIECES */
    bool ended;          /* no more comes */
    bool closed;         /* the other end knows it */
};

static struct piece *piece_at(const struct way *way, uint64_t n)
{
    return &way->pieces[n % PIECES];
}

/* How much longer the link is busy than its queue allows, and so nothing is
 * read. */
static uint64_t full_us(const struct way *way, uint64_t now_us)
{
    uint64_t queue_us = QUEUE_LEAST * UINT64_C(1000000) / way->rate;
    uint64_t most_us = queue_us > QUEUE_US ? queue_us : QUEUE_US;

    if (way->end - way->first == PIECES) {
        return 1000;
    }
    return way->free_us > now_us + most_us ? way->free_us - now_us - most_us
                                           : 0;
}

static void take(struct way *way, uint64_t now_us)
{
    struct piece *piece = piece_at(way, way->end);
    ssize_t got = read(way->from, piece->octets, PIECE);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        way->ended = true;
        return;
    }
    if (way->free_us < now_us) {
        way->free_us = now_us;
    }
    way->free_us += got * UINT64_C(1000000) / way->rate;
    piece->due_us = way->free_us + way->delay_us;
    piece->length = got;
    piece->done = 0;
    way->end++;
}

/* False: the other end takes nothing now. */
static bool give(struct way *way)
{
    struct piece *piece = piece_at(way, way->first);
    ssize_t done = write(way->to, piece->octets + piece->done,
                         piece->length - piece->done);

    if (done < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            way->first = way->end; /* it is gone */
            way->ended = way->closed = true;
        }
        return false;
    }
    piece->done += done;
    if (piece->done == piece->length) {
        way->first++;
    }
    return true;
}

static void smaller(uint64_t *wait_us, uint64_t us)
{
    *wait_us = us < *wait_us ? us : *wait_us;
}

/* Do what is due, and say what to wait for: octets, room, or a time. */
static void step(struct way *way, struct pollfd fds[2], uint64_t *wait_us)
{
    uint64_t now_us = xlm_now_us();

    fds[0] = (struct pollfd){.fd = -1};
    fds[1] = (struct pollfd){.fd = -1};
    while (way->first != way->end &&
           piece_at(way, way->first)->due_us <= now_us) {
        if (!give(way)) {
            fds[1] = (struct pollfd){.fd = way->to, .events = POLLOUT};
            break;
        }
    }
    if (way->first != way->end && fds[1].fd < 0) {
        smaller(wait_us, piece_at(way, way->first)->due_us - now_us);
    }
    if (way->ended && way->first == way->end && !way->closed) {
        shutdown(way->to, SHUT_WR);
        way->closed = true;
    }
    if (way->ended) {
        return;
    }
    if (full_us(way, now_us)) {
        smaller(wait_us, full_us(way, now_us));
    } else {
        fds[0] = (struct pollfd){.fd = way->from, .events = POLLIN};
    }
}

static void carry(struct way ways[2])
{
    while (!ways[0].closed || !ways[1].closed) {
        uint64_t wait_us = 1000000;
        struct pollfd fds[4];
        struct timespec wait;

        step(&ways[0], fds, &wait_us);
        step(&ways[1], fds + 2, &wait_us);
        wait = (struct timespec){wait_us / 1000000, wait_us % 1000000 * 1000};
        if (ppoll(fds, 4, &wait, NULL) < 0 && errno != EINTR) {
            die("poll: %s", strerror(errno));
        }
        for (int i = 0; i < 2; i++) {
            if (fds[2 * i].revents) {
                take(&ways[i], xlm_now_us());
            }
        }
    }
}

static int connect_to(const char *port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
        die("port %s: %s", port, strerror(errno));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static struct way make_way(int from, int to, char **argv)
{
    struct way way = {
        .from = from,
        .to = to,
        .rate = strtoull(argv[2], NULL, 10) * 1000000 / 8,
        .delay_us = strtoull(argv[3], NULL, 10) * 1000,
        .pieces = malloc(PIECES * sizeof(struct piece)),
    };

    if (!way.rate || !way.pieces) {
        die("usage: wan-link PORT MBIT DELAY_MS");
    }
    return way;
}

int main(int argc, char **argv)
{
    struct way ways[2];
    int fd;

    if (argc != 4) {
        die("usage: wan-link PORT MBIT DELAY_MS");
    }
    fd = connect_to(argv[1]);
    ways[0] = make_way(STDIN_FILENO, fd, argv);
    ways[1] = make_way(fd, STDIN_FILENO, argv);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    carry(ways);
    return 0;
}
