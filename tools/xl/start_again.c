/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Starts a guest again.
 */
#include "start_again.h"

#include <stdlib.h>

#include "creation_lock.h"
#include "global_config.h"

#define DOM0 0
/* How often dom0 is asked to shrink, and how many seconds it gets each
 * time. */
#define TRIES 3
#define TRY_SECONDS 10

/* If memory is short, libxl reports that when it makes the domain. */
static void make_room(libxl_ctx *ctx, libxl_domain_config *config)
{
    uint64_t needed, available;

    for (int i = 0; i < TRIES; i++) {
        if (libxl_domain_need_memory(ctx, config, INVALID_DOMID, &needed) ||
            libxl_get_free_memory(ctx, &available) || available >= needed ||
            libxl_set_memory_target(
                ctx, DOM0, (int64_t)available - (int64_t)needed, 1, 0) ||
            libxl_wait_for_memory_target(ctx, DOM0, TRY_SECONDS)) {
            return;
        }
    }
}

/* A guest is started even if another process never unlocks the file. */
static void lock_and_make_room(struct xl_context *xl,
                               libxl_domain_config *config,
                               struct xl_creation_lock *lock)
{
    char *path = xl_global_lockfile();

    if (path) {
        (void)xl_creation_lock_take(lock, path, XL_CREATION_PATIENCE_SECONDS,
                                    -1);
    }
    free(path);
    make_room(xl->ctx, config);
}

int xl_start_again(struct xl_context *xl, libxl_domain_config *config,
                   uint32_t *domid)
{
    struct xl_creation_lock lock = XL_CREATION_UNLOCKED;
    int rc;

    if (xl_global_autoballoon(xl)) {
        lock_and_make_room(xl, config, &lock);
    }
    config->c_info.domid = INVALID_DOMID;
    rc = libxl_domain_create_new(xl->ctx, config, domid, NULL, NULL);
    xl_creation_lock_release(&lock);
    return rc;
}
