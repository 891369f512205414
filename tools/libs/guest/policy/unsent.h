/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the source is to be asked for, in the order in which somebody
 * came to wait for them: pure.
 *
 * The order is kept of a bounded number of them, since nothing may fail for
 * want of memory while a guest waits.  Where there are more, as after a lost
 * connection, the others come by pfn, once those are through.
 */
#ifndef XLM_UNSENT_H
#define XLM_UNSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/pfn_set.h"

/* More than there are vCPUs. */
#define XLM_UNSENT_ORDERED 1024

struct xlm_unsent {
    struct xlm_pfn_set pfns;
    /* A ring; what is in it and not in the set was taken or removed. */
    uint64_t order[XLM_UNSENT_ORDERED];
    size_t head;
    size_t length;
    bool more;     /* in the set than in the ring */
    uint64_t from; /* of these, where to go on */
};

/* Make one without pages, and without room, fit for pfns below limit.
 * ENOMEM. */
int xlm_unsent_reserve(struct xlm_unsent *unsent, uint64_t limit);
void xlm_unsent_dispose(struct xlm_unsent *unsent);

/* The last to be asked for, unless it is there already. */
void xlm_unsent_add(struct xlm_unsent *unsent, uint64_t pfn);
/* Nobody needs to ask for it. */
void xlm_unsent_remove(struct xlm_unsent *unsent, uint64_t pfn);
/* Out of turn: true when it was there. */
bool xlm_unsent_take(struct xlm_unsent *unsent, uint64_t pfn);
/* Those whose turn it is, at most `most`, in ascending order; the number of
 * them. */
size_t xlm_unsent_take_next(struct xlm_unsent *unsent, uint64_t *pfns,
                            size_t most);
/* These are all that there are. */
void xlm_unsent_become(struct xlm_unsent *unsent,
                       const struct xlm_pfn_set *pfns);

static inline uint64_t xlm_unsent_count(const struct xlm_unsent *unsent)
{
    return unsent->pfns.count;
}

#endif
