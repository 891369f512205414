/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a receiver keeps for a process that takes its place.
 */
#include "keeping/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pager/kept.h"

#define LM_KEPT_VERSION 5
/* The pager's words begin here, so the state before them may grow. */
#define LM_KEPT_HEAD 4096

/* A process that only looks locks the file for moments. */
#define LM_KEPT_TRIES 50
#define LM_KEPT_PAUSE_MS 20

_Static_assert(sizeof(struct lm_kept_state) <= LM_KEPT_HEAD, "room for it");

static size_t octets_for(uint64_t pfns)
{
    return LM_KEPT_HEAD + xlm_kept_words(pfns) * sizeof(unsigned long);
}

/* ---- the file ---- */

static int open_file(const uint8_t id[LM_ID_SIZE], int flags)
{
    int directory = lm_memo_open();
    char name[LM_MEMO_NAME_MAX];
    int fd;

    if (directory < 0) {
        return -1;
    }
    lm_memo_name(id, LM_MEMO_KEPT, name);
    fd =
        openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    close(directory);
    return fd;
}

static void remove_file(const uint8_t id[LM_ID_SIZE])
{
    int directory = lm_memo_open();
    char name[LM_MEMO_NAME_MAX];

    if (directory >= 0) {
        lm_memo_name(id, LM_MEMO_KEPT, name);
        unlinkat(directory, name, 0);
        close(directory);
    }
}

static int lock(int fd)
{
    for (int i = 0; i < LM_KEPT_TRIES; i++) {
        if (!flock(fd, LOCK_EX | LOCK_NB)) {
            return 0;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return -1;
        }
        poll(NULL, 0, LM_KEPT_PAUSE_MS);
    }
    errno = EBUSY;
    return -1;
}

static int map(struct lm_kept *kept, size_t octets)
{
    void *mapping =
        mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED, kept->fd, 0);

    if (mapping == MAP_FAILED) {
        return -1;
    }
    kept->state = mapping;
    return 0;
}

static void abandon(struct lm_kept *kept)
{
    int saved_errno = errno;

    if (kept->fd >= 0) {
        close(kept->fd);
    }
    *kept = LM_KEPT_NONE;
    errno = saved_errno;
}

/* Allocate the file's room at once: a later write to the mapping could not
 * report a full file system. */
static int make_room(const struct lm_kept *kept, size_t octets)
{
    errno = posix_fallocate(kept->fd, 0, octets);
    return errno ? -1 : 0;
}

int lm_kept_create(struct lm_kept *kept, const struct xlm_identity *identity,
                   uint32_t domid, const uint8_t handle[16])
{
    size_t octets = octets_for(identity->pfns);

    *kept = LM_KEPT_NONE;
    kept->fd = open_file(identity->id, O_CREAT | O_EXCL);
    if (kept->fd < 0) {
        return -1;
    }
    if (lock(kept->fd) || make_room(kept, octets) || map(kept, octets)) {
        remove_file(identity->id);
        abandon(kept);
        return -1;
    }
    kept->state->domid = domid;
    memcpy(kept->state->handle, handle, sizeof(kept->state->handle));
    kept->state->identity = *identity;
    kept->state->version = LM_KEPT_VERSION;
    return 0;
}

/* Enough of it to be read. */
static int read_state(int fd, struct lm_kept_state *state)
{
    struct stat status;

    if (fstat(fd, &status) ||
        pread(fd, state, sizeof(*state), 0) != sizeof(*state) ||
        state->version != LM_KEPT_VERSION ||
        state->identity.pfns > XLM_PFN_LIMIT ||
        (size_t)status.st_size < octets_for(state->identity.pfns)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* The former owner of the lock may have removed the file. */
static int check_linked(const struct lm_kept *kept)
{
    struct stat status;

    if (fstat(kept->fd, &status)) {
        return -1;
    }
    errno = ENOENT;
    return status.st_nlink ? 0 : -1;
}

static int open_kept(struct lm_kept *kept, const uint8_t id[LM_ID_SIZE],
                     const struct xlm_identity *identity)
{
    struct lm_kept_state state;

    kept->fd = open_file(id, 0);
    if (kept->fd < 0 || read_state(kept->fd, &state)) {
        return -1;
    }
    if (identity && !xlm_is_same(&state.identity, identity)) {
        errno = ENOENT;
        return -1;
    }
    if (lock(kept->fd) || check_linked(kept) ||
        map(kept, octets_for(state.identity.pfns))) {
        return -1;
    }
    kept->state->name[LM_KEPT_NAME_SIZE - 1] = '\0';
    return 0;
}

int lm_kept_open(struct lm_kept *kept, const uint8_t id[LM_ID_SIZE],
                 const struct xlm_identity *identity)
{
    *kept = LM_KEPT_NONE;
    if (open_kept(kept, id, identity)) {
        abandon(kept);
        return -1;
    }
    return 0;
}

void lm_kept_close(struct lm_kept *kept, bool remove)
{
    if (kept->fd < 0) {
        return;
    }
    if (remove) {
        remove_file(kept->state->identity.id);
    }
    munmap(kept->state, octets_for(kept->state->identity.pfns));
    close(kept->fd);
    *kept = LM_KEPT_NONE;
}

unsigned long *lm_kept_words(const struct lm_kept *kept)
{
    return (unsigned long *)((char *)kept->state + LM_KEPT_HEAD);
}

bool lm_kept_lacks_pages(const struct lm_kept *kept)
{
    const unsigned long *words = xlm_kept_outstanding(lm_kept_words(kept));
    size_t count = xlm_pfn_set_words(kept->state->identity.pfns);

    while (count && !words[count - 1]) {
        count--;
    }
    return count;
}

/* ---- looking ---- */

static bool is_of_domain(int fd, uint32_t domid, const uint8_t handle[16],
                         struct lm_kept_state *state)
{
    return fd >= 0 && !read_state(fd, state) && state->domid == domid &&
           !memcmp(state->handle, handle, sizeof(state->handle));
}

/* The owner writes meanwhile: each bit was true at some moment. */
static int count_outstanding(int fd, struct lm_kept_view *view)
{
    size_t words = xlm_pfn_set_words(view->state.identity.pfns);
    size_t octets = octets_for(view->state.identity.pfns);
    char *mapping = mmap(NULL, octets, PROT_READ, MAP_SHARED, fd, 0);
    const unsigned long *set;

    if (mapping == MAP_FAILED) {
        return -1;
    }
    set = (const unsigned long *)(mapping + LM_KEPT_HEAD);
    view->outstanding = 0;
    for (size_t i = 0; i < words; i++) {
        view->outstanding += __builtin_popcountl(set[i]);
    }
    munmap(mapping, octets);
    return 0;
}

/* A shared lock, which is gone with the descriptor: a process that wants the
 * file alone tries for longer. */
static int look_at(int fd, struct lm_kept_view *view)
{
    view->attended = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    view->state.name[LM_KEPT_NAME_SIZE - 1] = '\0';
    return count_outstanding(fd, view);
}

static bool is_kept_name(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot && !strcmp(dot, LM_MEMO_KEPT);
}

/* 0: it is that domain's; 1: it is not; -1 with errno. */
static int look_into(int directory, const char *name, uint32_t domid,
                     const uint8_t handle[16], struct lm_kept_view *view)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int rc = 1;

    if (is_of_domain(fd, domid, handle, &view->state)) {
        rc = look_at(fd, view);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

/* Another domain may have had the number before, and left its file: a file
 * that a process has locked is the right one. */
static int look_through(DIR *files, uint32_t domid, const uint8_t handle[16],
                        struct lm_kept_view *view)
{
    struct lm_kept_view one;
    struct dirent *entry;
    bool found = false;

    while ((entry = readdir(files)) != NULL && !(found && view->attended)) {
        int rc;

        if (!is_kept_name(entry->d_name)) {
            continue;
        }
        rc = look_into(dirfd(files), entry->d_name, domid, handle, &one);
        if (rc < 0) {
            return -1;
        }
        if (!rc) {
            *view = one;
            found = true;
        }
    }
    errno = ENOENT;
    return found ? 0 : -1;
}

int lm_kept_look(uint32_t domid, const uint8_t handle[16], const uint8_t *id,
                 struct lm_kept_view *view)
{
    int directory = lm_memo_open(), error;
    char name[LM_MEMO_NAME_MAX];
    DIR *files;
    int rc = 1;

    files = directory < 0 ? NULL : fdopendir(directory);
    if (!files) {
        error = errno;
        if (directory >= 0) {
            close(directory);
        }
        errno = error;
        return -1;
    }
    if (id) {
        lm_memo_name(id, LM_MEMO_KEPT, name);
        rc = look_into(directory, name, domid, handle, view);
    }
    if (rc > 0) {
        rc = look_through(files, domid, handle, view);
    }
    error = errno;
    closedir(files);
    errno = error;
    return rc;
}
