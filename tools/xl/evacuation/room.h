/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What room a host has for guests: the question between the hosts, and its
 * answer.  Pure.
 *
 * After the greeting a source sends a header in the place of xl's own, which
 * has another magic and nothing behind it.  The receiver answers with findings
 * (see finding.h), one of which is called "room", and ends.
 */
#ifndef XL_ROOM_H
#define XL_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "finding.h"
#include "save_header.h"

struct xl_room {
    uint64_t free_kb; /* free memory that nothing has claimed */
    uint64_t more_kb; /* what dom0 gives beside that, when a guest comes */
};

void xl_room_ask(struct xl_save_header *header);
bool xl_room_is_asked(const struct xl_save_header *header);

/* The finding of a room. */
void xl_room_put(FILE *to, const struct xl_room *room);
/* False: it is another finding. */
bool xl_room_read(const struct xl_finding *finding, struct xl_room *room);

#endif
