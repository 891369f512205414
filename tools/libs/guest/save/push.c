/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source in the postcopy phase: the guest runs at the destination and
 * its memory follows.
 *
 * Two threads.  The one that called xlm_save() pushes; a second one reads
 * what the destination sends: requests, credit, and at last that it has
 * everything.  The plan of what goes next is between them, under one lock; a
 * fault channel has a third thread, which takes pages off the plan as well.
 */
#include "save/push.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hypervisor/source_memory.h"
#include "policy/push_plan.h"
#include "policy/push_window.h"
#include "save/faults.h"
#include "save/source.h"
#include "wire/page_batch.h"

/* So long after its last request a guest that asks for nothing is taken to go
 * on so. */
#define CALM_US 1000000

/* What the reader has learned, for the pushing thread: under the shared lock.
 */
struct learned {
    bool running;        /* the destination has said that the guest runs ... */
    uint64_t running_us; /* ... on this connection then, or 0 */
    bool complete;       /* it has agreed that it has everything */
    bool gone;           /* the guest has ended over there */
    bool failed;         /* the reader gave up; the context has the reason */
    uint64_t asked_us;   /* when the last request came */
    uint64_t heard_us;   /* when it said something last */
    uint64_t window_hits; /* requests for what had been sent ... */
    uint64_t queue_most;  /* ... and that waited at the most */
    uint64_t unsent;      /* dropped by the guest before they were sent */
    bool news;            /* of these two, not taken over yet */
    struct xlm_wire_stats told;
    uint64_t told_blocked_us[XLM_WIRE_WAIT_VCPUS];
};

/* What is on its way and not answered: under the shared lock as well. */
struct under_way {
    struct xlm_push_window window;
    bool ended;      /* we said that it has everything */
    uint64_t due_us; /* since when it owes us an answer, if it does */
};

struct xlm_pusher {
    struct xlm_saver *saver;
    struct xlm_source_memory memory; /* the pushing thread's ... */
    struct xlm_page_batch batch;     /* ... and this */

    struct xlm_push_shared shared; /* its lock guards all below */
    struct learned learned;
    struct under_way sent;
};

/* ---- the reader ---- */

static int take_fault(struct xlm_pusher *pusher,
                      const struct xlm_record *record)
{
    int (*request)(struct xlm_push_plan * plan, uint64_t pfn) =
        record->type == XLM_REC_POSTCOPY_URGENT ? xlm_push_plan_urge
                                                : xlm_push_plan_request;
    struct xlm_pfn_list list;
    int rc = 0;

    if (xlm_parse_pfn_list(pusher->saver->ctx, record,
                           pusher->saver->domain.nr_pfns, &list)) {
        return -1;
    }
    pthread_mutex_lock(&pusher->shared.lock);
    pusher->learned.asked_us = xlm_now_us();
    for (size_t i = 0; i < list.count && !rc; i++) {
        uint64_t pfn = xlm_entry_pfn(list.entries[i]);

        pusher->learned.window_hits +=
            !xlm_pfn_set_contains(&pusher->shared.plan.outstanding, pfn);
        rc = request(&pusher->shared.plan, pfn);
        XLM_TRACE(pusher->saver->ctx, heard, pfn,
                  pusher->shared.plan.queued.count);
    }
    if (pusher->shared.plan.queued.count > pusher->learned.queue_most) {
        pusher->learned.queue_most = pusher->shared.plan.queued.count;
    }
    pthread_cond_signal(&pusher->shared.wake);
    pthread_mutex_unlock(&pusher->shared.lock);
    return rc ? xlm_fail(pusher->saver->ctx, "no memory for requests") : 0;
}

/* The guest wants these no more: they are not sent, unless they were. */
static int take_dropped(struct xlm_pusher *pusher,
                        const struct xlm_record *record)
{
    struct xlm_pfn_list list;

    if (xlm_parse_pfn_list(pusher->saver->ctx, record,
                           pusher->saver->domain.nr_pfns, &list)) {
        return -1;
    }
    pthread_mutex_lock(&pusher->shared.lock);
    for (size_t i = 0; i < list.count; i++) {
        pusher->learned.unsent += xlm_push_plan_drop(
            &pusher->shared.plan, xlm_entry_pfn(list.entries[i]));
    }
    pthread_cond_signal(&pusher->shared.wake);
    pthread_mutex_unlock(&pusher->shared.lock);
    return 0;
}

static int take_credit(struct xlm_pusher *pusher,
                       const struct xlm_record *record)
{
    const struct xlm_wire_credit *credit = record->body;
    bool honest;

    pthread_mutex_lock(&pusher->shared.lock);
    honest = !xlm_push_window_credited(&pusher->sent.window, credit->pages,
                                       xlm_now_us());
    pthread_cond_signal(&pusher->shared.wake);
    pthread_mutex_unlock(&pusher->shared.lock);
    if (!honest) {
        errno = EPROTO;
        return xlm_fail(pusher->saver->ctx, "bad migration stream: credit "
                                            "for pages that were not sent");
    }
    return 0;
}

static int take_running(struct xlm_pusher *pusher,
                        const struct xlm_record *record)
{
    struct xlm_saver *saver = pusher->saver;

    if (xlm_check_answer(saver->ctx, record)) {
        return -1;
    }
    if (pusher->learned.running) {
        errno = EPROTO;
        return xlm_fail(saver->ctx, "bad migration stream: RUNNING twice");
    }
    pthread_mutex_lock(&pusher->shared.lock);
    pusher->learned.running = true;
    pusher->learned.running_us = xlm_now_us() - saver->start_us;
    XLM_MARK(saver->ctx, running_heard);
    pthread_cond_signal(&pusher->shared.wake);
    pthread_mutex_unlock(&pusher->shared.lock);
    return 0;
}

static int take_stats(struct xlm_pusher *pusher,
                      const struct xlm_record *record)
{
    const struct xlm_wire_stats *wire = record->body;

    if (xlm_check_stats(pusher->saver->ctx, record)) {
        return -1;
    }
    pthread_mutex_lock(&pusher->shared.lock);
    pusher->learned.told = *wire;
    memcpy(pusher->learned.told_blocked_us, wire + 1,
           wire->nr_vcpus * sizeof(uint64_t));
    pusher->learned.news = true;
    pthread_mutex_unlock(&pusher->shared.lock);
    return 0;
}

static int take_complete(struct xlm_pusher *pusher,
                         const struct xlm_record *record)
{
    bool early;

    (void)record;
    XLM_MARK(pusher->saver->ctx, all_there);
    pthread_mutex_lock(&pusher->shared.lock);
    early = !pusher->learned.running || !pusher->sent.ended;
    pusher->learned.complete = !early;
    pthread_cond_signal(&pusher->shared.wake);
    pthread_mutex_unlock(&pusher->shared.lock);
    if (early) {
        errno = EPROTO;
        return xlm_fail(pusher->saver->ctx, "bad migration stream: complete "
                                            "while pages are outstanding");
    }
    return 0;
}

/* It is nobody's fault here: what this host keeps is kept. */
static int take_state(struct xlm_pusher *pusher,
                      const struct xlm_record *record)
{
    struct xlm_context *ctx = pusher->saver->ctx;
    char text[XLM_ANSWER_TEXT_MAX + 1];
    uint32_t status;

    if (xlm_parse_answer(ctx, record, &status, text)) {
        return -1;
    }
    if (status != XLM_GUEST_LOST) {
        errno = EPROTO;
        return xlm_fail(ctx,
                        "bad migration stream: the guest is in state %" PRIu32
                        " while its memory comes",
                        status);
    }
    ctx->lost = true;
    errno = ENODATA;
    return xlm_fail(ctx, "the destination says: %s", text);
}

/* There is no guest any more that could need a page. */
static int take_gone(struct xlm_pusher *pusher,
                     const struct xlm_record *record)
{
    (void)record;
    pthread_mutex_lock(&pusher->shared.lock);
    pusher->learned.gone = pusher->learned.complete = pusher->learned.running;
    pthread_cond_signal(&pusher->shared.wake);
    pthread_mutex_unlock(&pusher->shared.lock);
    if (!pusher->learned.gone) {
        errno = EPROTO;
        return xlm_fail(pusher->saver->ctx, "bad migration stream: the guest "
                                            "ended before it ran");
    }
    return 0;
}

static int take_channel_end(struct xlm_pusher *pusher,
                            const struct xlm_record *record)
{
    return xlm_faults_take_end(pusher->saver, record);
}

/* It has come: that is all. */
static int take_alive(struct xlm_pusher *pusher,
                      const struct xlm_record *record)
{
    (void)pusher;
    (void)record;
    return 0;
}

static int awaited(struct xlm_pusher *pusher, const struct xlm_record *record)
{
    errno = EPROTO;
    return xlm_fail(pusher->saver->ctx, "bad migration stream: unexpected %s",
                    xlm_record_name(record->type));
}

static int take_record(struct xlm_pusher *pusher,
                       const struct xlm_record *record)
{
    static int (*const taken_by[XLM_RECORD_ROWS])(
        struct xlm_pusher *, const struct xlm_record *) = {
#define TO_SOURCE(constant, name, number, body, states, taken_by) \
    [XLM_ROW_##constant] = (taken_by),
#include "wire/records.def"
    };

    pthread_mutex_lock(&pusher->shared.lock);
    pusher->learned.heard_us = xlm_now_us();
    if (record->type != XLM_REC_POSTCOPY_DST_ALIVE) {
        pusher->sent.due_us = pusher->learned.heard_us;
    }
    pthread_mutex_unlock(&pusher->shared.lock);
    return taken_by[xlm_record_row(record->type)](pusher, record);
}

/* For as long as it owes us nothing: that it runs, credit, or COMPLETE; and
 * has said lately that it is alive. */
static bool may_be_silent(void *data)
{
    struct xlm_pusher *pusher = data;
    uint64_t timeout_us = pusher->saver->params->link_timeout_ms * 1000ull;
    uint64_t now_us = xlm_now_us();
    bool due, gone;

    pthread_mutex_lock(&pusher->shared.lock);
    due = !pusher->learned.running || pusher->sent.ended ||
          pusher->sent.window.in_flight;
    due = due && timeout_us && now_us - pusher->sent.due_us >= timeout_us;
    gone = now_us - pusher->learned.heard_us >= XLM_SILENCE_MS * 1000ull;
    pthread_mutex_unlock(&pusher->shared.lock);
    return !due && !gone;
}

static void set_link_timeout(struct xlm_pusher *pusher)
{
    struct xlm_channel *channel = &pusher->saver->channel;
    uint32_t timeout_ms = pusher->saver->params->link_timeout_ms;

    pusher->sent.due_us = pusher->learned.heard_us = xlm_now_us();
    channel->may_be_silent = may_be_silent;
    channel->silence_data = pusher;
    channel->idle_ms =
        xlm_channel_look_ms(timeout_ms ? timeout_ms : XLM_SILENCE_MS);
}

static void *read_requests(void *data)
{
    struct xlm_pusher *pusher = data;
    struct xlm_saver *saver = pusher->saver;
    struct xlm_record record = XLM_RECORD_EMPTY;
    int rc = 0;

    while (!rc && !pusher->learned.complete) {
        rc = xlm_read_record(saver->ctx, &saver->channel, XLM_READ_REQUESTS,
                             &record);
        if (!rc) {
            rc = take_record(pusher, &record);
        }
    }
    xlm_record_dispose(&record);
    if (rc) {
        pthread_mutex_lock(&pusher->shared.lock);
        pusher->learned.failed = true;
        pthread_cond_signal(&pusher->shared.wake);
        pthread_mutex_unlock(&pusher->shared.lock);
        xlm_channel_stop(&saver->channel);
    }
    return NULL;
}

/* ---- the pusher ---- */

/* A page that cannot be mapped: a hole, since the guest ballooned it out
 * after it was listed; or an error; or its domain is lost. */
static int check_hole(struct xlm_pusher *pusher, uint64_t pfn)
{
    struct xlm_saver *saver = pusher->saver;
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    int map_errno = errno;
    uint32_t type;

    if (hv->ops->page_types(hv, saver->params->domid, 1, &pfn, &type) ||
        xlm_type_has_contents(type)) {
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

static int fill_batch(struct xlm_pusher *pusher, size_t count,
                      const uint64_t *pfns)
{
    struct xlm_page_batch *batch = &pusher->batch;

    xlm_page_batch_begin(batch, XLM_REC_POSTCOPY_PAGE_DATA, true);
    for (size_t i = 0; i < count; i++) {
        const void *contents =
            xlm_source_memory_page(&pusher->memory, pfns[i]);

        if (!contents && check_hole(pusher, pfns[i])) {
            return -1;
        }
        xlm_page_batch_add(batch, pfns[i],
                           contents ? XLM_TYPE_NOTAB : XLM_TYPE_XTAB,
                           contents);
    }
    return 0;
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
    uint64_t remapped;

    do { /* a page that is mapped anew takes its neighbours along */
        remapped = pusher->memory.remapped;
        if (fill_batch(pusher, count, pfns)) {
            return -1;
        }
    } while (pusher->memory.remapped != remapped);
    if (xlm_save_check_source(saver)) {
        return -1;
    }
    saver->stats->zero_pages += batch->nr_zeroes;
    if (kind == XLM_PUSH_REQUESTED) {
        trace_sent(pusher, count, pfns);
    }
    return xlm_page_batch_write(saver->ctx, &saver->channel, batch);
}

/* What the reader has learned, for the thread that owns the stats. */
static void update_stats(struct xlm_pusher *pusher)
{
    struct xlm_stats *stats = pusher->saver->stats;

    stats->running_us = pusher->learned.running_us;
    stats->outstanding = pusher->shared.plan.outstanding.count;
    stats->window_hits += pusher->learned.window_hits;
    pusher->learned.window_hits = 0;
    xlm_faults_count(pusher->saver->faults, stats);
    stats->queue_depth = pusher->shared.plan.queued.count;
    stats->queue_most = pusher->learned.queue_most;
    stats->unsent_pages = pusher->learned.unsent;
    if (pusher->learned.news) {
        xlm_take_stats(stats, &pusher->learned.told,
                       pusher->learned.told_blocked_us);
        pusher->learned.news = false;
    }
}

/* How many pages may go unasked now; if none, not for *wait_us unless
 * something comes from the reader. */
static uint32_t room_unasked(struct xlm_pusher *pusher, uint64_t *wait_us)
{
    *wait_us = xlm_save_background_wait_us(pusher->saver);
    if (*wait_us) {
        return 0;
    }
    *wait_us = XLM_RATE_WAIT_EVER; /* credit comes from the reader */
    pusher->sent.window.calm =
        xlm_now_us() - pusher->learned.asked_us > CALM_US;
    return xlm_push_window_room(&pusher->sent.window);
}

/* Until the reader has something, or the rate lets the background go on; at
 * the most for as long as it may take to notice what nobody wakes us for. */
static void await_turn(struct xlm_pusher *pusher, uint64_t wait_us)
{
    struct timespec until;
    uint64_t ns;

    if (wait_us > XLM_SAVE_HEED_US) {
        wait_us = XLM_SAVE_HEED_US;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns = until.tv_nsec + wait_us * 1000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&pusher->shared.wake, &pusher->shared.lock, &until);
}

/* At the destination, for all that is known. */
static bool lacks_pages(const struct xlm_pusher *pusher)
{
    return pusher->shared.plan.outstanding.count ||
           xlm_faults_pending(pusher->saver->faults);
}

/*
 * Take the next pages off the plan; waits a little while there is nothing that
 * may be sent, and then *kind can be XLM_PUSH_NOTHING.  False: all was sent,
 * or the reader failed.
 */
static bool await_pages(struct xlm_pusher *pusher, enum xlm_push_kind *kind,
                        uint64_t *pfns, size_t *count)
{
    uint32_t room;
    uint64_t wait_us;
    bool more;

    pthread_mutex_lock(&pusher->shared.lock);
    more = !pusher->learned.failed && !pusher->learned.gone &&
           lacks_pages(pusher);
    *kind = XLM_PUSH_NOTHING;
    if (more) {
        room = room_unasked(pusher, &wait_us);
        *kind = xlm_push_plan_next(&pusher->shared.plan, room, pfns, count);
        if (*kind == XLM_PUSH_REQUESTED) {
            trace_chosen(pusher, *count, pfns);
        }
        if (*kind != XLM_PUSH_NOTHING) {
            if (!pusher->sent.window.in_flight) {
                pusher->sent.due_us = xlm_now_us();
            }
            xlm_push_window_sent(&pusher->sent.window, *count, xlm_now_us());
        } else {
            await_turn(pusher, wait_us);
        }
    }
    update_stats(pusher);
    pthread_mutex_unlock(&pusher->shared.lock);
    return more;
}

static int push(struct xlm_pusher *pusher, enum xlm_push_kind kind,
                const uint64_t *pfns, size_t count)
{
    struct xlm_saver *saver = pusher->saver;
    uint64_t bytes = saver->channel.bytes_out;

    if (send_pages(pusher, kind, count, pfns)) {
        return -1;
    }
    if (kind == XLM_PUSH_REQUESTED) {
        saver->stats->requested_pages += count;
    } else {
        saver->stats->pushed_pages += count;
        if (kind == XLM_PUSH_NEIGHBOURS) {
            saver->stats->neighbour_pages += count;
        }
        xlm_rate_limit_spend(&saver->limit, saver->channel.bytes_out - bytes);
    }
    return 0;
}

static bool is_through(struct xlm_pusher *pusher)
{
    bool through;

    pthread_mutex_lock(&pusher->shared.lock);
    through = pusher->learned.gone || !lacks_pages(pusher);
    pthread_mutex_unlock(&pusher->shared.lock);
    return through;
}

static int push_all(struct xlm_pusher *pusher)
{
    uint64_t pfns[XLM_PUSH_WINDOW_SENDING_MOST];
    enum xlm_push_kind kind;
    size_t count;

    while (await_pages(pusher, &kind, pfns, &count)) {
        if (kind == XLM_PUSH_NOTHING ? xlm_save_check_source(pusher->saver)
                                     : push(pusher, kind, pfns, count)) {
            return -1;
        }
        if (xlm_faults_look_after(pusher->saver->faults)) {
            return -1;
        }
        xlm_keepalive_step(pusher->saver->keepalive);
        xlm_save_progress(pusher->saver, XLM_PHASE_POSTCOPY);
    }
    return is_through(pusher) ? 0 : -1;
}

static int send_end(struct xlm_pusher *pusher)
{
    pthread_mutex_lock(&pusher->shared.lock);
    pusher->sent.ended = true;
    XLM_MARK(pusher->saver->ctx, all_sent);
    pusher->sent.due_us = xlm_now_us();
    pthread_mutex_unlock(&pusher->shared.lock);
    return xlm_write_simple_record(pusher->saver->ctx, &pusher->saver->channel,
                                   XLM_REC_END, NULL, 0);
}

static int await_complete(struct xlm_pusher *pusher)
{
    bool complete;

    pthread_mutex_lock(&pusher->shared.lock);
    while (!pusher->learned.failed && !pusher->learned.complete) {
        pthread_cond_wait(&pusher->shared.wake, &pusher->shared.lock);
    }
    complete = pusher->learned.complete;
    pusher->saver->domain.gone = pusher->learned.gone;
    update_stats(pusher);
    pthread_mutex_unlock(&pusher->shared.lock);
    return complete ? 0 : -1;
}

/* The destination answers by closing the connection; one that does not know
 * the record waits for more. */
#define LOST_HEARD_S 30

static void tell_lost(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;
    struct timespec until;

    if (xlm_write_answer(saver->ctx, &saver->channel,
                         XLM_REC_POSTCOPY_SOURCE_LOST, 0,
                         saver->ctx->reason)) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOST_HEARD_S;
    pthread_mutex_lock(&pusher->shared.lock);
    while (!pusher->learned.failed && !pusher->learned.complete &&
           !pthread_cond_timedwait(&pusher->shared.wake, &pusher->shared.lock,
                                   &until)) {
        continue;
    }
    pthread_mutex_unlock(&pusher->shared.lock);
}

/*
 * Push everything, then END; the destination answers COMPLETE.  When sending
 * fails while the other direction is still open, the reader is stopped.
 */
int xlm_pusher_run(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;
    pthread_t reader;
    int rc;

    xlm_save_progress(saver, XLM_PHASE_POSTCOPY);
    xlm_channel_keep_queue_short(&saver->channel);
    set_link_timeout(pusher);
    pusher->learned.asked_us = xlm_now_us(); /* it is about to */
    xlm_faults_start(saver->faults, &pusher->shared);
    rc = pthread_create(&reader, NULL, read_requests, pusher);
    if (rc) {
        xlm_faults_stop(saver->faults);
        errno = rc;
        return xlm_fail(saver->ctx, "cannot start a thread: %s", strerror(rc));
    }
    saver->keepalive = xlm_keepalive_start(saver->ctx, &saver->channel,
                                           XLM_REC_POSTCOPY_SRC_ALIVE,
                                           saver->params->keepalive_ms);
    rc = push_all(pusher);
    if (rc && !saver->mark.lost) {
        xlm_channel_stop(&saver->channel);
    }
    xlm_keepalive_stop(&saver->keepalive);
    if (!rc) {
        rc = send_end(pusher);
    }
    if (!rc) {
        rc = await_complete(pusher);
    }
    if (rc && saver->mark.lost) {
        tell_lost(pusher);
    }
    if (rc) {
        xlm_channel_stop(&saver->channel);
    }
    pthread_join(reader, NULL);
    xlm_faults_stop(saver->faults);
    return rc;
}

struct xlm_pusher *xlm_pusher_open(struct xlm_saver *saver)
{
    const struct xlm_push_tuning tuning = {
        .neighbours.after = saver->params->window_after,
        .neighbours.before = saver->params->window_before,
        .adapt = saver->params->window_adapts,
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
        .shared.lock = PTHREAD_MUTEX_INITIALIZER,
        .shared.plan = XLM_PUSH_PLAN_EMPTY,
    };
    xlm_init_wake(&pusher->shared.wake);
    saver->stats->postcopy_pages = saver->sets.outstanding.count;
    saver->stats->outstanding = saver->sets.outstanding.count;
    if (xlm_push_plan_init(&pusher->shared.plan, &saver->sets.outstanding,
                           &tuning) ||
        xlm_source_memory_open(&pusher->memory, saver->ctx->hypervisor,
                               saver->params->domid)) {
        xlm_fail(saver->ctx, "no memory for the postcopy phase");
        xlm_pusher_close(pusher);
        return NULL;
    }
    /* It said so on a connection that was lost. */
    pusher->learned.running = saver->recovered;
    xlm_push_window_init(&pusher->sent.window, saver->params->credit_pages);
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
    xlm_push_plan_dispose(&pusher->shared.plan);
    pthread_mutex_destroy(&pusher->shared.lock);
    pthread_cond_destroy(&pusher->shared.wake);
    free(pusher);
}
