/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What is seen of a migration: a line that is drawn over on a terminal, lines
 * one below the other elsewhere, objects for machines; and a summary.
 * What is for people goes to stderr; stdout is for machines alone.
 */
#ifndef XL_PROGRESS_H
#define XL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "libxl_live_migrate.h"

struct xl_progress {
    bool json; /* objects on stdout, in place of all else */
    /* For those: */
    uint32_t domid;
    const char *name;
    uint64_t background_rate; /* as it was asked for */
    /* Readable: somebody has had enough; < 1: none.  Once the guest was let go
     * nobody else reads from it. */
    int abort_fd;
    bool asked; /* ... and was answered */

    bool terminal;     /* stderr is one */
    bool drawn;        /* and has a line to be drawn over */
    uint64_t start_us; /* monotonic, when the migration began */
    uint64_t last_us;  /* when something was written last */
    uint64_t last_iteration;
    libxl_live_migrate_phase last_phase;
    bool begun;
};

/* A libxl_live_migrate_progress callback; user is a struct xl_progress, all
 * zeroes at first but for what is asked for. */
void xl_progress_show(libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats, void *user);

/* It has ended, like that: the last object, or the summary of a migration that
 * came to its end. */
void xl_progress_end(struct xl_progress *progress,
                     libxl_live_migrate_state state,
                     const libxl_live_migrate_result *result);

#endif
