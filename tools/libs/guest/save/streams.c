/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of the further streams: connections that the push goes over
 * besides the first one.
 *
 *   the stream                     the first connection
 *   STREAM n                                             names the migration
 *            <- JOINED
 *   ---- nothing, until the go and the stream's turn ----
 *                                  STREAM_USE n          the destination reads
 *   POSTCOPY_PAGE_DATA                                   n from now on
 *            <- CREDIT
 *   ---- the stream is lost ----
 *                                  STREAM_LOST n
 *                                  <- STREAM_END n       how many pages came
 *
 * Each stream has a thread, which connects it, waits for its turn, and then
 * takes pages off the plan and sends them, as the pushing thread does over the
 * first connection.  So a stream may join while the guest runs here, or when
 * the push is under way.  A stream that has ended does not come back.
 */
#include "save/streams.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "save/fill.h"
#include "save/further.h"
#include "save/source.h"

/* The most pages under way: as many as a window can be, and requested ones. */
#define UNDER_WAY \
    (XLM_PUSH_WINDOW_SENDINGS * XLM_PUSH_WINDOW_SENDING_MOST + 1024)

struct xlm_stream {
    struct xlm_further further;
    struct xlm_save_streams *all;
    uint32_t index;
    struct xlm_push_window window; /* only its thread uses this */

    /* Guarded by the lock of all. */
    bool joined;
    bool used; /* the destination was told, and the thread may push */
};

struct xlm_save_streams {
    struct xlm_saver *saver;
    int stop_fd; /* readable: connect and wait no more */
    atomic_bool stopping;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct xlm_push_shared *shared; /* NULL: the push has not begun */

    size_t count;
    struct xlm_stream streams[XLM_STREAMS_MOST - 1]; /* stream n is n - 1 */
};

/* ---- a stream's thread: joining ---- */

static int join(struct xlm_stream *stream, int in_fd, int out_fd)
{
    const struct xlm_saver *saver = stream->all->saver;
    struct xlm_wire_stream joins = {
        .version = XLM_RECOVER_VERSION,
        .index = stream->index,
        .pfns = saver->domain.nr_pfns,
    };

    memcpy(joins.id, saver->params->id, sizeof(joins.id));
    memcpy(joins.uuid, saver->domain.uuid, sizeof(joins.uuid));
    return xlm_further_join(&stream->further, in_fd, out_fd,
                            stream->all->stop_fd, XLM_REC_POSTCOPY_STREAM,
                            &joins, sizeof(joins));
}

static int connect_and_join(struct xlm_stream *stream)
{
    const struct xlm_save_callbacks *callbacks = stream->all->saver->callbacks;
    int in_fd, out_fd;

    if (callbacks->connect_stream(stream->index, stream->all->stop_fd, &in_fd,
                                  &out_fd, callbacks->data)) {
        errno = ECONNREFUSED;
        return xlm_fail(&stream->further.ctx,
                        "no connection: see the messages before");
    }
    return join(stream, in_fd, out_fd);
}

static void warn_of_none(struct xlm_stream *stream)
{
    xtl_log(stream->further.ctx.logger, XTL_WARN, -1, "xlm",
            "there is no stream %" PRIu32
            ": the pages go over the other connections (%s)",
            stream->index, stream->further.ctx.reason);
}

/* False: this stream must not push any more. */
static bool await_turn(struct xlm_stream *stream)
{
    struct xlm_save_streams *all = stream->all;
    bool used;

    pthread_mutex_lock(&all->lock);
    stream->further.counts.octets = stream->further.channel.bytes_out;
    stream->joined = true;
    while (!stream->used && !atomic_load(&all->stopping)) {
        pthread_cond_wait(&all->changed, &all->lock);
    }
    used = stream->used;
    pthread_mutex_unlock(&all->lock);
    return used && !atomic_load(&all->stopping);
}

/* ---- a stream's thread: what the destination says ---- */

static int take_credit(struct xlm_stream *stream)
{
    struct xlm_push_shared *shared = stream->further.shared;
    uint32_t pages;

    if (xlm_further_take_credit(&stream->further, &pages)) {
        return -1;
    }
    (void)xlm_push_window_credited(&stream->window, pages, xlm_now_us());
    pthread_mutex_lock(&shared->lock);
    if (!shared->plan.outstanding.count &&
        !xlm_further_pending(&stream->further)) {
        xlm_push_shared_wake(shared); /* all pages may have come */
    }
    pthread_mutex_unlock(&shared->lock);
    return 0;
}

static int hear(struct xlm_stream *stream)
{
    struct xlm_further *further = &stream->further;

    return xlm_read_record(&further->ctx, &further->channel, XLM_READ_CREDIT,
                           &further->record)
               ? -1
               : take_credit(stream);
}

static int hear_all(struct xlm_stream *stream)
{
    while (xlm_channel_has_input(&stream->further.channel)) {
        if (hear(stream)) {
            return -1;
        }
    }
    return 0;
}

/* The destination may wait until its credit is read. */
static int while_blocked(void *data)
{
    return hear(data);
}

/* ---- a stream's thread: sending ---- */

static int is_hole(uint64_t pfn, void *data)
{
    struct xlm_stream *stream = data;

    /* If the pfn is no hole, this page goes back to the plan, and the pushing
     * thread reports why it cannot be read. */
    return xlm_save_never_had_page(stream->all->saver, pfn)
               ? 0
               : xlm_fail(&stream->further.ctx,
                          "page %#" PRIx64 " cannot be read", pfn);
}

static void note_sent(struct xlm_stream *stream, enum xlm_push_kind kind,
                      size_t count, const uint64_t *pfns)
{
    for (size_t i = 0; i < count; i++) {
        xlm_further_note(&stream->further, pfns[i], kind);
        if (kind == XLM_PUSH_REQUESTED) {
            XLM_TRACE(&stream->further.ctx, chosen, pfns[i],
                      stream->window.in_flight);
        }
    }
    xlm_push_window_sent(&stream->window, count, xlm_now_us());
}

/* Take the next pages off the plan.  If there are none, there may be some
 * after *wait_us. -1: this stream is lost. */
static int next_pages(struct xlm_stream *stream, enum xlm_push_kind *kind,
                      uint64_t *pfns, size_t *count, uint64_t *wait_us)
{
    struct xlm_push_shared *shared = stream->further.shared;
    uint32_t left, room;
    int rc;

    *kind = XLM_PUSH_NOTHING;
    *wait_us = XLM_RATE_WAIT_EVER;
    pthread_mutex_lock(&shared->lock);
    rc = stream->further.lost ? -1 : 0;
    left = xlm_further_room(&stream->further);
    if (left >= XLM_PUSH_WINDOW_SENDING_MOST) {
        room = xlm_push_shared_room(shared, stream->all->saver,
                                    &stream->window, wait_us);
        xlm_push_shared_note(shared, stream->index, stream->window.in_flight);
        *kind = xlm_push_shared_next(shared, stream->index, room, pfns, count);
    }
    if (*kind != XLM_PUSH_NOTHING) {
        note_sent(stream, *kind, *count, pfns);
        xlm_push_shared_note(shared, stream->index, stream->window.in_flight);
    }
    pthread_mutex_unlock(&shared->lock);
    return rc;
}

/* Pages that were filled while the domain was sound are as the guest left
 * them. */
static int check_source(struct xlm_stream *stream)
{
    return xlm_save_source_is_sound(stream->all->saver)
               ? 0
               : xlm_fail(&stream->further.ctx,
                          "the domain is not as the guest left it");
}

static void trace_sent(struct xlm_stream *stream, size_t count,
                       const uint64_t *pfns)
{
    uint64_t octets = stream->further.channel.bytes_out;

    for (size_t i = 0; i < count; i++) {
        XLM_TRACE(&stream->further.ctx, sent, pfns[i], octets);
    }
}

static void spend(struct xlm_stream *stream, uint64_t octets)
{
    pthread_mutex_lock(&stream->further.shared->lock);
    xlm_rate_limit_spend(&stream->all->saver->limit, octets);
    pthread_mutex_unlock(&stream->further.shared->lock);
}

static int push(struct xlm_stream *stream, enum xlm_push_kind kind,
                size_t count, const uint64_t *pfns)
{
    struct xlm_further *further = &stream->further;
    const struct xlm_page_batch_form form =
        xlm_save_push_form(further->saver, kind, further->compressor);
    uint64_t before = further->channel.bytes_out;
    uint64_t octets;

    if (xlm_save_fill(&further->batch, &form, &further->memory, count, pfns,
                      is_hole, stream) ||
        check_source(stream)) {
        return -1;
    }
    if (kind == XLM_PUSH_REQUESTED) {
        trace_sent(stream, count, pfns);
    }
    if (xlm_further_write(further)) {
        return -1;
    }
    octets = further->channel.bytes_out - before;
    xlm_push_window_took(&stream->window, octets);
    if (kind != XLM_PUSH_REQUESTED) {
        spend(stream, octets);
    }
    return 0;
}

/* One sending, or a wait until one is possible. */
static int go_on(struct xlm_stream *stream)
{
    struct xlm_further *further = &stream->further;
    uint64_t pfns[XLM_PUSH_WINDOW_SENDING_MOST];
    enum xlm_push_kind kind;
    uint64_t wait_us;
    size_t count;

    if (hear_all(stream) ||
        next_pages(stream, &kind, pfns, &count, &wait_us)) {
        return -1;
    }
    if (kind != XLM_PUSH_NOTHING) {
        return push(stream, kind, count, pfns);
    }
    xlm_channel_await_input(
        &further->channel, further->shared->wake_fds[stream->index],
        wait_us < XLM_SAVE_HEED_US ? wait_us : XLM_SAVE_HEED_US);
    xlm_push_shared_woke(further->shared, stream->index);
    return 0;
}

/* Call this when the thread takes no more pages: no other thread may leave a
 * request to this lane then. */
static void leave_lane(struct xlm_stream *stream)
{
    struct xlm_push_shared *shared = stream->further.shared;

    pthread_mutex_lock(&shared->lock);
    shared->lanes[stream->index].idle = false;
    shared->lanes[stream->index].hungry = false;
    pthread_mutex_unlock(&shared->lock);
    xlm_further_lose(&stream->further);
}

static void push_all(struct xlm_stream *stream)
{
    struct xlm_channel *channel = &stream->further.channel;
    int rc = 0;

    channel->while_blocked = while_blocked;
    channel->blocked_data = stream;
    while (!rc && !atomic_load(&stream->all->stopping)) {
        rc = go_on(stream);
        xlm_channel_keep_queue(channel,
                               (uint64_t)xlm_push_window_pages(&stream->window)
                                   << XLM_PAGE_SHIFT);
    }
    leave_lane(stream);
}

static void *run(void *data)
{
    struct xlm_stream *stream = data;

    if (!connect_and_join(stream)) {
        if (await_turn(stream)) {
            push_all(stream);
        }
    } else if (!atomic_load(&stream->all->stopping)) {
        warn_of_none(stream);
    }
    return NULL;
}

/* ---- the caller's thread ---- */

static int start(struct xlm_stream *stream)
{
    int error;

    if (xlm_further_init(&stream->further, stream->all->saver, UNDER_WAY)) {
        xlm_note_failure(&stream->further.ctx, "no memory");
        return -1;
    }
    stream->further.compressor = xlm_save_open_compressor(stream->all->saver);
    xlm_push_window_init(&stream->window,
                         stream->all->saver->params->credit_pages,
                         stream->all->saver->params->credit_grows);
    error = pthread_create(&stream->further.thread, NULL, run, stream);
    if (error) {
        return xlm_fail(&stream->further.ctx, "cannot start a thread: %s",
                        strerror(error));
    }
    stream->further.runs = true;
    return 0;
}

static struct xlm_save_streams *new_streams(struct xlm_saver *saver)
{
    struct xlm_save_streams *all = calloc(1, sizeof(*all));

    if (!all) {
        return NULL;
    }
    all->saver = saver;
    all->stop_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    return all;
}

void xlm_save_connect_streams(struct xlm_saver *saver)
{
    size_t wanted = saver->params->streams;
    struct xlm_save_streams *all;

    if (wanted < 2 || !saver->callbacks->connect_stream) {
        return;
    }
    all = saver->streams = new_streams(saver);
    if (!all || all->stop_fd < 0) {
        xtl_log(saver->ctx->logger, XTL_WARN, -1, "xlm",
                "there are no further streams: no memory");
        xlm_save_close_streams(saver);
        return;
    }
    if (wanted > XLM_STREAMS_MOST) {
        wanted = XLM_STREAMS_MOST;
    }
    for (uint32_t i = 1; i < wanted; i++) {
        struct xlm_stream *stream = &all->streams[all->count++];

        stream->all = all;
        stream->index = i;
        if (start(stream)) {
            warn_of_none(stream);
        }
    }
}

void xlm_save_close_streams(struct xlm_saver *saver)
{
    struct xlm_save_streams *all = saver->streams;

    if (!all) {
        return;
    }
    xlm_streams_stop(all);
    for (size_t i = 0; i < all->count; i++) {
        xlm_further_dispose(&all->streams[i].further);
    }
    if (all->stop_fd >= 0) {
        close(all->stop_fd);
    }
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->changed);
    free(all);
    saver->streams = NULL;
}

/* stop_fd stops threads that connect, the condition those that wait for their
 * turn, and the channel's stop those that push. */
void xlm_streams_stop(struct xlm_save_streams *streams)
{
    if (!streams) {
        return;
    }
    atomic_store(&streams->stopping, true);
    eventfd_write(streams->stop_fd, 1);
    pthread_mutex_lock(&streams->lock);
    pthread_cond_broadcast(&streams->changed);
    for (size_t i = 0; i < streams->count; i++) {
        if (streams->streams[i].joined) {
            xlm_channel_stop(&streams->streams[i].further.channel);
        }
    }
    pthread_mutex_unlock(&streams->lock);
    for (size_t i = 0; i < streams->count; i++) {
        struct xlm_further *further = &streams->streams[i].further;

        if (further->runs) {
            pthread_join(further->thread, NULL);
            further->runs = false;
        }
    }
}

/* ---- the pushing thread ---- */

void xlm_streams_start(struct xlm_save_streams *streams,
                       struct xlm_push_shared *shared)
{
    if (streams) {
        pthread_mutex_lock(&streams->lock);
        streams->shared = shared;
        pthread_mutex_unlock(&streams->lock);
    }
}

static bool has_joined(struct xlm_stream *stream)
{
    bool joined;

    pthread_mutex_lock(&stream->all->lock);
    joined = stream->joined;
    pthread_mutex_unlock(&stream->all->lock);
    return joined;
}

static int write_index(struct xlm_stream *stream, uint32_t type)
{
    const struct xlm_wire_stream_index body = {.index = stream->index};
    struct xlm_saver *saver = stream->all->saver;

    return xlm_write_simple_record(saver->ctx, &saver->channel, type, &body,
                                   sizeof(body));
}

/* Make it a lane, and let its thread push. */
static int use(struct xlm_stream *stream)
{
    struct xlm_push_shared *shared = stream->all->shared;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (wake_fd < 0) {
        return 0; /* the next call tries again */
    }
    if (write_index(stream, XLM_REC_POSTCOPY_STREAM_USE)) {
        close(wake_fd);
        return -1;
    }
    pthread_mutex_lock(&shared->lock);
    shared->wake_fds[stream->index] = wake_fd;
    if (shared->nr_lanes <= stream->index) {
        shared->nr_lanes = stream->index + 1;
    }
    pthread_mutex_unlock(&shared->lock);
    pthread_mutex_lock(&stream->all->lock);
    stream->further.shared = shared;
    stream->used = true;
    pthread_cond_broadcast(&stream->all->changed);
    pthread_mutex_unlock(&stream->all->lock);
    return 0;
}

static int look_after(struct xlm_stream *stream)
{
    char what[96];

    if (!stream->further.shared) {
        return has_joined(stream) ? use(stream) : 0;
    }
    snprintf(what, sizeof(what),
             "stream %" PRIu32
             " is lost: its pages go over the other connections",
             stream->index);
    return xlm_further_must_tell(&stream->further, what)
               ? write_index(stream, XLM_REC_POSTCOPY_STREAM_LOST)
               : 0;
}

int xlm_streams_look_after(struct xlm_save_streams *streams)
{
    int rc = 0;

    for (size_t i = 0; streams && i < streams->count && !rc; i++) {
        rc = look_after(&streams->streams[i]);
    }
    return rc;
}

bool xlm_streams_pending(const struct xlm_save_streams *streams)
{
    bool pending = false;

    for (size_t i = 0; streams && i < streams->count; i++) {
        pending |= xlm_further_pending(&streams->streams[i].further);
    }
    return pending;
}

void xlm_streams_count(struct xlm_save_streams *streams,
                       struct xlm_stats *stats)
{
    for (size_t i = 0; streams && i < streams->count; i++) {
        struct xlm_further *further = &streams->streams[i].further;

        if (further->shared) {
            stats->stream_pages +=
                further->counts.requested + further->counts.pushed;
            xlm_further_count(further, stats);
        }
    }
}

uint64_t xlm_streams_in_use(const struct xlm_save_streams *streams)
{
    uint64_t in_use = 1;

    for (size_t i = 0; streams && i < streams->count; i++) {
        in_use += streams->streams[i].further.shared &&
                  !streams->streams[i].further.lost;
    }
    return in_use;
}

int xlm_streams_take_end(struct xlm_saver *saver,
                         const struct xlm_record *record)
{
    const struct xlm_wire_stream_end *end = record->body;
    struct xlm_save_streams *all = saver->streams;
    struct xlm_further *further = NULL;
    bool honest = false;
    int rc = 0;

    if (all && end->index && end->index <= all->count) {
        further = &all->streams[end->index - 1].further;
    }
    if (further && further->shared) {
        pthread_mutex_lock(&further->shared->lock);
        honest = xlm_further_may_end_after(further, end->pages);
        rc = honest ? xlm_further_end_after(further, end->pages,
                                            xlm_push_plan_put_back)
                    : 0;
        pthread_mutex_unlock(&further->shared->lock);
    }
    if (!honest) {
        errno = EPROTO;
        return xlm_fail(saver->ctx,
                        "bad migration stream: the end of stream %" PRIu32
                        ", which was not in use, or after %" PRIu64 " pages",
                        end->index, end->pages);
    }
    return rc;
}
