/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Migrations of this host that have ended: a line of JSON for each, in a file
 * that outlives their domains.  The file is beside the memos, and is kept for
 * as long (memo.h).
 */
#ifndef LM_COMPLETED_H
#define LM_COMPLETED_H

#include "libxl_live_migrate.h"

/* A file that grows beyond this loses its older half. */
#define LM_COMPLETED_MAX (512u << 10)

/* Add a migration.  The list is only for people: when it cannot be written,
 * nothing is lost.  0, or -1 with errno.  Any thread of any process may
 * call. */
int lm_completed_put(const libxl_live_migrate_status *status);

/* Parse a line of JSON, of length octets, that
 * libxl_live_migrate_status_to_json() wrote; false: it is none. */
bool lm_completed_parse(const char *line, size_t length,
                        libxl_live_migrate_status *status);

#endif
