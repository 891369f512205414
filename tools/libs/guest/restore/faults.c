/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of the fault channel: a further connection, over which
 * requests go and the requested pages come, past whatever the first connection
 * has under way.
 *
 * When the channel is lost:
 *
 *   CHANNEL_END       says over the first connection how many pages came over
 *                     the channel, so that the source sends the others again
 *   requests          go over the first connection from then on, at first
 *                     those without an answer
 */
#include "restore/faults.h"

#include <stdio.h>
#include <stdlib.h>

#include "restore/further.h"

struct xlm_fault_reader {
    struct xlm_further_reader further;
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
static int fall_back(struct xlm_further_reader *reader)
{
    struct xlm_restorer *restorer = reader->restorer;
    int rc;

    xlm_pager_close_requests(restorer->pager);
    rc = tell_end(restorer, reader->pages);
    xlm_pager_use_channel(restorer->pager, &restorer->channel);
    xlm_pager_open_requests(restorer->pager);
    return rc;
}

/* The guest waits for each page, and the source for its credit. */
static int pay(struct xlm_further_reader *reader, uint32_t pages)
{
    (void)pages;
    return xlm_further_reader_pay_all(reader);
}

static const struct xlm_further_kind kind = {
    .pay = pay,
    .end = fall_back,
    .consequence = "the pages that the guest asks for come over the first "
                   "connection",
};

/* ---- the caller's thread ---- */

static void dispose(struct xlm_fault_reader *faults)
{
    const struct xlm_relink *relink = faults->further.restorer->params->relink;

    xlm_further_reader_close(&faults->further);
    relink->drop_faults(relink->data);
    free(faults);
}

static int start(struct xlm_further_reader *reader, int in_fd, int out_fd)
{
    struct xlm_restorer *restorer = reader->restorer;

    if (xlm_further_reader_open(reader, in_fd, out_fd)) {
        return -1;
    }
    xlm_pager_use_channel(restorer->pager, &reader->channel);
    if (xlm_further_reader_start(reader)) {
        xlm_pager_use_channel(restorer->pager, &restorer->channel);
        return -1;
    }
    return 0;
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
    faults = malloc(sizeof(*faults));
    if (!faults) {
        relink->drop_faults(relink->data);
        return;
    }
    xlm_further_reader_init(&faults->further, restorer, &kind);
    snprintf(faults->further.name, sizeof(faults->further.name),
             "the fault channel");
    if (start(&faults->further, in_fd, out_fd)) {
        xlm_further_reader_warn(&faults->further);
        dispose(faults);
    } else {
        restorer->faults = faults;
    }
}

int xlm_restore_take_channel_lost(struct xlm_restorer *restorer)
{
    struct xlm_fault_reader *faults = restorer->faults;

    return faults ? xlm_further_reader_take_lost(&faults->further)
                  : tell_end(restorer, 0);
}

void xlm_restore_close_faults(struct xlm_restorer *restorer)
{
    struct xlm_fault_reader *faults = restorer->faults;

    if (!faults) {
        return;
    }
    xlm_further_reader_stop(&faults->further);
    xlm_pager_close_requests(restorer->pager);
    xlm_pager_use_channel(restorer->pager, &restorer->channel);
    dispose(faults);
    restorer->faults = NULL;
}
