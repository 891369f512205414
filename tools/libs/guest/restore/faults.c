/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of the fault channel: a second connection, over which
 * requests go and the requested pages come, past whatever the first connection
 * has under way.
 *
 * A thread of its own reads the channel. The channel can be lost at any time,
 * and the migration goes on: the thread that notices makes sure of this:
 *
 *   CHANNEL_END       says over the first connection how many pages came over
 *                     the channel, so that the source sends the others again
 *   requests          go over the first connection from then on, at first
 *                     those without an answer
 *
 * The reading thread notices when the channel fails, and the caller's thread
 * when the source says that it has lost the channel.
 */
#include "restore/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "restore/pages.h"
#include "restore/stats.h"

struct xlm_fault_reader {
    struct xlm_restorer *restorer;
    /* A failure here fails nothing else: it has its own reason. */
    struct xlm_context ctx;
    struct xlm_channel channel;
    struct xlm_record record;
    pthread_t thread;
    bool runs;
    atomic_bool stopping; /* set by the caller's thread */
    /* The reading thread's, until it has ended. */
    uint64_t pages; /* that came, in complete records */
    bool fell_back;
};

/* ---- losing it ---- */

static int tell_end(struct xlm_restorer *restorer, uint64_t pages)
{
    const struct xlm_wire_channel_end end = {.pages = pages};

    return xlm_write_simple_record(restorer->ctx, &restorer->channel,
                                   XLM_REC_POSTCOPY_CHANNEL_END, &end,
                                   sizeof(end));
}

/* The source must learn of the channel's end before it reads new requests for
 * pages that it takes to be under way. */
static int fall_back(struct xlm_fault_reader *faults)
{
    struct xlm_restorer *restorer = faults->restorer;
    int rc;

    faults->fell_back = true;
    xlm_channel_stop(&faults->channel);
    xlm_pager_close_requests(restorer->pager);
    rc = tell_end(restorer, faults->pages);
    xlm_pager_use_channel(restorer->pager, &restorer->channel);
    xlm_pager_open_requests(restorer->pager);
    return rc;
}

static void warn_of_loss(struct xlm_fault_reader *faults)
{
    xtl_log(faults->ctx.logger, XTL_WARN, -1, "xlm",
            "the fault channel of domain %" PRIu32
            " is lost: the pages that the guest asks for come over the first "
            "connection (%s)",
            faults->restorer->domain.domid, faults->ctx.reason);
}

/* ---- the thread ---- */

static int take_pages(struct xlm_fault_reader *faults)
{
    struct xlm_wire_credit credit = {.pages = 0};

    if (xlm_read_record(&faults->ctx, &faults->channel, XLM_READ_CHANNEL,
                        &faults->record) ||
        xlm_restore_bring_in(faults->restorer, &faults->ctx, &faults->record,
                             &credit.pages)) {
        return -1;
    }
    faults->pages += credit.pages;
    if (xlm_restore_tell_stats(faults->restorer)) {
        xlm_channel_stop(&faults->restorer->channel);
    }
    return xlm_write_simple_record(&faults->ctx, &faults->channel,
                                   XLM_REC_POSTCOPY_CREDIT, &credit,
                                   sizeof(credit));
}

/* If the first connection cannot be written to either, its reader will
 * notice. */
static void *read_faults(void *data)
{
    struct xlm_fault_reader *faults = data;

    while (!take_pages(faults)) {
        continue;
    }
    if (!atomic_load(&faults->stopping)) {
        warn_of_loss(faults);
        if (fall_back(faults)) {
            xlm_channel_stop(&faults->restorer->channel);
        }
    }
    return NULL;
}

static void stop_reading(struct xlm_fault_reader *faults)
{
    if (faults->runs) {
        atomic_store(&faults->stopping, true);
        xlm_channel_stop(&faults->channel);
        pthread_join(faults->thread, NULL);
        faults->runs = false;
    }
}

/* ---- the caller's thread ---- */

static void dispose(struct xlm_fault_reader *faults)
{
    const struct xlm_relink *relink = faults->restorer->params->relink;

    xlm_channel_close(&faults->channel);
    xlm_restore_dispose_record(&faults->ctx, &faults->record);
    relink->drop_faults(relink->data);
    free(faults);
}

static int start(struct xlm_fault_reader *faults, int in_fd, int out_fd)
{
    int rc;

    if (xlm_channel_open(&faults->channel, in_fd, out_fd, -1)) {
        return xlm_fail(&faults->ctx, "cannot use it: %s", strerror(errno));
    }
    xlm_pager_use_channel(faults->restorer->pager, &faults->channel);
    rc = pthread_create(&faults->thread, NULL, read_faults, faults);
    if (rc) {
        xlm_pager_use_channel(faults->restorer->pager,
                              &faults->restorer->channel);
        return xlm_fail(&faults->ctx, "cannot start a thread: %s",
                        strerror(rc));
    }
    faults->runs = true;
    return 0;
}

static struct xlm_fault_reader *new_reader(struct xlm_restorer *restorer)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct xlm_fault_reader *faults = malloc(sizeof(*faults));

    if (faults) {
        *faults = (struct xlm_fault_reader){
            .restorer = restorer,
            .ctx = fresh,
            .channel = XLM_CHANNEL_CLOSED,
            .record = XLM_RECORD_EMPTY,
        };
        faults->ctx.logger = restorer->ctx->logger;
        faults->ctx.hypervisor = restorer->ctx->hypervisor;
        xlm_restore_lend_contents(&faults->ctx, &faults->record);
    }
    return faults;
}

void xlm_restore_open_faults(struct xlm_restorer *restorer)
{
    const struct xlm_relink *relink = restorer->params->relink;
    struct xlm_fault_reader *faults;
    int in_fd, out_fd;

    if (!relink || !relink->take_faults ||
        relink->take_faults(&in_fd, &out_fd, relink->data)) {
        return;
    }
    faults = new_reader(restorer);
    if (!faults) {
        relink->drop_faults(relink->data);
    } else if (start(faults, in_fd, out_fd)) {
        warn_of_loss(faults);
        dispose(faults);
    } else {
        restorer->faults = faults;
    }
}

int xlm_restore_take_channel_lost(struct xlm_restorer *restorer)
{
    struct xlm_fault_reader *faults = restorer->faults;

    if (!faults) {
        return tell_end(restorer, 0);
    }
    stop_reading(faults);
    if (faults->fell_back) {
        return 0;
    }
    xlm_fail(&faults->ctx, "the source has lost it");
    warn_of_loss(faults);
    return fall_back(faults);
}

void xlm_restore_close_faults(struct xlm_restorer *restorer)
{
    struct xlm_fault_reader *faults = restorer->faults;

    if (!faults) {
        return;
    }
    stop_reading(faults);
    xlm_pager_close_requests(restorer->pager);
    xlm_pager_use_channel(restorer->pager, &restorer->channel);
    dispose(faults);
    restorer->faults = NULL;
}
