/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination of a migration.
 *
 * Records come in one order only, which the reader's state enforces (see
 * wire/record.h); there is a handler for each, which moves the state on:
 *
 *   XLM_READ_STATIC     until STATIC_DATA_END: the domain is created, and
 *   XLM_READ_LIVE       PREPARE: built, and gets its pager
 *                       (restore/prepare.c); or held, to be built late
 *                       (restore/late.c)
 *   XLM_READ_EVICTION   from BEGIN: lists of pages that come after the go
 *   XLM_READ_LAST       from TRANSITION: the destination waits for the go
 *   XLM_READ_POSTCOPY   from GO: the guest runs, and is the only copy
 *                       (restore/postcopy.c)
 *
 * An ordinary stream stays in XLM_READ_LIVE until its END.
 */
#include "restore/restore.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "restore/ahead.h"
#include "restore/build.h"
#include "restore/context.h"
#include "restore/faults.h"
#include "restore/gone.h"
#include "restore/late.h"
#include "restore/pages.h"
#include "restore/postcopy.h"
#include "restore/prepare.h"
#include "restore/recover.h"
#include "restore/streams.h"

/* ---- the outstanding pages ---- */

static int take_begin(struct xlm_restorer *restorer)
{
    if (!restorer->pager) {
        return xlm_restore_bad_stream(restorer, "postcopy without PREPARE");
    }
    xlm_restore_progress(restorer, XLM_PHASE_EVICTING);
    restorer->state = XLM_READ_EVICTION;
    return 0;
}

static int take_list_begin(struct xlm_restorer *restorer)
{
    if (restorer->sets.listing) {
        return xlm_restore_bad_stream(restorer, "a list within a list");
    }
    restorer->sets.listing = true;
    return 0;
}

static int take_list(struct xlm_restorer *restorer)
{
    if (!restorer->sets.listing) {
        return xlm_restore_bad_stream(restorer,
                                      "POSTCOPY_PFNS outside of a list");
    }
    return xlm_restore_take_outstanding(restorer);
}

static int take_list_end(struct xlm_restorer *restorer)
{
    if (!restorer->sets.listing) {
        return xlm_restore_bad_stream(restorer, "the end of no list");
    }
    restorer->sets.listing = false;
    /* Eviction gave memory back to the host: claim it again. */
    if (xlm_restore_claim(restorer)) {
        return -1;
    }
    return xlm_restore_answer_evicted(restorer);
}

/* ---- TRANSITION to READY ---- */

static int refuse_go(struct xlm_restorer *restorer)
{
    (void)xlm_write_answer(restorer->ctx, &restorer->channel,
                           XLM_REC_POSTCOPY_READY, XLM_REFUSED_OTHER,
                           restorer->ctx->reason);
    return -1;
}

/* READY is sent once every resident page is here, and only for a domain that
 * can run, because with the go the source's is given up. */
static int answer_when_ready(struct xlm_restorer *restorer)
{
    if (restorer->sets.refused.count) {
        return 0;
    }
    if (xlm_restore_check_alive(restorer)) {
        return refuse_go(restorer);
    }
    xlm_restore_progress(restorer, XLM_PHASE_READY);
    XLM_MARK(restorer->ctx, ready_sent);
    return xlm_write_answer(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_READY, 0, "");
}

/* A device model that exists already loads the final state.  Nothing can bring
 * it a page before the go. */
static int load_device_state(struct xlm_restorer *restorer)
{
    uint64_t pfn;

    if (!xlm_restore_read_device_state(restorer)) {
        return 0;
    }
    pfn = xlm_pager_awaited(restorer->pager);
    if (pfn != XLM_PFN_NONE) {
        xlm_restate(restorer->ctx,
                    "a device of the guest needs its page %#" PRIx64
                    " before it runs, which has not come: use --late-build",
                    pfn);
    }
    return -1;
}

static int load_final_state(struct xlm_restorer *restorer)
{
    if (!restorer->pager || restorer->sets.listing) {
        return xlm_restore_bad_stream(restorer, "TRANSITION out of order");
    }
    /* The toolstack loads the state in its stream when it gets the END. */
    if ((restorer->domain.held && xlm_restore_build_late(restorer)) ||
        xlm_restore_load_context(restorer)) {
        return -1;
    }
    return restorer->domain.held ? 0 : load_device_state(restorer);
}

static int take_transition(struct xlm_restorer *restorer)
{
    /* The guest is stopped: from now on the source waits only for READY. */
    xlm_keepalive_stop(&restorer->keepalive);
    if (load_final_state(restorer)) {
        return refuse_go(restorer);
    }
    XLM_MARK(restorer->ctx, state_loaded);
    restorer->state = XLM_READ_LAST;
    return answer_when_ready(restorer);
}

static int take_page_data(struct xlm_restorer *restorer)
{
    if (xlm_restore_take_pages(restorer)) {
        return -1;
    }
    return restorer->state == XLM_READ_LAST ? answer_when_ready(restorer) : 0;
}

/* ---- the whole ---- */

/* What stands for PAGE_DATA or POSTCOPY_PAGE_DATA: an ordinary stream has only
 * the former, and some of these go only to an end that has said that it knows
 * them. */
static int take_other_pages(struct xlm_restorer *restorer)
{
    uint32_t type = restorer->record.type;

    if (restorer->params->out_fd < 0 ||
        (type != XLM_REC_POSTCOPY_ZERO_PAGES && !restorer->outcome.prepared)) {
        return xlm_restore_bad_stream(restorer, "pages in a form that was not "
                                                "asked for");
    }
    return restorer->state == XLM_READ_POSTCOPY
               ? xlm_restore_take_late_pages(restorer)
               : take_page_data(restorer);
}

static int finish_ordinary(struct xlm_restorer *restorer)
{
    if (restorer->pager) {
        return xlm_restore_bad_stream(restorer, "END without TRANSITION");
    }
    restorer->outcome.done = true;
    if (xlm_restore_build_ordinary(restorer)) {
        return -1;
    }
    xlm_restore_run(restorer);
    return 0;
}

static int take_end(struct xlm_restorer *restorer)
{
    return restorer->state == XLM_READ_POSTCOPY
               ? xlm_restore_complete(restorer)
               : finish_ordinary(restorer);
}

static int take_platform(struct xlm_restorer *restorer)
{
    return xlm_platform_take(restorer->ctx, &restorer->domain.platform,
                             &restorer->record);
}

/* The record has no other effect. */
static int take_alive(struct xlm_restorer *restorer)
{
    (void)restorer;
    return 0;
}

static int awaited(struct xlm_restorer *restorer)
{
    return xlm_restore_bad_stream(restorer, "unexpected record");
}

static int take_record(struct xlm_restorer *restorer)
{
    static int (*const taken_by[XLM_RECORD_ROWS])(struct xlm_restorer *) = {
#define TO_DESTINATION(constant, name, number, body, states, taken_by) \
    [XLM_ROW_##constant] = (taken_by),
#include "wire/records.def"
    };

    atomic_store(&restorer->signs.heard_us, xlm_now_us());
    xlm_keepalive_step(restorer->keepalive);
    return taken_by[xlm_record_row(restorer->record.type)](restorer);
}

/*
 * Tell the source about a failure while it still prepares this end.  The
 * source listens once it has sent PREPARE: read up to that.
 */
static void refuse(struct xlm_restorer *restorer)
{
    struct xlm_context unheard = XLM_CONTEXT_INIT;

    if (restorer->outcome.prepared || restorer->params->out_fd < 0) {
        return;
    }
    unheard.logger = restorer->ctx->logger;
    while (restorer->record.type != XLM_REC_POSTCOPY_PREPARE) {
        if (restorer->record.type == XLM_REC_STATIC_DATA_END) {
            restorer->state = XLM_READ_LIVE;
        }
        if (xlm_read_record(&unheard, &restorer->channel, restorer->state,
                            &restorer->record)) {
            return;
        }
    }
    (void)xlm_write_answer(&unheard, &restorer->channel,
                           XLM_REC_POSTCOPY_PREPARED,
                           restorer->outcome.refusal, restorer->ctx->reason);
}

static int read_headers(struct xlm_restorer *restorer)
{
    struct {
        struct xlm_wire_image_header image;
        struct xlm_wire_domain_header domain;
    } headers;

    if (xlm_channel_read(&restorer->channel, &headers, sizeof(headers))) {
        return xlm_fail_on_channel(restorer->ctx, "waiting for its stream");
    }
    if (headers.image.marker != XLM_IMAGE_MARKER ||
        ntohl(headers.image.id) != XLM_IMAGE_ID ||
        ntohl(headers.image.version) != XLM_IMAGE_VERSION ||
        headers.image.options) {
        return xlm_restore_bad_stream(restorer, "not a version 3 image");
    }
    if (headers.domain.type != XLM_DOMAIN_TYPE_HVM ||
        headers.domain.page_shift != XLM_PAGE_SHIFT) {
        return xlm_restore_bad_stream(restorer, "not an HVM or PVH guest");
    }
    restorer->domain.source_xen.major = headers.domain.xen_major;
    restorer->domain.source_xen.minor = headers.domain.xen_minor;
    xlm_restore_keep_alive(restorer);
    /* With this the toolstack begins, and looks for room. */
    if (xlm_restore_feed(restorer, &headers, sizeof(headers))) {
        restorer->outcome.refusal =
            errno == ENOMEM ? XLM_REFUSED_NO_MEMORY : XLM_REFUSED_BUILD;
        refuse(restorer);
        return -1;
    }
    return 0;
}

static int take_stream(struct xlm_restorer *restorer)
{
    while (!restorer->outcome.done) {
        if (xlm_restore_read_next(restorer, restorer->ctx)) {
            return -1;
        }
        if (take_record(restorer)) {
            refuse(restorer);
            return -1;
        }
    }
    return 0;
}

int xlm_restore_follow(struct xlm_restorer *restorer)
{
    while (take_stream(restorer)) {
        if (restorer->ctx->lost) {
            return -1;
        }
        if (xlm_restore_guest_is_gone(restorer)) {
            return xlm_restore_end_with_guest(restorer);
        }
        if (xlm_restore_recover(restorer) &&
            !xlm_restore_guest_is_gone(restorer)) {
            return -1;
        }
    }
    return 0;
}

static int restore(struct xlm_restorer *restorer)
{
    if (xlm_open_connection(restorer->ctx, &restorer->channel,
                            restorer->params->in_fd,
                            restorer->params->out_fd)) {
        return -1;
    }
    restorer->channel.idle_ms = XLM_SOURCE_SILENCE_MS;
    return read_headers(restorer) ? -1 : xlm_restore_follow(restorer);
}

static void dispose(struct xlm_restorer *restorer)
{
    /* First of all: these threads use the channel. */
    xlm_channel_stop(&restorer->channel);
    xlm_keepalive_stop(&restorer->keepalive);
    xlm_restore_close_ahead(restorer);
    xlm_restore_close_faults(restorer);
    xlm_restore_close_streams(restorer);
    xlm_pager_close(restorer->pager);
    restorer->pager = NULL;
    xlm_channel_close(&restorer->channel);
    xlm_restore_dispose_lent(restorer);
    xlm_platform_dispose(&restorer->domain.platform);
    free(restorer->domain.devices);
    xlm_pfn_set_dispose(&restorer->sets.populated);
    xlm_pfn_set_dispose(&restorer->sets.toolstack);
    xlm_pfn_set_dispose(&restorer->sets.refusing);
    xlm_pfn_set_dispose(&restorer->sets.refused);
}

int xlm_restore_end(struct xlm_restorer *restorer, int rc)
{
    restorer->stats->end_us = xlm_now_us() - restorer->start_us;
    dispose(restorer);
    if (!rc && !restorer->outcome.gone) {
        xlm_restore_progress(restorer, XLM_PHASE_COMPLETE);
    }
    return rc;
}

int xlm_restore(struct xlm_context *ctx,
                const struct xlm_restore_params *params,
                const struct xlm_restore_callbacks *callbacks,
                struct xlm_stats *stats, bool *resumed)
{
    struct xlm_restorer restorer;

    xlm_restore_begin(&restorer, ctx, params, callbacks, stats, resumed);
    return xlm_restore_end(&restorer, restore(&restorer));
}
