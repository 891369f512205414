/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two reasons to give up: the caller's, and a request.
 */
#include "control/control.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int add_fd(int poll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

void lm_abort_open(struct lm_abort *abort, int callers_fd)
{
    abort->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    abort->own_fd = epoll_create1(EPOLL_CLOEXEC);
    abort->poll_fd = abort->own_fd;
    if (abort->event_fd >= 0 && abort->own_fd >= 0 &&
        !add_fd(abort->own_fd, abort->event_fd) &&
        (callers_fd < 0 || !add_fd(abort->own_fd, callers_fd))) {
        return;
    }
    lm_abort_close(abort);
    abort->poll_fd = callers_fd;
}

void lm_abort_close(struct lm_abort *abort)
{
    if (abort->event_fd >= 0) {
        close(abort->event_fd);
    }
    if (abort->own_fd >= 0) {
        close(abort->own_fd);
    }
    abort->event_fd = -1;
    abort->own_fd = -1;
    abort->poll_fd = -1;
}
