/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What all parts of the destination do with the restorer: begin, report
 * progress, and report what is wrong with a stream.
 */
#include "restore/restorer.h"

#include <errno.h>

#include "clock.h"

/* Pages beside the guest's own: below 4 GiB there is a hole for devices, and
 * the toolstack and the firmware have some. */
#define PFNS_BELOW_4G 0x100000u
#define EXTRA_PAGES 4096u

/* A bound for the guest's pfns.  It is not known where its devices have their
 * memory: twice the guest's size leaves room for that. */
static uint64_t pfn_limit(const struct xlm_restore_params *params)
{
    uint64_t most = XLM_PFN_LIMIT / 2 - PFNS_BELOW_4G;

    if (!params->max_pages || params->max_pages > most) {
        return XLM_PFN_LIMIT;
    }
    return 2 * (params->max_pages + PFNS_BELOW_4G);
}

static uint64_t page_limit(const struct xlm_restore_params *params)
{
    return params->max_pages ? params->max_pages + EXTRA_PAGES : UINT64_MAX;
}

void xlm_restore_begin(struct xlm_restorer *restorer, struct xlm_context *ctx,
                       const struct xlm_restore_params *params,
                       const struct xlm_restore_callbacks *callbacks,
                       struct xlm_stats *stats, bool *resumed)
{
    *resumed = false;
    *stats = (struct xlm_stats){.guest_pages = 0};
    *restorer = (struct xlm_restorer){
        .ctx = ctx,
        .params = params,
        .callbacks = callbacks,
        .channel = XLM_CHANNEL_CLOSED,
        .stats = stats,
        .start_us = xlm_now_us(),
        .state = XLM_READ_STATIC,
        .outcome.resumed = resumed,
        .outcome.refusal = XLM_REFUSED_BUILD,
        .domain.pfn_limit = pfn_limit(params),
        .domain.max_guest_pages = page_limit(params),
    };
}

int xlm_restore_tell_features(struct xlm_restorer *restorer)
{
    const struct xlm_wire_features wire = {
        .features = XLM_FEATURE_REPEATED | XLM_FEATURE_COMPRESSED,
    };

    return xlm_write_simple_record(restorer->ctx, &restorer->channel,
                                   XLM_REC_POSTCOPY_FEATURES, &wire,
                                   sizeof(wire));
}

void xlm_restore_progress(struct xlm_restorer *restorer, enum xlm_phase phase)
{
    if (restorer->pager) {
        restorer->stats->outstanding = xlm_pager_outstanding(restorer->pager);
    }
    if (restorer->callbacks->progress) {
        restorer->callbacks->progress(phase, restorer->stats,
                                      restorer->callbacks->data);
    }
}

int xlm_restore_bad_stream(struct xlm_restorer *restorer, const char *what)
{
    errno = EPROTO;
    return xlm_fail(restorer->ctx, "bad migration stream: %s", what);
}

void xlm_restore_keep_alive(struct xlm_restorer *restorer)
{
    if (restorer->channel.out_fd >= 0) {
        restorer->keepalive = xlm_keepalive_start(
            restorer->ctx, &restorer->channel, XLM_REC_POSTCOPY_DST_ALIVE,
            restorer->params->keepalive_ms);
    }
}
