/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The lock on making domains: a record lock on the whole file, like the stock
 * xl's.
 */
#include "creation_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prologue.h"

/* There is no way to wait for a lock and for a descriptor at once. */
#define LOOK_MS 200

static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

/* The process that has the lock; 0: unknown. */
static long holder(int fd)
{
    struct flock found = whole;

    return !fcntl(fd, F_GETLK, &found) && found.l_type != F_UNLCK ? found.l_pid
                                                                  : 0;
}

/* Wait a moment.  False: the peer is gone. */
static bool is_wanted(int peer_fd)
{
    struct pollfd poller = {.fd = peer_fd, .events = POLLRDHUP};

    return poll(&poller, 1, LOOK_MS) <= 0;
}

static int await(int fd, const char *path, unsigned int seconds, int peer_fd)
{
    const uint64_t deadline = xl_deadline(seconds);
    bool said = false;

    while (fcntl(fd, F_SETLK, &whole)) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
            fprintf(stderr, "xl: cannot lock %s: %s\n", path, strerror(errno));
            return -1;
        }
        if (!said) {
            fprintf(stderr,
                    "xl: waiting for process %ld, which makes a domain and "
                    "has locked %s\n",
                    holder(fd), path);
        }
        said = true;
        if (xl_deadline(0) >= deadline) {
            fprintf(stderr,
                    "xl: after %u s process %ld still has %s locked: try "
                    "again when it is done\n",
                    seconds, holder(fd), path);
            return -1;
        }
        if (!is_wanted(peer_fd)) {
            fprintf(stderr, "xl: the source is gone\n");
            return -1;
        }
    }
    return 0;
}

int xl_creation_lock_take(struct xl_creation_lock *lock, const char *path,
                          unsigned int seconds, int peer_fd)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, S_IWUSR);

    if (fd < 0) {
        fprintf(stderr, "xl: cannot open %s, the lockfile of xl.conf(5): %s\n",
                path, strerror(errno));
        return -1;
    }
    if (await(fd, path, seconds, peer_fd)) {
        close(fd);
        return -1;
    }
    lock->fd = fd;
    return 0;
}

void xl_creation_lock_release(struct xl_creation_lock *lock)
{
    if (lock->fd >= 0) {
        close(lock->fd);
    }
    lock->fd = -1;
}
