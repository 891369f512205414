/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Reading with a deadline.
 */
#include "prologue.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t xl_deadline(unsigned int seconds)
{
    return now_ms() + seconds * UINT64_C(1000);
}

int xl_left_ms(uint64_t deadline)
{
    uint64_t now = now_ms();

    if (now >= deadline) {
        return 0;
    }
    return deadline - now < 60000 ? deadline - now : 60000;
}

int xl_await_until(int fd, short events, uint64_t deadline)
{
    struct pollfd poller = {.fd = fd, .events = events};
    int left, ready;

    do {
        left = xl_left_ms(deadline);
        ready = poll(&poller, 1, left);
    } while ((ready < 0 && errno == EINTR) || (!ready && left));
    if (!ready) {
        errno = ETIMEDOUT;
    }
    return ready > 0 ? 0 : -1;
}

int xl_read_until(int fd, void *buffer, size_t length, uint64_t deadline)
{
    char *at = buffer;
    ssize_t got;

    while (length) {
        if (xl_await_until(fd, POLLIN, deadline)) {
            return -1;
        }
        got = read(fd, at, length);
        if (!got) {
            errno = ECONNRESET;
            return -1;
        }
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return -1;
        }
        at += got < 0 ? 0 : got;
        length -= got < 0 ? 0 : (size_t)got;
    }
    return 0;
}

void xl_keep_alive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 6},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        (void)setsockopt(fd, options[i].level, options[i].name,
                         &options[i].value, sizeof(options[i].value));
    }
}
