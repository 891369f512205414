/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Other programs' side of a migration: list migrations, and make requests.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>

#include "clock.h"
#include "control/control_policy.h"
#include "control/control_store.h"

/* How often to check whether the process that must answer still lives. */
#define LOOK_MS 1000
#define TRIES 10

/* ---- looking ---- */

static uint64_t read_rate(struct xs_handle *xs, uint32_t domid)
{
    char text[32];

    lm_store_read_text(xs, XBT_NULL, domid, "background-rate", text,
                       sizeof(text));
    return text[0] >= '0' && text[0] <= '9'
               ? strtoull(text, NULL, 10)
               : LIBXL_LIVE_MIGRATE_RATE_UNLIMITED;
}

/* Say what to do, in place of the process that is gone. */
static void explain_death(libxl_live_migrate_status *status)
{
    const char *what = "";

    if (status->phase >= LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED) {
        what = status->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE
                   ? "the process was killed while the guest was stopped or "
                     "after that: xl migrate-recover asks the destination, "
                     "and goes on"
                   : "the process was killed that brought the guest its "
                     "memory: xl migrate-recover at the source starts another "
                     "one here, until when the guest is paused";
    }
    snprintf(status->reason, sizeof(status->reason), "%s", what);
}

static void read_waits(struct xs_handle *xs, uint32_t domid,
                       libxl_live_migrate_waits *waits)
{
    lm_store_read_list(xs, XBT_NULL, domid, "fault-histogram",
                       waits->histogram, LIBXL_LIVE_MIGRATE_WAIT_BUCKETS);
    waits->nr_vcpus =
        lm_store_read_list(xs, XBT_NULL, domid, "vcpu-blocked-us",
                           waits->blocked_us, LIBXL_LIVE_MIGRATE_WAIT_VCPUS);
}

/* False: there is none, or it is being removed. */
static bool read_status(struct xs_handle *xs, uint32_t domid,
                        libxl_live_migrate_status *status)
{
    int role = lm_store_read_name(xs, XBT_NULL, domid, "role", lm_store_role);
    int state =
        lm_store_read_name(xs, XBT_NULL, domid, "state", lm_store_state);
    int build =
        lm_store_read_name(xs, XBT_NULL, domid, "build", lm_store_build);
    int phase =
        lm_store_read_name(xs, XBT_NULL, domid, "phase", lm_store_phase);

    if (role < 0 || state < 0) {
        return false;
    }
    *status = (libxl_live_migrate_status){
        .domid = domid,
        .role = role,
        .state = state,
        .phase = phase < 0 ? LIBXL_LIVE_MIGRATE_PHASE_START : phase,
        .pid = lm_store_read_number(xs, domid, "pid"),
        .elapsed_us = lm_store_read_number(xs, domid, "elapsed-ms") * 1000,
        .background_rate = read_rate(xs, domid),
        .build = build < 0 ? LIBXL_LIVE_MIGRATE_BUILD_ANY : build,
    };
    lm_store_read_text(xs, XBT_NULL, domid, "name", status->name,
                       sizeof(status->name));
    lm_store_read_text(xs, XBT_NULL, domid, "reason", status->reason,
                       sizeof(status->reason));
    lm_store_read_text(xs, XBT_NULL, domid, "late-reason", status->late_reason,
                       sizeof(status->late_reason));
    if (lm_store_is_busy(xs, XBT_NULL, domid) &&
        !lm_store_owner_lives(xs, XBT_NULL, domid)) {
        status->state = LIBXL_LIVE_MIGRATE_STATE_KILLED;
        explain_death(status);
    }
    for (size_t i = 0; i < lm_store_nr_counters; i++) {
        *lm_store_counter(&status->stats, &lm_store_counters[i]) =
            lm_store_read_number(xs, domid, lm_store_counters[i].name);
    }
    for (size_t i = 0; i < lm_store_nr_outside; i++) {
        *lm_store_outside_counter(&status->outside, &lm_store_outside[i]) =
            lm_store_read_number(xs, domid, lm_store_outside[i].name);
    }
    read_waits(xs, domid, &status->stats.waits);
    return true;
}

int libxl_live_migrate_list(libxl_live_migrate_status **list, int *count)
{
    struct xs_handle *xs = xs_open(0);
    unsigned int nr_domains = 0;
    char **domains = NULL;
    int rc = ERROR_FAIL;

    *list = NULL;
    *count = 0;
    if (!xs) {
        goto out;
    }
    domains = xs_directory(xs, XBT_NULL, "/libxl", &nr_domains);
    if (!domains && errno != ENOENT) {
        goto out;
    }
    *list = calloc(nr_domains + 1, sizeof(**list));
    if (!*list) {
        rc = ERROR_NOMEM;
        goto out;
    }
    for (unsigned int i = 0; domains && i < nr_domains; i++) {
        char *end;
        uint32_t domid = strtoul(domains[i], &end, 10);

        if (!*end && read_status(xs, domid, *list + *count)) {
            *count += 1;
        }
    }
    rc = 0;

out:
    free(domains);
    xs_close(xs);
    return rc;
}

void libxl_live_migrate_status_list_free(libxl_live_migrate_status *list,
                                         int count)
{
    (void)count; /* the elements own nothing so far */
    free(list);
}

/* ---- asking ---- */

struct asking {
    struct xs_handle *xs;
    uint32_t domid;
    char request[64];
    char id[48]; /* of this request and no other */
    char answer[LM_STORE_VALUE_MAX];
    char *reason; /* the caller's */
};

static int refuse(struct asking *asking, int rc, const char *why)
{
    snprintf(asking->reason, LIBXL_LIVE_MIGRATE_REASON_MAX, "%.*s",
             LIBXL_LIVE_MIGRATE_REASON_MAX - 1, why);
    return rc;
}

static void id_path(const struct asking *asking, const char *directory,
                    char path[LM_STORE_PATH_MAX])
{
    char node[64];

    snprintf(node, sizeof(node), "%s/%s", directory, asking->id);
    lm_store_path(path, asking->domid, node);
}

static bool domain_exists(struct asking *asking)
{
    char path[LM_STORE_PATH_MAX];
    unsigned int length;
    bool exists;
    void *value;

    snprintf(path, sizeof(path), "/libxl/%" PRIu32, asking->domid);
    value = xs_read(asking->xs, XBT_NULL, path, &length);
    exists = value;
    free(value);
    return exists;
}

/* Only to a migration that will read it: in one transaction, because the
 * migration may end at any time, and its nodes must not come back then. */
static int put_request(struct asking *asking, xs_transaction_t t)
{
    char path[LM_STORE_PATH_MAX];
    char *state = lm_store_read(asking->xs, t, asking->domid, "state");
    bool running =
        state && lm_store_state(state) == LIBXL_LIVE_MIGRATE_STATE_RUNNING;
    bool paused =
        state && lm_store_state(state) == LIBXL_LIVE_MIGRATE_STATE_PAUSED;
    bool any = state;

    free(state);
    if (paused) {
        return refuse(asking, ERROR_NOTFOUND,
                      "its migration is paused: xl migrate-recover at the "
                      "source goes on");
    }
    if (!running) {
        return refuse(asking, ERROR_NOTFOUND,
                      any ? "its migration has ended"
                          : "no migration of it is under way");
    }
    if (!lm_store_owner_lives(asking->xs, t, asking->domid)) {
        return refuse(asking, ERROR_NOTFOUND,
                      "no answer: the process that migrated it was "
                      "killed");
    }
    id_path(asking, "request", path);
    return xs_write(asking->xs, t, path, asking->request,
                    strlen(asking->request))
               ? 0
               : refuse(asking, ERROR_FAIL, strerror(errno));
}

static int ask(struct asking *asking)
{
    for (int i = 0; i < TRIES; i++) {
        xs_transaction_t t = xs_transaction_start(asking->xs);
        int rc;

        if (t == XBT_NULL) {
            return refuse(asking, ERROR_FAIL, strerror(errno));
        }
        rc = put_request(asking, t);
        if (xs_transaction_end(asking->xs, t, rc != 0) || rc) {
            return rc;
        }
        if (errno != EAGAIN) {
            break;
        }
    }
    return refuse(asking, ERROR_FAIL, strerror(errno));
}

static bool is_answered(struct asking *asking)
{
    char node[64], path[LM_STORE_PATH_MAX];

    snprintf(node, sizeof(node), "answer/%s", asking->id);
    lm_store_read_text(asking->xs, XBT_NULL, asking->domid, node,
                       asking->answer, sizeof(asking->answer));
    if (!asking->answer[0]) {
        return false;
    }
    id_path(asking, "answer", path);
    xs_rm(asking->xs, XBT_NULL, path);
    return true;
}

static void await_event(struct asking *asking, int ms)
{
    struct pollfd poller = {.fd = xs_fileno(asking->xs), .events = POLLIN};
    char **event;

    poll(&poller, 1, ms);
    while ((event = xs_check_watch(asking->xs)) != NULL) {
        free(event);
    }
}

static int take_back(struct asking *asking)
{
    char path[LM_STORE_PATH_MAX];

    /* In this order: without the request no answer comes. */
    id_path(asking, "request", path);
    xs_rm(asking->xs, XBT_NULL, path);
    id_path(asking, "answer", path);
    xs_rm(asking->xs, XBT_NULL, path);
    return refuse(asking, ERROR_TIMEDOUT, "it does not answer in time");
}

static int await_answer(struct asking *asking, int timeout_ms)
{
    uint64_t until_us = xlm_now_us() + (uint64_t)timeout_ms * 1000;

    while (!is_answered(asking)) {
        uint64_t now_us = xlm_now_us();
        uint64_t left_ms = until_us > now_us ? (until_us - now_us) / 1000 : 0;

        if (!lm_store_owner_lives(asking->xs, XBT_NULL, asking->domid) &&
            !is_answered(asking)) {
            return refuse(asking, ERROR_NOTFOUND,
                          "its migration ended before it answered");
        }
        if (!left_ms) {
            return take_back(asking);
        }
        await_event(asking, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
    }
    if (!strcmp(asking->answer, LM_ANSWER_OK)) {
        return 0;
    }
    if (strncmp(asking->answer, LM_ANSWER_ERROR, strlen(LM_ANSWER_ERROR))) {
        return refuse(asking, ERROR_INVAL, "its answer cannot be understood");
    }
    return refuse(asking, ERROR_INVAL,
                  asking->answer + strlen(LM_ANSWER_ERROR));
}

static bool spell(struct asking *asking, libxl_live_migrate_command command,
                  uint64_t rate)
{
    const char *name = libxl_live_migrate_command_to_string(command);
    char *text = asking->request;
    size_t room = sizeof(asking->request);

    if (!name) {
        return false;
    }
    if (command != LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE) {
        snprintf(text, room, "%s", name);
    } else if (rate == LIBXL_LIVE_MIGRATE_RATE_UNLIMITED) {
        snprintf(text, room, "%s unlimited", name);
    } else {
        snprintf(text, room, "%s %" PRIu64, name, rate);
    }
    return true;
}

static int request(struct asking *asking, int timeout_ms)
{
    char path[LM_STORE_PATH_MAX];
    int rc;

    if (!domain_exists(asking)) {
        return refuse(asking, ERROR_DOMAIN_NOTFOUND,
                      "there is no such domain");
    }
    id_path(asking, "answer", path);
    if (!xs_watch(asking->xs, path, asking->id)) {
        return refuse(asking, ERROR_FAIL, strerror(errno));
    }
    rc = ask(asking);
    return rc ? rc : await_answer(asking, timeout_ms);
}

/* Unique to this process and this request: others may make theirs at the same
 * time. */
static void take_id(struct asking *asking)
{
    static atomic_uint taken;

    snprintf(asking->id, sizeof(asking->id), "%d-%" PRIu64 "-%u",
             (int)getpid(), xlm_now_us(), atomic_fetch_add(&taken, 1));
}

int libxl_live_migrate_request(uint32_t domid,
                               libxl_live_migrate_command command,
                               uint64_t rate, int timeout_ms, char *reason)
{
    char unheard[LIBXL_LIVE_MIGRATE_REASON_MAX];
    struct asking asking = {
        .domid = domid,
        .reason = reason ? reason : unheard,
    };
    int rc;

    if (!spell(&asking, command, rate)) {
        return refuse(&asking, ERROR_INVAL, "there is no such command");
    }
    asking.xs = xs_open(0);
    if (!asking.xs) {
        return refuse(&asking, ERROR_FAIL, "xenstore cannot be reached");
    }
    take_id(&asking);
    rc = request(&asking, timeout_ms);
    xs_close(asking.xs);
    return rc;
}
