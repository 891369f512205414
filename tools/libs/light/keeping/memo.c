/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a host keeps of the migrations that it has received.
 *
 * How a migration ended is the target of a symbolic link, which is either made
 * with all of its text, or not at all.
 */
#include "keeping/memo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Like xenstore, it is gone when the host has booted: then none of the guests
 * is left. */
#ifndef LM_MEMO_PARENT
#define LM_MEMO_PARENT "/run/xen"
#endif
#define LM_MEMO_DIR LM_MEMO_PARENT "/live-migrate"

/* ---- ids ---- */

void lm_id_to_text(const uint8_t id[LM_ID_SIZE], char text[LM_ID_TEXT])
{
    for (int i = 0; i < LM_ID_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    }
}

static int digit(char letter)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = letter ? strchr(digits, letter) : NULL;

    return found ? (int)(found - digits) : -1;
}

int lm_id_from_text(const char *text, uint8_t id[LM_ID_SIZE])
{
    if (strlen(text) != LM_ID_TEXT - 1) {
        return -1;
    }
    for (int i = 0; i < LM_ID_SIZE; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return -1;
        }
        id[i] = 16 * high + low;
    }
    return 0;
}

/* ---- the directory ---- */

/* The contents decide whether a guest may run: only this user may write
 * there. */
static bool is_private(int directory)
{
    struct stat status;

    return !fstat(directory, &status) && status.st_uid == geteuid() &&
           !(status.st_mode & 077);
}

int lm_memo_open(void)
{
    int directory;

    if ((mkdir(LM_MEMO_PARENT, 0755) && errno != EEXIST) ||
        (mkdir(LM_MEMO_DIR, 0700) && errno != EEXIST)) {
        return -1;
    }
    directory =
        open(LM_MEMO_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory >= 0 && !is_private(directory)) {
        close(directory);
        errno = EPERM;
        return -1;
    }
    return directory;
}

void lm_memo_name(const uint8_t id[LM_ID_SIZE], const char *suffix,
                  char name[LM_MEMO_NAME_MAX])
{
    char text[LM_ID_TEXT];

    lm_id_to_text(id, text);
    snprintf(name, LM_MEMO_NAME_MAX, "%s%s", text, suffix);
}

/* ---- how it ended ---- */

static const struct {
    enum xlm_guest_state state;
    const char *name;
} outcomes[] = {
    {XLM_GUEST_NEVER_RAN, "never-ran"},
    {XLM_GUEST_COMPLETE, "complete"},
    {XLM_GUEST_ENDED, "ended"},
    {XLM_GUEST_LOST, "lost"},
};
#define NR_OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))

static int make_link(int directory, const char *target, const char *name)
{
    int rc = symlinkat(target, directory, name);

    return rc && errno == EEXIST ? 0 : rc;
}

static bool is_outcome(const char *name)
{
    size_t length = strlen(name);

    return length == LM_ID_TEXT - 1 + strlen(LM_MEMO_OUTCOME) &&
           !strcmp(name + LM_ID_TEXT - 1, LM_MEMO_OUTCOME);
}

static bool is_older(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec != other->tv_sec ? one->tv_sec < other->tv_sec
                                        : one->tv_nsec < other->tv_nsec;
}

/* How many outcomes there are, and the name of the oldest, "" if none can be
 * looked at. */
static size_t count_outcomes(DIR *entries, char oldest[LM_MEMO_NAME_MAX])
{
    struct timespec since = {0};
    const struct dirent *entry;
    size_t count = 0;

    *oldest = '\0';
    rewinddir(entries);
    while ((entry = readdir(entries))) {
        struct stat status;

        if (!is_outcome(entry->d_name)) {
            continue;
        }
        count++;
        if (!fstatat(dirfd(entries), entry->d_name, &status,
                     AT_SYMLINK_NOFOLLOW) &&
            (!*oldest || is_older(&status.st_mtim, &since))) {
            since = status.st_mtim;
            memcpy(oldest, entry->d_name, strlen(entry->d_name) + 1);
        }
    }
    return count;
}

void lm_memo_forget(int directory, size_t most)
{
    /* closedir() closes it, and reading moves its offset. */
    int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = own < 0 ? NULL : fdopendir(own);
    char oldest[LM_MEMO_NAME_MAX];

    if (!entries) {
        if (own >= 0) {
            close(own);
        }
        return;
    }
    while (count_outcomes(entries, oldest) > most && *oldest &&
           !unlinkat(directory, oldest, 0)) {
    }
    closedir(entries);
}

int lm_memo_put(const uint8_t id[LM_ID_SIZE], enum xlm_guest_state state)
{
    char name[LM_MEMO_NAME_MAX];
    int directory, rc = -1;

    if (state == XLM_GUEST_UNKNOWN) {
        return 0;
    }
    directory = lm_memo_open();
    if (directory < 0) {
        return -1;
    }
    lm_memo_name(id, LM_MEMO_OUTCOME, name);
    for (size_t i = 0; i < NR_OUTCOMES; i++) {
        if (outcomes[i].state == state) {
            rc = make_link(directory, outcomes[i].name, name);
        }
    }
    lm_memo_forget(directory, LM_MEMO_OUTCOMES);
    close(directory);
    return rc;
}

enum xlm_guest_state lm_memo_get(const uint8_t id[LM_ID_SIZE])
{
    char name[LM_MEMO_NAME_MAX], target[LM_MEMO_SUFFIX_MAX] = "";
    int directory = lm_memo_open();
    ssize_t length;

    if (directory < 0) {
        return XLM_GUEST_UNKNOWN;
    }
    lm_memo_name(id, LM_MEMO_OUTCOME, name);
    length = readlinkat(directory, name, target, sizeof(target) - 1);
    close(directory);
    for (size_t i = 0; length > 0 && i < NR_OUTCOMES; i++) {
        if (!strcmp(target, outcomes[i].name)) {
            return outcomes[i].state;
        }
    }
    return XLM_GUEST_UNKNOWN;
}

/* ---- who receives it ---- */

void lm_memo_address(int directory, const uint8_t id[LM_ID_SIZE],
                     struct sockaddr_un *address)
{
    char name[LM_MEMO_NAME_MAX];

    lm_memo_name(id, LM_MEMO_ADDRESS, name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path),
             "/proc/self/fd/%d/%s", directory, name);
}

void lm_memo_remove_address(int directory, const uint8_t id[LM_ID_SIZE])
{
    char name[LM_MEMO_NAME_MAX];

    lm_memo_name(id, LM_MEMO_ADDRESS, name);
    unlinkat(directory, name, 0);
}
