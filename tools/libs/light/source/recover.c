/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source after the connection was lost: goes on, or takes the guest back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "devices/announce.h"
#include "common/common.h"
#include "control/control.h"
#include "control/control_store.h"
#include "devices/device_model.h"
#include "libxl_live_migrate.h"
#include "keeping/held_memory.h"
#include "keeping/memo.h"
#include "call/operation.h"
#include "common/tuning.h"
#include "keeping/withheld.h"

struct lm_recovery {
    struct lm_operation op;
    uint32_t domid;
    int send_fd;
    int recv_fd;
    libxl_live_migrate_params params; /* a copy */
    libxl_live_migrate_recovery *recovery;
    char *name;             /* the guest's own */
    uint8_t id[LM_ID_SIZE]; /* of the migration */
    /* How far the migration was, shown until there is something newer. */
    enum xlm_phase kept_phase;
    libxl_live_migrate_stats kept;
    struct xlm_mark mark; /* the domain's, when it was suspended */
    enum xlm_guest_state found;
    struct xlm_control steering;
};

static void recovery_progress(enum xlm_phase phase,
                              const struct xlm_stats *stats, void *data)
{
    struct lm_recovery *recovery = data;

    lm_observe(&recovery->op.observer, phase, stats);
}

/* ---- what is kept of the migration ---- */

static bool is_source(struct xs_handle *xs, uint32_t domid)
{
    char *role = lm_store_read(xs, XBT_NULL, domid, "role");
    bool is = role && lm_store_role(role) == LIBXL_LIVE_MIGRATE_ROLE_SOURCE;

    free(role);
    return is;
}

static void read_progress(struct lm_recovery *recovery, struct xs_handle *xs)
{
    char *text = lm_store_read(xs, XBT_NULL, recovery->domid, "phase");
    int phase = text ? lm_store_phase(text) : -1;

    free(text);
    recovery->kept_phase = phase < 0 ? XLM_PHASE_START : (enum xlm_phase)phase;
    for (size_t i = 0; i < lm_store_nr_counters; i++) {
        const struct lm_store_counter *counter = &lm_store_counters[i];

        text = lm_store_read(xs, XBT_NULL, recovery->domid, counter->name);
        *lm_store_counter(&recovery->kept, counter) =
            text ? strtoull(text, NULL, 10) : 0;
        free(text);
    }
}

static int read_kept(struct lm_recovery *recovery)
{
    struct xs_handle *xs = xs_open(0);
    char *id = NULL;
    int rc = ERROR_NOTFOUND;

    if (!xs) {
        xlm_fail(&recovery->op.xlm, "xenstore cannot be reached");
        return ERROR_FAIL;
    }
    if (is_source(xs, recovery->domid)) {
        id = lm_store_read(xs, XBT_NULL, recovery->domid, "id");
        recovery->name = lm_store_read(xs, XBT_NULL, recovery->domid, "name");
        recovery->mark = lm_store_read_mark(xs, XBT_NULL, recovery->domid);
        read_progress(recovery, xs);
    }
    if (id && recovery->name && !lm_id_from_text(id, recovery->id)) {
        rc = 0;
    } else {
        xlm_fail(&recovery->op.xlm,
                 "no migration of domain %u is known here that could be "
                 "recovered: see xl migrate-status",
                 recovery->domid);
    }
    free(id);
    xs_close(xs);
    return rc;
}

static int show_outside(struct lm_recovery *recovery)
{
    static const libxl_live_migrate_outside nobody_waits;
    const struct lm_control_setup setup = {
        .domid = recovery->domid,
        .role = LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
        .name = recovery->name,
        .id = recovery->id,
        .engine = &recovery->steering,
        .abort_event_fd = recovery->op.abort.event_fd,
        .logger = recovery->op.xlm.logger,
    };

    recovery->op.observer.control = lm_control_start(&setup);
    if (!recovery->op.observer.control && errno == EBUSY) {
        xlm_fail(&recovery->op.xlm,
                 "%s is being migrated, or recovered, already: see xl "
                 "migrate-status",
                 recovery->name);
        return ERROR_FAIL;
    }
    if (recovery->op.observer.control) {
        /* Back ends wait at the destination. */
        lm_control_observe(recovery->op.observer.control, recovery->kept_phase,
                           &recovery->kept, &nobody_waits);
    }
    return 0;
}

/* ---- stages ---- */

/* Before xenstore is touched: a domain that runs cannot be recovered, and must
 * keep its nodes. */
static int check_suspended(struct lm_recovery *recovery)
{
    libxl_dominfo info;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(recovery->op.ctx, &info, recovery->domid);
    if (rc) {
        xlm_fail(&recovery->op.xlm, "there is no domain %u", recovery->domid);
        rc = ERROR_DOMAIN_NOTFOUND;
    } else if (info.dying || !info.shutdown) {
        xlm_fail(&recovery->op.xlm,
                 "domain %u is not suspended: there is nothing to recover",
                 recovery->domid);
        rc = ERROR_INVAL;
    }
    libxl_dominfo_dispose(&info);
    return rc;
}

/* The engine calls this in a thread of its own. */
static int recovery_connect_stream(uint32_t index, int cancel_fd, int *in_fd,
                                   int *out_fd, void *data)
{
    struct lm_recovery *recovery = data;

    return recovery->params.connect_stream(index, cancel_fd, out_fd, in_fd,
                                           recovery->params.stream_user);
}

static int ask_and_push(struct lm_recovery *recovery)
{
    struct xlm_save_callbacks callbacks = {
        .progress = recovery_progress,
        .data = recovery,
    };
    struct xlm_save_params params;

    if (recovery->params.connect_stream) {
        callbacks.connect_stream = recovery_connect_stream;
    }
    xlm_save_params_init(&params);
    params.domid = recovery->domid;
    params.out_fd = recovery->send_fd;
    params.in_fd = recovery->recv_fd;
    memcpy(params.id, recovery->id, sizeof(params.id));
    lm_tune(&params, &recovery->params);
    params.control = &recovery->steering;
    params.mark = recovery->mark;
    if (xlm_recover(&recovery->op.xlm, &params, &callbacks,
                    &recovery->op.stats, &recovery->found)) {
        return lm_aborted(recovery->op.xlm.abort_fd) &&
                       recovery->found == XLM_GUEST_UNKNOWN
                   ? ERROR_ABORTED
                   : ERROR_FAIL;
    }
    return 0;
}

/* The process that handed the guest over may have had no time to stop this. */
static void stop_device_log(struct lm_recovery *recovery)
{
    libxl_domain_config config;

    libxl_domain_config_init(&config);
    if (!libxl_retrieve_domain_configuration(recovery->op.ctx, recovery->domid,
                                             &config, NULL) &&
        lm_has_device_model(&config)) {
        (void)lm_device_model_log(&recovery->op.xlm, recovery->domid, false);
    }
    libxl_domain_config_dispose(&config);
}

static int take_name_back(struct lm_recovery *recovery)
{
    char *now = libxl_domid_to_name(recovery->op.ctx, recovery->domid);
    int rc = 0;

    if (now && strcmp(now, recovery->name)) {
        rc = libxl_domain_rename(recovery->op.ctx, recovery->domid, now,
                                 recovery->name);
    }
    if (rc) {
        xlm_fail(&recovery->op.xlm,
                 "%s never ran at the destination, but its domain here could "
                 "not be given its name back (libxl error %d): is there "
                 "another one of that name?",
                 recovery->name, rc);
    }
    free(now);
    return rc;
}

/* The destination has said that the guest never ran there and never will. */
static int take_back(struct lm_recovery *recovery)
{
    int rc = take_name_back(recovery);

    if (rc) {
        return rc;
    }
    (void)lm_give_back(recovery->domid, recovery->op.xlm.logger);
    stop_device_log(recovery);
    xlm_take_back(&recovery->op.xlm, recovery->domid);
    /* libxl resumes a device model, if there is one; doing so twice does no
     * harm. */
    lm_disk_server_resume(&recovery->op.xlm, recovery->domid);
    lm_memory_release(recovery->op.xlm.hypervisor, recovery->domid,
                      recovery->op.xlm.logger);
    rc = libxl_domain_resume(recovery->op.ctx, recovery->domid, 1, NULL);
    if (rc) {
        xlm_fail(&recovery->op.xlm,
                 "%s never ran at the destination, but could not be resumed "
                 "here (libxl error %d): it is suspended and runs nowhere",
                 recovery->name, rc);
        return rc;
    }
    (void)lm_unpause_again(recovery->op.ctx, recovery->domid);
    lm_taken_back(recovery->op.ctx, recovery->op.xlm.logger, recovery->domid);
    *recovery->recovery = LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK;
    xlm_restate(&recovery->op.xlm, "it never ran at the destination and runs "
                                   "here again");
    return 0;
}

static int conclude(struct lm_recovery *recovery)
{
    switch (recovery->found) {
    case XLM_GUEST_COMPLETE:
        *recovery->recovery = LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE;
        return 0;
    case XLM_GUEST_ENDED:
        *recovery->recovery = LIBXL_LIVE_MIGRATE_RECOVERY_ENDED;
        return 0;
    case XLM_GUEST_NEVER_RAN:
        return take_back(recovery);
    case XLM_GUEST_RUNS:
    case XLM_GUEST_UNKNOWN:
    case XLM_GUEST_LOST:
        break;
    }
    return ERROR_FAIL;
}

static void show_end(struct lm_recovery *recovery, int rc)
{
    libxl_live_migrate_state state = LIBXL_LIVE_MIGRATE_STATE_COMPLETE;

    if (rc) {
        state = recovery->op.xlm.lost ? LIBXL_LIVE_MIGRATE_STATE_LOST
                                      : LIBXL_LIVE_MIGRATE_STATE_PAUSED;
    } else if (*recovery->recovery == LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK) {
        state = LIBXL_LIVE_MIGRATE_STATE_FAILED;
    }
    lm_control_end_source(recovery->op.observer.control, state,
                          recovery->op.xlm.reason);
    recovery->op.observer.control = NULL;
}

static int recover(struct lm_operation *op)
{
    struct lm_recovery *recovery = (struct lm_recovery *)op;
    int rc;

    rc = lm_open_hypervisor(&recovery->op.xlm);
    if (rc) {
        goto out;
    }
    rc = check_suspended(recovery);
    if (rc) {
        goto out;
    }
    rc = read_kept(recovery);
    if (rc) {
        goto out;
    }
    rc = show_outside(recovery);
    if (rc) {
        goto out;
    }
    rc = ask_and_push(recovery);
    if (!rc) {
        rc = conclude(recovery);
    }
    if (!rc) {
        /* The guest runs here, or the caller destroys the domain. */
        (void)lm_give_back(recovery->domid, recovery->op.xlm.logger);
    }

out:
    show_end(recovery, rc);
    return rc;
}

static void free_recovery(struct lm_operation *op)
{
    struct lm_recovery *recovery = (struct lm_recovery *)op;

    free(recovery->name);
    free(recovery);
}

/* ---- entry point ---- */

static struct lm_recovery *new_recovery(
    libxl_ctx *ctx, const libxl_live_migrate_params *params,
    libxl_live_migrate_result *result)
{
    struct lm_recovery *recovery = malloc(sizeof(*recovery));

    if (!recovery) {
        return NULL;
    }
    *recovery = (struct lm_recovery){
        .op = LM_OPERATION(ctx, recover, free_recovery, params, result),
        .params = *params,
        .steering = XLM_CONTROL_INIT,
    };
    recovery->op.trace_path = params->trace;
    recovery->op.observer.phase = XLM_PHASE_GO;
    if (params->background_rate) {
        recovery->steering.background_rate = params->background_rate;
    }
    return recovery;
}

int libxl_domain_live_migrate_recover(libxl_ctx *ctx, uint32_t domid,
                                      int send_fd, int recv_fd,
                                      const libxl_live_migrate_params *params,
                                      libxl_live_migrate_result *result,
                                      libxl_live_migrate_recovery *recovery,
                                      const libxl_asyncop_how *ao_how)
{
    struct lm_recovery *operation;

    if (!recovery) {
        return lm_refuse(ERROR_INVAL, result, params->logger,
                         "recovery is NULL: the caller must learn what has "
                         "become of the guest");
    }
    *recovery = LIBXL_LIVE_MIGRATE_RECOVERY_NONE;
    if (lm_check_how(ao_how, result, params->logger)) {
        return ERROR_NI;
    }
    operation = new_recovery(ctx, params, result);
    if (!operation) {
        return lm_refuse(ERROR_NOMEM, result, params->logger, "out of memory");
    }
    operation->domid = domid;
    operation->send_fd = send_fd;
    operation->recv_fd = recv_fd;
    operation->recovery = recovery;
    return lm_operation_start(&operation->op, ao_how);
}
