/*
 * What a person sees of a migration: lines while it goes, and a summary.
 * All of it goes to stderr, so that stdout stays clean for scripts.
 */
#ifndef XL_PROGRESS_H
#define XL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "libxl_live_migrate.h"

struct xl_progress {
    uint64_t start_us; /* monotonic, when the migration began */
    uint64_t last_us;  /* when the last line was written */
    uint64_t last_iteration;
    libxl_live_migrate_phase last_phase;
    bool begun;
};

/* A libxl_live_migrate_progress callback; user is a struct xl_progress, all
 * zeroes at first.  A line for each new phase, then one a second. */
void xl_progress_show(libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats, void *user);

/* The table at the end of a migration that came to its end. */
void xl_progress_summary(const libxl_live_migrate_stats *stats);

#endif
