/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The list of migrations that have ended.
 */
#include "control/completed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxl.h>
#include <yajl/yajl_tree.h>

#include "control/control_store.h"
#include "json_bounds.h"
#include "keeping/memo.h"

#define FILE_NAME "completed"
#define FILE_NEW "completed.new"

/* ---- the file ---- */

/* The whole file with a 0 behind it, which the caller must free; NULL with
 * errno. */
static char *read_all(int directory, size_t *length)
{
    int fd = openat(directory, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *text = fd >= 0 ? malloc(LM_COMPLETED_MAX + 1) : NULL;
    ssize_t got = 1;

    *length = 0;
    while (text && got > 0 && *length < LM_COMPLETED_MAX) {
        got = read(fd, text + *length, LM_COMPLETED_MAX - *length);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        *length += got > 0 ? got : 0;
    }
    if (text && got < 0) {
        free(text);
        text = NULL;
    }
    if (text) {
        text[*length] = '\0';
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

static int write_file(int directory, const char *name, int flags,
                      const char *text, size_t length)
{
    int fd = openat(directory, name,
                    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    ssize_t written;

    if (fd < 0) {
        return -1;
    }
    /* In one call: a reader finds whole lines, or an incomplete last one. */
    written = write(fd, text, length);
    if (close(fd) || written < 0) {
        return -1;
    }
    errno = ENOSPC;
    return (size_t)written == length ? 0 : -1;
}

/* To make room for a line of this length. */
static void drop_older_half(int directory, size_t coming)
{
    size_t length;
    char *text = read_all(directory, &length);
    const char *half;

    if (text && length + coming > LM_COMPLETED_MAX) {
        half = strchr(text + length / 2, '\n');
        half = half ? half + 1 : text + length;
        if (!write_file(directory, FILE_NEW, O_TRUNC, half,
                        text + length - half)) {
            renameat(directory, FILE_NEW, directory, FILE_NAME);
        }
    }
    free(text);
}

static int append(int directory, const char *json)
{
    char *line;
    int rc, length = asprintf(&line, "%s\n", json);

    if (length < 0) {
        return -1;
    }
    drop_older_half(directory, length);
    rc = write_file(directory, FILE_NAME, O_APPEND, line, length);
    free(line);
    return rc;
}

int lm_completed_put(const libxl_live_migrate_status *status)
{
    char *json = libxl_live_migrate_status_to_json(status);
    int directory = json ? lm_memo_open() : -1;
    int rc = -1;

    if (directory >= 0 && !flock(directory, LOCK_EX)) {
        rc = append(directory, json);
    }
    if (directory >= 0) {
        close(directory); /* this also unlocks */
    }
    free(json);
    return rc;
}

/* ---- a line ---- */

static const char *text_of(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};

    return YAJL_GET_STRING(yajl_tree_get(object, path, yajl_t_string));
}

/* Parsed from the text, because the tree's own numbers have a sign. */
static uint64_t number_of(yajl_val value)
{
    return value && YAJL_IS_NUMBER(value)
               ? strtoull(YAJL_GET_NUMBER(value), NULL, 10)
               : 0;
}

static uint64_t number_at(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};

    return number_of(yajl_tree_get(object, path, yajl_t_number));
}

static uint32_t list_at(yajl_val object, const char *name, uint64_t *numbers,
                        size_t room)
{
    const char *path[] = {name, NULL};
    yajl_val list = yajl_tree_get(object, path, yajl_t_array);
    size_t count = list ? list->u.array.len : 0;

    for (size_t i = 0; i < count && i < room; i++) {
        numbers[i] = number_of(list->u.array.values[i]);
    }
    return count < room ? count : room;
}

static void take_text(char *text, size_t room, const char *found)
{
    snprintf(text, room, "%s", found ? found : "");
}

static void take_numbers(yajl_val object, libxl_live_migrate_status *status)
{
    libxl_live_migrate_waits *waits = &status->stats.waits;
    const char *unlimited[] = {"background-rate", NULL};

    status->domid = number_at(object, "domid");
    status->pid = number_at(object, "pid");
    status->ended_at = number_at(object, "ended-at");
    status->elapsed_us = number_at(object, "elapsed-ms") * 1000;
    status->background_rate = yajl_tree_get(object, unlimited, yajl_t_null)
                                  ? LIBXL_LIVE_MIGRATE_RATE_UNLIMITED
                                  : number_at(object, "background-rate");
    for (size_t i = 0; i < lm_store_nr_counters; i++) {
        *lm_store_counter(&status->stats, &lm_store_counters[i]) =
            number_at(object, lm_store_counters[i].name);
    }
    for (size_t i = 0; i < lm_store_nr_outside; i++) {
        *lm_store_outside_counter(&status->outside, &lm_store_outside[i]) =
            number_at(object, lm_store_outside[i].name);
    }
    list_at(object, "fault-histogram", waits->histogram,
            LIBXL_LIVE_MIGRATE_WAIT_BUCKETS);
    waits->nr_vcpus = list_at(object, "vcpu-blocked-us", waits->blocked_us,
                              LIBXL_LIVE_MIGRATE_WAIT_VCPUS);
}

/* The three words that a status must have; others may be missing. */
static bool take_words(yajl_val object, libxl_live_migrate_status *status)
{
    const char *role = text_of(object, "role");
    const char *state = text_of(object, "state");
    const char *phase = text_of(object, "phase");
    const char *build = text_of(object, "build");

    if (build) {
        (void)libxl_live_migrate_build_from_string(build, &status->build);
    }
    take_text(status->name, sizeof(status->name), text_of(object, "name"));
    take_text(status->reason, sizeof(status->reason),
              text_of(object, "reason"));
    take_text(status->late_reason, sizeof(status->late_reason),
              text_of(object, "late-reason"));
    return role && state && phase &&
           !libxl_live_migrate_role_from_string(role, &status->role) &&
           !libxl_live_migrate_state_from_string(state, &status->state) &&
           !libxl_live_migrate_phase_from_string(phase, &status->phase);
}

bool lm_completed_parse(const char *line, size_t length,
                        libxl_live_migrate_status *status)
{
    libxl_live_migrate_status found = {
        .build = LIBXL_LIVE_MIGRATE_BUILD_ANY,
    };
    char *text = strndup(line, length);
    yajl_val object = text && !lm_json_problem(text, length)
                          ? yajl_tree_parse(text, NULL, 0)
                          : NULL;
    bool good = YAJL_IS_OBJECT(object) && take_words(object, &found);

    if (good) {
        take_numbers(object, &found);
        *status = found;
    }
    yajl_tree_free(object);
    free(text);
    return good;
}

/* ---- all of them ---- */

static size_t count_lines(const char *text)
{
    size_t count = 0;

    while ((text = strchr(text, '\n'))) {
        text++;
        count++;
    }
    return count;
}

static void take_lines(const char *text, libxl_live_migrate_status *list,
                       int *count)
{
    const char *end;

    for (; (end = strchr(text, '\n')); text = end + 1) {
        if (lm_completed_parse(text, end - text, &list[*count])) {
            *count += 1;
        }
    }
}

int libxl_live_migrate_list_completed(libxl_live_migrate_status **list,
                                      int *count)
{
    int directory = lm_memo_open();
    size_t length = 0;
    char *text = NULL;
    int rc = ERROR_FAIL;

    *list = NULL;
    *count = 0;
    if (directory < 0) {
        goto out;
    }
    text = read_all(directory, &length);
    if (!text && errno != ENOENT) {
        goto out;
    }
    *list = calloc(count_lines(text ? text : "") + 1, sizeof(**list));
    if (!*list) {
        rc = ERROR_NOMEM;
        goto out;
    }
    take_lines(text ? text : "", *list, count);
    rc = 0;

out:
    if (directory >= 0) {
        close(directory);
    }
    free(text);
    return rc;
}
