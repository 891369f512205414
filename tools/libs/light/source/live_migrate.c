/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source: moves a domain out.
 *
 * The guest layer does the work and calls back, in this order:
 *
 *   source_note_max_pages          the guest gets no page from here on
 *   source_switch_logdirty(true)
 *   source_early_devices           the guest is paused for it
 *   source_connect_faults          the destination has built the domain
 *   source_policy                  before each precopy round and after the
 * last source_suspend                 RUNNING -> SUSPENDED
 *   source_write_device_state
 *   source_recheck                 what the destination was told still holds
 *   source_put_away                SUSPENDED -> AWAY, before the go is sent
 *   source_switch_logdirty(false)
 *
 * A failure before the go ends with the domain resumed here, under its name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <libxl_utils.h>
#include <xen/hvm/params.h>

#include "devices/announce.h"
#include "clock.h"
#include "common/common.h"
#include "control/control.h"
#include "devices/device_model.h"
#include "call/half.h"
#include "devices/exposure.h"
#include "source/forecast.h"
#include "keeping/held_memory.h"
#include "libxl_live_migrate.h"
#include "call/operation.h"
#include "keeping/memo.h"
#include "source/precopy_policy.h"
#include "source/recheck.h"
#include "stream/stream.h"
#include "common/tuning.h"
#include "keeping/withheld.h"

/* Most rounds of an ordinary live migration. */
#define LM_LIVE_ITERATIONS 5
#define LM_DIRTY_THRESHOLD 50
/* When the rates decide: most rounds, and the longest stop. */
#define LM_AUTO_ITERATIONS 30
#define LM_MAX_DOWNTIME_MS 300
#define LM_NO_ANSWER \
    "the guest did not answer the request to suspend: it is paused, or its " \
    "Xen drivers do not work"

enum lm_source_state {
    LM_SOURCE_RUNNING,
    LM_SOURCE_SUSPENDED,
    LM_SOURCE_AWAY, /* handed over: suspended for good, renamed */
};

struct lm_source {
    struct lm_operation op;
    uint32_t domid;
    int send_fd;
    int recv_fd;
    libxl_live_migrate_params params; /* a copy */
    bool *transitioned;
    uint8_t id[LM_ID_SIZE]; /* of this migration and no other */
    struct lm_precopy_limits limits;
    struct lm_forecaster forecaster;
    enum lm_source_state state;
    bool suspend_timed_out;
    bool device_model;
    enum xlm_build build; /* what the source asks of the destination */
    struct xlm_pfn_range device_ranges[XLM_DEVICE_RANGES];
    char *name;
    char *away_name;
    char *sent_config; /* the caller's configuration; NULL: none */
    char *told;        /* the configuration that the destination builds from */
    struct xlm_control steering; /* what requests change */
};

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

/* Only libxl's own QEMU, in dom0, can answer the questions. */
static int check_device_model(struct lm_source *source,
                              const libxl_domain_config *config)
{
    const libxl_domain_build_info *info = &config->b_info;
    bool stubdomain =
        !libxl_defbool_is_default(info->device_model_stubdomain) &&
        libxl_defbool_val(info->device_model_stubdomain);

    /* Defaults of libxl may not be filled in. */
    if (info->device_model_version ==
            LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL ||
        stubdomain) {
        xlm_fail(&source->op.xlm,
                 "%s has a device model other than QEMU in dom0: use xl "
                 "migrate without --postcopy",
                 source->name);
        return ERROR_NI;
    }
    source->device_model = true;
    lm_device_ranges(config, source->device_ranges);
    return 0;
}

/* Does QEMU's emulated controller have a USB device of the host? */
static bool has_usb_of_host(const libxl_domain_config *config)
{
    const libxl_domain_build_info *info = &config->b_info;
    char *const *more = info->u.hvm.usbdevice_list;
    const char *one = info->u.hvm.usbdevice;

    if (config->c_info.type != LIBXL_DOMAIN_TYPE_HVM) {
        return false;
    }
    while (more && *more) {
        if (!strncmp(*more++, "host:", 5)) {
            return true;
        }
    }
    return one && !strncmp(one, "host:", 5);
}

/* For any type of guest: what is bound to this host? */
static int check_what_stays(struct lm_source *source,
                            const libxl_domain_config *config)
{
    const libxl_domain_build_info *info = &config->b_info;
    const char *what = NULL;

    if (config->num_pcidevs || config->num_dtdevs || config->num_usbdevs ||
        has_usb_of_host(config)) {
        what = "has a passed-through device: detach it first";
    } else if (info->num_vnuma_nodes) {
        what = "has virtual NUMA nodes (vnuma), which cannot be moved: shut "
               "it down and start it at the destination";
    } else if (!libxl_defbool_is_default(info->disable_migrate) &&
               libxl_defbool_val(info->disable_migrate)) {
        what = "is not to be migrated, by nomigrate=1 in its configuration";
    }
    if (!what) {
        return 0;
    }
    xlm_fail(&source->op.xlm, "%s %s", source->name, what);
    return ERROR_NI;
}

/* Refuse a guest whose move is known to fail, or to break it. */
static int check_config(struct lm_source *source,
                        const libxl_domain_config *config)
{
    int rc = 0;

    switch (config->c_info.type) {
    case LIBXL_DOMAIN_TYPE_PVH:
        break;
    case LIBXL_DOMAIN_TYPE_HVM:
        rc = check_device_model(source, config);
        if (rc) {
            return rc;
        }
        break;
    default:
        xlm_fail(&source->op.xlm,
                 "%s is a PV guest, whose memory cannot be paged: use a PVH "
                 "guest, or xl migrate without --postcopy",
                 source->name);
        return ERROR_NI;
    }
    return check_what_stays(source, config);
}

static int check_state(struct lm_source *source)
{
    libxl_dominfo info;
    const char *state = NULL;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(source->op.ctx, &info, source->domid);
    if (rc) {
        xlm_fail(&source->op.xlm, "there is no domain %u", source->domid);
        goto out;
    }
    if (info.dying) {
        state = "being destroyed";
    } else if (info.shutdown) {
        state = "shut down";
    } else if (info.paused) {
        state = "paused and could not suspend itself: xl unpause it first";
    }
    if (state) {
        xlm_fail(&source->op.xlm, "%s is %s", source->name, state);
        rc = ERROR_INVAL;
    }

out:
    libxl_dominfo_dispose(&info);
    return rc;
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

static int check_domain(struct lm_source *source)
{
    libxl_domain_config config;
    int rc;

    libxl_domain_config_init(&config);
    source->name = libxl_domid_to_name(source->op.ctx, source->domid);
    if (!source->name) {
        xlm_fail(&source->op.xlm, "there is no domain %u", source->domid);
        rc = ERROR_DOMAIN_NOTFOUND;
        goto out;
    }
    rc = libxl_retrieve_domain_configuration(source->op.ctx, source->domid,
                                             &config, NULL);
    if (rc) {
        xlm_fail(&source->op.xlm,
                 "the configuration of %s could not be read (libxl error %d)",
                 source->name, rc);
        goto out;
    }
    rc = check_config(source, &config);
    if (rc) {
        goto out;
    }
    rc = check_state(source);
    if (rc) {
        goto out;
    }
    if (!source->told) {
        source->told =
            lm_config_told(source->op.ctx, &config, &source->op.xlm);
        rc = source->told ? 0 : ERROR_FAIL;
    }

out:
    libxl_domain_config_dispose(&config);
    return rc;
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

/*
 * libxl suspends an HVM guest without Xen drivers without its help, but asks
 * every PVH guest, and gives it a minute.  For libxl a guest has drivers if it
 * has said where it wants its events.
 */
static int check_drivers(struct lm_source *source)
{
    struct xlm_hypervisor *hv = source->op.xlm.hypervisor;
    uint64_t callback = 0;

    if (source->device_model) {
        return 0;
    }
    if (hv->ops->get_param(hv, source->domid, HVM_PARAM_CALLBACK_IRQ,
                           &callback)) {
        xlm_fail(&source->op.xlm, "the parameters of %s could not be read: %s",
                 source->name, strerror(errno));
        return ERROR_FAIL;
    }
    if (!callback) {
        xlm_fail(&source->op.xlm,
                 "%s is a PVH guest without Xen drivers, which cannot be "
                 "suspended: wait if it has just started, else give it a "
                 "kernel that has them",
                 source->name);
        return ERROR_NI;
    }
    return 0;
}

/* Only with postcopy can a back end need a page before it is there. */
static int check_front_ends(struct lm_source *source)
{
    if (!source->limits.postcopy) {
        return 0;
    }
    return lm_check_exposure(&source->op.xlm, source->domid, source->name,
                             source->params.allow_exposed_backends)
               ? ERROR_NI
               : 0;
}

/* Ask the device model itself, before anything has begun. */
static int ask_device_model(struct lm_source *source)
{
    bool has_disks = false;

    source->build = (enum xlm_build)source->params.build;
    if (!source->device_model) {
        return 0;
    }
    if (lm_device_model_check(&source->op.xlm, source->domid) ||
        lm_device_model_has_disks(&source->op.xlm, source->domid,
                                  &has_disks)) {
        return ERROR_NI;
    }
    if (has_disks && source->build == XLM_BUILD_ANY) {
        source->build = XLM_BUILD_LATE_DEVICES;
    }
    return 0;
}

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

/* A guest whose memory is in two places cannot be moved from here.  Checked
 * before the nodes of this migration replace those of the other.  Without
 * xenstore the migration goes on unseen, as ever: the engine asks the
 * hypervisor. */
static int check_whole(struct lm_source *source)
{
    struct lm_witnesses seen;
    libxl_live_migrate_inspection found;

    if (lm_half_look(source->op.xlm.hypervisor, source->domid, &seen)) {
        return 0;
    }
    lm_half_describe(&seen, &found);
    switch (found.half) {
    case LIBXL_LIVE_MIGRATE_HALF_NONE:
    case LIBXL_LIVE_MIGRATE_HALF_LEAVING: /* show_outside() reports this */
        return 0;
    case LIBXL_LIVE_MIGRATE_HALF_LEFT:
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVING:
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVED:
    case LIBXL_LIVE_MIGRATE_HALF_PAGED:
        break;
    }
    xlm_fail(&source->op.xlm, "domain %u is not a whole guest: %s",
             source->domid, found.text);
    return ERROR_INVAL;
}

static int live_migrate(struct lm_operation *op)
{
    struct lm_source *source = (struct lm_source *)op;
    int rc;

    rc = check_arguments(source);
    if (rc) {
        goto out;
    }
    rc = take_told(source);
    if (rc) {
        goto out;
    }
    rc = lm_open_hypervisor(&source->op.xlm);
    if (rc) {
        goto out;
    }
    rc = check_domain(source);
    if (rc) {
        goto out;
    }
    rc = choose_id(source);
    if (rc) {
        goto out;
    }
    rc = choose_away_name(source);
    if (rc) {
        goto out;
    }
    rc = check_drivers(source);
    if (rc) {
        goto out;
    }
    rc = check_front_ends(source);
    if (rc) {
        goto out;
    }
    rc = ask_device_model(source);
    if (rc) {
        goto out;
    }
    rc = check_whole(source);
    if (rc) {
        goto out;
    }
    rc = show_outside(source);
    if (rc) {
        goto out;
    }
    if (lm_write_prologue(&source->op.xlm, source->send_fd)) {
        rc = ERROR_FAIL;
        goto out;
    }
    rc = move_out(source);
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

out:
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
