/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Has this host enough free memory for a domain?
 */
#include "common/memory.h"

#include <inttypes.h>

#define DOM0 0
/* Each try gives dom0 this many seconds to shrink, as long as that makes
 * progress. */
#define LM_BALLOON_TRIES 3
#define LM_BALLOON_WAIT_SECONDS 10

static int look(libxl_ctx *ctx, uint64_t *free_kb, struct xlm_context *xlm)
{
    int rc = libxl_get_free_memory(ctx, free_kb);

    if (rc) {
        xlm_fail(xlm,
                 "the free memory of the host cannot be read (libxl "
                 "error %d)",
                 rc);
    }
    return rc;
}

static int shrink_dom0(libxl_ctx *ctx, uint64_t by_kb)
{
    int rc = libxl_set_memory_target(ctx, DOM0, -(int64_t)by_kb, 1, 0);

    if (rc) {
        return rc;
    }
    return libxl_wait_for_memory_target(ctx, DOM0, LM_BALLOON_WAIT_SECONDS);
}

int lm_look_for_room(libxl_ctx *ctx, libxl_domain_config *config,
                     struct xlm_context *xlm, struct lm_room *room)
{
    int rc =
        libxl_domain_need_memory(ctx, config, INVALID_DOMID, &room->needed_kb);

    if (rc) {
        xlm_fail(
            xlm,
            "libxl cannot tell how much memory the domain needs (error %d)",
            rc);
        return rc;
    }
    return look(ctx, &room->free_kb, xlm);
}

int lm_check_room(const struct lm_room *room, struct xlm_context *xlm)
{
    if (room->free_kb >= room->needed_kb) {
        return 0;
    }
    xlm_fail(xlm,
             "the destination has %" PRIu64 " MiB of free memory and the "
             "domain needs %" PRIu64 " MiB: shrink or move other domains "
             "there",
             room->free_kb / 1024, (room->needed_kb + 1023) / 1024);
    return ERROR_NOMEM;
}

int lm_make_room(libxl_ctx *ctx, libxl_domain_config *config, bool autoballoon,
                 struct xlm_context *xlm)
{
    int tries = autoballoon ? LM_BALLOON_TRIES : 0;
    struct lm_room room;
    int rc = lm_look_for_room(ctx, config, xlm, &room);

    while (!rc && room.free_kb < room.needed_kb && tries-- > 0 &&
           !shrink_dom0(ctx, room.needed_kb - room.free_kb)) {
        rc = look(ctx, &room.free_kb, xlm);
    }
    return rc ? rc : lm_check_room(&room, xlm);
}
