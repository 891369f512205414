/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What went over the connections of a fake migration.
 */
#include "fake_heard.h"

#include <string.h>

#include "wire/wire.h"

bool fake_brings_pages(uint32_t type)
{
    return type == XLM_REC_POSTCOPY_PAGE_DATA ||
           type == XLM_REC_POSTCOPY_ZERO_PAGES ||
           type == XLM_REC_POSTCOPY_REPEATED_PAGES ||
           type == XLM_REC_POSTCOPY_COMPRESSED;
}

static void note_record(const uint8_t *octets, size_t size, void *data)
{
    struct fake_heard *heard = data;
    struct xlm_wire_record_header header;
    uint32_t count = 0;

    (void)size;
    memcpy(&header, octets, sizeof(header));
    memcpy(&count, octets + sizeof(header), header.length >= 4 ? 4 : 0);
    if (fake_brings_pages(header.type)) {
        heard->pages += heard->gone ? count : 0;
        return;
    }
    switch (header.type) {
    case XLM_REC_POSTCOPY_GO:
        heard->gone = true;
        break;
    case XLM_REC_POSTCOPY_FAULT:
        heard->faults++;
        break;
    case XLM_REC_POSTCOPY_CREDIT:
        heard->credits += count;
        break;
    case XLM_REC_POSTCOPY_CHANNEL_LOST:
        heard->channel_lost++;
        break;
    case XLM_REC_POSTCOPY_CHANNEL_END:
        heard->channel_ends++;
        break;
    case XLM_REC_POSTCOPY_STREAM_USE:
        heard->stream_uses++;
        break;
    case XLM_REC_POSTCOPY_STREAM_LOST:
        heard->stream_lost++;
        break;
    case XLM_REC_POSTCOPY_STREAM_END:
        heard->stream_ends++;
        break;
    default:
        break;
    }
}

struct fake_heard fake_heard_on_first(struct fake_migration *migration)
{
    struct fake_link *link = migration->outcome.link;
    struct fake_heard heard = {0};

    fake_link_each_record(link, FAKE_FORTH, fake_first_record(FAKE_FORTH),
                          note_record, &heard);
    fake_link_each_record(link, FAKE_BACK, 0, note_record, &heard);
    return heard;
}

struct fake_heard fake_heard_on(struct fake_link *link)
{
    struct fake_heard heard = {.gone = true};

    if (link) {
        fake_link_each_record(link, FAKE_FORTH, 0, note_record, &heard);
        fake_link_each_record(link, FAKE_BACK, 0, note_record, &heard);
    }
    return heard;
}
