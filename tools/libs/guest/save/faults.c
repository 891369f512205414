/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of the fault channel: a second connection, over which the
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
 * queue. Pages that went over the channel without credit so far are kept in
 * order. When the channel is lost the destination says how many of them came,
 * and the rest goes over the first connection: no page is lost with the
 * channel, and none goes twice.
 */
#include "save/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>

#include "clock.h"
#include "hypervisor/source_memory.h"
#include "save/source.h"
#include "wire/page_batch.h"

/* The destination answers at once, or it does not know the record. */
#define JOIN_MS (30 * 1000)
/* Most pages under way: further requests are served over the first
 * connection. */
#define UNDER_WAY 1024

struct sent_page {
    uint64_t pfn;
    uint64_t sent_us;
};

struct xlm_fault_channel {
    struct xlm_saver *saver;
    /* A failure here fails nothing else: it has its own reason. */
    struct xlm_context ctx;
    struct xlm_channel channel;
    struct xlm_push_shared *shared; /* NULL: not started */
    pthread_t thread;
    bool runs;
    /* The pushing thread's: */
    bool warned; /* the log says that the channel is lost ... */
    bool told;   /* ... and the destination knows */

    /* The reading thread's own. */
    struct xlm_record record;
    struct xlm_source_memory memory;
    struct xlm_page_batch batch;

    /* Guarded by the shared lock. */
    uint64_t sent;                     /* pages sent over the channel */
    uint64_t credited;                 /* the first of these, which came */
    struct sent_page pages[UNDER_WAY]; /* page n is at n % UNDER_WAY */
    bool lost;                         /* no more pages go over the channel */
    bool ended; /* the destination knows that it is lost */
    /* Since the last xlm_faults_count(): */
    uint64_t new_pages;
    uint64_t new_zeroes;
    uint64_t new_bytes;
    uint64_t new_crossed;
};

/* ---- the pushing thread sleeps ---- */

void xlm_push_shared_wake(struct xlm_push_shared *shared)
{
    if (shared->asleep) {
        shared->asleep = false;
        eventfd_write(shared->wake_fd, 1);
    }
}

void xlm_push_shared_woke(struct xlm_push_shared *shared)
{
    eventfd_t count;

    (void)eventfd_read(shared->wake_fd, &count);
}

/* ---- joining, while the guest runs here ---- */

static int write_channel(struct xlm_fault_channel *faults)
{
    const struct xlm_saver *saver = faults->saver;
    struct xlm_wire_recover channel = {
        .version = XLM_RECOVER_VERSION,
        .pfns = saver->domain.nr_pfns,
    };

    memcpy(channel.id, saver->params->id, sizeof(channel.id));
    memcpy(channel.uuid, saver->domain.uuid, sizeof(channel.uuid));
    return xlm_write_simple_record(&faults->ctx, &faults->channel,
                                   XLM_REC_POSTCOPY_CHANNEL, &channel,
                                   sizeof(channel));
}

static int join(struct xlm_fault_channel *faults, int in_fd, int out_fd)
{
    const struct xlm_saver *saver = faults->saver;

    if (xlm_source_memory_open(&faults->memory, saver->ctx->hypervisor,
                               saver->params->domid)) {
        return xlm_fail(&faults->ctx, "no memory");
    }
    if (xlm_channel_open(&faults->channel, in_fd, out_fd,
                         saver->ctx->abort_fd)) {
        return xlm_fail(&faults->ctx, "cannot use the connection: %s",
                        strerror(errno));
    }
    faults->channel.idle_ms = JOIN_MS;
    if (write_channel(faults) ||
        xlm_read_record(&faults->ctx, &faults->channel, XLM_READ_JOINED,
                        &faults->record) ||
        xlm_check_answer(&faults->ctx, &faults->record)) {
        return -1;
    }
    /* Nothing more comes until the go, and after it nothing is aborted. */
    faults->channel.idle_ms = -1;
    faults->channel.abort_fd = -1;
    return 0;
}

static void dispose(struct xlm_fault_channel *faults)
{
    xlm_source_memory_close(&faults->memory);
    xlm_channel_close(&faults->channel);
    xlm_record_dispose(&faults->record);
    free(faults);
}

static struct xlm_fault_channel *new_channel(struct xlm_saver *saver)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct xlm_fault_channel *faults = calloc(1, sizeof(*faults));

    if (faults) {
        faults->saver = saver;
        faults->ctx = fresh;
        faults->ctx.logger = saver->ctx->logger;
        faults->ctx.trace = saver->ctx->trace;
        faults->channel = XLM_CHANNEL_CLOSED;
        faults->record = XLM_RECORD_EMPTY;
        faults->memory = XLM_SOURCE_MEMORY_CLOSED;
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
        warn_of_none(saver, faults->ctx.reason);
        faults->warned = faults->lost = true;
    }
    saver->fault_bytes = faults->channel.bytes_out;
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
static bool take_page(struct xlm_fault_channel *faults, uint64_t pfn)
{
    struct xlm_push_shared *shared = faults->shared;
    bool taken;

    pthread_mutex_lock(&shared->lock);
    faults->new_crossed +=
        !xlm_pfn_set_contains(&shared->plan.outstanding, pfn);
    taken = !faults->lost && faults->sent - faults->credited < UNDER_WAY &&
            xlm_push_plan_take(&shared->plan, pfn);
    if (taken) {
        faults->pages[faults->sent++ % UNDER_WAY] =
            (struct sent_page){pfn, xlm_now_us()};
        faults->new_pages++;
        XLM_TRACE(&faults->ctx, chosen, pfn, faults->sent - faults->credited);
        xlm_push_shared_wake(shared); /* the neighbours may go now */
    }
    pthread_mutex_unlock(&shared->lock);
    return taken;
}

/* Leave a page to the pushing thread, which also knows what to do about one
 * that cannot be read.  Nothing happens when the page is under way. */
static int leave_page(struct xlm_fault_channel *faults, uint64_t pfn)
{
    struct xlm_push_shared *shared = faults->shared;
    int rc;

    pthread_mutex_lock(&shared->lock);
    rc = xlm_push_plan_request(&shared->plan, pfn);
    xlm_push_shared_wake(shared);
    pthread_mutex_unlock(&shared->lock);
    return rc ? xlm_fail(&faults->ctx, "no memory for requests") : 0;
}

static int send_page(struct xlm_fault_channel *faults, uint64_t pfn,
                     const void *contents)
{
    struct xlm_push_shared *shared = faults->shared;
    struct xlm_page_batch *batch = &faults->batch;
    uint64_t bytes = faults->channel.bytes_out;
    int rc;

    xlm_page_batch_begin(batch, XLM_REC_POSTCOPY_PAGE_DATA, true);
    xlm_page_batch_add(batch, pfn, XLM_TYPE_NOTAB, contents);
    XLM_TRACE(&faults->ctx, sent, pfn, bytes);
    rc = xlm_page_batch_write(&faults->ctx, &faults->channel, batch);
    pthread_mutex_lock(&shared->lock);
    faults->new_zeroes += batch->nr_zeroes;
    faults->new_bytes += faults->channel.bytes_out - bytes;
    pthread_mutex_unlock(&shared->lock);
    return rc;
}

static int serve_page(struct xlm_fault_channel *faults, uint64_t pfn)
{
    const void *contents = xlm_source_memory_page(&faults->memory, pfn);

    XLM_TRACE(&faults->ctx, heard, pfn, 1);
    /* If the page cannot be sent, the pushing thread reports why. */
    if (!contents || !xlm_save_source_is_sound(faults->saver) ||
        !take_page(faults, pfn)) {
        return leave_page(faults, pfn);
    }
    return send_page(faults, pfn, contents);
}

static int take_fault(struct xlm_fault_channel *faults)
{
    struct xlm_pfn_list list;

    if (xlm_parse_pfn_list(&faults->ctx, &faults->record,
                           faults->saver->domain.nr_pfns, &list)) {
        return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (serve_page(faults, xlm_entry_pfn(list.entries[i]))) {
            return -1;
        }
    }
    return 0;
}

static int take_credit(struct xlm_fault_channel *faults)
{
    struct xlm_push_shared *shared = faults->shared;
    const struct xlm_wire_credit *credit = faults->record.body;
    bool honest;

    pthread_mutex_lock(&shared->lock);
    honest = credit->pages <= faults->sent - faults->credited;
    if (honest) {
        faults->credited += credit->pages;
    }
    xlm_push_shared_wake(shared);
    pthread_mutex_unlock(&shared->lock);
    if (!honest) {
        errno = EPROTO;
        return xlm_fail(&faults->ctx, "bad migration stream: credit for pages "
                                      "that were not sent");
    }
    return 0;
}

static int take_record(struct xlm_fault_channel *faults)
{
    if (xlm_read_record(&faults->ctx, &faults->channel, XLM_READ_SERVE,
                        &faults->record)) {
        return -1;
    }
    /* Handle records in their order: each page goes at once. */
    return faults->record.type == XLM_REC_POSTCOPY_CREDIT ? take_credit(faults)
                                                          : take_fault(faults);
}

static void *serve(void *data)
{
    struct xlm_fault_channel *faults = data;

    while (!take_record(faults)) {
        continue;
    }
    pthread_mutex_lock(&faults->shared->lock);
    faults->lost = true;
    xlm_push_shared_wake(faults->shared);
    pthread_mutex_unlock(&faults->shared->lock);
    return NULL;
}

/* ---- the pushing thread ---- */

void xlm_faults_start(struct xlm_fault_channel *faults,
                      struct xlm_push_shared *shared)
{
    int rc;

    if (!faults) {
        return;
    }
    faults->shared = shared;
    if (faults->lost) {
        return;
    }
    xlm_channel_keep_queue(&faults->channel, 0);
    rc = pthread_create(&faults->thread, NULL, serve, faults);
    if (rc) {
        xlm_note_failure(&faults->ctx, "cannot start a thread: %s",
                         strerror(rc));
        faults->lost = true;
        return;
    }
    faults->runs = true;
}

void xlm_faults_stop(struct xlm_fault_channel *faults)
{
    if (faults && faults->runs) {
        xlm_channel_stop(&faults->channel);
        pthread_join(faults->thread, NULL);
        faults->runs = false;
    }
}

bool xlm_faults_pending(const struct xlm_fault_channel *faults)
{
    return faults && faults->sent != faults->credited;
}

static bool is_stalled(const struct xlm_fault_channel *faults)
{
    const struct sent_page *oldest =
        &faults->pages[faults->credited % UNDER_WAY];

    return xlm_faults_pending(faults) &&
           xlm_now_us() - oldest->sent_us >
               faults->saver->params->faults_stall_ms * UINT64_C(1000);
}

/* *heard: does the destination know? */
static bool is_lost(struct xlm_fault_channel *faults, bool *heard)
{
    bool lost;

    pthread_mutex_lock(&faults->shared->lock);
    if (!faults->lost && is_stalled(faults)) {
        xlm_note_failure(&faults->ctx, "a page did not get through");
        faults->lost = true;
    }
    lost = faults->lost;
    *heard = faults->ended;
    pthread_mutex_unlock(&faults->shared->lock);
    return lost;
}

int xlm_faults_look_after(struct xlm_fault_channel *faults)
{
    struct xlm_saver *saver = faults ? faults->saver : NULL;
    bool heard;

    if (!faults || faults->told || !is_lost(faults, &heard)) {
        return 0;
    }
    faults->told = true;
    xlm_channel_stop(&faults->channel);
    if (!faults->warned) {
        xtl_log(saver->ctx->logger, XTL_WARN, -1, "xlm",
                "the fault channel is lost: the pages that the guest asks for "
                "go over the first connection (%s)",
                faults->ctx.reason);
    }
    return heard ? 0
                 : xlm_write_simple_record(saver->ctx, &saver->channel,
                                           XLM_REC_POSTCOPY_CHANNEL_LOST, NULL,
                                           0);
}

void xlm_faults_count(struct xlm_fault_channel *faults,
                      struct xlm_stats *stats)
{
    if (!faults) {
        return;
    }
    stats->requested_pages += faults->new_pages;
    stats->channel_pages += faults->new_pages;
    stats->zero_pages += faults->new_zeroes;
    faults->saver->fault_bytes += faults->new_bytes;
    stats->crossed_requests += faults->new_crossed;
    faults->new_pages = faults->new_zeroes = 0;
    faults->new_bytes = faults->new_crossed = 0;
}

/* ---- the reader of the first connection ---- */

static bool is_honest(const struct xlm_fault_channel *faults, uint64_t pages)
{
    return !faults->ended && pages >= faults->credited &&
           pages <= faults->sent;
}

/* The first `pages` of the channel's pages came.  The others go as soon as
 * they can: the guest waits, whether or not the destination requests them
 * again. */
static int end_after(struct xlm_fault_channel *faults, uint64_t pages)
{
    int rc = 0;

    for (uint64_t i = pages; i < faults->sent; i++) {
        rc |= xlm_push_plan_return(&faults->shared->plan,
                                   faults->pages[i % UNDER_WAY].pfn);
    }
    xlm_note_failure(&faults->ctx, "the destination has lost it");
    /* They count when they are sent again. */
    faults->new_pages -= faults->sent - pages;
    faults->sent = faults->credited = pages;
    faults->lost = faults->ended = true;
    return rc ? xlm_fail(faults->saver->ctx, "no memory for requests") : 0;
}

int xlm_faults_take_end(struct xlm_saver *saver,
                        const struct xlm_record *record)
{
    const struct xlm_wire_channel_end *end = record->body;
    struct xlm_fault_channel *faults = saver->faults;
    bool honest = false;
    int rc = 0;

    if (faults) {
        pthread_mutex_lock(&faults->shared->lock);
        honest = is_honest(faults, end->pages);
        rc = honest ? end_after(faults, end->pages) : 0;
        xlm_push_shared_wake(faults->shared);
        pthread_mutex_unlock(&faults->shared->lock);
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
