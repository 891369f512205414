/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What all parts of the source do with the saver: begin, report progress,
 * check whether to go on, and release it.
 */
#include "save/saver.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#include "clock.h"

void xlm_saver_begin(struct xlm_saver *saver, struct xlm_context *ctx,
                     const struct xlm_save_params *params,
                     const struct xlm_save_callbacks *callbacks,
                     struct xlm_stats *stats)
{
    *stats = (struct xlm_stats){.guest_pages = 0};
    *saver = (struct xlm_saver){
        .ctx = ctx,
        .params = params,
        .callbacks = callbacks,
        .channel = XLM_CHANNEL_CLOSED,
        .stats = stats,
        .start_us = xlm_now_us(),
        .mark.asking = PTHREAD_MUTEX_INITIALIZER,
        .heard.lock = PTHREAD_MUTEX_INITIALIZER,
    };
}

/* ---- on the way ---- */

void xlm_save_progress(struct xlm_saver *saver, enum xlm_phase phase)
{
    saver->phase = phase;
    saver->stats->bytes_sent = saver->channel.bytes_out + saver->further_bytes;
    if (saver->callbacks->progress) {
        saver->callbacks->progress(phase, saver->stats,
                                   saver->callbacks->data);
    }
}

int xlm_save_check_abort(struct xlm_saver *saver)
{
    struct pollfd fd = {.fd = saver->channel.abort_fd, .events = POLLIN};

    if (poll(&fd, 1, 0) > 0) {
        errno = ECANCELED;
        return xlm_fail(saver->ctx, "aborted on request");
    }
    return 0;
}

uint64_t xlm_save_background_wait_us(struct xlm_saver *saver)
{
    struct xlm_control *control = saver->params->control;

    return xlm_rate_limit_wait_us(
        &saver->limit,
        control ? atomic_load(&control->background_rate) : XLM_RATE_UNLIMITED,
        xlm_now_us());
}

int xlm_save_check_alive(struct xlm_saver *saver, struct xlm_domain_info *info)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;

    if (hv->ops->domain_info(hv, saver->params->domid, info)) {
        return xlm_fail(saver->ctx, "there is no domain %" PRIu32,
                        saver->params->domid);
    }
    if (info->dying || info->shutdown) {
        errno = ESHUTDOWN;
        return xlm_fail(saver->ctx, "domain %" PRIu32 " has shut down",
                        saver->params->domid);
    }
    return 0;
}

/* ---- the sets ---- */

int xlm_saver_make_sets(struct xlm_saver *saver)
{
    struct xlm_pfn_set *sets[] = {
        &saver->sets.present, &saver->sets.toolstack,   &saver->sets.resident,
        &saver->sets.to_send, &saver->sets.outstanding, &saver->sets.dirty,
        &saver->sets.fresh,   &saver->sets.device_send,
    };

    int rc = 0;

    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && !rc; i++) {
        rc = xlm_pfn_set_reserve(sets[i], saver->domain.nr_pfns);
    }
    for (size_t i = 0; i < XLM_PUSH_RECENT && !rc; i++) {
        rc =
            xlm_pfn_set_reserve(&saver->sets.recent[i], saver->domain.nr_pfns);
    }
    return rc ? xlm_fail(saver->ctx,
                         "no memory to keep track of %" PRIu64 " pages",
                         saver->domain.nr_pfns)
              : 0;
}

/* ---- the end ---- */

void xlm_save_cancel_suspend(struct xlm_context *ctx, uint32_t domid)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    /* EINVAL: the guest has not suspended after all, or shut down instead. */
    if (hv->ops->cancel_suspend(hv, domid) && errno != EINVAL) {
        xtl_log(ctx->logger, XTL_ERROR, errno, "xlm",
                "domain %" PRIu32 " could not be told that it goes on where "
                "it was: its Xen drivers may fail",
                domid);
    }
}

void xlm_saver_tell_end(struct xlm_saver *saver, bool complete)
{
    saver->stats->end_us = xlm_now_us() - saver->start_us;
    if (complete) {
        xlm_save_progress(saver, XLM_PHASE_COMPLETE);
    }
}

void xlm_saver_dispose(struct xlm_saver *saver)
{
    xlm_channel_close(&saver->channel);
    xlm_record_dispose(&saver->record);
    free(saver->batch);
    xlm_compressor_close(saver->compressor);
    free(saver->domain.context.octets);
    xlm_pfn_set_dispose(&saver->sets.present);
    xlm_pfn_set_dispose(&saver->sets.toolstack);
    xlm_pfn_set_dispose(&saver->sets.resident);
    xlm_pfn_set_dispose(&saver->sets.to_send);
    xlm_pfn_set_dispose(&saver->sets.outstanding);
    xlm_pfn_set_dispose(&saver->sets.dirty);
    xlm_pfn_set_dispose(&saver->sets.fresh);
    xlm_pfn_set_dispose(&saver->sets.device_send);
    for (size_t i = 0; i < XLM_PUSH_RECENT; i++) {
        xlm_pfn_set_dispose(&saver->sets.recent[i]);
    }
    pthread_mutex_destroy(&saver->heard.lock);
    pthread_mutex_destroy(&saver->mark.asking);
}
