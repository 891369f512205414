/*
 * The destination: receives a domain.
 *
 * The guest layer fills the memory and calls back, in this order:
 *
 *   destination_feed               the first time: room is made on the host,
 *                                  and libxl starts to build
 *   destination_await_domain       libxl has made the domain
 *   destination_feed
 *   destination_feed_devices
 *   destination_await_build        BUILDING -> BUILT, devices and all, paused
 *   destination_read_device_state
 *   destination_run                BUILT -> OURS: its name, and unpaused
 *
 * A failure before OURS ends with nothing left of the domain; from OURS on it
 * is never destroyed here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "common.h"
#include "control.h"
#include "device_model.h"
#include "libxl_live_migrate.h"
#include "memo.h"
#include "memory.h"
#include "operation.h"
#include "reconnect.h"
#include "stream.h"

#define DEFAULT_MEMKB (32u << 10)
#define KIB_PER_PAGE 4u

enum lm_destination_state {
    LM_DESTINATION_WAITING, /* nothing of the domain has come */
    LM_DESTINATION_BUILDING,
    LM_DESTINATION_BUILT,
    LM_DESTINATION_OURS,
};

struct lm_destination {
    struct lm_operation op;
    libxl_domain_config *config;
    uint32_t *domid; /* the caller's */
    int recv_fd;
    int send_fd;
    libxl_live_migrate_receive_params params; /* a copy */
    char *final_name;
    bool *resumed;
    enum lm_destination_state state;
    bool no_memory;
    struct lm_builder builder;
    /* The migration is known, and can be gone on with over another connection,
     * when the latter is there. */
    struct xlm_identity identity;
    struct lm_reconnect *reconnect;
    struct xlm_relink relink;
    bool paused; /* the guest runs here, and has lost its source */
};

/* ---- callbacks, in execution order ---- */

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
    if (lm_builder_start(&destination->builder)) {
        return -1;
    }
    destination->state = LM_DESTINATION_BUILDING;
    return 0;
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

    return lm_builder_await_domain(&destination->builder, domid);
}

/* Nothing begins here that could not be gone on with. */
static int destination_identify(const struct xlm_identity *identity,
                                void *data)
{
    struct lm_destination *destination = data;

    destination->identity = *identity;
    destination->reconnect =
        lm_reconnect_open(identity, destination->op.abort.event_fd);
    if (!destination->reconnect) {
        return xlm_fail(&destination->op.xlm,
                        "this host cannot listen for a recovery: %s",
                        strerror(errno));
    }
    destination->relink.fd = lm_reconnect_fd(destination->reconnect);
    return 0;
}

/* While libxl builds the domain, it makes the nodes that ours are below. */
static void show_outside(struct lm_destination *destination)
{
    const char *name = destination->final_name;
    const struct lm_control_setup setup = {
        .domid = destination->builder.domid,
        .role = LIBXL_LIVE_MIGRATE_ROLE_DESTINATION,
        .name = name ? name : destination->config->c_info.name,
        .id = destination->reconnect ? destination->identity.id : NULL,
        .abort_event_fd = destination->op.abort.event_fd,
        .logger = destination->op.xlm.logger,
    };

    destination->op.observer.control = lm_control_start(&setup);
}

static void show_end(struct lm_destination *destination, int rc)
{
    libxl_live_migrate_state state = LIBXL_LIVE_MIGRATE_STATE_COMPLETE;

    if (rc) {
        state = *destination->resumed ? LIBXL_LIVE_MIGRATE_STATE_PAUSED
                                      : LIBXL_LIVE_MIGRATE_STATE_FAILED;
    }
    lm_control_end(destination->op.observer.control, state,
                   destination->op.xlm.reason);
    destination->op.observer.control = NULL;
}

static int destination_await_build(void *data)
{
    struct lm_destination *destination = data;

    if (lm_builder_finish(&destination->builder)) {
        return -1;
    }
    destination->state = LM_DESTINATION_BUILT;
    show_outside(destination);
    /* It runs with a state that is not the last: its devices must not go on
     * with what they were doing. */
    if (lm_has_device_model(destination->config)) {
        return lm_device_model_stop(&destination->op.xlm,
                                    destination->builder.domid);
    }
    return 0;
}

/* The final state takes the place of the one that the device model was
 * started with. */
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
    return lm_device_model_load(&destination->op.xlm,
                                destination->builder.domid, &state);
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
    uint32_t seen = 0; /* types, as bits: each comes once */
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
    return rc;
}

/* A name that is taken must not keep the only copy of a guest from running:
 * it keeps the name that it was built under. */
static void take_name(struct lm_destination *destination)
{
    const char *name = destination->final_name;
    const char *built = destination->config->c_info.name;
    int rc;

    if (!name || !strcmp(name, built)) {
        return;
    }
    rc = libxl_domain_rename(destination->op.ctx, destination->builder.domid,
                             built, name);
    if (rc) {
        xtl_log(destination->op.xlm.logger, XTL_ERROR, -1, "light",
                "domain %u could not be renamed to %s (libxl error %d): it "
                "goes on as %s",
                destination->builder.domid, name, rc, built);
    }
}

static int destination_run(void *data)
{
    struct lm_destination *destination = data;
    int rc;

    /* The guest first: its name can wait, and it has waited long enough. */
    if (!destination->params.paused) {
        rc = libxl_domain_unpause(destination->op.ctx,
                                  destination->builder.domid, NULL);
        if (rc) {
            return xlm_fail(&destination->op.xlm,
                            "the domain could not be unpaused at the "
                            "destination (libxl error %d)",
                            rc);
        }
    }
    take_name(destination);
    *destination->domid = destination->builder.domid;
    destination->state = LM_DESTINATION_OURS;
    return 0;
}

/* How often it is seen whether a guest that waits is still there. */
#define LOOK_MS 1000

static void note_pause(struct lm_destination *destination)
{
    const char *name = destination->final_name
                           ? destination->final_name
                           : destination->config->c_info.name;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    destination->paused = true;
    snprintf(
        reason, sizeof(reason),
        "%s runs on here, until it needs memory that has not come, as its "
        "source is lost: xl migrate-recover %s THIS-HOST there goes on "
        "(%.250s)",
        name, name, destination->op.xlm.reason);
    xtl_log(destination->op.xlm.logger, XTL_ERROR, -1, "light", "%s", reason);
    lm_control_pause(destination->op.observer.control, reason);
}

static int destination_await_link(int *in_fd, int *out_fd, void *data)
{
    struct lm_destination *destination = data;

    if (!destination->paused) {
        note_pause(destination);
    }
    return lm_reconnect_take(destination->reconnect, LOOK_MS, in_fd, out_fd);
}

static void destination_resumed(void *data)
{
    struct lm_destination *destination = data;

    destination->paused = false;
    lm_control_go_on(destination->op.observer.control);
    xtl_log(destination->op.xlm.logger, XTL_NOTICE, -1, "light",
            "the source of domain %u is there again",
            destination->builder.domid);
}

static void destination_progress(enum xlm_phase phase,
                                 const struct xlm_stats *stats, void *data)
{
    struct lm_destination *destination = data;

    lm_observe(&destination->op.observer, phase, stats);
}

/* ---- stages ---- */

/* What libxl makes of it when nothing is said is as much as 32 MiB; a
 * configuration that was never filled in says nothing at all. */
static uint64_t max_pages(const libxl_domain_config *config)
{
    uint64_t kib = config->b_info.max_memkb;

    return (kib == LIBXL_MEMKB_DEFAULT ? DEFAULT_MEMKB : kib) / KIB_PER_PAGE;
}

static int move_in(struct lm_destination *destination)
{
    const struct xlm_restore_callbacks callbacks = {
        .identify = destination_identify,
        .feed = destination_feed,
        .feed_devices = destination_feed_devices,
        .await_domain = destination_await_domain,
        .await_build = destination_await_build,
        .read_device_state = destination_read_device_state,
        .run = destination_run,
        .progress = destination_progress,
        .data = destination,
    };
    const struct xlm_restore_params params = {
        .in_fd = destination->recv_fd,
        .out_fd = destination->send_fd,
        .relink = &destination->relink,
        .max_pages = max_pages(destination->config),
    };

    destination->relink = (struct xlm_relink){
        .fd = -1,
        .await = destination_await_link,
        .resumed = destination_resumed,
        .data = destination,
    };

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

/* For a source that asks; before those that wait for an answer hear of the
 * end. */
static void note_end(struct lm_destination *destination,
                     enum xlm_guest_state state)
{
    if (destination->reconnect &&
        lm_memo_put(destination->identity.id, state)) {
        xtl_log(destination->op.xlm.logger, XTL_WARN, errno, "light",
                "how the migration ended cannot be noted: a source that asks "
                "is told that it is not known");
    }
    lm_reconnect_close(destination->reconnect);
    destination->reconnect = NULL;
}

static enum xlm_guest_state how_it_ended(
    const struct lm_destination *destination, int rc)
{
    if (rc) {
        return XLM_GUEST_UNKNOWN;
    }
    return destination->op.observer.phase == XLM_PHASE_COMPLETE
               ? XLM_GUEST_COMPLETE
               : XLM_GUEST_ENDED;
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
        note_end(destination, lm_builder_abandon(&destination->builder)
                                  ? XLM_GUEST_UNKNOWN
                                  : XLM_GUEST_NEVER_RAN);
        goto out;
    }
    note_end(destination, how_it_ended(destination, rc));
    *destination->domid = destination->builder.domid;

out:
    show_end(destination, rc);
    return rc;
}

static void free_destination(struct lm_operation *op)
{
    struct lm_destination *destination = (struct lm_destination *)op;

    free(destination->final_name);
    free(destination);
}

/* ---- entry points ---- */

void libxl_live_migrate_receive_params_init(
    libxl_live_migrate_receive_params *params)
{
    *params = (libxl_live_migrate_receive_params){.abort_fd = -1};
}

void libxl_live_migrate_receive_params_dispose(
    libxl_live_migrate_receive_params *params)
{
    libxl_live_migrate_receive_params_init(params);
}

/* Nothing of the params is needed any more once this has returned. */
static struct lm_destination *new_destination(
    libxl_ctx *ctx, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result)
{
    struct lm_destination *destination = malloc(sizeof(*destination));

    if (!destination) {
        return NULL;
    }
    *destination = (struct lm_destination){
        .op =
            {
                .ctx = ctx,
                .run = receive,
                .free = free_destination,
                .logger = params->logger,
                .result = result,
                .abort_fd = params->abort_fd,
                .observer.progress = params->progress,
                .observer.user = params->progress_user,
            },
        .params = *params,
    };
    if (params->final_name) {
        destination->final_name = strdup(params->final_name);
        if (!destination->final_name) {
            free(destination);
            return NULL;
        }
    }
    return destination;
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
                         "postcopy_resumed is NULL: whose the guest is could "
                         "not be told");
    }
    *postcopy_resumed = false;
    if (lm_check_how(ao_how, result, params->logger)) {
        return ERROR_NI;
    }
    destination = new_destination(ctx, params, result);
    if (!destination) {
        return lm_refuse(ERROR_NOMEM, result, params->logger, "out of memory");
    }
    destination->config = config;
    destination->domid = domid;
    destination->recv_fd = recv_fd;
    destination->send_fd = send_fd;
    destination->resumed = postcopy_resumed;
    return lm_operation_start(&destination->op, ao_how);
}
