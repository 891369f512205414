/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination of a migration: what does not depend on how the guest came
 * here.
 */
#include "destination/destination.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "common/common.h"
#include "control/control.h"
#include "devices/front_ends.h"
#include "keeping/held_memory.h"
#include "keeping/memo.h"
#include "keeping/withheld.h"
#include "policy/outside_waits.h"

/* ---- making and freeing ---- */

static void free_destination(struct lm_operation *op)
{
    struct lm_destination *destination = (struct lm_destination *)op;

    lm_announcer_end(&destination->announcer);
    free(destination->final_name);
    free(destination->successor_trace);
    free(destination);
}

/* The library needs nothing of the params once this has returned. */
struct lm_destination *lm_destination_new(
    libxl_ctx *ctx, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, int (*run)(struct lm_operation *op))
{
    struct lm_destination *destination = malloc(sizeof(*destination));

    if (!destination) {
        return NULL;
    }
    *destination = (struct lm_destination){
        .op = LM_OPERATION(ctx, run, free_destination, params, result),
        .params = *params,
        .kept = LM_KEPT_NONE,
    };
    destination->resumed = &destination->resumed_here;
    if (params->final_name) {
        destination->final_name = strdup(params->final_name);
        if (!destination->final_name) {
            free(destination);
            return NULL;
        }
    }
    return destination;
}

/* ---- what is seen of it ---- */

static const char *name_of(const struct lm_destination *destination)
{
    return destination->final_name ? destination->final_name
                                   : destination->config->c_info.name;
}

/* While libxl builds the domain, it makes the nodes above these. */
void lm_destination_show(struct lm_destination *destination)
{
    const struct lm_control_setup setup = {
        .domid = destination->local_domid,
        .role = LIBXL_LIVE_MIGRATE_ROLE_DESTINATION,
        .name = name_of(destination),
        .id = destination->reconnect ? destination->identity.id : NULL,
        .abort_event_fd = destination->op.abort.event_fd,
        .logger = destination->op.xlm.logger,
    };

    destination->op.observer.control = lm_control_start(&setup);
}

void lm_destination_show_end(struct lm_destination *destination, int rc)
{
    libxl_live_migrate_state state = LIBXL_LIVE_MIGRATE_STATE_COMPLETE;

    if (rc) {
        state = *destination->resumed ? LIBXL_LIVE_MIGRATE_STATE_PAUSED
                                      : LIBXL_LIVE_MIGRATE_STATE_FAILED;
    }
    if (rc && destination->op.xlm.lost) {
        state = LIBXL_LIVE_MIGRATE_STATE_LOST;
    }
    lm_control_end(destination->op.observer.control, state,
                   destination->op.xlm.reason);
    destination->op.observer.control = NULL;
}

/* In a move within one host the guest has its name until the source's domain
 * is renamed. */
static bool is_the_guest_itself(struct lm_destination *destination,
                                uint32_t domid)
{
    libxl_dominfo info;
    bool is;

    libxl_dominfo_init(&info);
    is = !libxl_domain_info(destination->op.ctx, &info, domid) &&
         !memcmp(&info.uuid, destination->identity.uuid,
                 sizeof(destination->identity.uuid));
    libxl_dominfo_dispose(&info);
    return is;
}

int lm_destination_check_name(struct lm_destination *destination)
{
    const char *name = destination->final_name;
    uint32_t domid;

    if (!name || !strcmp(name, destination->config->c_info.name) ||
        libxl_name_to_domid(destination->op.ctx, name, &domid) ||
        is_the_guest_itself(destination, domid)) {
        return 0;
    }
    errno = EEXIST;
    return xlm_fail(&destination->op.xlm,
                    "there is another domain called %s on this host, domain "
                    "%u: rename one of the two (xl rename)",
                    name, domid);
}

/* A taken name must not keep the only copy of a guest from running: the guest
 * keeps the name that it was built under. */
void lm_destination_take_name(struct lm_destination *destination,
                              const char *built)
{
    const char *name = destination->final_name;
    int rc;

    if (!name || !strcmp(name, built)) {
        return;
    }
    rc = libxl_domain_rename(destination->op.ctx, destination->local_domid,
                             built, name);
    if (rc) {
        xtl_log(destination->op.xlm.logger, XTL_ERROR, -1, "light",
                "domain %u could not be renamed to %s (libxl error %d): the "
                "guest runs as %s; do not destroy it, and use xl rename %s %s "
                "when that name is free",
                destination->local_domid, name, rc, built, built, name);
    }
}

/* ---- other connections ---- */

/* How often to check whether a waiting guest is still there. */
#define LOOK_MS 1000
#define US_PER_S 1000000u
#define PATIENCE_MAX 112

/* How soon the guest's disks will have I/O errors, unless the migration is
 * recovered. */
static void spell_patience(const struct xlm_stats *stats,
                           char text[PATIENCE_MAX])
{
    uint64_t waited = stats->back_ends.wait_us / US_PER_S;
    uint64_t left = XLM_OUTSIDE_PATIENCE_US / US_PER_S - waited;

    text[0] = '\0';
    if (!stats->back_ends.waiting) {
        return;
    }
    if (stats->back_ends.wait_us >= XLM_OUTSIDE_PATIENCE_US) {
        snprintf(text, PATIENCE_MAX,
                 "; a back end here has waited for %" PRIu64 " s: a disk of "
                 "the guest may have had I/O errors",
                 waited);
    } else {
        snprintf(text, PATIENCE_MAX,
                 "; a back end here waits since %" PRIu64 " s: in %" PRIu64
                 " s a disk of the guest has an I/O error",
                 waited, left);
    }
}

static void spell_pause(const struct lm_destination *destination,
                        char reason[LIBXL_LIVE_MIGRATE_REASON_MAX])
{
    const char *name = name_of(destination);
    char patience[PATIENCE_MAX];

    spell_patience(&destination->op.stats, patience);
    snprintf(reason, LIBXL_LIVE_MIGRATE_REASON_MAX,
             "%s runs on here, until it needs memory that has not come, as "
             "its source is lost: xl migrate-recover %s THIS-HOST there goes "
             "on%s (%.200s)",
             name, name, patience, destination->op.xlm.reason);
}

/* Logged once, and again when a back end begins to wait; shown all the
 * time. */
static void note_pause(struct lm_destination *destination)
{
    bool waits = destination->op.stats.back_ends.waiting;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    spell_pause(destination, reason);
    if (!destination->paused || (waits && !destination->back_end_waits)) {
        xtl_log(destination->op.xlm.logger, XTL_ERROR, -1, "light", "%s",
                reason);
    }
    destination->paused = true;
    destination->back_end_waits = waits;
    lm_control_pause(destination->op.observer.control, reason);
}

static int await_link(int *in_fd, int *out_fd, void *data)
{
    struct lm_destination *destination = data;

    note_pause(destination);
    return lm_reconnect_take(destination->reconnect, LOOK_MS, in_fd, out_fd);
}

static void resumed(void *data)
{
    struct lm_destination *destination = data;

    destination->paused = false;
    destination->back_end_waits = false;
    lm_control_go_on(destination->op.observer.control);
    xtl_log(destination->op.xlm.logger, XTL_NOTICE, -1, "light",
            "the source of domain %u is there again",
            destination->local_domid);
}

static int take_faults(int *in_fd, int *out_fd, void *data)
{
    struct lm_destination *destination = data;

    return lm_reconnect_take_faults(destination->reconnect, in_fd, out_fd);
}

static void drop_faults(void *data)
{
    struct lm_destination *destination = data;

    lm_reconnect_drop_faults(destination->reconnect);
}

static int take_stream(uint32_t index, int *in_fd, int *out_fd, void *data)
{
    struct lm_destination *destination = data;

    return lm_reconnect_take_stream(destination->reconnect, index, in_fd,
                                    out_fd);
}

static void drop_streams(void *data)
{
    struct lm_destination *destination = data;

    lm_reconnect_drop_streams(destination->reconnect);
}

/* Whether a front end copies shows in what its back end needs. */
static void note_exposure(struct lm_destination *destination,
                          const struct xlm_stats *stats)
{
    if (destination->exposed || !stats->outside) {
        return;
    }
    destination->exposed = true;
    xtl_log(destination->op.xlm.logger, XTL_WARN, -1, "light",
            "back ends here ask for memory of domain %u that has not come: a "
            "disk or network of it does not copy what it sends, so dom0's "
            "network may stand still, and its disks need the link",
            destination->local_domid);
}

void lm_destination_progress(enum xlm_phase phase,
                             const struct xlm_stats *stats, void *data)
{
    struct lm_destination *destination = data;

    note_exposure(destination, stats);
    lm_observe(&destination->op.observer, phase, stats);
}

int lm_destination_listen(struct lm_destination *destination)
{
    destination->reconnect = lm_reconnect_open(&destination->identity,
                                               destination->op.abort.event_fd);
    if (!destination->reconnect) {
        return -1;
    }
    destination->relink = (struct xlm_relink){
        .fd = lm_reconnect_fd(destination->reconnect),
        .await = await_link,
        .resumed = resumed,
        .take_faults = take_faults,
        .drop_faults = drop_faults,
        .take_stream = take_stream,
        .drop_streams = drop_streams,
        .data = destination,
    };
    return 0;
}

/* ---- the end ---- */

/* Note the end before those that wait for an answer learn of it, for a source
 * that asks later. */
void lm_destination_note_end(struct lm_destination *destination,
                             enum xlm_guest_state state)
{
    if (state == XLM_GUEST_COMPLETE) {
        lm_front_ends_trust(destination->op.xlm.logger,
                            destination->local_domid);
    }
    if (state == XLM_GUEST_COMPLETE || state == XLM_GUEST_ENDED) {
        (void)lm_give_back_config(destination->op.ctx,
                                  destination->local_domid,
                                  destination->op.xlm.logger);
    }
    if (destination->reconnect &&
        lm_memo_put(destination->identity.id, state)) {
        xtl_log(destination->op.xlm.logger, XTL_WARN, errno, "light",
                "how the migration ended cannot be noted: a source that asks "
                "is told that it is not known");
    }
    if (state == XLM_GUEST_COMPLETE || state == XLM_GUEST_ENDED) {
        lm_target_give_back(destination->local_domid,
                            destination->op.xlm.logger);
    }
    lm_reconnect_close(destination->reconnect);
    destination->reconnect = NULL;
    /* For a guest that is left here, paused for ever, the file says what it
     * lacks. */
    if (state == XLM_GUEST_LOST && destination->kept.state) {
        destination->kept.state->lost = 1;
    }
    lm_kept_close(&destination->kept,
                  state != XLM_GUEST_UNKNOWN && state != XLM_GUEST_LOST);
}

enum xlm_guest_state lm_destination_outcome(
    const struct lm_destination *destination, int rc)
{
    if (rc) {
        return destination->op.xlm.lost ? XLM_GUEST_LOST : XLM_GUEST_UNKNOWN;
    }
    return destination->op.observer.phase == XLM_PHASE_COMPLETE
               ? XLM_GUEST_COMPLETE
               : XLM_GUEST_ENDED;
}
