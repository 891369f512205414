/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What room a host has for guests.
 */
#include "room.h"

#include <inttypes.h>
#include <string.h>

#define MAGIC "Xen host, what room is there?\n \0"
#define NAME "room"

_Static_assert(sizeof(MAGIC) - 1 ==
                   sizeof(((struct xl_save_header *)0)->magic),
               "wire");

void xl_room_ask(struct xl_save_header *header)
{
    *header = (struct xl_save_header){.byte_order = XL_SAVE_BYTE_ORDER};
    memcpy(header->magic, MAGIC, sizeof(header->magic));
}

bool xl_room_is_asked(const struct xl_save_header *header)
{
    return !memcmp(header->magic, MAGIC, sizeof(header->magic)) &&
           header->byte_order == XL_SAVE_BYTE_ORDER && !header->data_length;
}

void xl_room_put(FILE *to, const struct xl_room *room)
{
    char text[64];

    snprintf(text, sizeof(text), "%" PRIu64 " KiB free, %" PRIu64 " KiB more",
             room->free_kb, room->more_kb);
    xl_finding_put(to, XL_VERDICT_OK, NAME, text);
}

bool xl_room_read(const struct xl_finding *finding, struct xl_room *room)
{
    struct xl_room found;
    int end = 0;

    /* No more digits than a number of 64 bits can have. */
    if (strcmp(finding->what, NAME) || finding->verdict != XL_VERDICT_OK ||
        sscanf(finding->text,
               "%19" SCNu64 " KiB free, %19" SCNu64 " KiB more%n",
               &found.free_kb, &found.more_kb, &end) != 2 ||
        !end || finding->text[end]) {
        return false;
    }
    *room = found;
    return true;
}
