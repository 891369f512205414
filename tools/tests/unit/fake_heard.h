/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What went over the connections of a fake migration, once both ends have
 * ended.
 */
#ifndef FAKE_HEARD_H
#define FAKE_HEARD_H

#include "fake_migration.h"

struct fake_heard {
    bool gone;      /* the guest is the destination's */
    uint32_t pages; /* after the go */
    uint32_t credits;
    /* Records: */
    uint32_t faults;
    uint32_t channel_lost;
    uint32_t channel_ends;
    uint32_t stream_uses;
    uint32_t stream_lost;
    uint32_t stream_ends;
};

/* Over the first connection. */
struct fake_heard fake_heard_on_first(struct fake_migration *migration);
/* Over another connection, which is used after the go only; NULL: nothing. */
struct fake_heard fake_heard_on(struct fake_link *link);

/* Does a record of this type bring pages after the go? */
bool fake_brings_pages(uint32_t type);

#endif
