/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How a process that connects hands the connection over.
 */
#include "pass_fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CONNECTED 'C'

union rights {
    struct cmsghdr header;
    char octets[CMSG_SPACE(sizeof(int))];
};

int xl_pass_fd(int socket_fd, int fd)
{
    char word = CONNECTED;
    struct iovec part = {&word, 1};
    union rights rights = {.octets = ""};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = fd < 0 ? NULL : &rights,
        .msg_controllen = fd < 0 ? 0 : sizeof(rights),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    if (header) {
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int xl_take_fd(int socket_fd, int *fd)
{
    char word;
    struct iovec part = {&word, 1};
    union rights rights = {.octets = ""};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &rights,
        .msg_controllen = sizeof(rights),
    };
    struct cmsghdr *header;
    ssize_t got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);

    if (got < 1) {
        return got ? -1 : 1;
    }
    if (word != CONNECTED) {
        errno = EPROTO;
        return -1;
    }
    header = CMSG_FIRSTHDR(&message);
    *fd = -1;
    if (header && header->cmsg_level == SOL_SOCKET &&
        header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(*fd))) {
        memcpy(fd, CMSG_DATA(header), sizeof(*fd));
    }
    return 0;
}
