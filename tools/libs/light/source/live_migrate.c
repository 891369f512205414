/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's calls of the public interface, and what one does in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/common.h"
#include "control/control.h"
#include "libxl_live_migrate.h"
#include "source/recheck.h"
#include "source/source.h"
#include "stream/stream.h"

/* Most rounds of an ordinary live migration. */
#define LM_LIVE_ITERATIONS 5
#define LM_DIRTY_THRESHOLD 50
/* When the rates decide: most rounds, and the longest stop. */
#define LM_AUTO_ITERATIONS 30
#define LM_MAX_DOWNTIME_MS 300

/* ---- stages ---- */

static int check_arguments(struct lm_source *source)
{
    switch (source->params.strategy) {
    case LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY:
        return 0;
    case LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY:
    case LIBXL_LIVE_MIGRATE_STRATEGY_AUTO:
        if (source->recv_fd >= 0) {
            return 0;
        }
        xlm_fail(&source->op.xlm,
                 "postcopy needs a way back from the destination");
        return ERROR_INVAL;
    }
    xlm_fail(&source->op.xlm, "unknown strategy %d",
             (int)source->params.strategy);
    return ERROR_INVAL;
}

/* The configuration from which the caller has made the destination's, if the
 * caller passes it: to read it now would include a change since then. */
static int take_told(struct lm_source *source)
{
    char *json = source->sent_config;

    if (!json) {
        return 0;
    }
    source->told = lm_config_told_json(source->op.ctx, json, &source->op.xlm);
    return source->told ? 0 : ERROR_INVAL;
}

static int open_hypervisor(struct lm_source *source)
{
    return lm_open_hypervisor(&source->op.xlm);
}

/* The id finds the guest again after the connection was lost. */
static int choose_id(struct lm_source *source)
{
    if (getrandom(source->id, sizeof(source->id), 0) !=
        (ssize_t)sizeof(source->id)) {
        xlm_fail(&source->op.xlm, "cannot get a random number: %s",
                 strerror(errno));
        return ERROR_FAIL;
    }
    return 0;
}

static int choose_away_name(struct lm_source *source)
{
    if (source->away_name) {
        return 0;
    }
    if (asprintf(&source->away_name, "%s--migratedaway", source->name) < 0) {
        source->away_name = NULL;
        xlm_fail(&source->op.xlm, "out of memory");
        return ERROR_NOMEM;
    }
    return 0;
}

/* Another process that moves the same domain excludes this one; without
 * xenstore the migration goes on unseen. */
static int show_outside(struct lm_source *source)
{
    const struct lm_control_setup setup = {
        .domid = source->domid,
        .role = LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
        .name = source->name,
        .id = source->id,
        .may_switch = source->limits.postcopy,
        .engine = &source->steering,
        .abort_event_fd = source->op.abort.event_fd,
        .logger = source->op.xlm.logger,
    };

    source->op.observer.control = lm_control_start(&setup);
    if (!source->op.observer.control && errno == EBUSY) {
        xlm_fail(&source->op.xlm,
                 "%s is being migrated already: see xl "
                 "migrate-status",
                 source->name);
        return ERROR_FAIL;
    }
    return 0;
}

static void show_end(struct lm_source *source, int rc)
{
    libxl_live_migrate_state state = LIBXL_LIVE_MIGRATE_STATE_COMPLETE;

    if (rc) {
        state = *source->transitioned ? LIBXL_LIVE_MIGRATE_STATE_PAUSED
                                      : LIBXL_LIVE_MIGRATE_STATE_FAILED;
    }
    if (rc && *source->transitioned && source->op.xlm.lost) {
        state = LIBXL_LIVE_MIGRATE_STATE_LOST;
    }
    lm_control_end_source(source->op.observer.control, state,
                          source->op.xlm.reason);
    source->op.observer.control = NULL;
}

static int write_prologue(struct lm_source *source)
{
    return lm_write_prologue(&source->op.xlm, source->send_fd) ? ERROR_FAIL
                                                               : 0;
}

int lm_source_pass(struct lm_source *source, lm_source_stage *const *stages)
{
    int rc = 0;

    for (size_t i = 0; !rc && stages[i]; i++) {
        rc = stages[i](source);
    }
    return rc;
}

static int live_migrate(struct lm_operation *op)
{
    static lm_source_stage *const stages[] = {
        check_arguments, take_told,
        open_hypervisor, lm_source_check,
        choose_id,       choose_away_name,
        show_outside,    write_prologue,
        lm_source_move,  NULL,
    };
    struct lm_source *source = (struct lm_source *)op;
    int rc = lm_source_pass(source, stages);

    show_end(source, rc);
    return rc;
}

static void free_source(struct lm_operation *op)
{
    struct lm_source *source = (struct lm_source *)op;

    free(source->name);
    free(source->away_name);
    free(source->sent_config);
    free(source->told);
    free(source);
}

/* ---- entry points ---- */

void libxl_live_migrate_params_init(libxl_live_migrate_params *params)
{
    *params = (libxl_live_migrate_params){
        .strategy = LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY,
        .precopy_dirty_threshold = LM_DIRTY_THRESHOLD,
        .abort_fd = -1,
        .link_timeout = LM_LINK_TIMEOUT,
    };
}

void libxl_live_migrate_params_dispose(libxl_live_migrate_params *params)
{
    libxl_live_migrate_params_init(params);
}

static struct lm_precopy_limits make_limits(
    const libxl_live_migrate_params *params)
{
    bool watch = params->strategy == LIBXL_LIVE_MIGRATE_STRATEGY_AUTO;
    struct lm_precopy_limits limits = {
        .postcopy =
            watch || params->strategy == LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY,
        .watch = watch,
        .iterations = params->precopy_iterations,
        .dirty_threshold = params->precopy_dirty_threshold,
    };

    if (limits.postcopy) {
        limits.after_us = (uint64_t)params->postcopy_after * 1000000;
    }
    if (watch || limits.after_us) {
        limits.downtime_us = (params->max_downtime_ms ? params->max_downtime_ms
                                                      : LM_MAX_DOWNTIME_MS) *
                             UINT64_C(1000);
        if (!limits.iterations) {
            limits.iterations = watch ? LM_AUTO_ITERATIONS : UINT32_MAX;
        }
    }
    return limits;
}

/* The library needs nothing of the params once this has returned. */
static struct lm_source *new_source(libxl_ctx *ctx,
                                    const libxl_live_migrate_params *params,
                                    libxl_live_migrate_result *result)
{
    struct lm_source *source = malloc(sizeof(*source));

    if (!source) {
        return NULL;
    }
    *source = (struct lm_source){
        .op = LM_OPERATION(ctx, live_migrate, free_source, params, result),
        .params = *params,
        .limits = make_limits(params),
        .steering = XLM_CONTROL_INIT,
    };
    source->op.trace_path = params->trace;
    if (params->background_rate) {
        source->steering.background_rate = params->background_rate;
    }
    if (params->away_name) {
        source->away_name = strdup(params->away_name);
    }
    if (params->sent_config) {
        source->sent_config = strdup(params->sent_config);
    }
    if ((params->away_name && !source->away_name) ||
        (params->sent_config && !source->sent_config)) {
        free_source(&source->op);
        return NULL;
    }
    return source;
}

int libxl_domain_live_migrate_tuned(libxl_ctx *ctx, uint32_t domid,
                                    int send_fd, int flags, int recv_fd,
                                    const libxl_live_migrate_params *params,
                                    libxl_live_migrate_result *result,
                                    bool *postcopy_transitioned,
                                    const libxl_asyncop_how *ao_how)
{
    struct lm_source *source;

    if (!postcopy_transitioned) {
        return lm_refuse(ERROR_INVAL, result, params->logger,
                         "postcopy_transitioned is NULL: the caller must "
                         "learn which host has the guest");
    }
    *postcopy_transitioned = false;
    if (lm_check_how(ao_how, result, params->logger)) {
        return ERROR_NI;
    }
    if (flags & ~LIBXL_SUSPEND_DEBUG) {
        return lm_refuse(ERROR_INVAL, result, params->logger, "unknown flags");
    }
    source = new_source(ctx, params, result);
    if (!source) {
        return lm_refuse(ERROR_NOMEM, result, params->logger, "out of memory");
    }
    source->domid = domid;
    source->send_fd = send_fd;
    source->recv_fd = recv_fd;
    source->transitioned = postcopy_transitioned;
    return lm_operation_start(&source->op, ao_how);
}

int libxl_domain_live_migrate(libxl_ctx *ctx, uint32_t domid, int send_fd,
                              int flags, int recv_fd,
                              bool *postcopy_transitioned,
                              const libxl_asyncop_how *ao_how)
{
    const int strategy_flags = LIBXL_SUSPEND_POSTCOPY | LIBXL_SUSPEND_LIVE;
    libxl_live_migrate_params params;
    int rc;

    libxl_live_migrate_params_init(&params);
    if (flags & LIBXL_SUSPEND_POSTCOPY) {
        params.strategy = LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY;
    } else if (flags & LIBXL_SUSPEND_LIVE) {
        params.precopy_iterations = LM_LIVE_ITERATIONS;
    }
    rc = libxl_domain_live_migrate_tuned(
        ctx, domid, send_fd, flags & ~strategy_flags, recv_fd, &params, NULL,
        postcopy_transitioned, ao_how);
    libxl_live_migrate_params_dispose(&params);
    return rc;
}
