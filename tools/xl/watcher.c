/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which process watches over a domain on this host.
 *
 * Nothing registers that.  But each daemon of xl writes into a log of its own
 * for which domain it waits.  So a daemon that has ended, as the stock one of
 * Xen up to 4.19 does when its domain is suspended, can be told from one that
 * never existed.
 */
#include "watcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "xen_directories.h"

/* How much of the end of a log is read. */
#define LOG_ROOM (1 << 20)
#define STEP_MS 100

pid_t xl_watcher_in_log(const char *text, uint32_t domid)
{
    const char *at = text;
    unsigned int found;
    pid_t last = 0;
    long pid;

    while ((at = strstr(at, " (domid "))) {
        if (sscanf(at, " (domid %u) to die [pid %ld]", &found, &pid) == 2 &&
            found == domid && pid > 0) {
            last = pid;
        }
        at++;
    }
    return last;
}

/* A process number is used again later: make sure that it is an xl. */
static bool lives(pid_t pid)
{
    char path[64], name[16] = "";
    bool is_xl;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
    file = fopen(path, "re");
    if (!file) {
        return false;
    }
    is_xl = fgets(name, sizeof(name), file) && !strcmp(name, "xl\n");
    fclose(file);
    return is_xl;
}

static pid_t look_in(const char *path, uint32_t domid, time_t since)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = malloc(LOG_ROOM + 1);
    struct stat stat;
    ssize_t got = 0;
    pid_t pid = 0;

    if (fd >= 0 && text && !fstat(fd, &stat) && S_ISREG(stat.st_mode) &&
        stat.st_mtime >= since) {
        got = pread(fd, text, LOG_ROOM,
                    stat.st_size > LOG_ROOM ? stat.st_size - LOG_ROOM : 0);
    }
    if (got > 0) {
        text[got] = '\0';
        pid = xl_watcher_in_log(text, domid);
    }
    free(text);
    if (fd >= 0) {
        close(fd);
    }
    return pid;
}

/* Before that the domain numbers belonged to other domains. */
static time_t boot_time(void)
{
    struct timespec now, up;

    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    return now.tv_sec - up.tv_sec;
}

struct xl_watcher xl_watcher_find(uint32_t domid)
{
    struct xl_watcher watcher = {.pid = 0};
    DIR *logs = opendir(XEN_LOG_DIR);
    time_t since = boot_time();
    struct dirent *entry;
    char path[PATH_MAX];

    while (logs && !watcher.lives && (entry = readdir(logs))) {
        pid_t pid = 0;

        if (!strncmp(entry->d_name, "xl-", 3)) {
            snprintf(path, sizeof(path), XEN_LOG_DIR "/%s", entry->d_name);
            pid = look_in(path, domid, since);
        }
        if (pid) {
            watcher.pid = pid;
            watcher.lives = lives(pid);
        }
    }
    if (logs) {
        closedir(logs);
    }
    return watcher;
}

/* An abstract socket's name, which ends with the process in any case. */
int xl_watcher_claim(uint32_t domid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
                          "xl-domain-monitor/%u", domid);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address,
                        offsetof(struct sockaddr_un, sun_path) + 1 + length)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool xl_watcher_await_end(pid_t pid, unsigned int seconds)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    unsigned int steps = seconds * 1000 / STEP_MS;

    while (steps-- && lives(pid)) {
        nanosleep(&step, NULL);
    }
    return !lives(pid);
}
