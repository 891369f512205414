/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the destination makes absent while the guest runs at the source.
 *
 * Evicting takes long where the guest is large, and the guest can only be let
 * go when it is done.  So it begins in precopy, with pages that the guest
 * keeps writing: a page that is left out of round after round need not come
 * before it.  What precopy leaves in the end is evicted list by list, so that
 * there is something to see of it.
 */
#include "save/evict.h"

#include "save/alive.h"
#include "save/pages.h"
#include "wire/record.h"

/* Pages of a list in precopy.  Rounds go on meanwhile, and the list's answer
 * must fit into any connection, because this end may not be reading then. */
#define EARLY_PAGES 1024
/* Words of the sets that one look for them goes through. */
#define EARLY_WORDS 65536
/* Pages of a list afterwards, when its answer is waited for. */
#define LIST_PAGES 65536
/* Fewer pages say little of how fast it goes. */
#define TIMED_PAGES 64
/* A destination that says more than this is not believed. */
#define RATE_MOST 1e9

#define US_PER_SECOND 1000000u

uint64_t xlm_save_evict_rate(const struct xlm_saver *saver)
{
    const struct xlm_wire_evict_time *took = &saver->evicting.took;
    double rate;

    if (took->pages < TIMED_PAGES || !took->us) {
        return 0;
    }
    rate = (double)took->pages / took->us * US_PER_SECOND;
    if (rate < 1) {
        return 1;
    }
    return rate < RATE_MOST ? rate : RATE_MOST;
}

uint64_t xlm_save_evict_us(const struct xlm_saver *saver, uint64_t pages)
{
    uint64_t rate = xlm_save_evict_rate(saver);

    return rate ? pages * US_PER_SECOND / rate : 0;
}

static int take_evicted(struct xlm_saver *saver)
{
    bool last;

    if (xlm_save_take_evicted(saver, &last)) {
        return -1;
    }
    if (last) {
        saver->stats->evicted_pages += saver->evicting.listed;
        saver->evicting.listed = 0;
    }
    return 0;
}

/* Read until the answer to the only list is complete. */
static int take_answer(struct xlm_saver *saver)
{
    while (saver->asked.lists) {
        if (xlm_save_read_answer(saver, XLM_READ_EVICTED) ||
            take_evicted(saver)) {
            return -1;
        }
    }
    return 0;
}

/* Once all but the go was sent, the destination may refuse that. */
static int take_ready(struct xlm_saver *saver)
{
    if (xlm_check_answer(saver->ctx, &saver->record)) {
        return -1;
    }
    errno = EPROTO;
    return xlm_fail(saver->ctx, "bad migration stream: POSTCOPY_READY too "
                                "early");
}

static int hear(struct xlm_saver *saver)
{
    bool answer;

    if (xlm_save_read_one(
            saver, saver->asked.for_all ? XLM_READ_READY : XLM_READ_EVICTED,
            &answer)) {
        return -1;
    }
    if (!answer) {
        return 0;
    }
    return saver->record.type == XLM_REC_POSTCOPY_READY ? take_ready(saver)
                                                        : take_evicted(saver);
}

static int begin(struct xlm_saver *saver)
{
    if (saver->evicting.begun) {
        return 0;
    }
    saver->evicting.begun = true;
    return xlm_write_simple_record(saver->ctx, &saver->channel,
                                   XLM_REC_POSTCOPY_BEGIN, NULL, 0);
}

static int list(struct xlm_saver *saver, const uint64_t *pfns, size_t count)
{
    saver->evicting.listed = count;
    return begin(saver) ? -1 : xlm_save_list_pfns(saver, pfns, count);
}

/* ---- in precopy ---- */

/* Is it to be evicted, and has it not been? */
static bool is_wanted(const struct xlm_saver *saver, uint64_t pfn)
{
    return !xlm_pfn_set_contains(&saver->sets.outstanding, pfn) &&
           !xlm_pfn_set_contains(&saver->sets.resident, pfn) &&
           xlm_pfn_set_contains(&saver->sets.present, pfn);
}

static size_t find_early(struct xlm_saver *saver, uint64_t *pfns)
{
    const struct xlm_pfn_set *before =
        &saver->sets.recent[XLM_PUSH_RECENT - 1];
    uint64_t *at = &saver->evicting.at;
    size_t words = EARLY_WORDS, count = 0;

    while (words && count < EARLY_PAGES) {
        uint64_t pfn =
            xlm_pfn_set_next_in_both(&saver->sets.dirty, before, at, &words);

        if (pfn == XLM_PFN_NONE) {
            break;
        }
        *at = pfn + 1;
        if (is_wanted(saver, pfn)) {
            pfns[count++] = pfn;
        }
    }
    if (*at >= saver->sets.dirty.limit) {
        *at = 0;
    }
    return count;
}

int xlm_save_evict_early(struct xlm_saver *saver)
{
    uint64_t pfns[EARLY_PAGES];
    size_t count;

    if (!xlm_two_way(saver)) {
        return 0;
    }
    /* Signs of life as well: in hours of precopy they would fill any
     * connection. */
    if (xlm_channel_has_input(&saver->channel)) {
        return hear(saver);
    }
    if (!saver->params->evict_early || saver->asked.lists) {
        return 0;
    }
    count = find_early(saver, pfns);
    return count ? list(saver, pfns, count) : 0;
}

int xlm_save_await_early(struct xlm_saver *saver)
{
    return take_answer(saver);
}

/* ---- afterwards ---- */

static size_t find_next(const struct xlm_saver *saver,
                        const struct xlm_pfn_set *set, uint64_t *at,
                        uint64_t *pfns)
{
    size_t count = 0;

    while (count < XLM_LIST_PFNS) {
        uint64_t pfn =
            xlm_pfn_set_next_lacking(set, &saver->sets.outstanding, *at);

        if (pfn == XLM_PFN_NONE) {
            break;
        }
        *at = pfn + 1;
        pfns[count++] = pfn;
    }
    return count;
}

/* One list, of several records; *more: there may be another. */
static int list_some(struct xlm_saver *saver, const struct xlm_pfn_set *set,
                     uint64_t *at, bool *more)
{
    uint64_t pfns[XLM_LIST_PFNS];
    size_t count;

    saver->evicting.listed = 0;
    if (xlm_save_begin_list(saver)) {
        return -1;
    }
    do {
        count = find_next(saver, set, at, pfns);
        if (xlm_save_add_to_list(saver, pfns, count)) {
            return -1;
        }
        saver->evicting.listed += count;
        *more = count == XLM_LIST_PFNS;
    } while (*more && saver->evicting.listed < LIST_PAGES);
    return xlm_save_end_list(saver);
}

/* There is a list at the least, be it empty: see await_ready(). */
int xlm_save_evict(struct xlm_saver *saver, struct xlm_pfn_set *set)
{
    uint64_t at = 0, left = set->count;
    bool more;

    if (begin(saver)) {
        return -1;
    }
    do {
        uint64_t listed;

        if (list_some(saver, set, &at, &more)) {
            return -1;
        }
        listed = saver->evicting.listed;
        if (take_answer(saver)) {
            return -1;
        }
        left -= left < listed ? left : listed;
        saver->stats->evict_left_us = xlm_save_evict_us(saver, left);
        xlm_save_progress(saver, XLM_PHASE_EVICTING);
    } while (more);
    saver->stats->evict_left_us = 0;
    return 0;
}

/* ---- in the stop ---- */

int xlm_save_hear_all(struct xlm_saver *saver)
{
    while (saver->asked.lists && xlm_channel_has_input(&saver->channel)) {
        if (hear(saver)) {
            return -1;
        }
    }
    return 0;
}

static int while_blocked(void *data)
{
    return hear(data);
}

void xlm_save_hear_while_blocked(struct xlm_saver *saver)
{
    saver->channel.while_blocked = while_blocked;
    saver->channel.blocked_data = saver;
}
