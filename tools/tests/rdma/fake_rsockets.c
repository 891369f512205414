/* SPDX-License-Identifier: LGPL-2.1-or-later
 * librdmacm.so.1, for tests: rsockets over TCP on this machine, and no kinder
 * than RDMA's.
 *
 * A descriptor is one of the kernel's in name only: it never becomes readable
 * there, and octets written to it are lost.  The calls know it only in the
 * process that made it.  rrecv() returns 0 for a connection that has failed as
 * for one that has ended; SO_ERROR tells them apart.  Octets come and go in
 * pieces.
 *
 * FAKE_RDMA, in the environment:
 *   no-device   this host has no RDMA device
 *   elsewhere   no device has the address
 *   stale       the other host refuses two numbers of queue pairs, which a
 *               process that was killed had; this one gets the lowest number
 *               that is free
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rdma/rsockets.h"

#define DECLARE(type, name, arguments) type r##name arguments;
XL_RSOCKETS(DECLARE)

#define SOCKETS_MAX 64
#define PIECE 3001
#define STALE_NUMBERS 2

static struct fake {
    int name; /* what the caller calls it; 0: unused */
    int tcp;
    pid_t owner;
    int error; /* SO_ERROR */
    bool connects;
} fakes[SOCKETS_MAX];

static void __attribute__((noreturn)) misused(const char *what)
{
    fprintf(stderr, "fake rsockets: %s\n", what);
    abort();
}

static struct fake *look_up(int fd)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (fakes[i].name && fakes[i].name == fd) {
            if (fakes[i].owner != getpid()) {
                misused("used by a process that has not made it");
            }
            return &fakes[i];
        }
    }
    return NULL;
}

static struct fake *find(int fd)
{
    struct fake *fake = look_up(fd);

    if (!fake) {
        misused("no descriptor of rsockets");
    }
    return fake;
}

static bool is_set(const char *word)
{
    const char *given = getenv("FAKE_RDMA");

    return given && !strcmp(given, word);
}

static int add(int tcp)
{
    for (size_t i = 0; tcp >= 0 && i < SOCKETS_MAX; i++) {
        if (!fakes[i].name) {
            fakes[i] = (struct fake){
                .name = eventfd(0, EFD_CLOEXEC),
                .tcp = tcp,
                .owner = getpid(),
            };
            return fakes[i].name;
        }
    }
    return -1;
}

int rsocket(int domain, int type, int protocol)
{
    if (is_set("no-device")) {
        errno = ENODEV;
        return -1;
    }
    return add(socket(domain, type | SOCK_CLOEXEC, protocol));
}

int rbind(int fd, const struct sockaddr *address, socklen_t length)
{
    if (is_set("elsewhere")) {
        errno = ENODEV;
        return -1;
    }
    return bind(find(fd)->tcp, address, length);
}

int rlisten(int fd, int backlog)
{
    return listen(find(fd)->tcp, backlog);
}

int raccept(int fd, struct sockaddr *address, socklen_t *length)
{
    struct fake *fake = find(fd);
    int flags = fcntl(fake->tcp, F_GETFL);

    return add(
        accept4(fake->tcp, address, length,
                SOCK_CLOEXEC | (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0)));
}

/* Its queue pair has one of the numbers that the other host refuses. */
static bool is_stale(void)
{
    unsigned int taken = 0;

    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        taken += fakes[i].name && fakes[i].connects;
    }
    return is_set("stale") && taken < STALE_NUMBERS;
}

int rconnect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct fake *fake = find(fd);
    bool stale = is_stale();

    fake->connects = true;
    if (stale) {
        errno = ECONNREFUSED;
        return -1;
    }
    return connect(fake->tcp, address, length);
}

int rshutdown(int fd, int how)
{
    return shutdown(find(fd)->tcp, how);
}

int rclose(int fd)
{
    struct fake *fake = find(fd);

    close(fake->tcp);
    close(fake->name);
    fake->name = 0;
    return 0;
}

static size_t piece_of(size_t length)
{
    return length < PIECE ? length : PIECE;
}

ssize_t rrecv(int fd, void *octets, size_t room, int flags)
{
    struct fake *fake = find(fd);
    ssize_t got = recv(fake->tcp, octets, piece_of(room), flags);

    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        fake->error = EIO;
        return 0;
    }
    return got;
}

ssize_t rsend(int fd, const void *octets, size_t length, int flags)
{
    struct fake *fake = find(fd);
    ssize_t put =
        send(fake->tcp, octets, piece_of(length), flags | MSG_NOSIGNAL);

    if (put < 0 && errno != EAGAIN && errno != EINTR) {
        fake->error = EIO;
        errno = ECONNRESET;
    }
    return put;
}

int rpoll(struct pollfd *pollers, nfds_t count, int timeout)
{
    struct pollfd real[8];
    int ready;

    if (count > sizeof(real) / sizeof(real[0])) {
        misused("polls more than this fake can");
    }
    if (timeout > 0) {
        misused("may time out, after which RDMA's rpoll() can hang");
    }
    for (nfds_t i = 0; i < count; i++) {
        struct fake *fake = look_up(pollers[i].fd);

        if (pollers[i].fd < 0) {
            misused("polls a negative descriptor");
        }
        real[i] = pollers[i];
        real[i].fd = fake ? fake->tcp : pollers[i].fd;
    }
    ready = poll(real, count, timeout);
    for (nfds_t i = 0; i < count; i++) {
        pollers[i].revents = real[i].revents;
    }
    return ready;
}

int rgetsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    return getsockname(find(fd)->tcp, address, length);
}

int rsetsockopt(int fd, int level, int name, const void *value,
                socklen_t length)
{
    return setsockopt(find(fd)->tcp, level, name, value, length);
}

int rgetsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    struct fake *fake = find(fd);
    int ret = getsockopt(fake->tcp, level, name, value, length);

    if (!ret && level == SOL_SOCKET && name == SO_ERROR && fake->error) {
        *(int *)value = fake->error;
        fake->error = 0;
    }
    return ret;
}

int rfcntl(int fd, int command, ...)
{
    va_list arguments;
    int flags;

    va_start(arguments, command);
    flags = va_arg(arguments, int);
    va_end(arguments);
    return fcntl(find(fd)->tcp, command, flags);
}
