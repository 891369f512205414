/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that came as less than their contents.
 */
#include "wire/expand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

void xlm_expander_dispose(struct xlm_expander *expander)
{
    ZSTD_freeDCtx(expander->zstd);
    free(expander->room);
    *expander = XLM_EXPANDER_EMPTY;
}

static int no_memory(struct xlm_context *ctx)
{
    errno = ENOMEM;
    return xlm_fail(ctx, "no memory to expand pages");
}

/* Room for any list: no more than that is ever taken. */
static uint8_t *room_for(struct xlm_expander *expander, size_t octets)
{
    if (expander->lent && octets <= expander->lent_octets) {
        return expander->lent;
    }
    if (!expander->room) {
        expander->room = malloc((size_t)XLM_BATCH_PAGES * XLM_PAGE_SIZE);
    }
    return expander->room;
}

static int bad_frame(struct xlm_context *ctx, const struct xlm_record *record,
                     const char *what)
{
    errno = EPROTO;
    return xlm_fail(ctx,
                    "bad migration stream: %s whose frame %s; are both hosts "
                    "on the same version of this software?",
                    xlm_record_name(record->type), what);
}

/* The frame must say what it expands to, must be all that there is, and must
 * keep its word: so no other memory is needed than that for the pages. */
static int expand_frame(struct xlm_context *ctx, struct xlm_expander *expander,
                        const struct xlm_record *record,
                        const struct xlm_pfn_list *list, uint8_t *room)
{
    size_t octets = list->pages * XLM_PAGE_SIZE;
    size_t made;

    if (ZSTD_getFrameContentSize(list->instead, list->instead_octets) !=
        octets) {
        return bad_frame(ctx, record, "is not of its pages");
    }
    if (ZSTD_findFrameCompressedSize(list->instead, list->instead_octets) !=
        list->instead_octets) {
        return bad_frame(ctx, record, "is not whole, or not alone");
    }
    if (!expander->zstd) {
        expander->zstd = ZSTD_createDCtx();
    }
    if (!expander->zstd) {
        return no_memory(ctx);
    }
    made = ZSTD_decompressDCtx(expander->zstd, room, octets, list->instead,
                               list->instead_octets);
    return made == octets ? 0
                          : bad_frame(ctx, record, "does not expand to them");
}

static void repeat(uint8_t *room, const struct xlm_pfn_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        uint8_t *page = room + i * XLM_PAGE_SIZE;

        for (size_t at = 0; at < XLM_PAGE_SIZE; at += sizeof(uint64_t)) {
            memcpy(page + at, list->instead + i * sizeof(uint64_t),
                   sizeof(uint64_t));
        }
    }
}

int xlm_expand(struct xlm_context *ctx, struct xlm_expander *expander,
               const struct xlm_record *record, struct xlm_pfn_list *list)
{
    uint8_t *room;

    if (!list->instead) {
        return 0;
    }
    room = room_for(expander, list->pages * XLM_PAGE_SIZE);
    if (!room) {
        return no_memory(ctx);
    }
    if (xlm_record_body(record->type) == XLM_BODY_REPEATED) {
        repeat(room, list);
    } else if (expand_frame(ctx, expander, record, list, room)) {
        return -1;
    }
    list->contents = room;
    return 0;
}
