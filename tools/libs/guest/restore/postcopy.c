/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination from the go on: the guest runs here, is the only copy, and
 * what it lacks comes.
 */
#include "restore/postcopy.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "clock.h"
#include "restore/ahead.h"
#include "restore/faults.h"
#include "restore/gone.h"
#include "restore/link.h"
#include "restore/pages.h"
#include "restore/stats.h"
#include "restore/streams.h"
#include "restore/superpages.h"

/* ---- GO, and after ---- */

/* From here on this is the only copy that may run: nothing that can fail may
 * come between the go and the guest, and no failure takes the guest back. */
void xlm_restore_run(struct xlm_restorer *restorer)
{
    *restorer->outcome.resumed = true;
    xlm_restore_progress(restorer, XLM_PHASE_GO);
    if (restorer->callbacks->run(restorer->callbacks->data)) {
        xtl_log(restorer->ctx->logger, XTL_ERROR, -1, "xlm",
                "domain %" PRIu32 " is here but could not be started: it is "
                "left paused, try xl unpause",
                restorer->domain.domid);
    }
    restorer->stats->running_us = xlm_now_us() - restorer->start_us;
    XLM_MARK(restorer->ctx, runs);
}

int xlm_restore_take_go(struct xlm_restorer *restorer)
{
    if (restorer->sets.refused.count) {
        return xlm_restore_bad_stream(restorer, "GO before READY");
    }
    XLM_MARK(restorer->ctx, go_heard);
    restorer->channel.abort_fd =
        restorer->params->relink ? restorer->params->relink->fd : -1;
    xlm_restore_pay_before_waits(restorer);
    xlm_restore_set_link_timeout(restorer);
    restorer->state = XLM_READ_POSTCOPY;
    xlm_restore_open_faults(restorer);
    xlm_pager_open_requests(restorer->pager);
    xlm_restore_run(restorer);
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
    XLM_MARK(restorer->ctx, running_sent);
    if (xlm_write_answer(restorer->ctx, &restorer->channel,
                         XLM_REC_POSTCOPY_RUNNING, 0, "")) {
        return -1;
    }
    xlm_restore_keep_alive(restorer);
    return 0;
}

/* Tell the source which pages it need not send. */
static int tell_dropped(struct xlm_restorer *restorer)
{
    uint64_t pfns[512];
    size_t count;
    int rc = 0;

    while (!rc && (count = xlm_pager_take_dropped(restorer->pager, pfns,
                                                  sizeof(pfns) / 8))) {
        rc = xlm_write_pfns(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_DROPPED, pfns, count);
    }
    return rc;
}

int xlm_restore_take_late_pages(struct xlm_restorer *restorer)
{
    int rc;

    xlm_restore_read_ahead(restorer);
    rc = xlm_restore_take_postcopy_pages(restorer);
    atomic_store(&restorer->signs.pages_us, xlm_now_us());
    if (!rc) {
        rc = tell_dropped(restorer);
    }
    if (!rc && xlm_restore_stats_are_due(restorer)) {
        rc = xlm_restore_send_stats(restorer);
    }
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
    return rc;
}

static int tell_complete(struct xlm_restorer *restorer)
{
    if (xlm_restore_pay_credit(restorer) || xlm_restore_send_stats(restorer)) {
        return -1;
    }
    return xlm_write_simple_record(restorer->ctx, &restorer->channel,
                                   XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
}

int xlm_restore_complete(struct xlm_restorer *restorer)
{
    if (xlm_pager_outstanding(restorer->pager)) {
        return xlm_restore_bad_stream(restorer,
                                      "END while pages are outstanding");
    }
    if (xlm_restore_await_guest(restorer)) {
        return -1;
    }
    restorer->outcome.done = true;
    xlm_keepalive_stop(&restorer->keepalive);
    xlm_restore_close_faults(restorer);
    xlm_restore_close_streams(restorer);
    /* Pages that the guest gave up on the way belong to the host again. */
    (void)restorer->ctx->hypervisor->ops->claim(restorer->ctx->hypervisor,
                                                restorer->domain.domid, 0);
    /* The guest is complete, whether or not the source learns of it. */
    if (tell_complete(restorer)) {
        xtl_log(restorer->ctx->logger, XTL_WARN, -1, "xlm",
                "domain %" PRIu32 " is complete, but the source could not be "
                "told: it still keeps its suspended copy",
                restorer->domain.domid);
        return 0;
    }
    if (restorer->params->superpages) {
        xlm_superpages_join(restorer);
    }
    return 0;
}
