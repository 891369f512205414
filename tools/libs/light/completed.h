/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Migrations of this host that have ended: a line of JSON for each, in a file
 * that outlives their domains, with what receivers leave and for as long
 * (memo.h).
 */
#ifndef LM_COMPLETED_H
#define LM_COMPLETED_H

#include "libxl_live_migrate.h"

/* Far more than a person looks at: of a longer file the older half goes. */
#define LM_COMPLETED_MAX (512u << 10)

/* Add one.  It is only told about: when it cannot be written nothing is lost.
 * 0, or -1 with errno.  Any thread of any process. */
int lm_completed_put(const libxl_live_migrate_status *status);

/* Read a line of JSON as libxl_live_migrate_status_to_json() writes it, of
 * length octets; false: it is none. */
bool lm_completed_parse(const char *line, size_t length,
                        libxl_live_migrate_status *status);

#endif
