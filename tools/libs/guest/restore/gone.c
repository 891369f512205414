/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination, when its guest ends or its source is lost before all of the
 * memory has come.
 *
 * These are the proofs:
 *
 * - The domain is dying: the hypervisor says so, or refuses to page in
 *   (ESRCH), which it does as soon as the domain is being destroyed.
 * - The guest has *ended*: its domain is dying and was not suspended.  It was
 *   running, or had shut down by itself, so no program can have a copy of it
 *   to run.
 * - The guest was *taken away*: its domain is dying and was suspended.  A
 *   program that suspends a guest and destroys its domain has saved or moved
 *   it: with the pages that were here, and holes in place of the others.
 *
 * The hypervisor keeps the reason of a domain's shutdown as long as the domain
 * exists, which is as long as this process is its pager.
 */
#include "restore/gone.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "restore/ahead.h"
#include "restore/faults.h"

/* How often to look at a suspended guest, for which nothing waits. */
#define LOOK_MS 200

static uint64_t mib_of(uint64_t pages)
{
    return (pages * XLM_PAGE_SIZE + (1 << 20) - 1) >> 20;
}

static bool is_suspended(const struct xlm_domain_info *info)
{
    return info->shutdown && info->shutdown_reason == SHUTDOWN_suspend;
}

bool xlm_restore_guest_is_gone(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;

    if (restorer->state != XLM_READ_POSTCOPY) {
        return false;
    }
    if (hv->ops->domain_info(hv, restorer->domain.domid, &info)) {
        /* ESRCH cannot come while this process is its pager; without the
         * domain nothing is proven. */
        restorer->outcome.taken_away = errno == ESRCH;
        return errno == ESRCH;
    }
    if (!info.dying && !xlm_pager_guest_is_gone(restorer->pager)) {
        return false;
    }
    restorer->outcome.taken_away = is_suspended(&info);
    return true;
}

/* The link timeout is for a guest that runs. */
static void be_patient(struct xlm_restorer *restorer)
{
    if (restorer->read_ahead) {
        return; /* another thread uses the channel */
    }
    restorer->channel.may_be_silent = NULL;
    restorer->channel.idle_ms = XLM_SOURCE_SILENCE_MS;
}

/* The source may be in the middle of a record, and must read this before it
 * finds the connection closed. */
static int tell(struct xlm_restorer *restorer, bool ended)
{
    struct xlm_context unheard = XLM_CONTEXT_INIT;

    if (atomic_load(&restorer->signs.lost)) {
        return -1;
    }
    unheard.logger = restorer->ctx->logger;
    be_patient(restorer);
    restorer->owed = 0; /* the source reads no credit any more */
    if (ended ? xlm_write_simple_record(&unheard, &restorer->channel,
                                        XLM_REC_POSTCOPY_GONE, NULL, 0)
              : xlm_write_answer(&unheard, &restorer->channel,
                                 XLM_REC_POSTCOPY_STATE, XLM_GUEST_LOST,
                                 restorer->ctx->reason)) {
        return -1;
    }
    do {
        be_patient(restorer);
        if (xlm_restore_read_next(restorer, &unheard)) {
            return -1;
        }
    } while (restorer->record.type != XLM_REC_END);
    return 0;
}

static void forget_guest(struct xlm_restorer *restorer)
{
    xlm_keepalive_stop(&restorer->keepalive);
    xlm_restore_close_faults(restorer);
    restorer->stats->outstanding = xlm_pager_outstanding(restorer->pager);
    xlm_pager_forget_guest(restorer->pager);
    restorer->outcome.gone = true;
}

/* A program, such as the domain's monitor, or a person has destroyed the
 * domain: neither host needs the missing pages.  That is no failure, whatever
 * has failed because of it. */
static int end(struct xlm_restorer *restorer)
{
    xlm_restate(restorer->ctx, "the guest ended here before all of its "
                               "memory had come");
    if (tell(restorer, true)) {
        xtl_log(restorer->ctx->logger, XTL_WARN, -1, "xlm",
                "domain %" PRIu32 " has ended, but the source could not be "
                "told: it still keeps its suspended copy",
                restorer->domain.domid);
    }
    return 0;
}

/* Nothing is destroyed in this case: a person must decide. */
static int give_up(struct xlm_restorer *restorer)
{
    uint64_t pages = restorer->stats->outstanding;

    restorer->ctx->lost = true;
    xlm_restate(restorer->ctx,
                "domain %" PRIu32 " was suspended and destroyed here by "
                "another program, as xl save and a migration of another kind "
                "do, with %" PRIu64 " pages (%" PRIu64 " MiB) of its memory "
                "still at the source: what that program has written is not "
                "the whole guest",
                restorer->domain.domid, pages, mib_of(pages));
    (void)tell(restorer, false);
    errno = ENODATA;
    return -1;
}

int xlm_restore_end_with_guest(struct xlm_restorer *restorer)
{
    forget_guest(restorer);
    return restorer->outcome.taken_away ? give_up(restorer) : end(restorer);
}

/* ---- a guest that is suspended ---- */

static bool another_comes(struct xlm_restorer *restorer)
{
    struct pollfd poller = {
        .fd = restorer->params->relink ? restorer->params->relink->fd : -1,
        .events = POLLIN,
    };

    return poll(&poller, 1, LOOK_MS) > 0;
}

int xlm_restore_await_guest(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;
    bool said = false;

    for (;;) {
        if (hv->ops->domain_info(hv, restorer->domain.domid, &info) ||
            info.dying) {
            return xlm_fail(restorer->ctx, "the guest is gone");
        }
        if (!is_suspended(&info)) {
            return 0;
        }
        if (!said) {
            xtl_log(restorer->ctx->logger, XTL_ERROR, -1, "xlm",
                    "domain %" PRIu32 " was suspended here by another program "
                    "before all of its memory had come, and what that writes "
                    "may have holes: its source keeps the memory until the "
                    "domain runs on here",
                    restorer->domain.domid);
            said = true;
        }
        if (another_comes(restorer)) {
            errno = ECANCELED;
            return xlm_fail(restorer->ctx, "another connection has come");
        }
    }
}

/* ---- the source is lost ---- */

int xlm_restore_take_source_lost(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    uint64_t pages = xlm_pager_outstanding(restorer->pager);
    char text[XLM_ANSWER_TEXT_MAX + 1];
    uint32_t status;
    bool paused;

    if (xlm_parse_answer(restorer->ctx, &restorer->record, &status, text)) {
        return -1;
    }
    paused = !hv->ops->pause(hv, restorer->domain.domid);
    restorer->ctx->lost = true;
    restorer->stats->outstanding = pages;
    errno = ENODATA;
    return xlm_fail(restorer->ctx,
                    "%" PRIu64 " pages (%" PRIu64 " MiB) of the memory of "
                    "domain %" PRIu32 " are lost, as its source has lost them "
                    "(%.200s): it is %s here, and can only be destroyed",
                    pages, mib_of(pages), restorer->domain.domid, text,
                    paused ? "paused" : "stopped at the first of them");
}
