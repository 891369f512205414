/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Starts the daemon, and tells it which domain to watch over.
 */
#include "standby.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watcher.h"

/* Not a child of the receiver, which cannot wait for it to end. */
static void __attribute__((noreturn)) become_standby(int read_fd)
{
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!fork() && dup2(read_fd, STDIN_FILENO) >= 0) {
        execl("/proc/self/exe", "xl", "domain-monitor", "--postcopy",
              (char *)NULL);
    }
    _exit(EXIT_FAILURE);
}

int xl_monitor_standby(struct xl_monitor_standby *standby)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC)) {
        fprintf(stderr, "xl: cannot make a pipe: %s\n", strerror(errno));
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        become_standby(ends[0]);
    }
    close(ends[0]);
    if (pid < 0) {
        fprintf(stderr, "xl: cannot start a process: %s\n", strerror(errno));
        close(ends[1]);
        return -1;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
    standby->fd = ends[1];
    return 0;
}

static int tell(const struct xl_monitor_standby *standby,
                struct xl_monitor_word word)
{
    ssize_t written;

    do {
        written = write(standby->fd, &word, sizeof(word));
    } while (written < 0 && errno == EINTR);
    if (written != sizeof(word)) {
        fprintf(stderr,
                "xl: no daemon watches over domain %u: it will not be "
                "restarted or cleaned up when it ends\n",
                word.domid);
        return -1;
    }
    return 0;
}

int xl_monitor_begin(struct xl_monitor_standby *standby, uint32_t domid)
{
    if (standby->fd < 0 || standby->begun) {
        return 0;
    }
    standby->begun = true;
    return tell(standby, (struct xl_monitor_word){.domid = domid});
}

void xl_monitor_dismiss(struct xl_monitor_standby *standby)
{
    if (standby->fd >= 0) {
        close(standby->fd);
    }
    standby->fd = -1;
}

/* ---- a domain that was suspended and runs on ---- */

int xl_monitor_replace_ended(uint32_t domid)
{
    struct xl_monitor_standby standby = XL_MONITOR_NOBODY;
    struct xl_watcher watcher = xl_watcher_find(domid);
    int ret;

    if (!watcher.pid) {
        /* there was no daemon, or libvirt or the like watches over it */
        return 0;
    }
    ret = xl_monitor_standby(&standby);
    if (ret) {
        return ret;
    }
    ret = tell(&standby, (struct xl_monitor_word){
                             .domid = domid,
                             .after = watcher.lives ? watcher.pid : 0,
                         });
    xl_monitor_dismiss(&standby);
    return ret;
}
