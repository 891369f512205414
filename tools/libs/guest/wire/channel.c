/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The two-way byte channel between source and destination.
 */
#include "wire/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* Octets that may wait unsent: a part of those that may be under way, because
 * a requested page would wait behind them, and enough for both ends of the
 * buffer. */
#define UNSENT_PART 4
#define UNSENT_LEAST (64u << 10)
#define UNSENT_MOST (1u << 20)
/* For up to this much under way the kernel makes its buffer large enough. */
#define BUFFERED_BY_KERNEL (2u << 20)

static int make_nonblocking(int fd, int *flags)
{
    int now;

    if (fd < 0) {
        return 0;
    }
    now = fcntl(fd, F_GETFL);
    if (now < 0 || fcntl(fd, F_SETFL, now | O_NONBLOCK) < 0) {
        return -1;
    }
    *flags = now;
    return 0;
}

/* Both ends write little at a time and wait for the answer; TCP by itself
 * would hold a request back until the one before it is acknowledged.  On
 * anything but TCP the option is unknown and not needed. */
static void send_at_once(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int xlm_channel_open(struct xlm_channel *channel, int in_fd, int out_fd,
                     int abort_fd)
{
    channel->in_fd = in_fd;
    channel->out_fd = out_fd;
    channel->abort_fd = abort_fd;
    channel->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (channel->stop_fd < 0 || make_nonblocking(in_fd, &channel->in_flags) ||
        make_nonblocking(out_fd, &channel->out_flags)) {
        xlm_channel_close(channel);
        return -1;
    }
    send_at_once(out_fd);
    return 0;
}

void xlm_channel_close(struct xlm_channel *channel)
{
    int saved_errno = errno;

    /* One descriptor may serve both directions: restore the flags read first
     * last. */
    if (channel->out_flags >= 0) {
        fcntl(channel->out_fd, F_SETFL, channel->out_flags);
    }
    if (channel->in_flags >= 0) {
        fcntl(channel->in_fd, F_SETFL, channel->in_flags);
    }
    if (channel->stop_fd >= 0) {
        close(channel->stop_fd);
    }
    channel->in_fd = channel->out_fd = channel->abort_fd = -1;
    channel->stop_fd = -1;
    channel->in_flags = channel->out_flags = -1;
    errno = saved_errno;
}

/* Where the kernel does TLS on a socket, a read meets the peer's last word as
 * EIO. */
static bool is_end(ssize_t got)
{
    return !got || (got < 0 && errno == EIO);
}

/* How long to wait for the peer; -1: without limit. */
static int wait_ms(const struct xlm_channel *channel)
{
    uint64_t now_us = xlm_now_us(), left_ms;

    if (!channel->deadline_us) {
        return channel->idle_ms;
    }
    if (now_us >= channel->deadline_us) {
        return 0;
    }
    left_ms = (channel->deadline_us - now_us + 999) / 1000;
    return channel->idle_ms >= 0 && (uint64_t)channel->idle_ms < left_ms
               ? channel->idle_ms
               : (int)(left_ms < INT_MAX ? left_ms : INT_MAX);
}

/* Wait for the descriptor and, unless that is -1, for input from the other
 * one, *came. */
static int wait_once(const struct xlm_channel *channel, int fd, short events,
                     int in_fd, bool *came)
{
    struct pollfd fds[] = {
        {.fd = fd, .events = events},
        {.fd = channel->abort_fd, .events = POLLIN},
        {.fd = channel->stop_fd, .events = POLLIN},
        {.fd = in_fd, .events = POLLIN},
    };
    int ready;

    do {
        ready = poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms(channel));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) {
        return -1;
    }
    if (!ready) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (fds[1].revents || fds[2].revents) {
        errno = ECANCELED;
        return -1;
    }
    *came = fds[3].revents;
    return 0;
}

/* Wait until the descriptor is ready, or input has come (*came). */
static int wait_for(const struct xlm_channel *channel, int fd, short events,
                    int in_fd, bool *came)
{
    while (wait_once(channel, fd, events, in_fd, came)) {
        if (errno != ETIMEDOUT || !channel->may_be_silent) {
            return -1;
        }
        if (!channel->may_be_silent(channel->silence_data)) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    return 0;
}

static int wait_to_read(struct xlm_channel *channel)
{
    bool came;

    if (channel->before_wait && channel->before_wait(channel->wait_data)) {
        return -1;
    }
    return wait_for(channel, channel->in_fd, POLLIN, -1, &came);
}

/* A peer whose octets this end does not read may stop reading as well. */
static int wait_to_write(struct xlm_channel *channel)
{
    bool reads = channel->while_blocked;
    bool came;

    if (wait_for(channel, channel->out_fd, POLLOUT,
                 reads ? channel->in_fd : -1, &came)) {
        return -1;
    }
    return reads && came ? channel->while_blocked(channel->blocked_data) : 0;
}

/* A socket that is writable has room for a good part of its buffer, a pipe for
 * a page. */
static bool has_room(const struct xlm_channel *channel)
{
    struct pollfd fd = {.fd = channel->out_fd, .events = POLLOUT};

    return poll(&fd, 1, 0) > 0;
}

bool xlm_channel_try_lock(struct xlm_channel *channel)
{
    if (pthread_mutex_trylock(&channel->write_lock)) {
        return false;
    }
    if (!has_room(channel)) {
        pthread_mutex_unlock(&channel->write_lock);
        return false;
    }
    return true;
}

bool xlm_channel_has_input(const struct xlm_channel *channel)
{
    struct pollfd fd = {.fd = channel->in_fd, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

void xlm_channel_await_input(const struct xlm_channel *channel, int other_fd,
                             uint64_t most_us)
{
    struct pollfd fds[] = {
        {.fd = channel->in_fd, .events = POLLIN},
        {.fd = other_fd, .events = POLLIN},
        {.fd = channel->stop_fd, .events = POLLIN},
    };
    const struct timespec most = {
        .tv_sec = most_us / 1000000,
        .tv_nsec = most_us % 1000000 * 1000,
    };

    (void)ppoll(fds, sizeof(fds) / sizeof(fds[0]), &most, NULL);
}

int xlm_channel_read(struct xlm_channel *channel, void *buffer, size_t length)
{
    char *at = buffer;

    while (length) {
        ssize_t got = read(channel->in_fd, at, length);

        if (got > 0) {
            at += got;
            length -= got;
        } else if (is_end(got)) {
            errno = ECONNRESET;
            return -1;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (wait_to_read(channel)) {
                return -1;
            }
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

#define LOOK_MS 1000

int xlm_channel_look_ms(uint32_t timeout_ms)
{
    if (!timeout_ms) {
        return -1;
    }
    return timeout_ms < LOOK_MS ? (int)timeout_ms : LOOK_MS;
}

void xlm_channel_stop(struct xlm_channel *channel)
{
    eventfd_write(channel->stop_fd, 1);
}

/* Drop `written` octets from the front of the vector. */
static void advance(struct iovec **parts, size_t *count, size_t written)
{
    while (*count && written >= (*parts)->iov_len) {
        written -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (*count && written) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + written;
        (*parts)->iov_len -= written;
    }
}

int xlm_channel_write_parts(struct xlm_channel *channel, struct iovec *parts,
                            size_t count)
{
    advance(&parts, &count, 0);
    while (count) {
        int now = count < IOV_MAX ? (int)count : IOV_MAX;
        ssize_t written = writev(channel->out_fd, parts, now);

        if (written >= 0) {
            channel->bytes_out += written;
            advance(&parts, &count, written);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (wait_to_write(channel)) {
                return -1;
            }
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int xlm_channel_write(struct xlm_channel *channel, const void *bytes,
                      size_t length)
{
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};

    return xlm_channel_write_parts(channel, &part, 1);
}

/* If the process may not exceed the kernel's limit, that limit must do. */
static void set_send_buffer(int fd, int octets)
{
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof(octets))) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
    }
}

static uint64_t part_unsent(uint64_t under_way)
{
    uint64_t part = under_way / UNSENT_PART;

    if (part < UNSENT_LEAST) {
        return UNSENT_LEAST;
    }
    return part < UNSENT_MOST ? part : UNSENT_MOST;
}

static int buffer_for(uint64_t under_way)
{
    if (under_way < BUFFERED_BY_KERNEL) {
        return BUFFERED_BY_KERNEL;
    }
    return under_way < INT_MAX / 4 ? (int)under_way : INT_MAX / 4;
}

/* Calls are cheap while little changes. */
static bool is_like_before(const struct xlm_channel *channel,
                           uint64_t under_way)
{
    return channel->under_way && under_way < 2 * channel->under_way &&
           channel->under_way < 2 * under_way;
}

void xlm_channel_keep_queue(struct xlm_channel *channel, uint64_t under_way)
{
    int unsent = part_unsent(under_way);
    int family;
    socklen_t length = sizeof(family);

    if (is_like_before(channel, under_way) ||
        getsockopt(channel->out_fd, SOL_SOCKET, SO_DOMAIN, &family, &length)) {
        return; /* a pipe: at most 64 KiB */
    }
    if (family == AF_UNIX) {
        set_send_buffer(channel->out_fd, unsent);
    } else {
        (void)setsockopt(channel->out_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                         &unsent, sizeof(unsent));
        /* Once the size is set the kernel never changes it: so keep setting
         * it. */
        if (under_way > BUFFERED_BY_KERNEL || channel->buffer_is_ours) {
            channel->buffer_is_ours = true;
            set_send_buffer(channel->out_fd, buffer_for(under_way));
        }
    }
    channel->under_way = under_way;
}
