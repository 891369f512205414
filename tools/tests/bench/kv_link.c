/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A connection to a store that speaks the protocol of Redis, RESP 2.
 */
#include "kv_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The parts of a command: a frame before each word, and the line end after
 * it. */
#define FRAME_MAX 32
#define WORDS_MAX 8
static char line_end[] = "\r\n";
#define LINE_END (sizeof(line_end) - 1)

int kv_link_connect(struct kv_link *link, const char *address,
                    const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;
    int saved;

    if (getaddrinfo(address, port, &hints, &found)) {
        errno = EINVAL;
        return -1;
    }
    link->have = link->taken = 0;
    link->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd >= 0) {
        setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (connect(link->fd, found->ai_addr, found->ai_addrlen)) {
            saved = errno;
            kv_link_close(link);
            errno = saved;
        }
    }
    freeaddrinfo(found);
    return link->fd < 0 ? -1 : 0;
}

void kv_link_close(struct kv_link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
}

/* Take what was sent off the front of the message. */
static void shorten(struct msghdr *message, size_t sent)
{
    while (message->msg_iovlen && sent >= message->msg_iov->iov_len) {
        sent -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
        message->msg_iov->iov_len -= sent;
    }
}

static int send_all(int fd, struct iovec *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    ssize_t sent;

    while (message.msg_iovlen) {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent >= 0) {
            shorten(&message, sent);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int kv_link_send(struct kv_link *link, size_t count, const char *const words[],
                 const size_t lengths[])
{
    char frames[WORDS_MAX][FRAME_MAX], head[FRAME_MAX];
    struct iovec pieces[1 + 3 * WORDS_MAX];
    size_t used = 0, word;

    if (count > WORDS_MAX) {
        errno = EINVAL;
        return -1;
    }
    pieces[used++] =
        (struct iovec){head, snprintf(head, FRAME_MAX, "*%zu\r\n", count)};
    for (word = 0; word < count; word++) {
        pieces[used++] =
            (struct iovec){frames[word], snprintf(frames[word], FRAME_MAX,
                                                  "$%zu\r\n", lengths[word])};
        pieces[used++] = (struct iovec){(char *)words[word], lengths[word]};
        pieces[used++] = (struct iovec){line_end, LINE_END};
    }
    return send_all(link->fd, pieces, used);
}

/* More octets behind those that are there. */
static int receive_more(struct kv_link *link)
{
    ssize_t got;

    if (link->have == sizeof(link->octets)) {
        errno = EPROTO;
        return -1;
    }
    do {
        got = recv(link->fd, link->octets + link->have,
                   sizeof(link->octets) - link->have, 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        errno = got ? errno : EPIPE;
        return -1;
    }
    link->have += got;
    return 0;
}

/* The answer's first line, without its end. */
static int receive_line(struct kv_link *link, size_t *length)
{
    const char *end;

    while (!(end = memmem(link->octets, link->have, line_end, LINE_END))) {
        if (receive_more(link)) {
            return -1;
        }
    }
    *length = end - link->octets;
    return 0;
}

/* A value's length, as its line says; -1: there is none. */
static int value_length(const struct kv_link *link, long *length)
{
    char *end;

    errno = 0;
    *length = strtol(link->octets + 1, &end, 10);
    if (errno || end == link->octets + 1 || *end != '\r' || *length < -1 ||
        *length > KV_ANSWER_MAX - 2 * FRAME_MAX) {
        errno = EPROTO;
        return -1;
    }
    return 0;
}

static int receive_value(struct kv_link *link, size_t start,
                         struct kv_answer *answer)
{
    long length;

    if (value_length(link, &length)) {
        return -1;
    }
    if (length < 0) {
        *answer = (struct kv_answer){.type = '$'};
        link->taken = start;
        return 0;
    }
    while (link->have < start + length + LINE_END) {
        if (receive_more(link)) {
            return -1;
        }
    }
    *answer = (struct kv_answer){'$', link->octets + start, length};
    link->taken = start + length + LINE_END;
    return 0;
}

int kv_link_receive(struct kv_link *link, struct kv_answer *answer)
{
    size_t line;

    link->have -= link->taken;
    memmove(link->octets, link->octets + link->taken, link->have);
    link->taken = 0;
    if (receive_line(link, &line)) {
        return -1;
    }
    switch (line ? link->octets[0] : '\0') {
    case '$':
        return receive_value(link, line + LINE_END, answer);
    case '+':
    case '-':
    case ':':
        *answer =
            (struct kv_answer){link->octets[0], link->octets + 1, line - 1};
        link->taken = line + LINE_END;
        return 0;
    default:
        errno = EPROTO;
        return -1;
    }
}
