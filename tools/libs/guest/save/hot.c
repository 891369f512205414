/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Hot pages: what the guest writes in its last moments at the source.
 *
 * Some pages must be at the destination before the guest runs: those that the
 * hypervisor reads on the guest's behalf without asking a pager, such as
 * vcpu_info.  No interface names them, but a guest writes to each of them as
 * it suspends.  These, and others that were written last, are also the pages
 * that the guest needs first.
 *
 * While the guest suspends, a thread reads the dirty log every few
 * milliseconds, so that afterwards it is known which pages were written last,
 * and which shortly before.  Dirty pages that the destination does not expect
 * are listed at once, so that the list in the stop is short.
 *
 * Pages that were written in one sample and left alone in the next are sent
 * between two samples: then they need not go in the stop, unless they are
 * written once more.
 *
 * For a guest that writes fast these are more than the stop should send.  The
 * pages that it cannot do without are recognised by their contents, and looked
 * for at once, so that few are left to look at in the stop.
 */
#include "save/hot.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "policy/pinned_page.h"
#include "save/evict.h"
#include "save/pages.h"

/* Samples for which the written pages are known one by one. */
#define SAMPLES 8
/* Time between samples, unless three times the time of a sample is more, or
 * one part in PAUSE_PARTS of what suspending has taken so far: after each
 * sample the guest's first write to every page costs extra, and a slow guest
 * needs its time to suspend. */
#define SAMPLE_PAUSE_MS 20
#define PAUSE_PARTS 16

/* Pages sent at a time: the guest may stop meanwhile, and then waits for
 * them. */
#define PIECE 16
/* No more pages of a sample are kept in order, however many may be hot. */
#define SAMPLE_MOST (1u << 16)

/* Pages for the push: written in the last sample and since; in the one before;
 * and in all before that while the guest suspended. */
enum { LAST, BEFORE, OLDER };

/* The lowest pfns that were written in one sample.  Twice hot_pages_max are
 * enough: even if later samples have half of them, enough others are left. */
struct sample {
    size_t count;
    uint64_t *pfns;
};

struct xlm_hot {
    struct xlm_saver *saver;
    pthread_t thread;
    int stop_fd;
    unsigned int taken;
    size_t sample_room; /* pfns to keep of a sample */
    uint64_t *pfns;
    /* index: the sample's number modulo SAMPLES */
    struct sample samples[SAMPLES];
    struct xlm_pfn_set pinned; /* written, and pinned */
    uint64_t sent;             /* pages sent between samples */
    int rc;
};

static void dispose(struct xlm_hot *hot)
{
    if (hot->stop_fd >= 0) {
        close(hot->stop_fd);
    }
    xlm_pfn_set_dispose(&hot->pinned);
    free(hot->pfns);
    free(hot);
}

/* Add those of these pages that are pinned. */
static int add_pinned(struct xlm_saver *saver, struct xlm_pfn_set *set,
                      size_t count, const uint64_t *pfns)
{
    struct xlm_hypervisor *hv = saver->ctx->hypervisor;
    int errors[XLM_BATCH_PAGES];
    uint8_t *mapping;

    mapping =
        hv->ops->map(hv, saver->params->domid, false, count, pfns, errors);
    if (!mapping) {
        return xlm_fail(saver->ctx, "cannot look at what the guest wrote: %s",
                        strerror(errno));
    }
    for (size_t i = 0; i < count; i++) {
        if (!errors[i] && xlm_is_pinned_page(mapping + i * XLM_PAGE_SIZE)) {
            xlm_pfn_set_add(set, pfns[i]);
        }
    }
    hv->ops->unmap(hv, mapping, count);
    return 0;
}

/* The next page, from `from` on, that was written now and not before while the
 * guest suspended; or XLM_PFN_NONE. */
static uint64_t next_new(const struct xlm_save_sets *sets, uint64_t from)
{
    do {
        from =
            xlm_pfn_set_next_lacking(&sets->dirty, &sets->recent[LAST], from);
    } while (from != XLM_PFN_NONE &&
             (xlm_pfn_set_contains(&sets->recent[BEFORE], from) ||
              xlm_pfn_set_contains(&sets->recent[OLDER], from)) &&
             ++from);
    return from;
}

/* Whether a page is pinned does not change while the guest runs: no page needs
 * a second look. */
static int look_for_pinned(struct xlm_hot *hot)
{
    const struct xlm_save_sets *sets = &hot->saver->sets;
    uint64_t pfns[XLM_BATCH_PAGES];
    uint64_t pfn = hot->sample_room ? next_new(sets, 0) : XLM_PFN_NONE;

    while (pfn != XLM_PFN_NONE) {
        size_t count = 0;

        while (pfn != XLM_PFN_NONE && count < XLM_BATCH_PAGES) {
            pfns[count++] = pfn;
            pfn = next_new(sets, pfn + 1);
        }
        if (add_pinned(hot->saver, &hot->pinned, count, pfns)) {
            return -1;
        }
    }
    return 0;
}

/* Make the last sample the one before, and that one part of the older ones. */
static void shift_recent(struct xlm_save_sets *sets)
{
    struct xlm_pfn_set before = sets->recent[BEFORE];

    xlm_pfn_set_unite(&sets->recent[OLDER], &before);
    xlm_pfn_set_clear(&before);
    sets->recent[BEFORE] = sets->recent[LAST];
    sets->recent[LAST] = before;
}

static int take_sample(struct xlm_hot *hot)
{
    struct xlm_saver *saver = hot->saver;
    struct sample *sample = &hot->samples[hot->taken % SAMPLES];

    if (xlm_save_hear_all(saver)) {
        return -1;
    }
    /* A destination that is still at the last list gets no other: the log
     * keeps what is written meanwhile.  Otherwise two ends on one processor
     * would leave the guest no time to suspend. */
    if (saver->asked.lists) {
        return 0;
    }
    if (xlm_save_read_dirty(saver, true) || look_for_pinned(hot)) {
        return -1;
    }
    hot->taken++;
    sample->count = xlm_pfn_set_list(&saver->sets.dirty, 0, sample->pfns,
                                     hot->sample_room);
    shift_recent(&saver->sets);
    xlm_pfn_set_unite(&saver->sets.recent[LAST], &saver->sets.dirty);
    return xlm_save_list_dirty(saver);
}

/* Add to the set until it has `most` members. */
static void add_up_to(struct xlm_pfn_set *set, size_t count,
                      const uint64_t *pfns, uint64_t most)
{
    for (size_t i = 0; i < count && set->count < most; i++) {
        xlm_pfn_set_add(set, pfns[i]);
    }
}

static void add_members_up_to(struct xlm_pfn_set *set,
                              const struct xlm_pfn_set *more, uint64_t most)
{
    uint64_t pfn;

    for (pfn = xlm_pfn_set_next(more, 0);
         pfn != XLM_PFN_NONE && set->count < most;
         pfn = xlm_pfn_set_next(more, pfn + 1)) {
        xlm_pfn_set_add(set, pfn);
    }
}

/* First the pinned pages, then those written last, the latest first.  Where
 * many vCPUs share a processor the first vCPU is still long before the last
 * one stops: so older samples count as well. */
static void find_hottest(const struct xlm_hot *hot,
                         struct xlm_pfn_set *hottest)
{
    const struct xlm_save_sets *sets = &hot->saver->sets;
    uint64_t most = hot->saver->params->hot_pages_max;

    xlm_pfn_set_clear(hottest);
    xlm_pfn_set_unite(hottest, &hot->pinned);
    add_members_up_to(hottest, &sets->dirty, most);
    for (unsigned int nth = 1; nth <= SAMPLES && nth <= hot->taken; nth++) {
        const struct sample *sample =
            &hot->samples[(hot->taken - nth) % SAMPLES];

        add_up_to(hottest, sample->count, sample->pfns, most);
    }
    for (unsigned int i = LAST; i <= OLDER; i++) {
        add_members_up_to(hottest, &sets->recent[i], most);
    }
}

/* ---- what has settled ---- */

static bool is_stopped(const struct xlm_hot *hot, uint64_t wait_us)
{
    struct pollfd stop = {.fd = hot->stop_fd, .events = POLLIN};

    return poll(&stop, 1, (wait_us + 999) / 1000) > 0;
}

/* Gather in to_send, which is empty until the stop, the pages that a stop now
 * would send, that were not written in the last sample, and that the
 * destination does not have. */
static void find_settled(const struct xlm_hot *hot)
{
    struct xlm_save_sets *sets = &hot->saver->sets;

    find_hottest(hot, &sets->to_send);
    xlm_pfn_set_subtract(&sets->to_send, &sets->recent[LAST]);
    xlm_pfn_set_intersect(&sets->to_send, &sets->outstanding);
}

/* The log has what is written from now on. */
static int send_piece(struct xlm_hot *hot)
{
    struct xlm_save_sets *sets = &hot->saver->sets;
    uint64_t pfns[PIECE];
    size_t count = xlm_pfn_set_list(&sets->to_send, 0, pfns, PIECE);

    for (size_t i = 0; i < count; i++) {
        xlm_pfn_set_remove(&sets->to_send, pfns[i]);
        xlm_pfn_set_remove(&sets->outstanding, pfns[i]);
    }
    return xlm_save_send_pfns(hot->saver, count, pfns, &hot->sent);
}

static int send_settled(struct xlm_hot *hot, uint64_t until_us)
{
    int rc = 0;

    find_settled(hot);
    while (!rc && hot->saver->sets.to_send.count && !is_stopped(hot, 0) &&
           xlm_now_us() < until_us) {
        rc = send_piece(hot);
    }
    return rc;
}

/* ---- the thread ---- */

static uint64_t pause_after(uint64_t sampling_us, uint64_t suspending_us)
{
    uint64_t pause_us = SAMPLE_PAUSE_MS * 1000;

    if (pause_us < 3 * sampling_us) {
        pause_us = 3 * sampling_us;
    }
    return pause_us < suspending_us / PAUSE_PARTS ? suspending_us / PAUSE_PARTS
                                                  : pause_us;
}

static void *run(void *data)
{
    struct xlm_hot *hot = data;
    uint64_t start_us = xlm_now_us(), wait_us = 0;

    while (!hot->rc && !is_stopped(hot, wait_us)) {
        uint64_t began_us = xlm_now_us();
        uint64_t until_us;

        hot->rc = take_sample(hot);
        until_us = xlm_now_us() +
                   pause_after(xlm_now_us() - began_us, began_us - start_us);
        if (!hot->rc) {
            hot->rc = send_settled(hot, until_us);
        }
        began_us = xlm_now_us();
        wait_us = until_us > began_us ? until_us - began_us : 0;
    }
    return NULL;
}

static int make_room(struct xlm_hot *hot)
{
    struct xlm_saver *saver = hot->saver;

    hot->sample_room = 2 * (size_t)saver->params->hot_pages_max;
    if (hot->sample_room > SAMPLE_MOST) {
        hot->sample_room = SAMPLE_MOST;
    }
    hot->pfns = calloc(SAMPLES * hot->sample_room + 1, sizeof(*hot->pfns));
    for (size_t i = 0; i < SAMPLES; i++) {
        hot->samples[i].pfns = hot->pfns + i * hot->sample_room;
    }
    hot->stop_fd = eventfd(0, EFD_CLOEXEC);
    return !hot->pfns || hot->stop_fd < 0 ||
                   xlm_pfn_set_reserve(&hot->pinned, saver->domain.nr_pfns)
               ? -1
               : 0;
}

struct xlm_hot *xlm_hot_start(struct xlm_saver *saver)
{
    struct xlm_hot *hot = calloc(1, sizeof(*hot));
    int error;

    if (!hot) {
        xlm_fail(saver->ctx, "no memory to watch what the guest writes");
        return NULL;
    }
    hot->saver = saver;
    hot->stop_fd = -1;
    error =
        make_room(hot) ? errno : pthread_create(&hot->thread, NULL, run, hot);
    if (error) {
        xlm_fail(saver->ctx, "cannot watch what the guest writes: %s",
                 strerror(error));
        dispose(hot);
        return NULL;
    }
    return hot;
}

/* Take out pages that were sent and not written since. */
static void leave_out_sent(const struct xlm_save_sets *sets,
                           struct xlm_pfn_set *hottest)
{
    uint64_t pfn;

    for (pfn = xlm_pfn_set_next(hottest, 0); pfn != XLM_PFN_NONE;
         pfn = xlm_pfn_set_next(hottest, pfn + 1)) {
        if (!xlm_pfn_set_contains(&sets->outstanding, pfn) &&
            !xlm_pfn_set_contains(&sets->dirty, pfn)) {
            xlm_pfn_set_remove(hottest, pfn);
        }
    }
}

int xlm_hot_stop(struct xlm_hot *hot, struct xlm_pfn_set *hottest)
{
    struct xlm_saver *saver = hot->saver;
    int rc;

    eventfd_write(hot->stop_fd, 1);
    pthread_join(hot->thread, NULL);
    rc = hot->rc;
    if (!rc) {
        /* The guest may have written more after the last sample. */
        rc = xlm_save_read_dirty(saver, false);
    }
    if (!rc) {
        rc = look_for_pinned(hot);
    }
    if (!rc) {
        find_hottest(hot, hottest);
        leave_out_sent(&saver->sets, hottest);
        xlm_pfn_set_unite(&saver->sets.recent[LAST], &saver->sets.dirty);
    }
    saver->stats->settled_pages = hot->sent;
    xlm_save_count_sent_forms(saver);
    dispose(hot);
    return rc;
}
