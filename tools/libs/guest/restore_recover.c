/*
 * The destination after the connection was lost: the guest runs on, as the
 * only copy, and its pager stays, until another connection comes.
 */
#include "restore_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* Who opens a connection for a recovery says at once what it is for. */
#define RECOVER_MS (60 * 1000)

/* Only a guest that waits for a page suffers from it; but a source that does
 * not even say that it is alive has gone. */
static bool may_be_silent(void *data)
{
    struct xlm_restorer *restorer = data;
    uint64_t timeout_us = restorer->params->link_timeout_ms * 1000ull;
    uint64_t since_us = xlm_pager_waiting_since(restorer->pager);
    uint64_t pages_us = atomic_load(&restorer->pages_us);
    uint64_t heard_us = atomic_load(&restorer->heard_us);
    uint64_t now_us = xlm_now_us();

    if (since_us && since_us < pages_us) {
        since_us = pages_us;
    }
    if (now_us - heard_us < XLM_SILENCE_MS * 1000ull &&
        (!since_us || !timeout_us || now_us - since_us < timeout_us)) {
        return true;
    }
    atomic_store(&restorer->lost, true);
    return false;
}

void xlm_restore_set_link_timeout(struct xlm_restorer *restorer)
{
    uint32_t timeout_ms = restorer->params->link_timeout_ms;

    atomic_store(&restorer->heard_us, xlm_now_us());
    atomic_store(&restorer->pages_us, xlm_now_us());
    atomic_store(&restorer->lost, false);
    restorer->channel.may_be_silent = may_be_silent;
    restorer->channel.silence_data = restorer;
    restorer->channel.idle_ms =
        xlm_channel_look_ms(timeout_ms ? timeout_ms : XLM_SILENCE_MS);
    /* Without another connection to come this one is all that there is. */
    if (!restorer->params->relink) {
        restorer->channel.idle_ms = -1;
    }
}

/* No thread uses the channel any more when this returns. */
static void close_link(struct xlm_restorer *restorer)
{
    xlm_channel_stop(&restorer->channel);
    xlm_keepalive_stop(&restorer->keepalive);
    xlm_restore_close_faults(restorer);
    xlm_pager_close_requests(restorer->pager);
    xlm_channel_close(&restorer->channel);
}

static int tell_lacking(struct xlm_restorer *restorer)
{
    uint64_t *pfns;
    size_t count;
    int rc;

    if (xlm_pager_list_outstanding(restorer->pager, &pfns, &count)) {
        return -1;
    }
    rc = xlm_write_pfns(restorer->ctx, &restorer->channel,
                        XLM_REC_POSTCOPY_LACKING, pfns, count);
    free(pfns);
    return rc;
}

static int open_link(struct xlm_restorer *restorer, int in_fd, int out_fd)
{
    xlm_forget_failure(restorer->ctx);
    if (xlm_open_connection(restorer->ctx, &restorer->channel, in_fd,
                            out_fd)) {
        return -1;
    }
    restorer->channel.abort_fd = restorer->params->relink->fd;
    xlm_restore_pay_before_waits(restorer);
    xlm_restore_set_link_timeout(restorer);
    if (xlm_write_answer(restorer->ctx, &restorer->channel,
                         XLM_REC_POSTCOPY_STATE, XLM_GUEST_RUNS, "") ||
        tell_lacking(restorer)) {
        return -1;
    }
    xlm_restore_keep_alive(restorer);
    xlm_pager_open_requests(restorer->pager);
    return 0;
}

/* 0: there is another one; -1: there will be none. */
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
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
    do {
        close_link(restorer);
        if (await_link(restorer, &in_fd, &out_fd)) {
            return -1;
        }
    } while (open_link(restorer, in_fd, out_fd));
    relink->resumed(relink->data);
    return 0;
}

/* ---- in place of a receiver that was killed ---- */

/* With those that are paged out, which the hypervisor does not count. */
static uint64_t guest_pages(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info = {.tot_pages = 0};

    (void)hv->ops->domain_info(hv, restorer->domid, &info);
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
    if (open_link(restorer, params->in_fd, params->out_fd) &&
        xlm_restore_recover(restorer) &&
        !xlm_restore_guest_is_gone(restorer)) {
        return -1;
    }
    return xlm_restore_follow(restorer);
}

int xlm_end_paging(struct xlm_context *ctx, const struct xlm_orphan *orphan)
{
    struct xlm_pager *pager = xlm_pager_take_over(ctx, NULL, orphan->domid,
                                                  orphan->pfns, orphan->kept);

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
    restorer.prepared = true;
    restorer.domid = orphan->domid;
    restorer.limit = orphan->pfns;
    return xlm_restore_end(&restorer, take_over(&restorer, orphan));
}

/* ---- without a domain that is being received ---- */

int xlm_read_recover(struct xlm_context *ctx, int in_fd,
                     struct xlm_identity *identity, bool *for_faults)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    struct xlm_record record = XLM_RECORD_EMPTY;
    const struct xlm_wire_recover *recover;
    int rc;

    if (xlm_open_connection(ctx, &channel, in_fd, -1)) {
        return -1;
    }
    channel.idle_ms = RECOVER_MS;
    rc = xlm_read_record(ctx, &channel, XLM_READ_RECOVER, &record);
    recover = record.body;
    if (!rc && recover->version != XLM_RECOVER_VERSION) {
        errno = EPROTO;
        rc = xlm_fail(ctx,
                      "the source asks for version %" PRIu32 " of recovering, "
                      "this host has %u: install the same version on both",
                      recover->version, XLM_RECOVER_VERSION);
    } else if (!rc) {
        identity->pfns = recover->pfns;
        memcpy(identity->id, recover->id, sizeof(identity->id));
        memcpy(identity->uuid, recover->uuid, sizeof(identity->uuid));
        *for_faults = record.type == XLM_REC_POSTCOPY_CHANNEL;
    }
    xlm_record_dispose(&record);
    xlm_channel_close(&channel);
    return rc;
}

static int answer(struct xlm_context *ctx, int out_fd, uint32_t type,
                  uint32_t status, const char *text)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int rc;

    if (xlm_open_connection(ctx, &channel, -1, out_fd)) {
        return -1;
    }
    rc = xlm_write_answer(ctx, &channel, type, status, text);
    xlm_channel_close(&channel);
    return rc;
}

int xlm_answer_recover(struct xlm_context *ctx, int out_fd,
                       enum xlm_guest_state state, const char *text)
{
    return answer(ctx, out_fd, XLM_REC_POSTCOPY_STATE, state, text);
}

int xlm_answer_channel(struct xlm_context *ctx, int out_fd, const char *why)
{
    return answer(ctx, out_fd, XLM_REC_POSTCOPY_JOINED,
                  why ? XLM_REFUSED_OTHER : 0, why ? why : "");
}
