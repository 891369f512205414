/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Moves a domain out, and takes it back if that fails.
 *
 * The guest layer does the work and calls back, in this order:
 *
 *   source_note_max_pages          the guest gets no page from here on
 *   source_switch_logdirty(true)
 *   source_early_devices           the guest is paused for it
 *   source_connect_faults          the destination has built the domain
 *   source_policy                  before each precopy round, and after all
 *   source_suspend                 RUNNING -> SUSPENDED
 *   source_write_device_state
 *   source_recheck                 what the destination was told still holds
 *   source_put_away                SUSPENDED -> AWAY, before the go is sent
 *   source_switch_logdirty(false)
 *
 * A failure before the go ends with the domain resumed here, under its name.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "common/common.h"
#include "common/tuning.h"
#include "devices/announce.h"
#include "devices/device_model.h"
#include "keeping/held_memory.h"
#include "keeping/withheld.h"
#include "source/recheck.h"
#include "source/source.h"
#include "stream/stream.h"

#define LM_NO_ANSWER \
    "the guest did not answer the request to suspend: it is paused, or its " \
    "Xen drivers do not work"

/* ---- callbacks, in execution order ---- */

static int source_switch_logdirty(bool enable, void *data)
{
    struct lm_source *source = data;

    /* Only a device model writes to guest memory past the hypervisor's log. */
    if (!source->device_model) {
        return 0;
    }
    return lm_device_model_log(&source->op.xlm, source->domid, enable);
}

static enum xlm_precopy_answer source_policy(
    const struct xlm_precopy_stats *stats, void *data)
{
    struct lm_source *source = data;

    return lm_precopy_policy(&source->limits, stats);
}

/* The guest is paused while the device model saves its state, because it
 * serves no access to its devices meanwhile. */
static int save_devices_paused(struct lm_source *source,
                               struct lm_device_state *state)
{
    int rc = libxl_domain_pause(source->op.ctx, source->domid, NULL);
    int saved;

    if (rc) {
        return xlm_fail(&source->op.xlm,
                        "the guest could not be paused (libxl error %d)", rc);
    }
    saved = lm_device_model_save(&source->op.xlm, source->domid, state);
    rc = libxl_domain_unpause(source->op.ctx, source->domid, NULL);
    if (rc) {
        free(saved ? NULL : state->octets);
        return xlm_fail(&source->op.xlm,
                        "the guest could not be unpaused (libxl error %d): "
                        "try xl unpause",
                        rc);
    }
    return saved;
}

static int source_note_max_pages(uint64_t *pages, void *data)
{
    struct lm_source *source = data;

    lm_memory_hold(source->op.xlm.hypervisor, source->domid, pages,
                   source->op.xlm.logger);
    return 0;
}

static int source_early_devices(void **records, size_t *length, void *data)
{
    struct lm_source *source = data;
    struct lm_device_state state;

    if (!source->device_model) {
        return 0;
    }
    if (save_devices_paused(source, &state)) {
        return -1;
    }
    *records = lm_make_emulator_context(&source->op.xlm, state.octets,
                                        state.length, length);
    free(state.octets);
    return *records ? 0 : -1;
}

/* Is the guest suspended? libxl can fail after that, and does not undo it. */
static bool is_suspended(struct lm_source *source)
{
    libxl_dominfo info;
    bool is;

    libxl_dominfo_init(&info);
    is = !libxl_domain_info(source->op.ctx, &info, source->domid) &&
         !info.dying && info.shutdown &&
         info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;
    libxl_dominfo_dispose(&info);
    return is;
}

static int source_suspend(void *data)
{
    struct lm_source *source = data;
    int rc = libxl_domain_suspend_only(source->op.ctx, source->domid, NULL);

    if (rc && is_suspended(source)) {
        source->state = LM_SOURCE_SUSPENDED;
        return xlm_fail(&source->op.xlm,
                        "the state of its devices could not be saved (libxl "
                        "error %d): see that there is room in /var/lib/xen",
                        rc);
    }
    if (rc) {
        source->suspend_timed_out = rc == ERROR_GUEST_TIMEDOUT;
        return xlm_fail(&source->op.xlm,
                        source->suspend_timed_out
                            ? LM_NO_ANSWER
                            : "the guest could not be suspended (libxl error "
                              "%d)",
                        rc);
    }
    source->state = LM_SOURCE_SUSPENDED;
    /* Only this process may let it run on. */
    lm_withhold(source->domid, source->op.xlm.logger);
    return 0;
}

/* The state that libxl has left; or, if the destination has not opened the
 * disks yet, a new one from QEMU, which then releases the disks. */
static int take_final_devices(struct lm_source *source,
                              struct lm_device_state *state)
{
    struct lm_device_state libxls;

    if (source->op.stats.devices.build != XLM_BUILD_LATE) {
        return lm_device_model_take_saved(&source->op.xlm, source->domid,
                                          state);
    }
    if (lm_device_model_take_saved(&source->op.xlm, source->domid, &libxls)) {
        return -1;
    }
    free(libxls.octets);
    return lm_device_model_release(&source->op.xlm, source->domid, state);
}

static int write_final_devices(struct lm_source *source,
                               struct xlm_channel *channel)
{
    struct lm_device_state state;
    void *record;
    size_t length;
    int rc = -1;

    if (take_final_devices(source, &state)) {
        return -1;
    }
    record = lm_make_emulator_context(&source->op.xlm, state.octets,
                                      state.length, &length);
    free(state.octets);
    if (record) {
        rc = xlm_channel_write(channel, record, length);
    }
    free(record);
    return rc;
}

static int source_write_device_state(struct xlm_channel *channel, void *data)
{
    struct lm_source *source = data;

    if (source->device_model && write_final_devices(source, channel)) {
        return -1;
    }
    /* For an image this must not be done: the domain may run on here. */
    if (!source->device_model && source->recv_fd >= 0 &&
        lm_disk_server_release(&source->op.xlm, source->domid)) {
        return -1;
    }
    /* The stream to a destination goes on, an image ends here. */
    return lm_write_empty_record(
        &source->op.xlm, channel,
        source->recv_fd >= 0 ? LM_REC_POSTCOPY_TRANSITION_END : LM_REC_END);
}

static int source_recheck(void *data)
{
    struct lm_source *source = data;

    return lm_recheck_config(source->op.ctx, source->domid, source->told,
                             &source->op.xlm)
               ? -1
               : 0;
}

static int source_put_away(void *data)
{
    struct lm_source *source = data;
    int rc = libxl_domain_rename(source->op.ctx, source->domid, source->name,
                                 source->away_name);

    if (rc) {
        return xlm_fail(&source->op.xlm,
                        "the domain could not be renamed to %s (libxl error "
                        "%d): is there another one of that name?",
                        source->away_name, rc);
    }
    source->state = LM_SOURCE_AWAY;
    return 0;
}

static int source_connect_faults(int *in_fd, int *out_fd, void *data)
{
    struct lm_source *source = data;

    return source->params.connect_fault_channel(
        out_fd, in_fd, source->params.fault_channel_user);
}

/* The engine calls this in a thread of its own. */
static int source_connect_stream(uint32_t index, int cancel_fd, int *in_fd,
                                 int *out_fd, void *data)
{
    struct lm_source *source = data;

    return source->params.connect_stream(index, cancel_fd, out_fd, in_fd,
                                         source->params.stream_user);
}

static void source_progress(enum xlm_phase phase,
                            const struct xlm_stats *stats, void *data)
{
    struct lm_source *source = data;
    struct lm_observer *observer = &source->op.observer;
    struct lm_forecast forecast;

    if (phase == XLM_PHASE_PRECOPY) {
        forecast = lm_forecaster_look(
            &source->forecaster, &source->limits, stats,
            observer->estimate.pages_per_second, xlm_now_us());
        observer->expected_downtime_us = forecast.downtime_us;
        observer->expected_left_us = forecast.left_us;
    } else if (phase == XLM_PHASE_EVICTING) {
        forecast = lm_forecaster_evicting(&source->forecaster, stats);
        observer->expected_left_us = forecast.left_us;
    }
    lm_observe(observer, phase, stats);
}

/* ---- the move ---- */

static int move_out(struct lm_source *source)
{
    struct xlm_save_callbacks callbacks = {
        .note_max_pages = source_note_max_pages,
        .precopy_policy = source_policy,
        .switch_qemu_logdirty = source_switch_logdirty,
        .early_devices = source_early_devices,
        .suspend = source_suspend,
        .write_device_state = source_write_device_state,
        .recheck = source_recheck,
        .put_away = source_put_away,
        .progress = source_progress,
        .data = source,
    };
    struct xlm_save_params params;

    if (source->recv_fd >= 0 && source->params.connect_fault_channel) {
        callbacks.connect_faults = source_connect_faults;
    }
    if (source->recv_fd >= 0 && source->params.connect_stream) {
        callbacks.connect_stream = source_connect_stream;
    }
    xlm_save_params_init(&params);
    params.domid = source->domid;
    params.out_fd = source->send_fd;
    params.in_fd = source->recv_fd;
    memcpy(params.id, source->id, sizeof(params.id));
    memcpy(params.device_ranges, source->device_ranges,
           sizeof(params.device_ranges));
    lm_tune(&params, &source->params);
    source->forecaster.stop_pages = params.hot_pages_max;
    params.control = &source->steering;
    params.build = source->build;
    params.evict_early = source->limits.postcopy;
    if (xlm_save(&source->op.xlm, &params, &callbacks, &source->op.stats,
                 source->transitioned)) {
        return ERROR_FAIL;
    }
    return 0;
}

/* Undo the suspend, and the rename, of a guest that is still this host's. */
static void take_back(struct lm_source *source)
{
    int rc;

    if (source->state == LM_SOURCE_AWAY) {
        rc = libxl_domain_rename(source->op.ctx, source->domid,
                                 source->away_name, source->name);
        if (rc) {
            xtl_log(source->op.xlm.logger, XTL_ERROR, -1, "light",
                    "domain %u could not get its name back (libxl error %d): "
                    "use xl rename %s %s",
                    source->domid, rc, source->away_name, source->name);
        }
    }
    if (source->state == LM_SOURCE_RUNNING) {
        return;
    }
    (void)lm_give_back(source->domid, source->op.xlm.logger);
    /* If there is a device model, libxl resumes it. */
    if (!source->device_model) {
        lm_disk_server_resume(&source->op.xlm, source->domid);
    }
    rc = libxl_domain_resume(source->op.ctx, source->domid, 1, NULL);
    if (rc) {
        xtl_log(source->op.xlm.logger, XTL_ERROR, -1, "light",
                "domain %u could not be resumed (libxl error %d): it is "
                "suspended here and runs nowhere",
                source->domid, rc);
        return;
    }
    (void)lm_unpause_again(source->op.ctx, source->domid);
    source->state = LM_SOURCE_RUNNING;
    lm_taken_back(source->op.ctx, source->op.xlm.logger, source->domid);
}

/* A guest that ends by itself makes any call fail, with any reason; and libxl
 * 4.14 reports a guest that never answered as suspended. */
static void explain_state(struct lm_source *source)
{
    libxl_dominfo info;
    bool runs, exists;

    libxl_dominfo_init(&info);
    exists = !libxl_domain_info(source->op.ctx, &info, source->domid);
    runs = exists && !info.dying && !info.shutdown;
    if (source->state == LM_SOURCE_RUNNING && !runs) {
        xlm_restate(&source->op.xlm,
                    "%s shut down or was destroyed while it was being moved",
                    source->name);
    }
    if (source->state == LM_SOURCE_SUSPENDED && runs) {
        source->suspend_timed_out = true;
        source->state = LM_SOURCE_RUNNING;
        (void)lm_give_back(source->domid, source->op.xlm.logger);
        xlm_restate(&source->op.xlm, LM_NO_ANSWER);
    }
    libxl_dominfo_dispose(&info);
}

static int source_error(const struct lm_source *source, int rc)
{
    if (source->suspend_timed_out) {
        return ERROR_GUEST_TIMEDOUT;
    }
    return lm_aborted(source->op.xlm.abort_fd) ? ERROR_ABORTED : rc;
}

int lm_source_move(struct lm_source *source)
{
    int rc = move_out(source);

    if (rc && !*source->transitioned) {
        explain_state(source);
        take_back(source);
        lm_memory_release(source->op.xlm.hypervisor, source->domid,
                          source->op.xlm.logger);
        rc = source_error(source, rc);
    }
    if (!rc) {
        /* The caller destroys it. */
        (void)lm_give_back(source->domid, source->op.xlm.logger);
    }
    return rc;
}
