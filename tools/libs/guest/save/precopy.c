/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Precopy at the source: rounds of pages while the guest runs.
 *
 * A round sends to_send; what the guest wrote meanwhile is the next round.  A
 * round may end in the middle, when the policy says so, which is asked after
 * each look at the log, or when postcopy is requested.  What was not sent then
 * stays in to_send.
 */
#include "save/precopy.h"

#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "save/alive.h"
#include "save/evict.h"
#include "save/hold.h"
#include "save/pages.h"

/* The guest pauses while its log is read: looking takes at most one part in
 * this many of a round. */
#define LOOK_SHARE 20
/* With a limited rate, or by a slow link, a batch should last one part in this
 * many of a second, but has at least that many pages. */
#define BATCHES_A_SECOND 10
#define BATCH_LEAST 16
/* Pages a second, while it is not known how fast they go. */
#define BATCH_FIRST_RATE 2560

#define US_PER_SECOND 1000000u

struct precopy {
    struct xlm_saver *saver;
    uint64_t start_us;
    uint64_t sending_us; /* time of these, spent on sending ... */
    uint64_t sent;       /* ... this many pages */
    /* The current or last round. */
    uint64_t round_us; /* when it began */
    uint64_t round_pages;
    uint64_t round_sent;
    uint64_t at;      /* the next pfn */
    uint64_t look_us; /* when to look at the log next */
    uint64_t send_rate;
    uint64_t dirty_rate;
    enum xlm_precopy_answer answer;
};

static uint64_t rate_of(uint64_t pages, uint64_t us)
{
    return us ? pages * US_PER_SECOND / us : 0;
}

static void tell_progress(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;

    saver->stats->dirty_pages = saver->sets.to_send.count;
    saver->stats->send_rate = precopy->send_rate;
    saver->stats->dirty_rate = precopy->dirty_rate;
    xlm_save_progress(saver, XLM_PHASE_PRECOPY);
}

static bool wants_postcopy(const struct xlm_saver *saver)
{
    struct xlm_control *control = saver->params->control;

    return control && xlm_two_way(saver) && atomic_load(&control->switch_now);
}

/* How long evicting `left` pages takes; some of them have been evicted
 * already. */
static uint64_t evict_us(struct xlm_saver *saver, uint64_t left)
{
    struct xlm_stats *stats = saver->stats;
    uint64_t absent = saver->sets.outstanding.count;

    stats->eviction.absent = absent;
    stats->eviction.rate = xlm_save_evict_rate(saver);
    stats->evict_left_us =
        xlm_save_evict_us(saver, left > absent ? left - absent : 0);
    return stats->evict_left_us;
}

/* What to do now; `dirty` is the size of the next round. */
static enum xlm_precopy_answer ask(struct precopy *precopy, bool in_round,
                                   uint64_t dirty)
{
    struct xlm_saver *saver = precopy->saver;
    uint64_t left = dirty + (in_round ? saver->sets.to_send.count : 0);
    const struct xlm_precopy_stats stats = {
        .iteration = saver->stats->iterations,
        .in_round = in_round,
        .total_written = saver->stats->precopy_pages,
        .dirty_count = dirty,
        .guest_pages = saver->sets.present.count,
        .round_pages = precopy->round_pages,
        .round_sent = precopy->round_sent,
        .elapsed_us = xlm_now_us() - precopy->start_us,
        .send_rate = precopy->send_rate,
        .dirty_rate = precopy->dirty_rate,
        .left_pages = left,
        .evict_us = evict_us(saver, left),
    };

    enum xlm_precopy_answer answer =
        saver->callbacks->precopy_policy(&stats, saver->callbacks->data);

    if (answer != XLM_PRECOPY_ABORT && wants_postcopy(saver)) {
        return XLM_PRECOPY_POSTCOPY;
    }
    return answer;
}

/* ---- a round ---- */

/* The rate allows nothing for a while: check for an end meanwhile. */
static int wait_a_little(struct precopy *precopy, uint64_t wait_us)
{
    struct xlm_saver *saver = precopy->saver;
    struct pollfd aborted = {.fd = saver->channel.abort_fd, .events = POLLIN};
    struct xlm_domain_info info;

    if (wait_us > XLM_SAVE_HEED_US) {
        wait_us = XLM_SAVE_HEED_US;
    }
    poll(&aborted, 1, (wait_us + 999) / 1000);
    if (xlm_save_check_abort(saver) || xlm_save_check_alive(saver, &info) ||
        xlm_save_check_heard(saver)) {
        return -1;
    }
    tell_progress(precopy);
    return 0;
}

/* Between two batches the caller can abort, and the policy is asked: by a slow
 * link a whole batch would take seconds. */
static size_t batch_size(const struct precopy *precopy)
{
    struct xlm_control *control = precopy->saver->params->control;
    uint64_t rate =
        control ? atomic_load(&control->background_rate) / XLM_PAGE_SIZE
                : UINT64_MAX;
    uint64_t measured =
        precopy->send_rate ? precopy->send_rate : BATCH_FIRST_RATE;
    uint64_t pages = (rate < measured ? rate : measured) / BATCHES_A_SECOND;

    if (pages < BATCH_LEAST) {
        return BATCH_LEAST;
    }
    return pages < XLM_BATCH_PAGES ? pages : XLM_BATCH_PAGES;
}

static int send_some(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;
    uint64_t began_us = xlm_now_us();
    uint64_t bytes = saver->channel.bytes_out;
    uint64_t pages = saver->stats->precopy_pages;

    if (xlm_save_send_some(saver, &saver->sets.to_send, &precopy->at,
                           batch_size(precopy),
                           &saver->stats->precopy_pages)) {
        return -1;
    }
    xlm_rate_limit_spend(&saver->limit, saver->channel.bytes_out - bytes);
    pages = saver->stats->precopy_pages - pages;
    precopy->round_sent += pages;
    precopy->sent += pages;
    precopy->sending_us += xlm_now_us() - began_us;
    precopy->send_rate = rate_of(precopy->sent, precopy->sending_us);
    tell_progress(precopy);
    return 0;
}

static void take_dirty_rate(struct precopy *precopy)
{
    precopy->dirty_rate = rate_of(precopy->saver->sets.dirty.count,
                                  xlm_now_us() - precopy->round_us);
}

/* Pages that are in the log now are in the next round: they need not go in
 * this one. */
static int leave_out_dirty(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;
    uint64_t before = saver->sets.to_send.count;

    if (xlm_save_read_dirty(saver, false)) {
        return -1;
    }
    take_dirty_rate(precopy);
    xlm_pfn_set_subtract(&saver->sets.to_send, &saver->sets.dirty);
    saver->stats->left_out_pages += before - saver->sets.to_send.count;
    return xlm_save_evict_early(saver);
}

static void begin_round(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;

    precopy->round_us = xlm_now_us();
    precopy->round_pages = saver->sets.to_send.count;
    precopy->round_sent = 0;
    precopy->at = 0;
    precopy->look_us = 0;
    /* The log has earlier writes. */
    xlm_pfn_set_clear(&saver->sets.dirty);
}

/* Send a batch, and look at the log when it is time. */
static int send_and_look(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;
    uint64_t began_us;

    xlm_keepalive_step(saver->keepalive);
    if (send_some(precopy)) {
        return -1;
    }
    began_us = xlm_now_us();
    if (began_us < precopy->look_us) {
        return 0;
    }
    if (leave_out_dirty(precopy)) {
        return -1;
    }
    precopy->look_us = xlm_now_us();
    precopy->look_us += (precopy->look_us - began_us) * LOOK_SHARE;
    return 0;
}

/* Send a round; or a part of it, if the answer becomes another than to
 * continue. */
static int send_round(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;
    uint64_t wait_us;

    begin_round(precopy);
    while (saver->sets.to_send.count &&
           precopy->answer == XLM_PRECOPY_CONTINUE) {
        wait_us = xlm_save_background_wait_us(saver);
        if (wait_us ? wait_a_little(precopy, wait_us)
                    : send_and_look(precopy)) {
            return -1;
        }
        precopy->answer = ask(precopy, true, saver->sets.dirty.count);
    }
    return 0;
}

/* ---- all rounds ---- */

int xlm_save_keep_dirty(struct xlm_saver *saver)
{
    if (xlm_save_read_dirty(saver, true)) {
        return -1;
    }
    xlm_pfn_set_unite(&saver->sets.to_send, &saver->sets.dirty);
    return 0;
}

static int precopy_rounds(struct precopy *precopy)
{
    struct xlm_saver *saver = precopy->saver;
    struct xlm_domain_info info;

    tell_progress(precopy);
    while (
        (precopy->answer = ask(precopy, false, saver->sets.to_send.count)) ==
        XLM_PRECOPY_CONTINUE) {
        if (send_round(precopy) || xlm_save_keep_dirty(saver) ||
            xlm_save_check_alive(saver, &info) ||
            xlm_save_look_again(saver, false)) {
            return -1;
        }
        if (precopy->answer != XLM_PRECOPY_CONTINUE) {
            return 0; /* ended in the middle */
        }
        take_dirty_rate(precopy);
        saver->stats->iterations++;
        tell_progress(precopy);
    }
    return 0;
}

int xlm_save_precopy(struct xlm_saver *saver, enum xlm_precopy_answer *answer)
{
    struct precopy precopy = {
        .saver = saver,
        .start_us = xlm_now_us(),
    };

    if (precopy_rounds(&precopy)) {
        return -1;
    }
    saver->stats->dirty_pages = 0;
    if (precopy.answer == XLM_PRECOPY_ABORT) {
        errno = ECANCELED;
        return xlm_fail(saver->ctx, "precopy was given up by its policy");
    }
    *answer = precopy.answer;
    return 0;
}
