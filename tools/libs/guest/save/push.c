/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source in the postcopy phase: the guest runs at the destination and its
 * memory follows.
 *
 * The thread that called xlm_save() pushes, and reads what the destination
 * says.  It shares the plan of what goes next with the threads of further
 * connections, which also take pages off the plan.
 */
#include "save/push.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "save/features.h"
#include "save/fill.h"
#include "save/pusher.h"
#include "save/source.h"
#include "save/streams.h"

/* How long the destination has to read SOURCE_LOST: see tell_lost(). */
#define LOST_HEARD_US 30000000

/* ---- sending ---- */

/* Call this when a page cannot be mapped.  0: the pfn is a hole, because the
 * guest ballooned the page out after it was listed.  -1: this is an error, or
 * the domain is lost. */
static int check_hole(uint64_t pfn, void *data)
{
    struct xlm_saver *saver = data;
    int map_errno = errno;

    if (!xlm_save_has_no_page(saver, pfn)) {
        if (xlm_save_check_source(saver)) {
            return -1;
        }
        errno = map_errno;
        return xlm_fail(saver->ctx,
                        "cannot read page %#" PRIx64
                        " of the suspended guest: %s",
                        pfn, strerror(errno));
    }
    return xlm_save_check_memory(saver);
}

static void trace_sent(struct xlm_pusher *pusher, size_t count,
                       const uint64_t *pfns)
{
    uint64_t bytes = pusher->saver->channel.bytes_out;

    for (size_t i = 0; i < count; i++) {
        XLM_TRACE(pusher->saver->ctx, sent, pfns[i], bytes);
    }
}

/* With the lock held. */
static void trace_chosen(struct xlm_pusher *pusher, size_t count,
                         const uint64_t *pfns)
{
    for (size_t i = 0; i < count; i++) {
        XLM_TRACE(pusher->saver->ctx, chosen, pfns[i],
                  pusher->sent.window.in_flight);
    }
}

static int send_pages(struct xlm_pusher *pusher, enum xlm_push_kind kind,
                      size_t count, const uint64_t *pfns)
{
    struct xlm_saver *saver = pusher->saver;
    struct xlm_page_batch *batch = &pusher->batch;
    const struct xlm_page_batch_form form =
        xlm_save_push_form(saver, kind, saver->compressor);
    struct xlm_save_forms forms = {.zeroes = 0};

    if (xlm_save_fill(batch, &form, &pusher->memory, count, pfns, check_hole,
                      saver) ||
        xlm_save_check_source(saver)) {
        return -1;
    }
    if (kind == XLM_PUSH_REQUESTED) {
        trace_sent(pusher, count, pfns);
    }
    if (xlm_page_batch_write(saver->ctx, &saver->channel, batch)) {
        return -1;
    }
    xlm_save_add_forms(&forms, batch);
    xlm_save_count_forms(&forms, saver->stats);
    return 0;
}

/* Collect what the destination has said and what went over a fault channel;
 * with the lock held. */
static void update_stats(struct xlm_pusher *pusher)
{
    struct xlm_stats *stats = pusher->saver->stats;

    stats->running_us = pusher->learned.running_us;
    stats->outstanding = pusher->shared.plan.outstanding.count;
    stats->crossed_requests += pusher->learned.crossed_requests;
    pusher->learned.crossed_requests = 0;
    xlm_faults_count(pusher->saver->faults, stats);
    xlm_streams_count(pusher->saver->streams, stats);
    if (!pusher->sent.ended) { /* then the destination closes them */
        stats->streams = xlm_streams_in_use(pusher->saver->streams);
    }
    stats->queue_depth = pusher->shared.plan.queued.count;
    stats->queue_most = pusher->learned.queue_most;
    stats->unsent_pages = pusher->learned.unsent;
    if (pusher->learned.news) {
        xlm_take_stats(stats, &pusher->learned.told,
                       pusher->learned.told_blocked_us);
        pusher->learned.news = false;
    }
}

static uint64_t keepalive_us(const struct xlm_pusher *pusher)
{
    uint32_t ms = pusher->saver->params->keepalive_ms;

    return (ms ? ms : XLM_KEEPALIVE_MS) * 1000ull;
}

/* The thread that might hang is the one that says that this end lives.  Octets
 * that wait to be written are a sign of life, too. */
static int say_alive(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;
    uint64_t now_us = xlm_now_us();

    if (now_us - pusher->sent.said_us < keepalive_us(pusher)) {
        return 0;
    }
    pusher->sent.said_us = now_us;
    return xlm_write_simple_record(saver->ctx, &saver->channel,
                                   XLM_REC_POSTCOPY_SRC_ALIVE, NULL, 0);
}

/* Wait until something comes, the thread of a further connection has news, or
 * the rate lets the background go on; at most as long as events that do not
 * wake this thread may go unnoticed. */
static int await_turn(struct xlm_pusher *pusher, uint64_t wait_us)
{
    uint64_t most_us = keepalive_us(pusher);

    if (most_us > XLM_SAVE_HEED_US) {
        most_us = XLM_SAVE_HEED_US;
    }
    xlm_channel_await_input(&pusher->saver->channel,
                            pusher->shared.wake_fds[0],
                            wait_us < most_us ? wait_us : most_us);
    xlm_push_shared_woke(&pusher->shared, 0);
    return xlm_pusher_check_silence(pusher);
}

/* Does the destination lack pages, as far as is known? */
static bool lacks_pages(const struct xlm_pusher *pusher)
{
    return pusher->shared.plan.outstanding.count ||
           xlm_faults_pending(pusher->saver->faults) ||
           xlm_streams_pending(pusher->saver->streams);
}

static void note_sent(struct xlm_pusher *pusher, size_t count)
{
    struct xlm_push_window *window = &pusher->sent.window;

    if (!window->in_flight) {
        pusher->sent.due_us = xlm_now_us();
    }
    xlm_push_window_sent(window, count, xlm_now_us());
    xlm_push_shared_note(&pusher->shared, 0, window->in_flight);
}

/* Take the next pages off the plan that may be sent now.  If there are none,
 * there may be some after *wait_us.  False: all was sent. */
static bool next_pages(struct xlm_pusher *pusher, enum xlm_push_kind *kind,
                       uint64_t *pfns, size_t *count, uint64_t *wait_us)
{
    bool more;

    pthread_mutex_lock(&pusher->shared.lock);
    more = !pusher->learned.gone && lacks_pages(pusher);
    if (more) {
        struct xlm_push_window *window = &pusher->sent.window;
        uint32_t room = xlm_push_shared_room(&pusher->shared, pusher->saver,
                                             window, wait_us);

        xlm_push_shared_note(&pusher->shared, 0, window->in_flight);
        *kind = xlm_push_shared_next(&pusher->shared, 0, room, pfns, count);
        if (*kind == XLM_PUSH_REQUESTED) {
            trace_chosen(pusher, *count, pfns);
        }
        if (*kind != XLM_PUSH_NOTHING) {
            note_sent(pusher, *count);
        }
    }
    update_stats(pusher);
    pthread_mutex_unlock(&pusher->shared.lock);
    return more;
}

/* Count octets against the rate of the background. */
static void spend(struct xlm_pusher *pusher, uint64_t octets)
{
    pthread_mutex_lock(&pusher->shared.lock);
    xlm_rate_limit_spend(&pusher->saver->limit, octets);
    pthread_mutex_unlock(&pusher->shared.lock);
}

static int push(struct xlm_pusher *pusher, enum xlm_push_kind kind,
                const uint64_t *pfns, size_t count)
{
    struct xlm_saver *saver = pusher->saver;
    uint64_t before = saver->channel.bytes_out;
    uint64_t octets;

    if (send_pages(pusher, kind, count, pfns)) {
        return -1;
    }
    octets = saver->channel.bytes_out - before;
    xlm_push_window_took(&pusher->sent.window, octets);
    if (kind == XLM_PUSH_REQUESTED) {
        saver->stats->requested_pages += count;
    } else {
        saver->stats->pushed_pages += count;
        if (kind == XLM_PUSH_NEIGHBOURS) {
            saver->stats->neighbour_pages += count;
        }
        spend(pusher, octets);
    }
    return 0;
}

/* One sending, or a wait until one is possible. */
static int go_on(struct xlm_pusher *pusher, bool *more)
{
    struct xlm_saver *saver = pusher->saver;
    uint64_t pfns[XLM_PUSH_WINDOW_SENDING_MOST];
    enum xlm_push_kind kind = XLM_PUSH_NOTHING;
    uint64_t wait_us = 0;
    size_t count = 0;

    *more = next_pages(pusher, &kind, pfns, &count, &wait_us);
    if (!*more) {
        return 0;
    }
    if (kind != XLM_PUSH_NOTHING) {
        return push(pusher, kind, pfns, count);
    }
    return await_turn(pusher, wait_us) || xlm_save_check_source(saver) ? -1
                                                                       : 0;
}

static int push_all(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;
    bool more = true;

    while (more) {
        if (xlm_pusher_hear_all(pusher) || go_on(pusher, &more) ||
            xlm_faults_look_after(saver->faults) ||
            xlm_streams_look_after(saver->streams) || say_alive(pusher)) {
            return -1;
        }
        xlm_channel_keep_queue(
            &saver->channel,
            (uint64_t)xlm_push_window_pages(&pusher->sent.window)
                << XLM_PAGE_SHIFT);
        xlm_save_progress(saver, XLM_PHASE_POSTCOPY);
    }
    return 0;
}

static int send_end(struct xlm_pusher *pusher)
{
    pusher->sent.ended = true;
    XLM_MARK(pusher->saver->ctx, all_sent);
    pusher->sent.due_us = xlm_now_us();
    return xlm_write_simple_record(pusher->saver->ctx, &pusher->saver->channel,
                                   XLM_REC_END, NULL, 0);
}

static int await_complete(struct xlm_pusher *pusher)
{
    while (!pusher->learned.complete) {
        if (xlm_pusher_hear(pusher)) {
            return -1;
        }
    }
    pusher->saver->domain.gone = pusher->learned.gone;
    pthread_mutex_lock(&pusher->shared.lock);
    update_stats(pusher);
    pthread_mutex_unlock(&pusher->shared.lock);
    return 0;
}

/* The destination answers by closing the connection; one that does not know
 * the record waits for more. */
static void tell_lost(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;

    saver->channel.deadline_us = xlm_now_us() + LOST_HEARD_US;
    if (xlm_write_answer(saver->ctx, &saver->channel,
                         XLM_REC_POSTCOPY_SOURCE_LOST, 0,
                         saver->ctx->reason)) {
        return;
    }
    while (!pusher->learned.complete && !xlm_pusher_hear(pusher)) {
        continue;
    }
}

/* Push everything, then send END; the destination answers COMPLETE. */
static int run(struct xlm_pusher *pusher)
{
    int rc = push_all(pusher);

    if (!rc) {
        rc = send_end(pusher);
    }
    if (!rc) {
        rc = await_complete(pusher);
    }
    if (rc && pusher->saver->mark.lost) {
        tell_lost(pusher);
    } else if (rc) {
        /* The destination may have said before why nothing can be sent. */
        (void)xlm_pusher_hear_all(pusher);
    }
    return rc;
}

int xlm_pusher_run(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;
    int rc;

    saver->stats->postcopy_pages = saver->sets.outstanding.count;
    saver->stats->outstanding = saver->sets.outstanding.count;
    xlm_push_plan_begin(&pusher->shared.plan, &saver->sets.outstanding);
    xlm_save_progress(saver, XLM_PHASE_POSTCOPY);
    pusher->sent.said_us = xlm_now_us();
    xlm_pusher_listen(pusher);
    xlm_faults_start(saver->faults, &pusher->shared);
    xlm_streams_start(saver->streams, &pusher->shared);
    rc = run(pusher);
    saver->channel.while_blocked = NULL;
    saver->channel.may_be_silent = NULL;
    xlm_faults_stop(saver->faults);
    xlm_streams_stop(saver->streams);
    return rc;
}

struct xlm_pusher *xlm_pusher_open(struct xlm_saver *saver)
{
    const struct xlm_push_tuning tuning = {
        .neighbours.after = saver->params->neighbours_above,
        .neighbours.before = saver->params->neighbours_below,
        .adapt = saver->params->neighbours_adapt,
        .background = !saver->params->no_push,
        .share = saver->params->background_share,
    };
    struct xlm_pusher *pusher = malloc(sizeof(*pusher));

    if (!pusher) {
        xlm_fail(saver->ctx, "no memory for the postcopy phase");
        return NULL;
    }
    *pusher = (struct xlm_pusher){
        .saver = saver,
        .memory = XLM_SOURCE_MEMORY_CLOSED,
        .record = XLM_RECORD_EMPTY,
    };
    if (xlm_push_shared_init(&pusher->shared) ||
        xlm_push_plan_init(&pusher->shared.plan, saver->sets.outstanding.limit,
                           &tuning) ||
        (saver->streams && xlm_push_plan_remember(&pusher->shared.plan)) ||
        xlm_source_memory_open(&pusher->memory, saver->ctx->hypervisor,
                               saver->params->domid)) {
        xlm_fail(saver->ctx, "no memory for the postcopy phase");
        xlm_pusher_close(pusher);
        return NULL;
    }
    /* A recovery brings no second RUNNING. */
    pusher->learned.running = saver->recovered;
    xlm_push_window_init(&pusher->sent.window, saver->params->credit_pages,
                         saver->params->credit_grows);
    for (size_t i = 0; i < XLM_PUSH_RECENT && saver->params->push_recent;
         i++) {
        pusher->shared.plan.recent[i] = &saver->sets.recent[i];
    }
    return pusher;
}

void xlm_pusher_close(struct xlm_pusher *pusher)
{
    if (!pusher) {
        return;
    }
    xlm_source_memory_close(&pusher->memory);
    xlm_push_shared_dispose(&pusher->shared);
    xlm_record_dispose(&pusher->record);
    free(pusher);
}
