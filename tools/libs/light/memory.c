/*
 * Is there room on this host for a domain?
 */
#include "memory.h"

#include <inttypes.h>

#define DOM0 0
/* Each try gives dom0 so many seconds to shrink, as long as it gets on. */
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

int lm_make_room(libxl_ctx *ctx, libxl_domain_config *config, bool autoballoon,
                 struct xlm_context *xlm)
{
    uint64_t need_kb, free_kb;
    int tries = autoballoon ? LM_BALLOON_TRIES : 0;
    int rc;

    rc = libxl_domain_need_memory(ctx, config, INVALID_DOMID, &need_kb);
    if (rc) {
        xlm_fail(xlm,
                 "what memory the domain needs cannot be told (libxl "
                 "error %d)",
                 rc);
        return rc;
    }
    rc = look(ctx, &free_kb, xlm);
    while (!rc && free_kb < need_kb && tries-- > 0 &&
           !shrink_dom0(ctx, need_kb - free_kb)) {
        rc = look(ctx, &free_kb, xlm);
    }
    if (!rc && free_kb < need_kb) {
        xlm_fail(xlm,
                 "the destination has %" PRIu64 " MiB of free memory and the "
                 "domain needs %" PRIu64 " MiB: shrink or move other domains "
                 "there",
                 free_kb / 1024, (need_kb + 1023) / 1024);
        rc = ERROR_NOMEM;
    }
    return rc;
}
