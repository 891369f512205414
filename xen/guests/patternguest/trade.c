/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"
#include "pattern.h"
#include "trade.h"
#include "xen.h"

static uint64_t *page_at(uint64_t pfn)
{
    return (uint64_t *)(uintptr_t)(pfn * PAGE_SIZE);
}

bool trade_prepare(struct trade *trade, struct frames *frames,
                   const struct options *options)
{
    uint64_t i;

    trade->pages = options->trade_pages;
    trade->same = options->trade_same;
    trade->every_us = options->trade_us;
    if (trade->pages == 0) {
        return true;
    }
    if (trade->pages > TRADE_MOST || !xen_present()) {
        return false;
    }
    trade->first = frames_take(frames, 2 * trade->pages);
    for (i = 0; trade->first != 0 && i < trade->pages; i++) {
        trade->slots[i].pfn = trade->first + 2 * i;
        trade->slots[i].there = true;
        if (!trade->same && !xen_give_back_one(trade->first + 2 * i + 1)) {
            return false;
        }
    }
    return trade->first != 0;
}

static void complain(uint64_t pfn, uint32_t generation, uint64_t *errors)
{
    struct pattern_diff diff;

    (*errors)++;
    pattern_diagnose(page_at(pfn), pfn, generation, &diff);
    print("BAD traded pfn=%lx fault=%s expected=%016lx found=%016lx", pfn,
          pattern_fault_name(diff.fault), diff.expected, diff.found);
}

/* A page that was never written must keep what is written now: it is a page
 * like any other. */
static void check(struct trade *trade, uint64_t at, uint64_t *errors)
{
    uint64_t pfn = trade->slots[at].pfn;
    uint32_t generation = trade->slots[at].generation;

    if (generation == 0) {
        generation = ++trade->generation;
        pattern_write(page_at(pfn), pfn, generation);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    if (!pattern_matches(page_at(pfn), pfn, generation)) {
        complain(pfn, generation, errors);
    }
}

static void give_back(struct trade *trade, uint64_t at, uint64_t *errors)
{
    uint64_t pfn = trade->slots[at].pfn;

    check(trade, at, errors);
    trade->slots[at].there = !xen_give_back_one(pfn);
    if (trade->slots[at].there) {
        (*errors)++;
        print("BAD traded pfn=%lx is not taken back", pfn);
    }
}

static void take(struct trade *trade, uint64_t at)
{
    uint64_t pfn = trade->slots[at].pfn;

    if (!trade->same) {
        pfn = trade->first + ((pfn - trade->first) ^ 1);
    }
    if (!xen_take(pfn)) {
        trade->refused++;
        return;
    }
    trade->got++;
    trade->slots[at].pfn = pfn;
    trade->slots[at].there = true;
    trade->slots[at].generation = 0;
    if (at % 2 != 0) {
        trade->slots[at].generation = ++trade->generation;
        pattern_write(page_at(pfn), pfn, trade->generation);
    }
}

void trade_do(struct trade *trade, uint64_t now_us, uint64_t *errors)
{
    if (trade->pages == 0 || now_us < trade->due_us) {
        return;
    }
    trade->due_us = now_us + trade->every_us;
    if (trade->slots[trade->turn].there) {
        give_back(trade, trade->turn, errors);
    }
    if (!trade->slots[trade->turn].there) {
        take(trade, trade->turn);
    }
    if (++trade->turn == trade->pages) {
        trade->turn = 0;
        trade->passes++;
        print("trade %lu done, got %lu, refused %lu, errors %lu",
              trade->passes, trade->got, trade->refused, *errors);
        trade->got = trade->refused = 0;
    }
}
