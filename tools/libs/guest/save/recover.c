/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source after the connection was lost: a suspended domain, and perhaps
 * another process than before.
 *
 *   RECOVER                      which migration this is about
 *                    <- STATE    what has become of it at the destination
 *   and only when the guest runs there:
 *                    <- LACKING  what it lacks
 *   the postcopy phase once more, with these pages: save/push.c
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "save/features.h"
#include "save/push.h"
#include "save/saver.h"
#include "save/source.h"
#include "save/streams.h"

static int check_suspended(struct xlm_saver *saver)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    uint32_t domid = saver->params->domid;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, domid, &info)) {
        return xlm_fail(saver->ctx, "there is no domain %" PRIu32, domid);
    }
    if (info.dying || !info.shutdown ||
        info.shutdown_reason != SHUTDOWN_suspend) {
        errno = EINVAL;
        return xlm_fail(saver->ctx,
                        "domain %" PRIu32 " is not suspended: there is "
                        "nothing to recover",
                        domid);
    }
    memcpy(saver->domain.uuid, info.handle, sizeof(saver->domain.uuid));
    saver->domain.tot_pages = info.tot_pages;
    if (hv->ops->nr_pfns(hv, domid, &saver->domain.nr_pfns)) {
        return xlm_fail(saver->ctx,
                        "cannot find the size of domain %" PRIu32 ": %s",
                        domid, strerror(errno));
    }
    if (saver->params->mark.is_set) {
        saver->mark.left = saver->stats->mark = saver->params->mark;
        return 0;
    }
    return xlm_save_mark_source(saver);
}

static int make_sets(struct xlm_saver *saver)
{
    if (xlm_pfn_set_reserve(&saver->sets.outstanding, saver->domain.nr_pfns) ||
        xlm_pfn_set_reserve(&saver->sets.toolstack, saver->domain.nr_pfns)) {
        return xlm_fail(saver->ctx,
                        "no memory to keep track of %" PRIu64 " pages",
                        saver->domain.nr_pfns);
    }
    return xlm_find_toolstack_pages(saver->ctx, saver->params->domid,
                                    &saver->sets.toolstack);
}

static int ask(struct xlm_saver *saver)
{
    struct xlm_wire_recover recover = {
        .version = XLM_RECOVER_VERSION,
        .pfns = saver->domain.nr_pfns,
    };

    memcpy(recover.id, saver->params->id, sizeof(recover.id));
    memcpy(recover.uuid, saver->domain.uuid, sizeof(recover.uuid));
    return xlm_write_simple_record(saver->ctx, &saver->channel,
                                   XLM_REC_POSTCOPY_RECOVER, &recover,
                                   sizeof(recover));
}

/* STATE, and before it perhaps FEATURES. */
static int hear_state(struct xlm_saver *saver)
{
    if (xlm_read_record(saver->ctx, &saver->channel, XLM_READ_STATE,
                        &saver->record)) {
        return -1;
    }
    if (saver->record.type != XLM_REC_POSTCOPY_FEATURES) {
        return 0;
    }
    xlm_save_take_features(saver);
    if (xlm_read_record(saver->ctx, &saver->channel, XLM_READ_STATE,
                        &saver->record)) {
        return -1;
    }
    if (saver->record.type == XLM_REC_POSTCOPY_FEATURES) {
        errno = EPROTO;
        return xlm_fail(saver->ctx, "bad migration stream: POSTCOPY_FEATURES "
                                    "for a second time");
    }
    return 0;
}

/* A state that is not known here must not be taken for one that is. */
static int read_state(struct xlm_saver *saver, enum xlm_guest_state *state)
{
    char text[XLM_ANSWER_TEXT_MAX + 1];
    uint32_t status;

    if (hear_state(saver) ||
        xlm_parse_answer(saver->ctx, &saver->record, &status, text)) {
        return -1;
    }
    switch (status) {
    case XLM_GUEST_NEVER_RAN:
    case XLM_GUEST_RUNS:
    case XLM_GUEST_COMPLETE:
    case XLM_GUEST_ENDED:
        *state = status;
        return 0;
    case XLM_GUEST_LOST:
        *state = status;
        saver->ctx->lost = true;
        errno = ENODATA;
        return xlm_fail(saver->ctx, "the destination says: %s", text);
    case XLM_GUEST_UNKNOWN:
        errno = ENOENT;
        return xlm_fail(saver->ctx, "the destination says: %s", text);
    default:
        errno = EPROTO;
        return xlm_fail(saver->ctx,
                        "bad migration stream: the guest is in state %" PRIu32,
                        status);
    }
}

/* Each pfn must come once, and in ascending order: so no answer is longer than
 * the guest. */
static int take_lacking(struct xlm_saver *saver, uint64_t *next, bool *last)
{
    struct xlm_pfn_list list;

    if (xlm_parse_pfn_list(saver->ctx, &saver->record, saver->domain.nr_pfns,
                           &list)) {
        return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        uint64_t pfn = xlm_entry_pfn(list.entries[i]);

        if (pfn < *next) {
            errno = EPROTO;
            return xlm_fail(saver->ctx,
                            "bad migration stream: LACKING names page "
                            "%#" PRIx64 " out of order",
                            pfn);
        }
        if (xlm_pfn_set_contains(&saver->sets.toolstack, pfn)) {
            errno = EPROTO;
            return xlm_fail(saver->ctx,
                            "bad migration stream: LACKING names page "
                            "%#" PRIx64 ", which is not the guest's",
                            pfn);
        }
        *next = pfn + 1;
        xlm_pfn_set_add(&saver->sets.outstanding, pfn);
    }
    *last = list.count < XLM_LIST_PFNS;
    return 0;
}

static int read_lacking(struct xlm_saver *saver)
{
    uint64_t next = 0;
    bool last;

    do {
        if (xlm_read_record(saver->ctx, &saver->channel, XLM_READ_LACKING,
                            &saver->record) ||
            take_lacking(saver, &next, &last)) {
            return -1;
        }
    } while (!last);
    return 0;
}

/* The guest was handed over long ago: nothing can abort this. */
static int push(struct xlm_saver *saver, enum xlm_guest_state *state)
{
    struct xlm_pusher *pusher;
    int rc;

    if (read_lacking(saver)) {
        return -1;
    }
    XLM_TRACE(saver->ctx, lacking_heard, XLM_TRACE_NONE,
              saver->sets.outstanding.count);
    saver->channel.abort_fd = -1;
    saver->channel.idle_ms = -1;
    xlm_save_begin_forms(saver);
    xlm_save_connect_streams(saver);
    pusher = xlm_pusher_open(saver);
    if (!pusher) {
        xlm_save_close_streams(saver);
        return -1;
    }
    rc = xlm_pusher_run(pusher);
    xlm_save_close_streams(saver);
    xlm_pusher_close(pusher);
    if (!rc) {
        *state = saver->domain.gone ? XLM_GUEST_ENDED : XLM_GUEST_COMPLETE;
    } else if (saver->ctx->lost) {
        *state = XLM_GUEST_LOST;
    }
    return rc;
}

static int recover(struct xlm_saver *saver, enum xlm_guest_state *state)
{
    if (check_suspended(saver) || make_sets(saver)) {
        return -1;
    }
    if (xlm_open_connection(saver->ctx, &saver->channel, saver->params->in_fd,
                            saver->params->out_fd)) {
        return -1;
    }
    /* The destination answers from memory; its receiver may have to end
     * first. */
    saver->channel.idle_ms = saver->params->silence_ms;
    saver->stats->guest_pages = saver->domain.tot_pages;
    XLM_MARK(saver->ctx, recover_sent);
    if (ask(saver) || read_state(saver, state)) {
        return -1;
    }
    return *state == XLM_GUEST_RUNS ? push(saver, state) : 0;
}

int xlm_recover(struct xlm_context *ctx, const struct xlm_save_params *params,
                const struct xlm_save_callbacks *callbacks,
                struct xlm_stats *stats, enum xlm_guest_state *state)
{
    struct xlm_saver saver;
    int rc;

    *state = XLM_GUEST_UNKNOWN;
    xlm_trace_identify(ctx->trace, XLM_TRACE_SOURCE, params->id);
    xlm_saver_begin(&saver, ctx, params, callbacks, stats);
    saver.recovered = true;
    rc = recover(&saver, state);
    xlm_saver_tell_end(&saver, !rc && *state == XLM_GUEST_COMPLETE);
    xlm_saver_dispose(&saver);
    return rc;
}

void xlm_take_back(struct xlm_context *ctx, uint32_t domid)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    if (hv->ops->logdirty_disable(hv, domid)) {
        xtl_log(ctx->logger, XTL_WARN, errno, "xlm",
                "cannot stop logging the writes of domain %" PRIu32, domid);
    }
    xlm_save_cancel_suspend(ctx, domid);
}
