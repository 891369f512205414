/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the user sees of a migration: on a terminal one line that is drawn
 * over, elsewhere lines one below the other, for programs objects; and a
 * summary.  Text for people goes to stderr, and only objects to stdout.
 */
#ifndef XL_PROGRESS_H
#define XL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "libxl_live_migrate.h"

struct xl_progress {
    bool quiet; /* shows nothing; a signal is answered all the same */
    bool json;  /* objects on stdout, and nothing else */
    /* In those objects: */
    uint32_t domid;
    const char *name;
    uint64_t background_rate; /* as the options had it */
    /* Readable: the user gives up; < 1: no descriptor.  Once the guest was
     * handed over nothing else reads from it. */
    int abort_fd;
    bool asked; /* ... and that was answered */

    bool terminal;     /* stderr is a terminal */
    bool drawn;        /* a line is drawn that the next one overwrites */
    uint64_t start_us; /* monotonic, when the migration began */
    uint64_t last_us;  /* when the last output was written */
    uint64_t last_iteration;
    libxl_live_migrate_phase last_phase;
    bool begun;
};

/* A libxl_live_migrate_progress callback.  `user` is a struct xl_progress, in
 * which all but the caller's choices must begin as zero. */
void xl_progress_show(libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats, void *user);

/* Call with the outcome: writes the last object, or the summary of a migration
 * that has succeeded. */
void xl_progress_end(struct xl_progress *progress,
                     libxl_live_migrate_state state,
                     const libxl_live_migrate_result *result);

#endif
