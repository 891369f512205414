/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How a migration looks to a person: lines of text, pure.
 */
#ifndef XL_MIGRATE_VIEW_H
#define XL_MIGRATE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "libxl_live_migrate.h"

#define XL_VIEW_MAX 512

/* A line that is drawn over and over, no longer than so many columns. */
void xl_view_progress(char line[XL_VIEW_MAX], size_t columns,
                      libxl_live_migrate_phase phase,
                      const libxl_live_migrate_stats *stats);

/* A table: its heading, and a row, ... */
void xl_view_heading(char line[XL_VIEW_MAX]);
void xl_view_row(char line[XL_VIEW_MAX],
                 const libxl_live_migrate_status *status);
/* ... and below it what is known of the guest's faults, in lines that are
 * malloc'ed; NULL: it had none, or there is no memory. */
char *xl_view_faults(const libxl_live_migrate_stats *stats);
/* When it ended, and how long it took; false: it has not. */
bool xl_view_ended(char line[XL_VIEW_MAX],
                   const libxl_live_migrate_status *status);
/* When its devices start; false: that is not known yet. */
bool xl_view_build(char line[XL_VIEW_MAX],
                   const libxl_live_migrate_status *status);
/* Of back ends that wait for pages; false: none ever has. */
bool xl_view_back_ends(char line[XL_VIEW_MAX],
                       const libxl_live_migrate_outside *outside);

#endif
