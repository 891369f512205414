/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of a further connection.
 */
#include "save/further.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* A destination that does not answer in this time does not know the record. */
#define JOIN_MS (30 * 1000)

int xlm_further_init(struct xlm_further *further, struct xlm_saver *saver,
                     uint32_t most)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;

    *further = (struct xlm_further){
        .saver = saver,
        .ctx = fresh,
        .channel = XLM_CHANNEL_CLOSED,
        .record = XLM_RECORD_EMPTY,
        .memory = XLM_SOURCE_MEMORY_CLOSED,
        .most = most,
    };
    further->ctx.logger = saver->ctx->logger;
    further->ctx.trace = saver->ctx->trace;
    further->pages = calloc(most, sizeof(*further->pages));
    return further->pages && !xlm_source_memory_open(&further->memory,
                                                     saver->ctx->hypervisor,
                                                     saver->params->domid)
               ? 0
               : -1;
}

void xlm_further_dispose(struct xlm_further *further)
{
    xlm_source_memory_close(&further->memory);
    xlm_channel_close(&further->channel);
    xlm_compressor_close(further->compressor);
    further->compressor = NULL;
    xlm_record_dispose(&further->record);
    free(further->pages);
    further->pages = NULL;
}

/* ---- joining ---- */

int xlm_further_join(struct xlm_further *further, int in_fd, int out_fd,
                     int abort_fd, uint32_t type, const void *body,
                     size_t length)
{
    if (xlm_channel_open(&further->channel, in_fd, out_fd, abort_fd)) {
        return xlm_fail(&further->ctx, "cannot use the connection: %s",
                        strerror(errno));
    }
    further->channel.idle_ms = JOIN_MS;
    if (xlm_write_simple_record(&further->ctx, &further->channel, type, body,
                                length) ||
        xlm_read_record(&further->ctx, &further->channel, XLM_READ_JOINED,
                        &further->record) ||
        xlm_check_answer(&further->ctx, &further->record)) {
        return -1;
    }
    /* No record comes before the go, so wait for the next one without a limit;
     * and after the go nothing can be aborted. */
    further->channel.idle_ms = -1;
    further->channel.abort_fd = -1;
    return 0;
}

/* ---- what is under way ---- */

uint32_t xlm_further_room(const struct xlm_further *further)
{
    return further->lost
               ? 0
               : further->most - (uint32_t)(further->sent - further->credited);
}

/* The sums are modulo 2^64: pages that were counted and did not arrive are
 * taken away again. */
static void count_page(struct xlm_further *further, enum xlm_push_kind kind,
                       uint64_t pages)
{
    if (kind == XLM_PUSH_REQUESTED) {
        further->counts.requested += pages;
    } else {
        further->counts.pushed += pages;
    }
    if (kind == XLM_PUSH_NEIGHBOURS) {
        further->counts.neighbours += pages;
    }
}

void xlm_further_note(struct xlm_further *further, uint64_t pfn,
                      enum xlm_push_kind kind)
{
    further->pages[further->sent++ % further->most] =
        (struct xlm_sent_page){pfn, xlm_now_us(), kind};
    count_page(further, kind, 1);
}

bool xlm_further_pending(const struct xlm_further *further)
{
    return further->sent != further->credited;
}

/* Note the pages of a batch in the order in which they are written: by one
 * record those with contents, by others the pages of zeroes and the repeated
 * ones.  Before this they were noted in the order of the plan.  If only the
 * last record is lost, only its pages must go again. */
static void note_order(struct xlm_further *further)
{
    const struct xlm_page_batch *batch = &further->batch;
    size_t count = xlm_page_batch_count(batch);

    pthread_mutex_lock(&further->shared->lock);
    for (size_t i = 0; i < count && !further->ended; i++) {
        uint64_t at = further->sent - count + i;

        further->pages[at % further->most].pfn =
            xlm_entry_pfn(xlm_page_batch_entry(batch, i));
    }
    pthread_mutex_unlock(&further->shared->lock);
}

int xlm_further_write(struct xlm_further *further)
{
    struct xlm_push_shared *shared = further->shared;
    uint64_t octets = further->channel.bytes_out;
    int rc;

    if (xlm_page_batch_records(&further->batch) > 1) {
        note_order(further);
    }
    rc = xlm_page_batch_write(&further->ctx, &further->channel,
                              &further->batch);
    pthread_mutex_lock(&shared->lock);
    xlm_save_add_forms(&further->counts.forms, &further->batch);
    further->counts.octets += further->channel.bytes_out - octets;
    pthread_mutex_unlock(&shared->lock);
    return rc;
}

int xlm_further_take_credit(struct xlm_further *further, uint32_t *pages)
{
    const struct xlm_wire_credit *credit = further->record.body;
    struct xlm_push_shared *shared = further->shared;
    bool honest;

    pthread_mutex_lock(&shared->lock);
    honest = credit->pages <= further->sent - further->credited;
    if (honest) {
        further->credited += credit->pages;
    }
    pthread_mutex_unlock(&shared->lock);
    if (!honest) {
        errno = EPROTO;
        return xlm_fail(&further->ctx, "bad migration stream: credit for "
                                       "pages that were not sent");
    }
    *pages = credit->pages;
    return 0;
}

void xlm_further_count(struct xlm_further *further, struct xlm_stats *stats)
{
    struct xlm_further_counts *counts = &further->counts;

    stats->requested_pages += counts->requested;
    stats->pushed_pages += counts->pushed;
    stats->neighbour_pages += counts->neighbours;
    xlm_save_count_forms(&counts->forms, stats);
    stats->crossed_requests += counts->crossed;
    further->saver->further_bytes += counts->octets;
    *counts = (struct xlm_further_counts){.requested = 0};
}

/* ---- a lost connection ---- */

void xlm_further_lose(struct xlm_further *further)
{
    struct xlm_push_shared *shared = further->shared;

    pthread_mutex_lock(&shared->lock);
    further->lost = true;
    xlm_push_shared_wake(shared);
    pthread_mutex_unlock(&shared->lock);
}

static bool is_stalled(const struct xlm_further *further)
{
    const struct xlm_sent_page *oldest =
        &further->pages[further->credited % further->most];

    return xlm_further_pending(further) &&
           xlm_now_us() - oldest->sent_us >
               further->saver->params->faults_stall_ms * UINT64_C(1000);
}

/* *heard: the destination knows that the connection is lost. */
static bool is_lost(struct xlm_further *further, bool *heard)
{
    bool lost;

    pthread_mutex_lock(&further->shared->lock);
    if (!further->lost && is_stalled(further)) {
        xlm_note_failure(&further->ctx, "a page did not get through");
        further->lost = true;
    }
    lost = further->lost;
    *heard = further->ended;
    pthread_mutex_unlock(&further->shared->lock);
    return lost;
}

bool xlm_further_must_tell(struct xlm_further *further, const char *what)
{
    bool heard;

    if (further->told || !is_lost(further, &heard)) {
        return false;
    }
    further->told = true;
    xlm_channel_stop(&further->channel);
    if (!further->warned) {
        xtl_log(further->ctx.logger, XTL_WARN, -1, "xlm", "%s (%s)", what,
                further->ctx.reason);
    }
    return !heard;
}

bool xlm_further_may_end_after(const struct xlm_further *further,
                               uint64_t pages)
{
    return further->shared && !further->ended && pages >= further->credited &&
           pages <= further->sent;
}

int xlm_further_end_after(struct xlm_further *further, uint64_t pages,
                          int (*again)(struct xlm_push_plan *plan,
                                       uint64_t pfn))
{
    int rc = 0;

    for (uint64_t i = pages; i < further->sent; i++) {
        const struct xlm_sent_page *page = &further->pages[i % further->most];

        rc |= again(&further->shared->plan, page->pfn);
        /* This page will count when it is sent again. */
        count_page(further, page->kind, -1);
    }
    xlm_note_failure(&further->ctx, "the destination has lost it");
    further->sent = further->credited = pages;
    further->lost = further->ended = true;
    xlm_push_shared_wake_all(further->shared);
    return rc ? xlm_fail(further->saver->ctx, "no memory for requests") : 0;
}
