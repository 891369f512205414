/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the destination says in the postcopy phase: requests, credit, and at
 * last that it has everything.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "save/pusher.h"
#include "save/streams.h"

/* ---- its records ---- */

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
    pusher->shared.asked_us = xlm_now_us();
    for (size_t i = 0; i < list.count && !rc; i++) {
        uint64_t pfn = xlm_entry_pfn(list.entries[i]);

        pusher->learned.crossed_requests +=
            !xlm_pfn_set_contains(&pusher->shared.plan.outstanding, pfn);
        rc = request(&pusher->shared.plan, pfn);
        XLM_TRACE(pusher->saver->ctx, heard, pfn,
                  pusher->shared.plan.queued.count);
    }
    if (pusher->shared.plan.queued.count > pusher->learned.queue_most) {
        pusher->learned.queue_most = pusher->shared.plan.queued.count;
    }
    /* This thread may be here while it waits to write. */
    xlm_push_shared_wake_for_request(&pusher->shared, 0);
    pthread_mutex_unlock(&pusher->shared.lock);
    return rc ? xlm_fail(pusher->saver->ctx, "no memory for requests") : 0;
}

/* The guest does not need these any more: send none that is not sent yet. */
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
    pthread_mutex_unlock(&pusher->shared.lock);
    return 0;
}

static int take_credit(struct xlm_pusher *pusher,
                       const struct xlm_record *record)
{
    const struct xlm_wire_credit *credit = record->body;

    if (xlm_push_window_credited(&pusher->sent.window, credit->pages,
                                 xlm_now_us())) {
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
    pusher->learned.running = true;
    pusher->learned.running_us = xlm_now_us() - saver->start_us;
    XLM_MARK(saver->ctx, running_heard);
    return 0;
}

static int take_stats(struct xlm_pusher *pusher,
                      const struct xlm_record *record)
{
    const struct xlm_wire_stats *wire = record->body;

    if (xlm_check_stats(pusher->saver->ctx, record)) {
        return -1;
    }
    pusher->learned.told = *wire;
    memcpy(pusher->learned.told_blocked_us, wire + 1,
           wire->nr_vcpus * sizeof(uint64_t));
    pusher->learned.news = true;
    return 0;
}

static int take_complete(struct xlm_pusher *pusher,
                         const struct xlm_record *record)
{
    (void)record;
    XLM_MARK(pusher->saver->ctx, all_there);
    pusher->learned.complete = pusher->learned.running && pusher->sent.ended;
    if (!pusher->learned.complete) {
        errno = EPROTO;
        return xlm_fail(pusher->saver->ctx, "bad migration stream: complete "
                                            "while pages are outstanding");
    }
    return 0;
}

/* Always fails.  What the destination reports as lost is no failure of this
 * host, and this host's half stays. */
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
    pusher->learned.gone = pusher->learned.complete = pusher->learned.running;
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

static int take_stream_end(struct xlm_pusher *pusher,
                           const struct xlm_record *record)
{
    return xlm_streams_take_end(pusher->saver, record);
}

/* The record has no other effect. */
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

    pusher->learned.heard_us = xlm_now_us();
    if (record->type != XLM_REC_POSTCOPY_DST_ALIVE) {
        pusher->sent.due_us = pusher->learned.heard_us;
    }
    return taken_by[xlm_record_row(record->type)](pusher, record);
}

/* ---- hearing ---- */

int xlm_pusher_hear(struct xlm_pusher *pusher)
{
    struct xlm_saver *saver = pusher->saver;

    if (xlm_read_record(saver->ctx, &saver->channel, XLM_READ_REQUESTS,
                        &pusher->record)) {
        return -1;
    }
    return take_record(pusher, &pusher->record);
}

int xlm_pusher_hear_all(struct xlm_pusher *pusher)
{
    while (!pusher->learned.complete &&
           xlm_channel_has_input(&pusher->saver->channel)) {
        if (xlm_pusher_hear(pusher)) {
            return -1;
        }
    }
    return 0;
}

/* A record that waits to be written may wait for reasons that do not concern
 * it: read meanwhile.  After the last word nothing comes but the end. */
static int while_blocked(void *data)
{
    struct xlm_pusher *pusher = data;

    if (pusher->learned.complete) {
        errno = ECONNRESET;
        return -1;
    }
    return xlm_pusher_hear(pusher);
}

/* Silence is allowed while the destination owes nothing (RUNNING, credit or
 * COMPLETE) and has said lately that it lives. */
static bool may_be_silent(void *data)
{
    const struct xlm_pusher *pusher = data;
    uint64_t timeout_us = pusher->saver->params->link_timeout_ms * 1000ull;
    uint64_t now_us = xlm_now_us();
    bool due = !pusher->learned.running || pusher->sent.ended ||
               pusher->sent.window.in_flight;

    due = due && timeout_us && now_us - pusher->sent.due_us >= timeout_us;
    return !due &&
           now_us - pusher->learned.heard_us < XLM_SILENCE_MS * 1000ull;
}

int xlm_pusher_check_silence(struct xlm_pusher *pusher)
{
    if (may_be_silent(pusher)) {
        return 0;
    }
    errno = ETIMEDOUT;
    return xlm_fail_on_channel(pusher->saver->ctx, "waiting for it");
}

void xlm_pusher_listen(struct xlm_pusher *pusher)
{
    struct xlm_channel *channel = &pusher->saver->channel;
    uint32_t timeout_ms = pusher->saver->params->link_timeout_ms;

    pusher->sent.due_us = pusher->learned.heard_us = xlm_now_us();
    /* RUNNING will come */
    pusher->shared.asked_us = pusher->learned.heard_us;
    channel->may_be_silent = may_be_silent;
    channel->silence_data = pusher;
    channel->idle_ms =
        xlm_channel_look_ms(timeout_ms ? timeout_ms : XLM_SILENCE_MS);
    channel->while_blocked = while_blocked;
    channel->blocked_data = pusher;
}
