/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source of a migration: from the running domain to the go.
 *
 * The lists of stages at the end of this file are the whole story in order, of
 * a migration and of an image; save/precopy.c has the rounds of precopy,
 * save/push.c what comes after the go.  What goes over the wire, and when:
 *
 *   headers, static data            |
 *   platform state, device pages,   |  the guest runs, the destination
 *   devices, PREPARE                |  builds its domain
 *                    <- PREPARED    |
 *   (further connections:           |
 *   save/faults.c, save/streams.c)  |
 *   PAGE_DATA, round after round    |
 *   BEGIN, list of outstanding pfns |
 *                    <- EVICTED     |
 *   lists of what is written since, |  save/hot.c, while it suspends
 *   every few milliseconds          /
 *   ---- suspended ----
 *   list of the last writes, PAGE_DATA of those that must be there,
 *   platform state, TRANSITION, device state
 *   ---- the domain is put away ----
 *                    <- EVICTED (each list), READY
 *   ---- commit: the guest is not ours any more ----
 *   GO
 *
 * Without a way back (an image in a file) what is between PREPARE and
 * PREPARED, and from BEGIN on, is left out: that is an ordinary stream.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "clock.h"
#include "save/alive.h"
#include "save/context.h"
#include "save/evict.h"
#include "save/faults.h"
#include "save/features.h"
#include "save/hold.h"
#include "save/hot.h"
#include "save/pages.h"
#include "save/precopy.h"
#include "save/push.h"
#include "save/recheck.h"
#include "save/saver.h"
#include "save/source.h"
#include "save/streams.h"

void xlm_save_params_init(struct xlm_save_params *params)
{
    *params = (struct xlm_save_params){
        .out_fd = -1,
        .in_fd = -1,
#define TUNABLE(type, field, standard, from) .field = (standard),
#include "tunables.def"
    };
}

static uint64_t elapsed_us(const struct xlm_saver *saver)
{
    return xlm_now_us() - saver->start_us;
}

static int write_empty(struct xlm_saver *saver, uint32_t type)
{
    return xlm_write_simple_record(saver->ctx, &saver->channel, type, NULL, 0);
}

/* ---- start ---- */

static int check_domain(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    struct xlm_domain_info info;

    if (xlm_save_check_alive(saver, &info)) {
        return -1;
    }
    if (!info.hvm) {
        errno = EOPNOTSUPP;
        return xlm_fail(saver->ctx,
                        "domain %" PRIu32 " is a PV guest, which can only be "
                        "moved by the stock migration: leave out --postcopy",
                        saver->params->domid);
    }
    if (info.paged_pages) {
        errno = EOPNOTSUPP;
        return xlm_fail(saver->ctx,
                        "%" PRIu64 " pages of domain %" PRIu32 " are paged "
                        "out, and what is not there cannot be moved or saved: "
                        "wait until all of its memory is here, or get it here "
                        "with xl migrate-recover at its source; see xl "
                        "migrate-status",
                        info.paged_pages, saver->params->domid);
    }
    memcpy(saver->domain.uuid, info.handle, sizeof(saver->domain.uuid));
    if (hv->ops->nr_pfns(hv, saver->params->domid, &saver->domain.nr_pfns)) {
        return xlm_fail(saver->ctx,
                        "cannot find the size of domain %" PRIu32 ": %s",
                        saver->params->domid, strerror(errno));
    }
    return 0;
}

/* They never cross the wire, because each host has its own. */
static int find_toolstack_pages(struct xlm_saver *saver)
{
    return xlm_find_toolstack_pages(saver->ctx, saver->params->domid,
                                    &saver->sets.toolstack);
}

static int find_pages(struct xlm_saver *saver)
{
    if (xlm_read_params(saver->ctx, saver->params->domid,
                        &saver->domain.early) ||
        xlm_find_hypervisor_pages(saver->ctx, saver->params->domid,
                                  &saver->sets.resident) ||
        xlm_save_list_present(saver)) {
        return -1;
    }
    xlm_pfn_set_intersect(&saver->sets.resident, &saver->sets.present);
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.present);
    xlm_save_split_device(saver, &saver->sets.to_send);
    xlm_pfn_set_clear(&saver->sets.fresh);
    return 0;
}

static int write_headers(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    struct xlm_wire_image_header image = {
        .marker = XLM_IMAGE_MARKER,
        .id = htonl(XLM_IMAGE_ID),
        .version = htonl(XLM_IMAGE_VERSION),
    };
    struct xlm_wire_domain_header domain = {
        .type = XLM_DOMAIN_TYPE_HVM,
        .page_shift = XLM_PAGE_SHIFT,
    };

    hv->ops->xen_version(hv, &domain.xen_major, &domain.xen_minor);
    if (xlm_channel_write(&saver->channel, &image, sizeof(image)) ||
        xlm_channel_write(&saver->channel, &domain, sizeof(domain))) {
        return xlm_fail_on_channel(saver->ctx, "being sent to");
    }
    return xlm_write_static_data(saver->ctx, &saver->channel,
                                 saver->params->domid);
}

/* ---- the log of what is written ---- */

static int enable_logdirty(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    saver->domain.qemu_logdirty = true;
    if (saver->callbacks->switch_qemu_logdirty(true, saver->callbacks->data)) {
        return xlm_fail(saver->ctx, "the device model does not log what it "
                                    "writes to memory: see its log");
    }
    if (hv->ops->logdirty_enable(hv, saver->params->domid)) {
        return xlm_fail(saver->ctx,
                        "cannot log the writes of domain %" PRIu32 ": %s",
                        saver->params->domid, strerror(errno));
    }
    saver->domain.logdirty = true;
    return 0;
}

static void disable_logdirty(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    if (saver->domain.logdirty &&
        hv->ops->logdirty_disable(hv, saver->params->domid)) {
        xtl_log(saver->ctx->logger, XTL_WARN, errno, "xlm",
                "cannot stop logging the writes of domain %" PRIu32,
                saver->params->domid);
    }
    if (saver->domain.qemu_logdirty) {
        (void)saver->callbacks->switch_qemu_logdirty(false,
                                                     saver->callbacks->data);
    }
}

/* ---- prepare ---- */

static int send_device_pages(struct xlm_saver *saver, uint64_t *sent)
{
    xlm_pfn_set_intersect(&saver->sets.device_send, &saver->sets.present);
    return xlm_save_send_set(saver, &saver->sets.device_send, sent);
}

static int send_early_devices(struct xlm_saver *saver)
{
    void *records = NULL;
    size_t length = 0;
    int rc = 0;

    if (saver->params->build < XLM_BUILD_LATE &&
        saver->callbacks->early_devices &&
        saver->callbacks->early_devices(&records, &length,
                                        saver->callbacks->data)) {
        return xlm_fail(saver->ctx, "cannot read the state of the "
                                    "devices: see the device model's log");
    }
    if (length) {
        rc =
            xlm_write_simple_record(saver->ctx, &saver->channel,
                                    XLM_REC_POSTCOPY_DEVICES, records, length);
    }
    free(records);
    return rc;
}

/* Indexed by enum xlm_build. */
static const uint32_t prepare_flags[] = {
    0,
    XLM_PREPARE_EARLY,
    XLM_PREPARE_LATE,
    XLM_PREPARE_LATE_DEVICES,
};

/* The answer to PREPARE: accepted, and how it builds. */
static int take_prepared(struct xlm_saver *saver)
{
    char text[XLM_ANSWER_TEXT_MAX + 1];
    uint32_t status;

    if (xlm_check_answer(saver->ctx, &saver->record) ||
        xlm_parse_answer(saver->ctx, &saver->record, &status, text)) {
        return -1;
    }
    saver->stats->devices.build = text[0] ? XLM_BUILD_LATE : XLM_BUILD_EARLY;
    snprintf(saver->stats->devices.late_reason,
             sizeof(saver->stats->devices.late_reason), "%.*s",
             XLM_LATE_REASON_MAX - 1, text);
    return 0;
}

static int prepare_destination(struct xlm_saver *saver)
{
    struct xlm_wire_prepare prepare = {
        .version = XLM_PREPARE_VERSION,
        .flags = prepare_flags[saver->params->build],
        .pages = saver->domain.tot_pages,
        .pfns = saver->domain.nr_pfns,
        .credit = saver->params->credit_pages,
    };

    memcpy(prepare.id, saver->params->id, sizeof(prepare.id));
    memcpy(prepare.uuid, saver->domain.uuid, sizeof(prepare.uuid));
    saver->asked.prepared_pfns = prepare.pfns;
    xlm_save_progress(saver, XLM_PHASE_PREPARING);
    xlm_save_keep_alive(saver);
    if (xlm_write_platform(saver->ctx, &saver->channel, saver->params->domid,
                           &saver->domain.context) ||
        send_device_pages(saver, &saver->stats->precopy_pages) ||
        send_early_devices(saver) ||
        xlm_write_simple_record(saver->ctx, &saver->channel,
                                XLM_REC_POSTCOPY_PREPARE, &prepare,
                                sizeof(prepare))) {
        return -1;
    }
    return 0;
}

static int await_prepared(struct xlm_saver *saver)
{
    if (xlm_save_read_answer(saver, XLM_READ_PREPARED) ||
        take_prepared(saver)) {
        return -1;
    }
    xlm_save_begin_forms(saver);
    xlm_save_connect_faults(saver);
    xlm_save_connect_streams(saver);
    /* The log was on meanwhile, and would lose new pages.  List the pages once
     * more: Xen may have been giving the guest a page when it was told to give
     * none. */
    return xlm_save_keep_dirty(saver) || xlm_save_look_again(saver, true) ? -1
                                                                          : 0;
}

/* ---- precopy ---- */

static int precopy(struct xlm_saver *saver)
{
    return xlm_save_precopy(saver, &saver->answer);
}

static int precopy_for_image(struct xlm_saver *saver)
{
    if (precopy(saver)) {
        return -1;
    }
    if (saver->answer == XLM_PRECOPY_POSTCOPY) {
        errno = EINVAL;
        return xlm_fail(saver->ctx, "postcopy needs a way back from the "
                                    "destination");
    }
    return 0;
}

/* Look for changes since the last round. */
static int look_once_more(struct xlm_saver *saver)
{
    return xlm_save_look_again(saver, false);
}

/* ---- evicting, while the guest still runs ---- */

/* Send the device model's pages that were written by now: they need not wait
 * for the stop.  If the guest has got pages, list all of them now as well,
 * because evicting takes long for a large guest.  Other pages are listed, like
 * all that come after. */
static int update_before_stop(struct xlm_saver *saver)
{
    if (xlm_save_look_again(saver, false) ||
        xlm_save_read_dirty(saver, true) ||
        send_device_pages(saver, &saver->stats->precopy_pages)) {
        return -1;
    }
    xlm_pfn_set_unite(&saver->sets.dirty, &saver->sets.to_send);
    xlm_pfn_set_clear(&saver->sets.to_send);
    return xlm_save_list_dirty(saver);
}

static int evict_while_running(struct xlm_saver *saver)
{
    /* Resident pages are sent, not listed. */
    xlm_pfn_set_subtract(&saver->sets.to_send, &saver->sets.resident);
    saver->stats->eviction.left = saver->sets.to_send.count;
    xlm_save_progress(saver, XLM_PHASE_EVICTING);
    if (xlm_save_evict(saver, &saver->sets.to_send)) {
        return -1;
    }
    xlm_pfn_set_clear(&saver->sets.to_send);
    return update_before_stop(saver);
}

/* ---- suspended ---- */

static int suspend(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    struct xlm_domain_info info;

    /* Without this check the toolstack would wait for a guest that has shut
     * down, and that no program has destroyed, until its time-out. */
    if (xlm_save_check_alive(saver, &info)) {
        return -1;
    }
    saver->stats->suspend_us = elapsed_us(saver);
    XLM_MARK(saver->ctx, suspending);
    saver->domain.suspended = true; /* perhaps, also on failure */
    if (saver->callbacks->suspend(saver->callbacks->data)) {
        return xlm_fail(saver->ctx, "the guest did not suspend; is its "
                                    "kernel alive?");
    }
    if (hv->ops->domain_info(hv, saver->params->domid, &info)) {
        return xlm_fail(saver->ctx, "the guest is gone: %s", strerror(errno));
    }
    if (!info.shutdown || info.shutdown_reason != SHUTDOWN_suspend) {
        errno = EBUSY;
        return xlm_fail(saver->ctx,
                        "the guest shut down (reason %u) instead "
                        "of suspending",
                        info.shutdown_reason);
    }
    saver->stats->suspended_us = elapsed_us(saver);
    XLM_MARK(saver->ctx, stopped);
    return 0;
}

/* Stop the guest and send the rest of its memory. */
static int stop_and_copy(struct xlm_saver *saver)
{
    if (suspend(saver) || xlm_save_mark_source(saver)) {
        return -1;
    }
    xlm_save_progress(saver, XLM_PHASE_SUSPENDED);
    if (xlm_save_read_dirty(saver, false) || xlm_save_recheck_in_stop(saver)) {
        return -1;
    }
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.dirty);
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.fresh);
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.device_send);
    if (saver->evicting.begun) { /* pages that could not be evicted */
        xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.resident);
    }
    xlm_pfn_set_clear(&saver->sets.resident);
    xlm_pfn_set_intersect(&saver->sets.to_send, &saver->sets.present);
    return xlm_save_send_set(saver, &saver->sets.to_send,
                             &saver->stats->stop_pages);
}

/* Stop the guest while a thread watches what it writes: hot pages are then in
 * to_send, and the rest of its last writes in dirty. */
static int suspend_watched(struct xlm_saver *saver)
{
    struct xlm_hot *hot = xlm_hot_start(saver);
    int rc;

    if (!hot) {
        return -1;
    }
    rc = suspend(saver);
    if (xlm_hot_stop(hot, &saver->sets.to_send)) {
        rc = -1;
    }
    /* Mark the source only now: the watching thread has asked for pages' types
     * until here. */
    return rc ? rc : xlm_save_mark_source(saver);
}

static int send_hot(struct xlm_saver *saver)
{
    uint64_t began_us = elapsed_us(saver);
    int rc = xlm_save_send_set(saver, &saver->sets.to_send,
                               &saver->stats->stop_pages);

    saver->stats->hot_us = elapsed_us(saver) - began_us;
    return rc;
}

/*
 * Stop the guest and send what it needs first: hot pages and resident pages.
 * Other pages of its last writes become outstanding.
 */
static int stop_for_postcopy(struct xlm_saver *saver)
{
    xlm_save_hear_while_blocked(saver);
    if (suspend_watched(saver)) {
        return -1;
    }
    xlm_save_progress(saver, XLM_PHASE_SUSPENDED);
    if (xlm_save_recheck_in_stop(saver)) {
        return -1;
    }
    xlm_save_split_device(saver, &saver->sets.fresh);
    if (send_device_pages(saver, &saver->stats->stop_pages) ||
        xlm_save_add_context_pages(saver)) {
        return -1;
    }
    /* The destination waits for resident pages, even for those that are
     * gone. */
    xlm_pfn_set_intersect(&saver->sets.to_send, &saver->sets.present);
    saver->stats->hot_pages = saver->sets.to_send.count;
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.resident);
    xlm_pfn_set_clear(&saver->sets.resident);

    xlm_pfn_set_unite(&saver->sets.dirty, &saver->sets.fresh);
    xlm_pfn_set_subtract(&saver->sets.dirty, &saver->sets.to_send);
    xlm_pfn_set_subtract(&saver->sets.dirty, &saver->sets.outstanding);
    if (xlm_save_list_outstanding(saver, &saver->sets.dirty)) {
        return -1;
    }
    /* The destination may have named some of these meanwhile: they are sent
     * once. */
    xlm_pfn_set_subtract(&saver->sets.outstanding, &saver->sets.to_send);
    xlm_pfn_set_subtract(&saver->sets.resident, &saver->sets.to_send);
    return send_hot(saver);
}

/* Send the pages that the destination could not evict. */
static int send_refused(struct xlm_saver *saver)
{
    return xlm_save_send_set(saver, &saver->sets.resident,
                             &saver->stats->stop_pages);
}

static int await_ready(struct xlm_saver *saver)
{
    for (;;) {
        bool last;

        /* Some may have been named while this end was writing. */
        if (send_refused(saver) ||
            xlm_save_read_answer(saver, XLM_READ_READY)) {
            return -1;
        }
        if (saver->record.type == XLM_REC_POSTCOPY_READY) {
            return xlm_check_answer(saver->ctx, &saver->record);
        }
        if (xlm_save_take_evicted(saver, &last)) {
            return -1;
        }
    }
}

static int write_final_state(struct xlm_saver *saver, uint32_t last_record)
{
    if (xlm_save_check_memory(saver) ||
        xlm_write_platform(saver->ctx, &saver->channel, saver->params->domid,
                           &saver->domain.context) ||
        write_empty(saver, last_record)) {
        return -1;
    }
    if (saver->callbacks->write_device_state(&saver->channel,
                                             saver->callbacks->data)) {
        return xlm_fail(saver->ctx,
                        "cannot send the state of the devices: %s; see the "
                        "log",
                        strerror(errno));
    }
    saver->stats->sent_us = elapsed_us(saver);
    XLM_MARK(saver->ctx, state_sent);
    return 0;
}

static int write_transition(struct xlm_saver *saver)
{
    saver->asked.for_all = true;
    return write_final_state(saver, XLM_REC_POSTCOPY_TRANSITION);
}

static int write_end(struct xlm_saver *saver)
{
    return write_final_state(saver, XLM_REC_END);
}

/* While the destination loads the final state, do all that must be done before
 * the go. */
static int put_away(struct xlm_saver *saver)
{
    if (saver->callbacks->put_away(saver->callbacks->data)) {
        return xlm_fail(saver->ctx, "cannot hand over the domain");
    }
    return 0;
}

/* All that can fail for want of memory fails before the go, and costs the stop
 * nothing while the destination loads the state. */
static int make_pusher(struct xlm_saver *saver)
{
    saver->pusher = xlm_pusher_open(saver);
    return saver->pusher ? 0 : -1;
}

/*
 * The commit point.  Before the go is written nothing that happens here can
 * make the guest run elsewhere.  Once a single octet of the go may have left,
 * the guest can be running there, and must never be resumed here.
 */
static int go(struct xlm_saver *saver)
{
    int rc;

    saver->stats->ready_us = elapsed_us(saver);
    XLM_MARK(saver->ctx, ready_heard);
    xlm_save_progress(saver, XLM_PHASE_READY);
    /* The last chance: without this an answer that is there already would be
     * read without a look at abort_fd. */
    if (xlm_save_check_abort(saver) || xlm_save_check_memory(saver)) {
        return -1;
    }
    /* The go cannot be taken back, so nothing can be aborted from here on. */
    saver->channel.abort_fd = -1;
    saver->channel.idle_ms = -1;
    saver->domain.handed_over = true;
    xlm_save_progress(saver, XLM_PHASE_GO);
    XLM_MARK(saver->ctx, go_sent);
    rc = write_empty(saver, XLM_REC_POSTCOPY_GO);
    saver->stats->go_us = elapsed_us(saver);
    return rc;
}

static int push(struct xlm_saver *saver)
{
    return xlm_pusher_run(saver->pusher);
}

/* ---- the whole ---- */

typedef int stage(struct xlm_saver *saver);

/* Run the stages until one fails. */
static int pass(struct xlm_saver *saver, stage *const *stages)
{
    int rc = 0;

    for (size_t i = 0; !rc && stages[i]; i++) {
        rc = stages[i](saver);
    }
    return rc;
}

/* Precopy has ended, and the guest stops: with outstanding pages, or after
 * sending all. */
static int stop_guest(struct xlm_saver *saver)
{
    static stage *const with_pages_outstanding[] = {
        evict_while_running,
        xlm_save_stop_keeping_alive,
        xlm_save_check_abort,
        stop_for_postcopy,
        NULL,
    };
    static stage *const with_all_sent[] = {
        xlm_save_stop_keeping_alive,
        xlm_save_check_abort,
        stop_and_copy,
        NULL,
    };

    return pass(saver, saver->answer == XLM_PRECOPY_POSTCOPY
                           ? with_pages_outstanding
                           : with_all_sent);
}

/* The stages of a migration to a destination that answers. */
static stage *const migration[] = {
    check_domain,
    xlm_saver_make_sets,
    xlm_save_hold,
    find_toolstack_pages,
    find_pages,
    write_headers,
    enable_logdirty,
    prepare_destination,
    await_prepared,
    precopy,
    xlm_save_await_early,
    look_once_more,
    stop_guest,
    write_transition,
    xlm_save_recheck_before_go,
    put_away,
    make_pusher,
    await_ready,
    go,
    push,
    NULL,
};

/* Without a way back: an ordinary stream, into a file or to the stock
 * toolstack. */
static stage *const image[] = {
    check_domain,
    xlm_saver_make_sets,
    xlm_save_hold,
    find_pages,
    write_headers,
    enable_logdirty,
    precopy_for_image,
    look_once_more,
    xlm_save_check_abort,
    stop_and_copy,
    xlm_save_recheck_before_go,
    write_end,
    NULL,
};

/* The domain is left as the toolstack had it, whether the guest runs here or
 * not, and no thread uses the channel any more. */
static void leave_domain(struct xlm_saver *saver)
{
    disable_logdirty(saver);
    if (saver->keepalive) {
        xlm_channel_stop(&saver->channel);
        xlm_keepalive_stop(&saver->keepalive);
    }
    if (!saver->domain.handed_over) {
        xlm_save_release(saver);
    }
    xlm_save_close_faults(saver);
    xlm_save_close_streams(saver);
    xlm_pusher_close(saver->pusher);
}

int xlm_save(struct xlm_context *ctx, const struct xlm_save_params *params,
             const struct xlm_save_callbacks *callbacks,
             struct xlm_stats *stats, bool *transitioned)
{
    struct xlm_saver saver;
    int rc;

    xlm_trace_identify(ctx->trace, XLM_TRACE_SOURCE, params->id);
    xlm_saver_begin(&saver, ctx, params, callbacks, stats);
    rc = xlm_open_connection(ctx, &saver.channel, params->in_fd,
                             params->out_fd);
    if (!rc) {
        rc = pass(&saver, xlm_two_way(&saver) ? migration : image);
    }
    *transitioned = saver.domain.handed_over;
    if (rc && saver.domain.suspended && !saver.domain.handed_over) {
        xlm_save_cancel_suspend(ctx, params->domid);
    }
    xlm_saver_tell_end(&saver, !rc && !saver.domain.gone);
    leave_domain(&saver);
    xlm_saver_dispose(&saver);
    return rc;
}
