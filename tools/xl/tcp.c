/* SPDX-License-Identifier: LGPL-2.1-or-later
 * TCP connections of our own.
 */
#include "tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prologue.h"

#define BACKLOG 64
/* As the engine has it of a connection that it knows to be TCP. */
#define UNSENT_LOW_WATER (128 * 1024)

/* ---- addresses ---- */

static bool put_port(struct xl_tcp_address *address, const char *port)
{
    size_t length = strlen(port);

    if (!length || length >= sizeof(address->port) ||
        strspn(port, "0123456789") != length) {
        return false;
    }
    memcpy(address->port, port, length + 1);
    return true;
}

static bool put_host(struct xl_tcp_address *address, const char *host,
                     size_t length)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._-:%";

    if (length >= sizeof(address->host) || host[0] == '-' ||
        strspn(host, plain) < length) {
        return false;
    }
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    return true;
}

bool xl_tcp_parse(const char *text, struct xl_tcp_address *address)
{
    const char *colon = strrchr(text, ':'), *bracket;

    if (!text[0] || !put_port(address, XL_TCP_PORT)) {
        return false;
    }
    if (text[0] == '[') {
        bracket = strchr(text, ']');
        return bracket && bracket > text + 1 &&
               put_host(address, text + 1, bracket - text - 1) &&
               (!bracket[1] ||
                (bracket[1] == ':' && put_port(address, bracket + 2)));
    }
    if (!colon || strchr(text, ':') != colon) {
        return put_host(address, text, strlen(text));
    }
    return put_host(address, text, colon - text) &&
           put_port(address, colon + 1);
}

/* NULL with the reason. */
static struct addrinfo *look_up(const struct xl_tcp_address *address,
                                bool passive, char *why)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : AI_ADDRCONFIG),
    };
    struct addrinfo *found;
    int error = getaddrinfo(address->host[0] ? address->host : NULL,
                            address->port, &hints, &found);

    if (error) {
        snprintf(why, XL_TCP_WHY_MAX, "%s", gai_strerror(error));
        return NULL;
    }
    return found;
}

/* ---- connecting ---- */

void xl_tcp_tune(int fd)
{
    int on = 1, low_water = UNSENT_LOW_WATER;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water,
                     sizeof(low_water));
    xl_keep_alive(fd);
}

/* 0, or an errno. */
static int await_connected(int fd, uint64_t deadline)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (xl_await_until(fd, POLLOUT, deadline) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length)) {
        return errno;
    }
    return error;
}

static int connect_one(const struct addrinfo *at, uint64_t deadline, char *why)
{
    int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = fd < 0 ? errno : 0;

    if (!error && connect(fd, at->ai_addr, at->ai_addrlen)) {
        error = errno == EINPROGRESS ? await_connected(fd, deadline) : errno;
    }
    if (!error) {
        xl_tcp_tune(fd);
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    snprintf(why, XL_TCP_WHY_MAX, "%s%s", strerror(error),
             error == ECONNREFUSED ? " (does an xl migrate-listen run there?)"
                                   : "");
    return -1;
}

int xl_tcp_connect(const struct xl_tcp_address *address, uint64_t deadline,
                   char why[XL_TCP_WHY_MAX])
{
    struct addrinfo *found = look_up(address, false, why);
    int fd = -1;

    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = connect_one(at, deadline, why);
    }
    if (found) {
        freeaddrinfo(found);
    }
    return fd;
}

/* ---- listening ---- */

static int listen_one(const struct addrinfo *at)
{
    int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, saved_errno;

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Each address has a socket of its own. */
    if (at->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (!bind(fd, at->ai_addr, at->ai_addrlen) && !listen(fd, BACKLOG)) {
        return fd;
    }
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

int xl_tcp_listen(const struct xl_tcp_address *address, int *fds, int max,
                  char why[XL_TCP_WHY_MAX])
{
    struct addrinfo *found = look_up(address, true, why);
    int count = 0;

    for (struct addrinfo *at = found; at && count < max; at = at->ai_next) {
        fds[count] = listen_one(at);
        if (fds[count] >= 0) {
            count++;
        } else if (errno != EAFNOSUPPORT) {
            snprintf(why, XL_TCP_WHY_MAX, "%s", strerror(errno));
            while (count > 0) {
                close(fds[--count]);
            }
            break;
        }
    }
    if (found) {
        freeaddrinfo(found);
    }
    return count ? count : -1;
}
