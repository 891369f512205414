/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which half of a guest a domain is, when a migration has the guest's memory
 * in two places.
 *
 * There are three sources, because each can be missing: the nodes in xenstore,
 * which a migration writes about once a second and another one removes; the
 * file that a receiver keeps, which is true at every moment and outlives its
 * process; and the hypervisor, which knows how many pages are paged out and
 * whether the domain is suspended.
 */
#include "call/half.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/sched.h>

#include "common/common.h"
#include "control/control_store.h"

/* ---- the witnesses ---- */

static void read_id(struct xs_handle *xs, struct lm_witnesses *seen)
{
    char *id = lm_store_read(xs, XBT_NULL, seen->domid, "id");

    seen->has_id = id && !lm_id_from_text(id, seen->id);
    free(id);
}

static int look_at_nodes(struct lm_witnesses *seen)
{
    struct xs_handle *xs = xs_open(0);
    uint32_t domid = seen->domid;

    if (!xs) {
        return ERROR_FAIL;
    }
    seen->role =
        lm_store_read_name(xs, XBT_NULL, domid, "role", lm_store_role);
    seen->state =
        lm_store_read_name(xs, XBT_NULL, domid, "state", lm_store_state);
    seen->phase =
        lm_store_read_name(xs, XBT_NULL, domid, "phase", lm_store_phase);
    seen->busy = lm_store_is_busy(xs, XBT_NULL, domid);
    seen->owner_lives = lm_store_owner_lives(xs, XBT_NULL, domid);
    seen->pid = lm_store_read_number(xs, domid, "pid");
    seen->outstanding = lm_store_read_number(xs, domid, "outstanding-pages");
    seen->time_left_us = lm_store_read_number(xs, domid, "time-left-us");
    lm_store_read_text(xs, XBT_NULL, domid, "name", seen->name,
                       sizeof(seen->name));
    read_id(xs, seen);
    xs_close(xs);
    return 0;
}

static int look_at_file(struct lm_witnesses *seen)
{
    if (!lm_kept_look(seen->domid, seen->info.handle,
                      seen->has_id ? seen->id : NULL, &seen->kept)) {
        seen->has_kept = true;
        return 0;
    }
    return errno == ENOENT ? 0 : ERROR_FAIL;
}

int lm_half_look(struct xlm_hypervisor *hv, uint32_t domid,
                 struct lm_witnesses *seen)
{
    int rc;

    *seen = (struct lm_witnesses){.domid = domid};
    if (hv->ops->domain_info(hv, domid, &seen->info)) {
        return errno == ESRCH ? ERROR_DOMAIN_NOTFOUND : ERROR_FAIL;
    }
    rc = look_at_nodes(seen);
    return rc ? rc : look_at_file(seen);
}

/* ---- the judgement ---- */

static bool is_suspended(const struct lm_witnesses *seen)
{
    return seen->info.shutdown &&
           seen->info.shutdown_reason == SHUTDOWN_suspend;
}

/* A process that was killed while the guest was suspended may have handed it
 * over: the nodes may be a second old. */
static libxl_live_migrate_half judge_source(const struct lm_witnesses *seen,
                                            bool *needed)
{
    bool lives = seen->busy && seen->owner_lives;

    *needed = seen->state != LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
    if (lives && seen->phase < LIBXL_LIVE_MIGRATE_PHASE_GO) {
        return LIBXL_LIVE_MIGRATE_HALF_LEAVING;
    }
    if (lives) {
        return LIBXL_LIVE_MIGRATE_HALF_LEFT;
    }
    if (is_suspended(seen) && seen->state != LIBXL_LIVE_MIGRATE_STATE_FAILED) {
        return LIBXL_LIVE_MIGRATE_HALF_LEFT;
    }
    *needed = false;
    return LIBXL_LIVE_MIGRATE_HALF_NONE;
}

static libxl_live_migrate_half judge_destination(
    const struct lm_witnesses *seen)
{
    if (seen->has_kept) {
        if (!seen->kept.state.go_taken) {
            return LIBXL_LIVE_MIGRATE_HALF_ARRIVING;
        }
        return seen->kept.outstanding || seen->kept.attended
                   ? LIBXL_LIVE_MIGRATE_HALF_ARRIVED
                   : LIBXL_LIVE_MIGRATE_HALF_NONE;
    }
    if (seen->role == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION && seen->busy) {
        return seen->phase < LIBXL_LIVE_MIGRATE_PHASE_GO
                   ? LIBXL_LIVE_MIGRATE_HALF_ARRIVING
                   : LIBXL_LIVE_MIGRATE_HALF_ARRIVED;
    }
    return LIBXL_LIVE_MIGRATE_HALF_NONE;
}

libxl_live_migrate_half lm_half_judge(const struct lm_witnesses *seen,
                                      bool *needed)
{
    libxl_live_migrate_half half = judge_destination(seen);

    *needed = half != LIBXL_LIVE_MIGRATE_HALF_NONE;
    if (half == LIBXL_LIVE_MIGRATE_HALF_NONE &&
        seen->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE) {
        half = judge_source(seen, needed);
    }
    if (half == LIBXL_LIVE_MIGRATE_HALF_NONE && seen->info.paged_pages) {
        half = LIBXL_LIVE_MIGRATE_HALF_PAGED;
        *needed = true;
    }
    return half;
}

static uint64_t count_outstanding(const struct lm_witnesses *seen,
                                  libxl_live_migrate_half half)
{
    if (half == LIBXL_LIVE_MIGRATE_HALF_LEFT) {
        return seen->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE
                   ? 0
                   : seen->outstanding;
    }
    return seen->has_kept ? seen->kept.outstanding : seen->info.paged_pages;
}

/* ---- for a person ---- */

#define MIB(pages) ((double)(pages) / 256)

static void say(libxl_live_migrate_inspection *found, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(libxl_live_migrate_inspection *found, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(found->text, sizeof(found->text), format, args);
    va_end(args);
}

static void explain_left(libxl_live_migrate_inspection *found, bool lost)
{
    if (!found->needed) {
        say(found,
            "%.200s has moved away as a whole: what is here is of no use any "
            "more, and must not run",
            found->name);
    } else if (lost) {
        say(found,
            "%.200s was handed over to a destination where it can never be "
            "whole "
            "any more: this is its memory as it was then, and all that is "
            "left of it",
            found->name);
    } else if (found->attended) {
        say(found,
            "%.200s runs at the destination, and this is its memory of which "
            "%.1f MiB have still to go there: see xl migrate-status %u",
            found->name, MIB(found->outstanding), found->domid);
    } else {
        say(found,
            "%.200s is the destination's, and this is its memory, which "
            "no process brings there at the moment (%.1f MiB when that was "
            "last shown): xl migrate-recover %u HOST goes on",
            found->name, MIB(found->outstanding), found->domid);
    }
}

static void explain_arrived(libxl_live_migrate_inspection *found, bool lost)
{
    if (found->attended) {
        say(found,
            "%.200s runs here, and %.1f MiB of its memory are still at its "
            "source: see xl migrate-status %u",
            found->name, MIB(found->outstanding), found->domid);
    } else if (lost) {
        say(found,
            "%.1f MiB of the memory of %.200s are lost with its source: it is "
            "paused here, and can only be destroyed",
            MIB(found->outstanding), found->name);
    } else {
        say(found,
            "%.1f MiB of the memory of %.200s are still at its source, and "
            "the process that brought them was killed: xl migrate-recover "
            "%.200s THIS-HOST at the source goes on",
            MIB(found->outstanding), found->name, found->name);
    }
}

static void explain(const struct lm_witnesses *seen,
                    libxl_live_migrate_inspection *found)
{
    switch (found->half) {
    case LIBXL_LIVE_MIGRATE_HALF_NONE:
        return;
    case LIBXL_LIVE_MIGRATE_HALF_LEAVING:
        say(found,
            "%.200s runs here, and is about to move to another host: see xl "
            "migrate-status %u; xl migrate-abort %u gives that up",
            found->name, found->domid, found->domid);
        return;
    case LIBXL_LIVE_MIGRATE_HALF_LEFT:
        explain_left(found, seen->state == LIBXL_LIVE_MIGRATE_STATE_LOST);
        return;
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVING:
        say(found, "%.200s is on its way here, and %s", found->name,
            found->attended ? "runs at its source"
                            : "the process that received it was killed: it "
                              "never ran here");
        return;
    case LIBXL_LIVE_MIGRATE_HALF_ARRIVED:
        explain_arrived(found, seen->kept.state.lost);
        return;
    case LIBXL_LIVE_MIGRATE_HALF_PAGED:
        say(found,
            "%.1f MiB of the memory of domain %u are paged out by a program "
            "that is not known here",
            MIB(found->outstanding), found->domid);
        return;
    }
}

/* ---- the public function ---- */

static bool is_attended(const struct lm_witnesses *seen)
{
    return seen->has_kept ? seen->kept.attended
                          : seen->busy && seen->owner_lives;
}

void lm_half_describe(const struct lm_witnesses *seen,
                      libxl_live_migrate_inspection *found)
{
    memset(found, 0, sizeof(*found));
    found->domid = seen->domid;
    found->half = lm_half_judge(seen, &found->needed);
    if (found->half == LIBXL_LIVE_MIGRATE_HALF_NONE) {
        return;
    }
    found->attended = is_attended(seen);
    found->pid = found->attended ? seen->pid : 0;
    found->outstanding = count_outstanding(seen, found->half);
    found->time_left_us = found->attended ? seen->time_left_us : 0;
    snprintf(found->name, sizeof(found->name), "%s",
             seen->name[0] ? seen->name : seen->kept.state.name);
    explain(seen, found);
}

int libxl_live_migrate_inspect(uint32_t domid,
                               libxl_live_migrate_inspection *inspection)
{
    struct lm_brief_call call;
    struct lm_witnesses seen;
    int rc = lm_brief_open(&call);

    if (!rc) {
        rc = lm_half_look(call.xlm.hypervisor, domid, &seen);
    }
    if (!rc) {
        lm_half_describe(&seen, inspection);
    }
    lm_brief_close(&call);
    return rc;
}
