/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest whose receiver was killed.
 *
 * Before the go it never ran, and is destroyed.  After the go the guest runs
 * on until it needs a page that has not come: its faults wait in the
 * hypervisor until another process becomes its pager.  That process must know
 * which pages are outstanding and which vCPUs wait, and reads that from a
 * file; and it needs a connection to the source, which is why it was started.
 */
#include "destination/orphan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>
#include <xen/xen.h>
#include <xen/sched.h>

#include "common/common.h"
#include "control/control_store.h"
#include "devices/front_ends.h"
#include "keeping/held_memory.h"
#include "keeping/memo.h"
#include "keeping/withheld.h"

/* ---- which domain it is ---- */

/* The id of the migration that a domain belongs to; -1: unknown. */
static int read_id(uint32_t domid, uint8_t id[LM_ID_SIZE])
{
    struct xs_handle *xs = xs_open(0);
    char *text;
    int rc = -1;

    if (!xs) {
        return -1;
    }
    text = lm_store_read(xs, XBT_NULL, domid, "id");
    if (text) {
        rc = lm_id_from_text(text, id);
    }
    free(text);
    xs_close(xs);
    return rc;
}

enum finding {
    IT_IS_HERE,
    /* no domain has its number, which Xen gives to one domain at a time */
    IT_IS_GONE,
    IT_HAS_ENDED, /* it is dying, and was not suspended */
    IT_IS_UNKNOWN,
};

static bool is_suspended(const struct xlm_domain_info *info)
{
    return info->shutdown && info->shutdown_reason == SHUTDOWN_suspend;
}

/* Numbers are used again, so a domain is identified by number and handle, or
 * by the id in its nodes in xenstore.  A domain with that number which matches
 * neither proves nothing: not that the guest has ended, nor how. */
static bool is_the_domain(const struct xlm_domain_info *info,
                          const struct lm_kept_state *state)
{
    uint8_t id[LM_ID_SIZE];

    return !memcmp(info->handle, state->handle, sizeof(info->handle)) ||
           (!read_id(state->domid, id) &&
            !memcmp(id, state->identity.id, sizeof(id)));
}

static enum finding look_for(struct xlm_context *xlm,
                             const struct lm_kept_state *state)
{
    struct xlm_hypervisor *hv = xlm->hypervisor;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, state->domid, &info)) {
        return errno == ESRCH ? IT_IS_GONE : IT_IS_UNKNOWN;
    }
    if (is_the_domain(&info, state)) {
        if (!info.dying) {
            return IT_IS_HERE;
        }
        return is_suspended(&info) ? IT_IS_GONE : IT_HAS_ENDED;
    }
    xlm_note_failure(xlm,
                     "domain %u here is not the one that received the guest, "
                     "and what has become of that is not known: see xl list "
                     "here. If the guest is not among them, no other host has "
                     "it, and what the source keeps is all that is left",
                     state->domid);
    return IT_IS_UNKNOWN;
}

static struct xlm_orphan orphan_of(const struct lm_kept *kept)
{
    return (struct xlm_orphan){
        .domid = kept->state->domid,
        .pfns = kept->state->identity.pfns,
        .kept = lm_kept_words(kept),
    };
}

/* ---- another receiver ---- */

/* No process has seen how the guest went: by its own end, or because a program
 * saved it or moved it away without the pages that had not come.  A program
 * that knew of an end would have noted it, and this file would be gone. */
static enum xlm_guest_state judge_gone(struct lm_destination *destination)
{
    if (!lm_kept_lacks_pages(&destination->kept)) {
        return XLM_GUEST_COMPLETE;
    }
    xlm_note_failure(
        &destination->op.xlm,
        "the guest is gone here, and the process that received it "
        "was killed before: it has ended, or was saved or moved "
        "away by another program without the pages that had not "
        "come. If it has ended, destroy what the source keeps");
    return XLM_GUEST_LOST;
}

static enum xlm_guest_state decide(struct lm_destination *destination)
{
    libxl_ctx *ctx = destination->op.ctx;
    const struct lm_kept_state *state = destination->kept.state;
    const struct xlm_orphan orphan = orphan_of(&destination->kept);

    switch (look_for(&destination->op.xlm, state)) {
    case IT_IS_UNKNOWN:
        return XLM_GUEST_UNKNOWN;
    case IT_IS_GONE:
        return state->go_taken ? judge_gone(destination) : XLM_GUEST_NEVER_RAN;
    case IT_HAS_ENDED:
        return state->go_taken ? XLM_GUEST_ENDED : XLM_GUEST_NEVER_RAN;
    case IT_IS_HERE:
        break;
    }
    if (!state->go_taken) {
        (void)lm_give_back(state->domid, destination->op.xlm.logger);
        return libxl_domain_destroy(ctx, state->domid, NULL)
                   ? XLM_GUEST_UNKNOWN
                   : XLM_GUEST_NEVER_RAN;
    }
    if (lm_kept_lacks_pages(&destination->kept)) {
        return XLM_GUEST_RUNS;
    }
    if (xlm_end_paging(&destination->op.xlm, &orphan)) {
        return XLM_GUEST_UNKNOWN;
    }
    (void)lm_give_back_config(ctx, state->domid, destination->op.xlm.logger);
    lm_target_give_back(state->domid, destination->op.xlm.logger);
    lm_store_forget(state->domid);
    return XLM_GUEST_COMPLETE;
}

enum xlm_guest_state lm_orphan_find(struct lm_destination *destination)
{
    struct xlm_context *xlm = &destination->op.xlm;
    struct lm_kept *kept = &destination->kept;
    enum xlm_guest_state state;

    if (lm_open_hypervisor(xlm)) {
        return XLM_GUEST_UNKNOWN;
    }
    if (lm_kept_open(kept, destination->identity.id, &destination->identity)) {
        if (errno == EBUSY) {
            xlm_fail(xlm, "another process here looks after that migration at "
                          "this moment: try again");
        }
        return XLM_GUEST_UNKNOWN;
    }
    state = decide(destination);
    if (state == XLM_GUEST_RUNS) {
        return state;
    }
    if (state == XLM_GUEST_COMPLETE) {
        lm_front_ends_trust(xlm->logger, kept->state->domid);
    }
    if (lm_memo_put(destination->identity.id, state)) {
        state = XLM_GUEST_UNKNOWN;
    }
    lm_kept_close(kept, state != XLM_GUEST_UNKNOWN);
    return state;
}

/* Do what the receiver could not do any more after the go. */
static int let_run(struct lm_destination *destination)
{
    struct lm_kept_state *state = destination->kept.state;

    if (!state->let_run && !state->stays_paused &&
        lm_let_run(destination->op.ctx, state->domid,
                   destination->op.xlm.logger)) {
        return -1;
    }
    if (!state->let_run && !state->stays_paused) {
        lm_announcer_start_if_hvm(&destination->announcer, destination->op.ctx,
                                  destination->op.xlm.logger, state->domid);
    }
    state->let_run = 1;
    return 0;
}

static int orphan_run(void *data)
{
    struct lm_destination *destination = data;
    struct lm_kept_state *state = destination->kept.state;
    char *name;

    if (let_run(destination)) {
        return -1;
    }
    name = libxl_domid_to_name(destination->op.ctx, state->domid);
    if (name && state->name[0]) {
        lm_destination_take_name(destination, name);
    }
    free(name);
    return 0;
}

/* The guest's name, as it is or will be. */
static int find_name(struct lm_destination *destination)
{
    const struct lm_kept_state *state = destination->kept.state;

    free(destination->final_name);
    destination->final_name =
        state->name[0]
            ? strdup(state->name)
            : libxl_domid_to_name(destination->op.ctx, state->domid);
    return destination->final_name
               ? 0
               : xlm_fail(&destination->op.xlm, "out of memory");
}

static int receive(struct lm_destination *destination)
{
    const struct xlm_restore_callbacks callbacks = {
        .run = orphan_run,
        .progress = lm_destination_progress,
        .data = destination,
    };
    const struct xlm_restore_params params = {
        .in_fd = destination->recv_fd,
        .out_fd = destination->send_fd,
        .relink = &destination->relink,
        .link_timeout_ms = destination->kept.state->link_timeout_ms,
    };
    const struct xlm_orphan orphan = orphan_of(&destination->kept);

    return xlm_take_over(&destination->op.xlm, &params, &orphan, &callbacks,
                         &destination->op.stats, destination->resumed);
}

int lm_orphan_take_over(struct lm_destination *destination)
{
    struct xlm_context *xlm = &destination->op.xlm;
    struct lm_kept_state *state = destination->kept.state;
    int rc = ERROR_FAIL;

    lm_operation_trace(&destination->op, destination->successor_trace);
    xlm_trace_identify(xlm->trace, XLM_TRACE_DESTINATION,
                       destination->identity.id);
    destination->local_domid = state->domid;
    if (destination->params.local_domid) {
        *destination->params.local_domid = state->domid;
    }
    if (find_name(destination)) {
        goto out;
    }
    if (lm_destination_listen(destination)) {
        xlm_fail(xlm, "this host cannot listen for another recovery: %s",
                 strerror(errno));
        goto out;
    }
    lm_destination_show(destination);
    if (!receive(destination)) {
        rc = 0;
    }

out:
    lm_destination_note_end(destination,
                            lm_destination_outcome(destination, rc));
    lm_destination_show_end(destination, rc);
    return rc;
}

/* ---- for a process that watches over a receiver ---- */

static int destroy(libxl_ctx *ctx, uint32_t domid, const uint8_t *id)
{
    libxl_dominfo info;
    bool paused;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ctx, &info, domid);
    paused = info.paused;
    libxl_dominfo_dispose(&info);
    if (rc) {
        return rc;
    }
    if (!paused) {
        return ERROR_INVAL;
    }
    (void)libxl_live_migrate_release(ctx, domid);
    rc = libxl_domain_destroy(ctx, domid, NULL);
    if (!rc && id && lm_memo_put(id, XLM_GUEST_NEVER_RAN)) {
        return ERROR_FAIL;
    }
    return rc;
}

/* The guest lacks nothing, but a vCPU may wait for an answer of the dead
 * pager. */
static int end_paging(const struct lm_kept *kept)
{
    const struct xlm_orphan orphan = orphan_of(kept);
    struct lm_brief_call call;
    int rc = lm_brief_open(&call);

    if (!rc && xlm_end_paging(&call.xlm, &orphan)) {
        rc = ERROR_FAIL;
    }
    if (!rc) {
        lm_front_ends_trust(call.xlm.logger, orphan.domid);
        lm_target_give_back(orphan.domid, call.xlm.logger);
    }
    lm_brief_close(&call);
    return rc;
}

/* The file says whether the guest may have run. */
static int look_after(libxl_ctx *ctx, struct lm_kept *kept)
{
    bool ours = kept->state->go_taken;
    bool lacks_pages = ours && lm_kept_lacks_pages(kept);
    uint8_t id[LM_ID_SIZE];
    int rc = 0;

    memcpy(id, kept->state->identity.id, sizeof(id));
    if (!ours) {
        rc = destroy(ctx, kept->state->domid, id);
    } else if (!lacks_pages) {
        rc = end_paging(kept);
        if (!rc) {
            (void)libxl_live_migrate_release(ctx, kept->state->domid);
            lm_store_forget(kept->state->domid);
        }
        if (!rc && lm_memo_put(id, XLM_GUEST_COMPLETE)) {
            rc = ERROR_FAIL;
        }
    }
    lm_kept_close(kept, !rc && !lacks_pages);
    return rc;
}

int libxl_domain_live_migrate_receive_clean_up(libxl_ctx *ctx, uint32_t domid)
{
    uint8_t id[LM_ID_SIZE];
    struct lm_kept kept;
    bool known = !read_id(domid, id);

    if (known && !lm_kept_open(&kept, id, NULL)) {
        return look_after(ctx, &kept);
    }
    if (known && errno == EBUSY) {
        return ERROR_INVAL;
    }
    return destroy(ctx, domid, known ? id : NULL);
}

int libxl_domain_live_migrate_receive_end_paging(libxl_ctx *ctx,
                                                 uint32_t domid)
{
    uint8_t id[LM_ID_SIZE];
    struct lm_kept kept;

    if (read_id(domid, id) || lm_kept_open(&kept, id, NULL)) {
        return 0; /* complete, or ended, or another process has it */
    }
    return look_after(ctx, &kept);
}

static bool has_suspended(libxl_ctx *ctx, uint32_t domid)
{
    libxl_dominfo info;
    bool is;

    libxl_dominfo_init(&info);
    is = libxl_domain_info(ctx, &info, domid) ||
         (info.shutdown &&
          info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND);
    libxl_dominfo_dispose(&info);
    return is;
}

int libxl_domain_live_migrate_receive_end(libxl_ctx *ctx, uint32_t domid)
{
    uint8_t id[LM_ID_SIZE];
    struct lm_kept kept;
    int rc = 0;

    if (read_id(domid, id) || lm_kept_open(&kept, id, NULL)) {
        return 0; /* complete, or a receiver has it */
    }
    if (!kept.state->go_taken || has_suspended(ctx, domid)) {
        rc = ERROR_INVAL;
    } else if (lm_memo_put(id, XLM_GUEST_ENDED)) {
        rc = ERROR_FAIL;
    }
    lm_kept_close(&kept, !rc);
    return rc;
}
