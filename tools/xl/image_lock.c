/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Locks on disk images.  QEMU has an octet of the file for each thing that it
 * may do, and one for each that it allows no other process to do, and locks
 * those for reading.  A program that wants to do such a thing tries to lock
 * the latter octet for writing.
 */
#include "image_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utf8.h"

/* For writing: a QEMU does it, and allows no other to do it. */
#define WRITES 101
#define ALONE 201

static bool is_ours_to_ask(int octet)
{
    return octet == WRITES || octet == ALONE;
}

/* 1: locked; 0: not; -1: there is no way to tell. */
static int is_locked(int fd, int octet)
{
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = octet,
        .l_len = 1,
    };

    if (fcntl(fd, F_OFD_GETLK, &lock)) {
        return -1;
    }
    return lock.l_type != F_UNLCK;
}

/* ---- the process ---- */

/* A line of fdinfo: "lock: 1: OFDLCK ADVISORY READ -1 fd:00:1234 101 101". */
static bool is_such_a_lock(const char *line, ino_t inode)
{
    uint64_t at;
    int octet;

    return sscanf(line, "lock: %*d: %*s %*s %*s %*d %*x:%*x:%" SCNu64 " %d",
                  &at, &octet) == 2 &&
           at == (uint64_t)inode && is_ours_to_ask(octet);
}

static bool has_lock(int fdinfo, const char *name, ino_t inode)
{
    int fd = openat(fdinfo, name, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char line[256];
    bool has = false;

    if (!file) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    while (!has && fgets(line, sizeof(line), file)) {
        has = is_such_a_lock(line, inode);
    }
    fclose(file);
    return has;
}

static bool process_has_lock(const char *proc, const char *pid, ino_t inode)
{
    char path[300];
    struct dirent *entry;
    bool has = false;
    DIR *fdinfo;

    snprintf(path, sizeof(path), "%.32s/%.16s/fdinfo", proc, pid);
    fdinfo = opendir(path);
    while (fdinfo && !has && (entry = readdir(fdinfo))) {
        has = entry->d_name[0] != '.' &&
              has_lock(dirfd(fdinfo), entry->d_name, inode);
    }
    if (fdinfo) {
        closedir(fdinfo);
    }
    return has;
}

static void read_name(const char *proc, struct xl_image_lock *found)
{
    char path[64], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "%.32s/%d/comm", proc, (int)found->pid);
    file = fopen(path, "re");
    if (file) {
        if (fgets(name, sizeof(name), file)) {
            name[strcspn(name, "\n")] = '\0';
        }
        fclose(file);
    }
    lm_utf8_show(found->name, sizeof(found->name), name);
}

static bool find_process(const char *proc, ino_t inode,
                         struct xl_image_lock *found)
{
    struct dirent *entry;
    DIR *all = opendir(proc);
    bool has = false;

    while (all && !has && (entry = readdir(all))) {
        found->pid = atoi(entry->d_name); /* 0: no process */
        has = found->pid > 0 && process_has_lock(proc, entry->d_name, inode);
    }
    if (all) {
        closedir(all);
    }
    return has;
}

struct xl_image_lock xl_image_lock_look(const char *path, const char *proc)
{
    struct xl_image_lock found = {.state = XL_IMAGE_UNKNOWN};
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int writes = fd < 0 ? -1 : is_locked(fd, WRITES);
    int alone = fd < 0 ? -1 : is_locked(fd, ALONE);
    struct stat file;

    if (writes == 0 && alone == 0) {
        found.state = XL_IMAGE_FREE;
    } else if (writes >= 0 && alone >= 0 && !fstat(fd, &file)) {
        found.state = XL_IMAGE_LOCKED_ELSEWHERE;
        if (find_process(proc, file.st_ino, &found)) {
            found.state = XL_IMAGE_LOCKED_HERE;
            read_name(proc, &found);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return found;
}
