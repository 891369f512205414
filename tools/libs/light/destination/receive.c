/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination: receives a domain.
 *
 * The guest layer fills the memory and calls back, in this order:
 *
 *   destination_feed               the first time: room is made on the host,
 *                                  and libxl starts to build
 *   destination_await_domain       libxl has made the domain
 *   destination_why_late
 *   destination_feed
 * early:
 *   destination_feed_devices
 *   destination_await_build        BUILDING -> BUILT, devices and all, paused
 *   destination_read_device_state
 * late:
 *   destination_await_fed          the rest comes in the stop:
 *   destination_feed
 *   destination_read_device_state
 *   destination_poll_build         BUILDING -> BUILT
 * and then:
 *   destination_run                BUILT -> OURS: its name, and unpaused
 *
 * A failure before OURS ends with nothing left of the domain; from OURS on it
 * is never destroyed here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "common/memory.h"
#include "common/tuning.h"
#include "destination/destination.h"
#include "devices/build_way.h"
#include "devices/device_model.h"
#include "devices/front_ends.h"
#include "keeping/held_memory.h"
#include "keeping/withheld.h"
#include "stream/stream.h"

#define DEFAULT_MEMKB (32u << 10)
#define KIB_PER_PAGE 4u

/* ---- callbacks, in execution order ---- */

static int keep_device_model_quiet(struct lm_destination *destination)
{
    libxl_domain_config *config = destination->config;

    if (!lm_has_device_model(config)) {
        return 0;
    }
    destination->qemu = lm_qemu_version_here(config->b_info.device_model);
    return lm_announce_keep_quiet(config, destination->qemu)
               ? xlm_fail(&destination->op.xlm, "out of memory")
               : 0;
}

static int start_building(struct lm_destination *destination)
{
    int rc =
        lm_make_room(destination->op.ctx, destination->config,
                     destination->params.autoballoon, &destination->op.xlm);

    if (rc) {
        destination->no_memory = rc == ERROR_NOMEM;
        errno = destination->no_memory ? ENOMEM : EIO;
        return -1;
    }
    if (keep_device_model_quiet(destination) ||
        lm_builder_start(&destination->builder)) {
        return -1;
    }
    destination->state = LM_DESTINATION_BUILDING;
    return 0;
}

/* Does the guest run on this host as well?  Then its uuid is here twice. */
static bool is_same_host(struct lm_destination *destination)
{
    int count = 0;
    libxl_dominfo *domains = libxl_list_domain(destination->op.ctx, &count);
    bool is = false;

    for (int i = 0; domains && i < count; i++) {
        is |= domains[i].domid != destination->local_domid &&
              !memcmp(domains[i].uuid.uuid, destination->identity.uuid,
                      sizeof(destination->identity.uuid));
    }
    libxl_dominfo_list_free(domains, count);
    return is;
}

static const char *destination_why_late(enum xlm_build asked, void *data)
{
    struct lm_destination *destination = data;
    const struct lm_build_case what = {
        .asked = asked,
        .config = destination->config,
        .qemu = destination->qemu,
        .same_host = is_same_host(destination),
    };

    destination->late = lm_builds_late(&what, destination->late_reason,
                                       sizeof(destination->late_reason));
    return destination->late ? destination->late_reason : NULL;
}

static int destination_feed(const void *bytes, size_t length, void *data)
{
    struct lm_destination *destination = data;

    if (destination->state == LM_DESTINATION_WAITING &&
        start_building(destination)) {
        return -1;
    }
    return lm_builder_feed(&destination->builder, bytes, length);
}

static int destination_feed_devices(const void *records, size_t length,
                                    void *data)
{
    struct lm_destination *destination = data;

    if (!lm_has_device_model(destination->config)) {
        errno = EPROTO;
        return xlm_fail(&destination->op.xlm,
                        "bad migration stream: POSTCOPY_DEVICES for a guest "
                        "without a device model");
    }
    if (lm_check_devices(&destination->op.xlm, records, length)) {
        return -1;
    }
    return lm_builder_feed(&destination->builder, records, length);
}

static int destination_await_domain(uint32_t *domid, void *data)
{
    struct lm_destination *destination = data;

    if (lm_builder_await_domain(&destination->builder, domid)) {
        return -1;
    }
    destination->local_domid = *domid;
    return 0;
}

/* Nothing may begin here that could not be recovered. */
static int destination_identify(const struct xlm_identity *identity,
                                void *data)
{
    struct lm_destination *destination = data;

    destination->identity = *identity;
    if (lm_destination_check_name(destination)) {
        return -1;
    }
    if (lm_destination_listen(destination)) {
        return xlm_fail(&destination->op.xlm,
                        "this host cannot listen for a recovery: %s",
                        strerror(errno));
    }
    return 0;
}

static unsigned long *destination_keep(uint64_t pfns, void *data)
{
    struct lm_destination *destination = data;
    struct xlm_hypervisor *hv = destination->op.xlm.hypervisor;
    const char *name = destination->final_name;
    struct xlm_domain_info info;

    (void)pfns; /* as in the identity */
    if (hv->ops->domain_info(hv, destination->local_domid, &info) ||
        lm_kept_create(&destination->kept, &destination->identity,
                       destination->local_domid, info.handle)) {
        return NULL;
    }
    if (name && strlen(name) < LM_KEPT_NAME_SIZE) {
        strcpy(destination->kept.state->name, name);
    }
    destination->kept.state->stays_paused = destination->params.paused;
    destination->kept.state->link_timeout_ms =
        lm_timeout_ms(destination->params.link_timeout);
    return lm_kept_words(&destination->kept);
}

/* The devices have an early state, or it is before the go: they must not run
 * on with it. */
static int note_built(struct lm_destination *destination)
{
    destination->state = LM_DESTINATION_BUILT;
    *destination->domid = destination->local_domid;
    if (lm_has_device_model(destination->config)) {
        lm_announce_restore_config(destination->config);
        lm_announce_restore_kept(destination->op.ctx,
                                 destination->local_domid);
    }
    lm_withhold(destination->local_domid, destination->op.xlm.logger);
    lm_withhold_config(destination->op.ctx, destination->local_domid,
                       destination->op.xlm.logger);
    if (destination->reconnect) {
        /* Its memory comes later. */
        lm_target_withhold(destination->local_domid,
                           destination->op.xlm.logger);
    }
    if (lm_front_ends_distrust(&destination->op.xlm,
                               destination->local_domid)) {
        return -1;
    }
    if (!lm_has_device_model(destination->config)) {
        return 0;
    }
    return lm_device_model_stop(&destination->op.xlm,
                                destination->local_domid);
}

/* The QEMU that libxl would start was guessed from the host's files. */
static int check_loads_twice(struct lm_destination *destination)
{
    struct lm_qemu_version version;

    if (!lm_has_device_model(destination->config)) {
        return 0;
    }
    if (lm_device_model_version(&destination->op.xlm, destination->local_domid,
                                &version)) {
        return -1;
    }
    if (lm_loads_twice(&version)) {
        return 0;
    }
    errno = EOPNOTSUPP;
    return xlm_fail(&destination->op.xlm,
                    "the device model here, QEMU %u.%u, cannot load a state "
                    "twice: use --late-build",
                    version.major, version.minor);
}

static int destination_await_build(void *data)
{
    struct lm_destination *destination = data;

    if (lm_builder_finish(&destination->builder)) {
        return -1;
    }
    lm_destination_show(destination);
    /* An ordinary stream has no second state. */
    if (destination->reconnect && check_loads_twice(destination)) {
        destination->state = LM_DESTINATION_BUILT;
        return -1;
    }
    return note_built(destination);
}

static int destination_await_fed(void *data)
{
    struct lm_destination *destination = data;

    if (lm_builder_await_fed(&destination->builder)) {
        return -1;
    }
    lm_destination_show(destination);
    lm_builder_hold(&destination->builder, destination->local_domid);
    return 0;
}

static int destination_poll_build(int timeout_ms, void *data)
{
    struct lm_destination *destination = data;
    int rc = lm_builder_poll(&destination->builder, timeout_ms);

    return rc == 1 && note_built(destination) ? -1 : rc;
}

/* The final state replaces the one that the device model was started with. */
static int load_device_state(struct lm_destination *destination,
                             const struct lm_record *record)
{
    const void *octets;
    struct lm_device_state state;

    if (lm_parse_emulator_context(&destination->op.xlm, record, &octets,
                                  &state.length)) {
        return -1;
    }
    state.octets = (void *)octets;
    return lm_device_model_load(&destination->op.xlm, destination->local_domid,
                                &state);
}

static int take_device_record(struct lm_destination *destination,
                              const struct lm_record *record)
{
    switch (record->type) {
    case LM_REC_EMULATOR_XENSTORE_DATA:
    case LM_REC_EMULATOR_CONTEXT:
        if (!lm_has_device_model(destination->config)) {
            break;
        }
        if (destination->state == LM_DESTINATION_BUILDING) {
            return lm_builder_feed(&destination->builder, record->octets,
                                   record->total);
        }
        return record->type == LM_REC_EMULATOR_CONTEXT
                   ? load_device_state(destination, record)
                   : 0;
    default:
        break;
    }
    errno = EPROTO;
    return xlm_fail(&destination->op.xlm,
                    "libxl migration stream: bad record %#x of %u octets",
                    record->type, record->length);
}

static bool ends_device_state(const struct lm_record *record)
{
    return !record->length && (record->type == LM_REC_END ||
                               record->type == LM_REC_POSTCOPY_TRANSITION_END);
}

static int destination_read_device_state(struct xlm_channel *channel,
                                         void *data)
{
    struct lm_destination *destination = data;
    struct lm_record record;
    uint32_t seen = 0; /* types seen, as bits: each may come once */
    bool ended = false;
    int rc = 0;

    while (!rc && !ended) {
        rc = lm_read_record(&destination->op.xlm, channel, &record);
        if (!rc && (seen & 1u << record.type)) {
            errno = EPROTO;
            rc = xlm_fail(&destination->op.xlm,
                          "libxl migration stream: record %#x comes twice",
                          record.type);
        }
        ended = !rc && ends_device_state(&record);
        if (!rc && !ended) {
            seen |= 1u << record.type;
            rc = take_device_record(destination, &record);
        }
        lm_record_dispose(&record);
    }
    /* The last check before READY. */
    if (!rc && destination->reconnect) {
        rc = lm_destination_check_name(destination);
    }
    return rc;
}

/* An ordinary stream has no kept file. */
static void note_let_run(struct lm_destination *destination)
{
    if (destination->kept.state) {
        destination->kept.state->let_run = 1;
    }
}

/* If no page will come once it runs, its front ends need not be slowed
 * down. */
static bool is_whole(const struct lm_destination *destination)
{
    return !destination->kept.state ||
           !lm_kept_lacks_pages(&destination->kept);
}

static int destination_run(void *data)
{
    struct lm_destination *destination = data;
    int rc;

    if (is_whole(destination)) {
        lm_front_ends_trust(destination->op.xlm.logger,
                            destination->local_domid);
    }
    /* From here on a process that takes over must not destroy it. */
    if (destination->kept.state) {
        destination->kept.state->go_taken = 1;
    }
    /* Let the guest run first; its name can wait, and the guest has waited
     * long enough. */
    if (destination->params.paused) {
        (void)lm_give_back(destination->local_domid,
                           destination->op.xlm.logger);
    } else {
        rc = lm_let_run(destination->op.ctx, destination->local_domid,
                        destination->op.xlm.logger);
        if (rc) {
            return xlm_fail(&destination->op.xlm,
                            "the domain could not be unpaused at the "
                            "destination (libxl error %d)",
                            rc);
        }
    }
    note_let_run(destination);
    if (!destination->params.paused &&
        lm_has_device_model(destination->config)) {
        lm_announcer_start(&destination->announcer, destination->op.xlm.logger,
                           destination->local_domid);
    }
    lm_destination_take_name(destination, destination->config->c_info.name);
    destination->state = LM_DESTINATION_OURS;
    return 0;
}

/* ---- stages ---- */

/* libxl's defaults are up to 32 MiB; a configuration that was never filled in
 * has no value at all. */
static uint64_t max_pages(const libxl_domain_config *config)
{
    uint64_t kib = config->b_info.max_memkb;

    return (kib == LIBXL_MEMKB_DEFAULT ? DEFAULT_MEMKB : kib) / KIB_PER_PAGE;
}

/* A device model maps pages of its guest at any time. */
static bool is_pvh(const struct lm_destination *destination)
{
    if (destination->config->c_info.type == LIBXL_DOMAIN_TYPE_PVH) {
        return true;
    }
    xtl_log(destination->op.xlm.logger, XTL_WARN, -1, "light",
            "only PVH guests get superpages again: this one keeps pages of "
            "4 KiB");
    return false;
}

static enum xlm_mechanism mechanism_of(libxl_live_migrate_pager pager)
{
    return pager == LIBXL_LIVE_MIGRATE_PAGER_ACCESS ? XLM_MECHANISM_ACCESS
                                                    : XLM_MECHANISM_PAGING;
}

/* The front ends of disks and networks are known to be able to copy.  With any
 * other device a back end accesses the guest's own pages, which access rights
 * do not stop. */
static bool has_other_devices(const libxl_domain_config *config)
{
    return config->num_pcidevs || config->num_dtdevs || config->num_vfbs ||
           config->num_vkbs || config->num_vtpms || config->num_p9s ||
           config->num_pvcallsifs || config->num_vdispls ||
           config->num_vsnds || config->num_channels || config->num_usbctrls ||
           config->num_usbdevs;
}

static int move_in(struct lm_destination *destination)
{
    const struct xlm_restore_callbacks callbacks = {
        .identify = destination_identify,
        .keep = destination_keep,
        .why_late = destination_why_late,
        .feed = destination_feed,
        .feed_devices = destination_feed_devices,
        .await_domain = destination_await_domain,
        .await_build = destination_await_build,
        .await_fed = destination_await_fed,
        .poll_build = destination_poll_build,
        .read_device_state = destination_read_device_state,
        .run = destination_run,
        .progress = lm_destination_progress,
        .data = destination,
    };
    const struct xlm_restore_params params = {
        .in_fd = destination->recv_fd,
        .out_fd = destination->send_fd,
        .relink = &destination->relink,
        .max_pages = max_pages(destination->config),
        .link_timeout_ms = lm_timeout_ms(destination->params.link_timeout),
        .superpages =
            destination->params.superpages && is_pvh(destination) &&
            destination->params.pager == LIBXL_LIVE_MIGRATE_PAGER_PAGING,
        .pager = mechanism_of(destination->params.pager),
    };

    destination->relink.fd = -1;
    if (xlm_restore(&destination->op.xlm, &params, &callbacks,
                    &destination->op.stats, destination->resumed)) {
        return ERROR_FAIL;
    }
    return 0;
}

static int destination_error(const struct lm_destination *destination, int rc)
{
    if (destination->no_memory) {
        return ERROR_NOMEM;
    }
    return lm_aborted(destination->op.xlm.abort_fd) ? ERROR_ABORTED : rc;
}

static int receive(struct lm_operation *op)
{
    struct lm_destination *destination = (struct lm_destination *)op;
    int rc;

    lm_builder_init(&destination->builder, op->ctx, destination->config,
                    &op->xlm, &op->signal_mask);
    rc = lm_open_hypervisor(&destination->op.xlm);
    if (rc) {
        goto out;
    }
    if (lm_read_prologue(&destination->op.xlm, destination->recv_fd)) {
        rc = ERROR_FAIL;
        goto out;
    }
    rc = move_in(destination);
    if (rc && !*destination->resumed) {
        rc = destination_error(destination, rc);
        lm_destination_note_end(destination,
                                lm_builder_abandon(&destination->builder)
                                    ? XLM_GUEST_UNKNOWN
                                    : XLM_GUEST_NEVER_RAN);
        goto out;
    }
    lm_destination_note_end(destination,
                            lm_destination_outcome(destination, rc));
    *destination->domid = destination->local_domid;

out:
    if (lm_has_device_model(destination->config)) {
        lm_announce_restore_config(destination->config);
    }
    lm_announcer_end(&destination->announcer);
    lm_destination_show_end(destination, rc);
    return rc;
}

/* ---- entry points ---- */

void libxl_live_migrate_receive_params_init(
    libxl_live_migrate_receive_params *params)
{
    *params = (libxl_live_migrate_receive_params){
        .abort_fd = -1,
        .link_timeout = LM_LINK_TIMEOUT,
    };
}

void libxl_live_migrate_receive_params_dispose(
    libxl_live_migrate_receive_params *params)
{
    libxl_live_migrate_receive_params_init(params);
}

int libxl_domain_live_migrate_receive(
    libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid, int recv_fd,
    int send_fd, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, bool *postcopy_resumed,
    const libxl_asyncop_how *ao_how)
{
    struct lm_destination *destination;

    if (!postcopy_resumed) {
        return lm_refuse(ERROR_INVAL, result, params->logger,
                         "postcopy_resumed is NULL: the caller must learn "
                         "which host has the guest");
    }
    *postcopy_resumed = false;
    if (lm_check_how(ao_how, result, params->logger)) {
        return ERROR_NI;
    }
    if (params->pager == LIBXL_LIVE_MIGRATE_PAGER_ACCESS &&
        has_other_devices(config)) {
        return lm_refuse(ERROR_NI, result, params->logger,
                         "the guest has devices other than disks, networks "
                         "and consoles, which go past access rights: use the "
                         "pager on memory paging");
    }
    destination = lm_destination_new(ctx, params, result, receive);
    if (!destination) {
        return lm_refuse(ERROR_NOMEM, result, params->logger, "out of memory");
    }
    destination->op.trace_path = params->trace;
    destination->config = config;
    destination->domid = domid;
    destination->recv_fd = recv_fd;
    destination->send_fd = send_fd;
    destination->resumed = postcopy_resumed;
    return lm_operation_start(&destination->op, ao_how);
}
