/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_link.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include "stream/stream.h"
#include "wire/wire.h"

#define CHUNK 65536

/* One direction: the thread passes on to `to` what it reads from `from`. */
struct way {
    struct fake_link *link;
    pthread_t thread;
    int from;
    int to;
    uint64_t allowance;
    bool strikes; /* the cut allows no more octets, but the stream goes on */
    const struct fake_cut *cut; /* of this way, at a record; or NULL */
    unsigned int seen;          /* records of its type */
    size_t next_record;         /* where it starts */
    uint8_t *heard;
    size_t length;
    size_t room;
};

struct fake_link {
    int ends[2];  /* what the two sides use */
    int relay[2]; /* the other sides of these */
    int open[2];
    struct way ways[2];
    struct fake_cut cut;
    int joined;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    bool stalled;
    bool released; /* for good */
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

static void release(struct fake_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->released = true;
    pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

void fake_link_cut(struct fake_link *link)
{
    shutdown(link->relay[0], SHUT_RDWR);
    if (!link->cut.silent) {
        shutdown(link->relay[1], SHUT_RDWR);
    }
    release(link);
}

void fake_link_stall(struct fake_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->stalled = true;
    pthread_mutex_unlock(&link->lock);
}

void fake_link_kill(struct fake_link *link, unsigned int end)
{
    shutdown(link->relay[end], SHUT_RDWR);
}

/* Wait while the link is stalled; true: this call had to wait. */
static bool await_release(struct fake_link *link)
{
    bool stalled;

    pthread_mutex_lock(&link->lock);
    stalled = link->stalled;
    while (stalled && !link->released) {
        pthread_cond_wait(&link->changed, &link->lock);
    }
    pthread_mutex_unlock(&link->lock);
    return stalled;
}

size_t fake_first_record(enum fake_way way)
{
    return way == FAKE_FORTH ? sizeof(struct xlm_wire_image_header) +
                                   sizeof(struct xlm_wire_domain_header)
                             : 0;
}

size_t fake_record_size(uint32_t type, uint32_t length)
{
    size_t size =
        sizeof(struct xlm_wire_record_header) + ((length + 7) & ~(size_t)7);

    return type == XLM_REC_POSTCOPY_TRANSITION
               ? size + sizeof(FAKE_DEVICE_STATE)
               : size;
}

static size_t first_record(const struct fake_link *link, enum fake_way way)
{
    size_t first = fake_first_record(way);

    switch (link->cut.stream) {
    case FAKE_LIBXC:
        return first;
    case FAKE_LIBXL:
        return way == FAKE_FORTH ? first + LM_PROLOGUE_SIZE : first;
    case FAKE_BARE:
        break;
    }
    return 0;
}

static size_t record_size(const struct fake_link *link,
                          const struct xlm_wire_record_header *header)
{
    size_t size = fake_record_size(header->type, header->length);

    /* libxl's part is one record without a body. */
    if (link->cut.stream == FAKE_LIBXL &&
        header->type == XLM_REC_POSTCOPY_TRANSITION) {
        size += sizeof(*header);
        size -= sizeof(FAKE_DEVICE_STATE);
    }
    return size;
}

static uint64_t octets_of(uint64_t octets, size_t size)
{
    switch (octets) {
    case FAKE_HALF:
        return size / 2;
    case FAKE_WHOLE:
        return size;
    default:
        return octets;
    }
}

/* Has the record come at which the link is to end? */
static void look_for_record(struct way *way)
{
    struct xlm_wire_record_header header;
    size_t size;

    while (way->cut && way->next_record + sizeof(header) <= way->length) {
        memcpy(&header, way->heard + way->next_record, sizeof(header));
        size = record_size(way->link, &header);
        if (header.type == way->cut->type && ++way->seen >= way->cut->nth) {
            way->allowance =
                way->next_record + octets_of(way->cut->octets, size);
            way->cut = NULL;
        }
        way->next_record += size;
    }
}

/*
 * The other direction ends before the last octets of this one go out: no
 * answer to these octets may get through, however late the cut comes.
 */
static void close_other_way(const struct way *way)
{
    shutdown(way->from, SHUT_WR);
}

/* The cut allows no more octets. */
static void strike(struct way *way)
{
    const struct fake_cut *cut = &way->link->cut;

    way->strikes = false;
    if (cut->strike == FAKE_STRIKE_STALL) {
        fake_link_stall(way->link);
    } else if (cut->strike == FAKE_STRIKE_NOTHING) {
        way->allowance = FAKE_UNCUT;
    }
    if (cut->at) {
        cut->at(cut->data);
    }
}

/* Pass on the octets that were read and not passed on; false: there are no
 * more.  The reader of the last octets may be gone, because the other
 * direction has ended: the link has come to its end all the same. */
static bool pass_on(struct way *way, size_t *passed)
{
    bool strikes;

    do {
        size_t end = way->length;

        if (way->cut && way->next_record < end) {
            /* This is a part of a header: wait for the rest. */
            end = way->next_record;
        }
        if (end > way->allowance) {
            end = way->allowance;
        }
        strikes = way->strikes && end == way->allowance;
        if (strikes && way->link->cut.strike == FAKE_STRIKE_CUT) {
            close_other_way(way);
        }
        if (end > *passed &&
            send_all(way->to, way->heard + *passed, end - *passed) &&
            !strikes) {
            return false;
        }
        *passed = end > *passed ? end : *passed;
        if (strikes) {
            strike(way);
        }
    } while (strikes && way->allowance == FAKE_UNCUT);
    return *passed < way->allowance;
}

static void *relay(void *data)
{
    struct way *way = data;
    uint8_t *octets = malloc(CHUNK);
    size_t passed = 0;
    bool stalled = false;
    ssize_t got;

    while (passed < way->allowance && !stalled &&
           (got = recv(way->from, octets, CHUNK, 0)) > 0) {
        keep(way, octets, (size_t)got);
        look_for_record(way);
        stalled = await_release(way->link);
        if (!stalled && !pass_on(way, &passed)) {
            break;
        }
    }
    stalled = await_release(way->link);
    if (passed >= way->allowance || stalled) {
        fake_link_cut(way->link);
    } else if (!way->link->cut.silent) {
        /* The sender hung up, or the receiver did: pass it on. */
        shutdown(way->to, SHUT_WR);
        shutdown(way->from, SHUT_RD);
    }
    free(octets);
    return NULL;
}

static void start_way(struct fake_link *link, enum fake_way which)
{
    struct way *way = &link->ways[which];

    way->link = link;
    way->from = link->relay[which == FAKE_FORTH ? 0 : 1];
    way->to = link->relay[which == FAKE_FORTH ? 1 : 0];
    way->allowance = FAKE_UNCUT;
    way->next_record = first_record(link, which);
    if (link->cut.way == which && link->cut.at_record) {
        way->cut = &link->cut;
        way->strikes = true;
    } else if (link->cut.way == which) {
        way->allowance = link->cut.octets;
        way->strikes = true;
    }
    if (pthread_create(&way->thread, NULL, relay, way)) {
        abort();
    }
}

struct fake_link *fake_link_new(const struct fake_cut *cut)
{
    struct fake_link *link = calloc(1, sizeof(*link));
    int end, fds[2];

    link->cut = *cut;
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->changed, NULL);
    for (end = 0; end < 2; end++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
            abort();
        }
        link->ends[end] = fds[0];
        link->relay[end] = fds[1];
        link->open[end] = 1;
    }
    start_way(link, FAKE_FORTH);
    start_way(link, FAKE_BACK);
    return link;
}

void fake_link_narrow(struct fake_link *link)
{
    const int least = 0;

    for (int end = 0; end < 2; end++) {
        setsockopt(link->ends[end], SOL_SOCKET, SO_SNDBUF, &least,
                   sizeof(least));
        setsockopt(link->relay[end], SOL_SOCKET, SO_SNDBUF, &least,
                   sizeof(least));
    }
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
        release(link);
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

void fake_link_keep(struct fake_link *link, enum fake_way way,
                    const char *name)
{
    const char *directory = getenv("KEEP_STREAMS");
    const uint8_t *octets;
    char path[PATH_MAX];
    size_t length;
    FILE *file;

    if (!directory) {
        return;
    }
    octets = fake_link_heard(link, way, &length);
    if (!length) {
        return; /* its octets did not go over this link */
    }
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "w");
    if (!file || fwrite(octets, 1, length, file) != length || fclose(file)) {
        abort();
    }
}

void fake_link_free(struct fake_link *link)
{
    join(link);
    close(link->relay[0]);
    close(link->relay[1]);
    free(link->ways[0].heard);
    free(link->ways[1].heard);
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->changed);
    free(link);
}

void fake_link_each_record(struct fake_link *link, enum fake_way way,
                           size_t at, fake_record_fn *fn, void *data)
{
    struct xlm_wire_record_header header;
    size_t length, size;
    const uint8_t *octets = fake_link_heard(link, way, &length);

    for (; at + sizeof(header) <= length; at += size) {
        memcpy(&header, octets + at, sizeof(header));
        size = fake_record_size(header.type, header.length);
        if (at + size <= length) {
            fn(octets + at, size, data);
        }
    }
}
