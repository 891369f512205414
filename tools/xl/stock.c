/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The stock xl of this host.
 */
#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front/front.h"

#define XL_STOCK_VARIABLE "XL_STOCK"

/* In this order, relative to this program's directory: first the xl that the
 * installation found in this program's place, whether it was moved out of the
 * way or not, because the distributions' front end goes by its own name.  Then
 * that front end, which picks the xl that fits the running hypervisor. */
static const char *const stock_patterns[] = {
    "../stock/xl",          "/usr/sbin/xl", "/usr/lib/xen-*/bin/xl",
    "/usr/lib*/xen/bin/xl", "/sbin/xl",
};

static bool is_same(const struct stat *file, const char *path)
{
    struct stat other;

    return path && !stat(path, &other) && other.st_dev == file->st_dev &&
           other.st_ino == file->st_ino;
}

/* By identity and not by name: through links and relative paths this program
 * could otherwise call itself for ever, or the front end that calls it. */
static bool is_stock(const char *path)
{
    struct stat theirs;

    return !stat(path, &theirs) && !access(path, X_OK) &&
           !is_same(&theirs, "/proc/self/exe") &&
           !is_same(&theirs, getenv(XL_FRONT_VARIABLE));
}

/* The directory of this program, or an empty string. */
static void find_own_directory(char directory[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    char *slash;

    directory[length < 0 ? 0 : length] = '\0';
    slash = strrchr(directory, '/');
    if (slash) {
        slash[1] = '\0';
    }
}

static bool find_by_pattern(const char *pattern, char found[PATH_MAX])
{
    char directory[PATH_MAX] = "";
    char path[PATH_MAX + 64];
    bool success = false;
    glob_t matches;
    size_t i;

    if (pattern[0] != '/') {
        find_own_directory(directory);
    }
    snprintf(path, sizeof(path), "%s%s", directory, pattern);
    if (glob(path, 0, NULL, &matches)) {
        return false;
    }
    for (i = 0; i < matches.gl_pathc && !success; i++) {
        success = is_stock(matches.gl_pathv[i]);
        if (success) {
            snprintf(found, PATH_MAX, "%s", matches.gl_pathv[i]);
        }
    }
    globfree(&matches);
    return success;
}

static bool find_stock(char found[PATH_MAX])
{
    const char *wanted = getenv(XL_STOCK_VARIABLE);
    size_t i;

    if (wanted) {
        snprintf(found, PATH_MAX, "%s", wanted);
        if (is_stock(wanted)) {
            return true;
        }
        fprintf(stderr,
                "xl: " XL_STOCK_VARIABLE " is %s, which cannot be "
                "run or is this program itself\n",
                wanted);
        return false;
    }
    for (i = 0; i < sizeof(stock_patterns) / sizeof(*stock_patterns); i++) {
        if (find_by_pattern(stock_patterns[i], found)) {
            return true;
        }
    }
    fprintf(stderr,
            "xl: the stock xl was not found: install the package of "
            "the Xen tools (on Debian xen-utils), or say in " XL_STOCK_VARIABLE
            " where it is\n");
    return false;
}

int xl_stock_exec(char **argv)
{
    char path[PATH_MAX];

    if (!find_stock(path)) {
        return EXIT_FAILURE;
    }
    argv[0] = path;
    execv(path, argv);
    fprintf(stderr, "xl: cannot run %s: %s\n", path, strerror(errno));
    return EXIT_FAILURE;
}

static char *read_all(int fd)
{
    size_t length = 0, room = 0;
    char *text = NULL, *larger;
    ssize_t got;

    for (;;) {
        if (length + 1 >= room) {
            room = room ? room * 2 : 4096;
            larger = realloc(text, room);
            if (!larger) {
                break;
            }
            text = larger;
        }
        got = read(fd, text + length, room - length - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            break;
        }
        if (got == 0) {
            text[length] = '\0';
            return text;
        }
        length += got;
    }
    free(text);
    return NULL;
}

static pid_t start_piped(const char *path, char **argv, int *read_fd)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC)) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execv(path, argv);
        fprintf(stderr, "xl: cannot run %s: %s\n", path, strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
    }
    *read_fd = ends[0];
    return pid;
}

char *xl_stock_output(char **argv)
{
    char path[PATH_MAX];
    int read_fd, status;
    pid_t pid;
    char *text;

    if (!find_stock(path)) {
        return NULL;
    }
    argv[0] = path;
    pid = start_piped(path, argv, &read_fd);
    if (pid < 0) {
        fprintf(stderr, "xl: cannot run %s: %s\n", path, strerror(errno));
        return NULL;
    }
    text = read_all(read_fd);
    close(read_fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    if (status) {
        free(text);
        return NULL;
    }
    return text;
}
