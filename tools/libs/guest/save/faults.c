/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of the fault channel: a further connection, over which the
 * guest's requests come and are answered, past whatever the first connection
 * has under way.
 *
 *   CHANNEL          which migration it belongs to, while the guest runs here
 *            <- JOINED
 *   ---- nothing, until the go ----
 *            <- FAULT
 *   POSTCOPY_PAGE_DATA
 *            <- CREDIT
 *
 * One thread reads the channel and answers each request at once: there is no
 * queue.
 */
#include "save/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "save/further.h"
#include "save/source.h"

/* Most pages under way: further requests are served over the first
 * connection. */
#define UNDER_WAY 1024

struct xlm_fault_channel {
    struct xlm_further further;
};

/* ---- joining, while the guest runs here ---- */

static int join(struct xlm_fault_channel *faults, int in_fd, int out_fd)
{
    const struct xlm_saver *saver = faults->further.saver;
    struct xlm_wire_recover channel = {
        .version = XLM_RECOVER_VERSION,
        .pfns = saver->domain.nr_pfns,
    };

    memcpy(channel.id, saver->params->id, sizeof(channel.id));
    memcpy(channel.uuid, saver->domain.uuid, sizeof(channel.uuid));
    return xlm_further_join(&faults->further, in_fd, out_fd,
                            saver->ctx->abort_fd, XLM_REC_POSTCOPY_CHANNEL,
                            &channel, sizeof(channel));
}

static void dispose(struct xlm_fault_channel *faults)
{
    xlm_further_dispose(&faults->further);
    free(faults);
}

static struct xlm_fault_channel *new_channel(struct xlm_saver *saver)
{
    struct xlm_fault_channel *faults = malloc(sizeof(*faults));

    if (faults && xlm_further_init(&faults->further, saver, UNDER_WAY)) {
        dispose(faults);
        return NULL;
    }
    return faults;
}

static void warn_of_none(struct xlm_saver *saver, const char *reason)
{
    xtl_log(saver->ctx->logger, XTL_WARN, -1, "xlm",
            "there is no fault channel: the pages that the guest asks for "
            "will go over the first connection (%s)",
            reason);
}

/* A channel that has not joined counts as lost: the destination may believe
 * that it has joined. */
void xlm_save_connect_faults(struct xlm_saver *saver)
{
    const struct xlm_save_callbacks *callbacks = saver->callbacks;
    struct xlm_fault_channel *faults;
    int in_fd, out_fd;

    if (!callbacks->connect_faults) {
        return;
    }
    if (callbacks->connect_faults(&in_fd, &out_fd, callbacks->data)) {
        warn_of_none(saver, "no connection: see the messages before");
        return;
    }
    faults = new_channel(saver);
    if (!faults) {
        warn_of_none(saver, "no memory");
        return;
    }
    saver->faults = faults;
    if (join(faults, in_fd, out_fd)) {
        warn_of_none(saver, faults->further.ctx.reason);
        faults->further.warned = faults->further.lost = true;
    }
    saver->further_bytes += faults->further.channel.bytes_out;
}

void xlm_save_close_faults(struct xlm_saver *saver)
{
    if (saver->faults) {
        dispose(saver->faults);
        saver->faults = NULL;
    }
}

/* ---- the thread ---- */

/* Note the page as under way.  False: it does not go over this channel. */
static bool take_page(struct xlm_further *further, uint64_t pfn)
{
    struct xlm_push_shared *shared = further->shared;
    bool taken;

    pthread_mutex_lock(&shared->lock);
    further->counts.crossed +=
        !xlm_pfn_set_contains(&shared->plan.outstanding, pfn);
    taken =
        xlm_further_room(further) && xlm_push_plan_take(&shared->plan, pfn);
    if (taken) {
        xlm_further_note(further, pfn, XLM_PUSH_REQUESTED);
        XLM_TRACE(&further->ctx, chosen, pfn,
                  further->sent - further->credited);
        xlm_push_shared_wake(shared); /* the neighbours may go now */
    }
    pthread_mutex_unlock(&shared->lock);
    return taken;
}

/* Leave a page to the pushing thread, which also knows what to do about one
 * that cannot be read.  Nothing happens when the page is under way. */
static int leave_page(struct xlm_further *further, uint64_t pfn)
{
    struct xlm_push_shared *shared = further->shared;
    int rc;

    pthread_mutex_lock(&shared->lock);
    rc = xlm_push_plan_request(&shared->plan, pfn);
    xlm_push_shared_wake(shared);
    pthread_mutex_unlock(&shared->lock);
    return rc ? xlm_fail(&further->ctx, "no memory for requests") : 0;
}

static int send_page(struct xlm_further *further, uint64_t pfn,
                     const void *contents)
{
    const struct xlm_page_batch_form form =
        xlm_save_form(further->saver, NULL);
    struct xlm_page_batch *batch = &further->batch;
    uint64_t octets = further->channel.bytes_out;

    xlm_page_batch_begin(batch, XLM_REC_POSTCOPY_PAGE_DATA, &form);
    xlm_page_batch_add(batch, pfn, XLM_TYPE_NOTAB, contents);
    XLM_TRACE(&further->ctx, sent, pfn, octets);
    return xlm_further_write(further);
}

static int serve_page(struct xlm_further *further, uint64_t pfn)
{
    const void *contents = xlm_source_memory_page(&further->memory, pfn);

    XLM_TRACE(&further->ctx, heard, pfn, 1);
    /* If the page cannot be sent, the pushing thread reports why. */
    if (!contents || !xlm_save_source_is_sound(further->saver) ||
        !take_page(further, pfn)) {
        return leave_page(further, pfn);
    }
    return send_page(further, pfn, contents);
}

static int take_fault(struct xlm_further *further)
{
    struct xlm_pfn_list list;

    if (xlm_parse_pfn_list(&further->ctx, &further->record,
                           further->saver->domain.nr_pfns, &list)) {
        return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (serve_page(further, xlm_entry_pfn(list.entries[i]))) {
            return -1;
        }
    }
    return 0;
}

static int take_credit(struct xlm_further *further)
{
    uint32_t pages;

    if (xlm_further_take_credit(further, &pages)) {
        return -1;
    }
    pthread_mutex_lock(&further->shared->lock);
    xlm_push_shared_wake(further->shared); /* all may have come */
    pthread_mutex_unlock(&further->shared->lock);
    return 0;
}

static int take_record(struct xlm_further *further)
{
    if (xlm_read_record(&further->ctx, &further->channel, XLM_READ_SERVE,
                        &further->record)) {
        return -1;
    }
    /* Handle records in their order: each page goes at once. */
    return further->record.type == XLM_REC_POSTCOPY_CREDIT
               ? take_credit(further)
               : take_fault(further);
}

static void *serve(void *data)
{
    struct xlm_further *further = data;

    while (!take_record(further)) {
        continue;
    }
    xlm_further_lose(further);
    return NULL;
}

/* ---- the pushing thread ---- */

void xlm_faults_start(struct xlm_fault_channel *faults,
                      struct xlm_push_shared *shared)
{
    struct xlm_further *further = faults ? &faults->further : NULL;
    int rc;

    if (!further) {
        return;
    }
    further->shared = shared;
    if (further->lost) {
        return;
    }
    xlm_channel_keep_queue(&further->channel, 0);
    rc = pthread_create(&further->thread, NULL, serve, further);
    if (rc) {
        xlm_note_failure(&further->ctx, "cannot start a thread: %s",
                         strerror(rc));
        further->lost = true;
        return;
    }
    further->runs = true;
}

void xlm_faults_stop(struct xlm_fault_channel *faults)
{
    if (faults && faults->further.runs) {
        xlm_channel_stop(&faults->further.channel);
        pthread_join(faults->further.thread, NULL);
        faults->further.runs = false;
    }
}

bool xlm_faults_pending(const struct xlm_fault_channel *faults)
{
    return faults && xlm_further_pending(&faults->further);
}

int xlm_faults_look_after(struct xlm_fault_channel *faults)
{
    static const char what[] =
        "the fault channel is lost: the pages that the guest asks for go over "
        "the first connection";
    struct xlm_saver *saver = faults ? faults->further.saver : NULL;

    if (!faults || !xlm_further_must_tell(&faults->further, what)) {
        return 0;
    }
    return xlm_write_simple_record(saver->ctx, &saver->channel,
                                   XLM_REC_POSTCOPY_CHANNEL_LOST, NULL, 0);
}

void xlm_faults_count(struct xlm_fault_channel *faults,
                      struct xlm_stats *stats)
{
    if (faults) {
        stats->channel_pages += faults->further.counts.requested;
        xlm_further_count(&faults->further, stats);
    }
}

/* ---- the reader of the first connection ---- */

/* Pages that did not come go again as soon as they can: the guest waits,
 * whether or not the destination requests them again. */
int xlm_faults_take_end(struct xlm_saver *saver,
                        const struct xlm_record *record)
{
    const struct xlm_wire_channel_end *end = record->body;
    struct xlm_further *further =
        saver->faults ? &saver->faults->further : NULL;
    bool honest = false;
    int rc = 0;

    if (further && further->shared) {
        pthread_mutex_lock(&further->shared->lock);
        honest = xlm_further_may_end_after(further, end->pages);
        rc = honest ? xlm_further_end_after(further, end->pages,
                                            xlm_push_plan_return)
                    : 0;
        pthread_mutex_unlock(&further->shared->lock);
    }
    if (!honest) {
        errno = EPROTO;
        return xlm_fail(saver->ctx,
                        "bad migration stream: the end of a fault channel "
                        "that was not in use, or after %" PRIu64 " pages",
                        end->pages);
    }
    return rc;
}
