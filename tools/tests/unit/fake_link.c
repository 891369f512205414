#include "fake_link.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536

/* One way: what comes in at `from` goes out at `to`. */
struct way {
    struct fake_link *link;
    pthread_t thread;
    int from;
    int to;
    uint64_t allowance;
    uint8_t *heard;
    size_t length;
    size_t room;
};

struct fake_link {
    int ends[2];  /* what the two sides use */
    int relay[2]; /* the other sides of these */
    int open[2];
    struct way ways[2];
    int joined;
};

static void keep(struct way *way, const uint8_t *octets, size_t length)
{
    if (way->length + length > way->room) {
        way->room = 2 * (way->length + length);
        way->heard = realloc(way->heard, way->room);
    }
    memcpy(way->heard + way->length, octets, length);
    way->length += length;
}

static int send_all(int fd, const uint8_t *octets, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, octets, length, MSG_NOSIGNAL);

        if (sent <= 0) {
            return -1;
        }
        octets += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static void cut(struct fake_link *link)
{
    shutdown(link->relay[0], SHUT_RDWR);
    shutdown(link->relay[1], SHUT_RDWR);
}

static void *relay(void *data)
{
    struct way *way = data;
    uint8_t *octets = malloc(CHUNK);
    ssize_t got;

    while (way->allowance && (got = recv(way->from, octets, CHUNK, 0)) > 0) {
        size_t length = (uint64_t)got < way->allowance
                            ? (size_t)got
                            : (size_t)way->allowance;

        keep(way, octets, length);
        way->allowance -= length;
        if (send_all(way->to, octets, length)) {
            break;
        }
    }
    if (!way->allowance) {
        cut(way->link);
    } else {
        /* The sender hung up, or the receiver did: pass it on. */
        shutdown(way->to, SHUT_WR);
        shutdown(way->from, SHUT_RD);
    }
    free(octets);
    return NULL;
}

static void start_way(struct fake_link *link, enum fake_way which,
                      uint64_t allowance)
{
    struct way *way = &link->ways[which];

    way->link = link;
    way->from = link->relay[which == FAKE_FORTH ? 0 : 1];
    way->to = link->relay[which == FAKE_FORTH ? 1 : 0];
    way->allowance = allowance;
    if (pthread_create(&way->thread, NULL, relay, way)) {
        abort();
    }
}

struct fake_link *fake_link_new(enum fake_way way, uint64_t cut_after)
{
    struct fake_link *link = calloc(1, sizeof(*link));
    int end, fds[2];

    for (end = 0; end < 2; end++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
            abort();
        }
        link->ends[end] = fds[0];
        link->relay[end] = fds[1];
        link->open[end] = 1;
    }
    start_way(link, way, cut_after);
    start_way(link, way == FAKE_FORTH ? FAKE_BACK : FAKE_FORTH, FAKE_UNCUT);
    return link;
}

int fake_link_end(struct fake_link *link, unsigned int end)
{
    return link->ends[end];
}

void fake_link_hang_up(struct fake_link *link, unsigned int end)
{
    if (link->open[end]) {
        link->open[end] = 0;
        close(link->ends[end]);
    }
}

static void join(struct fake_link *link)
{
    if (!link->joined) {
        link->joined = 1;
        fake_link_hang_up(link, 0);
        fake_link_hang_up(link, 1);
        pthread_join(link->ways[0].thread, NULL);
        pthread_join(link->ways[1].thread, NULL);
    }
}

const uint8_t *fake_link_heard(struct fake_link *link, enum fake_way way,
                               size_t *length)
{
    join(link);
    *length = link->ways[way].length;
    return link->ways[way].heard;
}

void fake_link_free(struct fake_link *link)
{
    join(link);
    close(link->relay[0]);
    close(link->relay[1]);
    free(link->ways[0].heard);
    free(link->ways[1].heard);
    free(link);
}
