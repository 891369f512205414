/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Takes the place of a receiver that was killed: this process becomes the
 * pager of its guest, and goes on.
 */
#include "pager/kept.h"
#include "restore/gone.h"
#include "restore/pages.h"
#include "restore/postcopy.h"
#include "restore/recover.h"
#include "restore/restore.h"
#include "restore/superpages.h"

/* Adds the pages that are paged out, which the hypervisor does not count. */
static uint64_t guest_pages(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info = {.tot_pages = 0};

    (void)hv->ops->domain_info(hv, restorer->domain.domid, &info);
    return info.tot_pages + xlm_pager_outstanding(restorer->pager);
}

static int take_over(struct xlm_restorer *restorer,
                     const struct xlm_orphan *orphan)
{
    const struct xlm_restore_params *params = restorer->params;

    if (xlm_restore_reserve(restorer, orphan->pfns)) {
        return -1;
    }
    restorer->pager =
        xlm_pager_take_over(restorer->ctx, &restorer->channel, orphan->domid,
                            orphan->pfns, orphan->kept);
    if (!restorer->pager) {
        return -1;
    }
    xlm_restore_lend(restorer);
    restorer->stats->guest_pages = guest_pages(restorer);
    xlm_restore_run(restorer);
    if (xlm_restore_open_link(restorer, params->in_fd, params->out_fd) &&
        xlm_restore_recover(restorer) &&
        !xlm_restore_guest_is_gone(restorer)) {
        return -1;
    }
    return xlm_restore_follow(restorer);
}

int xlm_end_paging(struct xlm_context *ctx, const struct xlm_orphan *orphan)
{
    struct xlm_pager *pager;

    if (xlm_superpages_mend(ctx, orphan->domid,
                            xlm_kept_region(orphan->kept, orphan->pfns))) {
        return -1;
    }
    pager = xlm_pager_take_over(ctx, NULL, orphan->domid, orphan->pfns,
                                orphan->kept);
    xlm_pager_close(pager);
    return pager ? 0 : -1;
}

int xlm_take_over(struct xlm_context *ctx,
                  const struct xlm_restore_params *params,
                  const struct xlm_orphan *orphan,
                  const struct xlm_restore_callbacks *callbacks,
                  struct xlm_stats *stats, bool *resumed)
{
    struct xlm_restorer restorer;

    xlm_restore_begin(&restorer, ctx, params, callbacks, stats, resumed);
    restorer.state = XLM_READ_POSTCOPY;
    restorer.outcome.prepared = true;
    restorer.domain.domid = orphan->domid;
    restorer.domain.pfn_limit = orphan->pfns;
    return xlm_restore_end(&restorer, take_over(&restorer, orphan));
}
