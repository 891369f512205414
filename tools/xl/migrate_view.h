/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Migrations as lines of text for people: pure.
 */
#ifndef XL_MIGRATE_VIEW_H
#define XL_MIGRATE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "libxl_live_migrate.h"

#define XL_VIEW_MAX 512

/* A line for a terminal, drawn over again and again, of at most this many
 * columns. */
void xl_view_progress(char line[XL_VIEW_MAX], size_t columns,
                      libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats);

/* A table: its heading, and a row, ... */
void xl_view_heading(char line[XL_VIEW_MAX]);
void xl_view_row(char line[XL_VIEW_MAX],
                 const libxl_live_migrate_status *status);
/* ... and the lines about the guest's faults below it, which the caller must
 * free; NULL: there were no faults, or no memory. */
char *xl_view_faults(const libxl_live_migrate_stats *stats);
/* When the migration ended, and how long it took; false: it has not. */
bool xl_view_ended(char line[XL_VIEW_MAX],
                   const libxl_live_migrate_status *status);
/* When the destination starts the devices; false: not known yet. */
/* How long the guest was, is, or will be stopped; false: not known, or the
 * migration is not under way. */
bool xl_view_stop(char line[XL_VIEW_MAX],
                  const libxl_live_migrate_status *status);
bool xl_view_build(char line[XL_VIEW_MAX],
                   const libxl_live_migrate_status *status);
/* How long back ends wait for pages; false: none has. */
bool xl_view_back_ends(char line[XL_VIEW_MAX],
                       const libxl_live_migrate_outside *outside);

#endif
