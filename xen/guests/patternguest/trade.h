/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the guest gives back to the hypervisor and gets again, at the
 * same pfn or at another one, all the time.
 *
 * The guest checks a page before it gives it back.  It writes every other page
 * as soon as it has got the page, and the rest only when it checks them.  If a
 * page is refused, the guest asks again in the next turn.
 */
#ifndef TRADE_H
#define TRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "options.h"

#define TRADE_MOST 64u

struct trade {
    uint64_t first; /* pfn of the first pair; there is a page at one of them */
    uint64_t pages; /* 0: nothing is traded */
    bool same;
    uint64_t every_us;
    uint64_t due_us;
    uint64_t turn; /* which page is next */
    uint32_t generation;
    uint64_t refused; /* in the pass under way */
    uint64_t got;     /* the same */
    uint64_t passes;
    struct {
        uint64_t pfn;
        uint32_t generation; /* 0: not written */
        bool there;
    } slots[TRADE_MOST];
};

/* Takes what it trades with from the frames; false: there are not enough. */
bool trade_prepare(struct trade *trade, struct frames *frames,
                   const struct options *options);

/* Does what is due; counts what is wrong with a page in *errors. */
void trade_do(struct trade *trade, uint64_t now_us, uint64_t *errors);

#endif
