/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination after the connection was lost: the guest runs on, as the
 * only copy, and its pager stays, until another connection comes.
 */
#include "restore/recover.h"

#include "restore/ahead.h"
#include "restore/faults.h"
#include "restore/gone.h"
#include "restore/link.h"
#include "restore/pages.h"
#include "restore/stats.h"
#include "restore/streams.h"

/* No thread uses the channel any more when this returns. */
static void close_link(struct xlm_restorer *restorer)
{
    xlm_channel_stop(&restorer->channel);
    xlm_restore_drop_ahead(restorer);
    xlm_keepalive_stop(&restorer->keepalive);
    xlm_restore_close_faults(restorer);
    xlm_restore_close_streams(restorer);
    xlm_pager_close_requests(restorer->pager);
    xlm_channel_close(&restorer->channel);
}

/* Tell one record at a time: the guest runs meanwhile, and pages that it drops
 * after they were listed are reported as always. */
static int tell_lacking(struct xlm_restorer *restorer)
{
    uint64_t pfns[XLM_LIST_PFNS];
    uint64_t from = 0;
    size_t count;

    XLM_TRACE(restorer->ctx, lacking_sent, XLM_TRACE_NONE,
              xlm_pager_outstanding(restorer->pager));
    do {
        count = xlm_pager_list_outstanding(restorer->pager, from, pfns,
                                           XLM_LIST_PFNS);
        if (xlm_write_pfn_record(restorer->ctx, &restorer->channel,
                                 XLM_REC_POSTCOPY_LACKING, pfns, count)) {
            return -1;
        }
        from = count ? pfns[count - 1] + 1 : 0;
    } while (count == XLM_LIST_PFNS);
    return 0;
}

int xlm_restore_open_link(struct xlm_restorer *restorer, int in_fd, int out_fd)
{
    XLM_MARK(restorer->ctx, recover_heard);
    xlm_forget_failure(restorer->ctx);
    if (xlm_open_connection(restorer->ctx, &restorer->channel, in_fd,
                            out_fd)) {
        return -1;
    }
    restorer->channel.abort_fd = restorer->params->relink->fd;
    xlm_restore_pay_before_waits(restorer);
    xlm_restore_set_link_timeout(restorer);
    if (xlm_restore_tell_features(restorer) ||
        xlm_write_answer(restorer->ctx, &restorer->channel,
                         XLM_REC_POSTCOPY_STATE, XLM_GUEST_RUNS, "") ||
        tell_lacking(restorer)) {
        return -1;
    }
    xlm_restore_keep_alive(restorer);
    xlm_pager_open_requests(restorer->pager);
    return 0;
}

/* 0: there is another connection; -1: there will be none. */
static int await_link(struct xlm_restorer *restorer, int *in_fd, int *out_fd)
{
    const struct xlm_relink *relink = restorer->params->relink;
    int rc;

    do {
        if (xlm_restore_guest_is_gone(restorer)) {
            return -1;
        }
        xlm_restore_refresh(restorer);
        rc = relink->await(in_fd, out_fd, relink->data);
    } while (rc > 0);
    return rc;
}

int xlm_restore_recover(struct xlm_restorer *restorer)
{
    const struct xlm_relink *relink = restorer->params->relink;
    int in_fd, out_fd;

    if (restorer->state != XLM_READ_POSTCOPY || !relink) {
        return -1;
    }
    XLM_MARK(restorer->ctx, lost);
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
    do {
        close_link(restorer);
        if (await_link(restorer, &in_fd, &out_fd)) {
            return -1;
        }
    } while (xlm_restore_open_link(restorer, in_fd, out_fd));
    relink->resumed(relink->data);
    return 0;
}
