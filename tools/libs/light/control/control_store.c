/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration in xenstore: where its nodes are and what they hold.
 */
#include "control/control_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lm_store_path(char path[LM_STORE_PATH_MAX], uint32_t domid,
                   const char *node)
{
    snprintf(path, LM_STORE_PATH_MAX, "/libxl/%" PRIu32 "/live-migrate%s%s",
             domid, node ? "/" : "", node ? node : "");
}

#define COUNTER(end, field, node, what) \
    {node, offsetof(libxl_live_migrate_stats, field)},

const struct lm_store_counter lm_store_counters[] = {
    LIBXL_LIVE_MIGRATE_COUNTERS(COUNTER)};
const size_t lm_store_nr_counters = LIBXL_LIVE_MIGRATE_NR_COUNTERS;

#define OUTSIDE_COUNTER(field, node, what) \
    {node, offsetof(libxl_live_migrate_outside, field)},

const struct lm_store_counter lm_store_outside[] = {
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(OUTSIDE_COUNTER)};
const size_t lm_store_nr_outside =
    sizeof(lm_store_outside) / sizeof(lm_store_outside[0]);

/* ---- names ---- */

/* The number of a name; -1: unknown. */
#define NUMBER_OF(what) \
    int lm_store_##what(const char *name) \
    { \
        libxl_live_migrate_##what value; \
\
        return libxl_live_migrate_##what##_from_string(name, &value) \
                   ? -1 \
                   : (int)value; \
    }

NUMBER_OF(role)
NUMBER_OF(state)
NUMBER_OF(phase)
NUMBER_OF(build)

/* ---- nodes ---- */

char *lm_store_read(struct xs_handle *xs, xs_transaction_t transaction,
                    uint32_t domid, const char *node)
{
    char path[LM_STORE_PATH_MAX];
    unsigned int length;

    lm_store_path(path, domid, node);
    /* libxenstore appends a zero to what it has read. */
    return xs_read(xs, transaction, path, &length);
}

uint64_t lm_store_read_number(struct xs_handle *xs, uint32_t domid,
                              const char *node)
{
    char *text = lm_store_read(xs, XBT_NULL, domid, node);
    uint64_t number = text ? strtoull(text, NULL, 10) : 0;

    free(text);
    return number;
}

int lm_store_read_name(struct xs_handle *xs, xs_transaction_t transaction,
                       uint32_t domid, const char *node,
                       int (*number_of)(const char *name))
{
    char *text = lm_store_read(xs, transaction, domid, node);
    int number = text ? number_of(text) : -1;

    free(text);
    return number;
}

void lm_store_read_text(struct xs_handle *xs, xs_transaction_t transaction,
                        uint32_t domid, const char *node, char *text,
                        size_t room)
{
    char *value = lm_store_read(xs, transaction, domid, node);

    snprintf(text, room, "%s", value ? value : "");
    free(value);
}

size_t lm_store_read_list(struct xs_handle *xs, xs_transaction_t transaction,
                          uint32_t domid, const char *node, uint64_t *numbers,
                          size_t room)
{
    char *value = lm_store_read(xs, transaction, domid, node);
    const char *at = value;
    size_t count = 0;

    while (at && count < room) {
        char *end;

        numbers[count] = strtoull(at, &end, 10);
        if (end == at) {
            break;
        }
        count++;
        at = end;
    }
    free(value);
    return count;
}

struct xlm_mark lm_store_read_mark(struct xs_handle *xs,
                                   xs_transaction_t transaction,
                                   uint32_t domid)
{
    uint64_t numbers[LM_STORE_MARK] = {0};

    /* Zeroes at the end were not written. */
    return (struct xlm_mark){
        .is_set = lm_store_read_list(xs, transaction, domid, "mark", numbers,
                                     LM_STORE_MARK),
        .tot_pages = numbers[0],
        .cpu_ns = numbers[1],
        .anchor = numbers[2],
    };
}

/* ---- processes ---- */

uint64_t lm_process_start(pid_t pid)
{
    char path[32], text[1024];
    uint64_t start = 0;
    const char *at;
    FILE *file;
    int field;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    /* The second field is in brackets, and may contain any characters; the
     * start is the 22nd field. */
    at = strrchr(text, ')');
    if (at && at[1] && (at[2] == 'Z' || at[2] == 'X')) {
        return 0; /* dead, and its parent has not noticed */
    }
    for (field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at) {
        start = strtoull(at, NULL, 10);
    }
    return start;
}

bool lm_store_is_busy(struct xs_handle *xs, xs_transaction_t transaction,
                      uint32_t domid)
{
    char *state = lm_store_read(xs, transaction, domid, "state");
    char *role = lm_store_read(xs, transaction, domid, "role");
    int number = state ? lm_store_state(state) : -1;
    bool waits = role &&
                 lm_store_role(role) == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION &&
                 number == LIBXL_LIVE_MIGRATE_STATE_PAUSED;

    free(state);
    free(role);
    return waits || number == LIBXL_LIVE_MIGRATE_STATE_RUNNING;
}

bool lm_store_owner_lives(struct xs_handle *xs, xs_transaction_t transaction,
                          uint32_t domid)
{
    char *pid = lm_store_read(xs, transaction, domid, "pid");
    char *start = lm_store_read(xs, transaction, domid, "start-time");
    uint64_t now = 0;
    bool lives;

    if (pid && start) {
        now = lm_process_start(atoi(pid));
    }
    lives = now && now == strtoull(start, NULL, 10);
    free(pid);
    free(start);
    return lives;
}

void lm_store_forget(uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    char path[LM_STORE_PATH_MAX];

    if (!xs) {
        return;
    }
    if (!lm_store_owner_lives(xs, XBT_NULL, domid)) {
        lm_store_path(path, domid, NULL);
        xs_rm(xs, XBT_NULL, path);
    }
    xs_close(xs);
}
