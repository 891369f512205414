/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Finds the migration that a user means.
 */
#include "migrations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"

/* Once a guest is handed over its domain here has another name, and on the
 * same host another domain may have got its name: the migration's nodes know
 * it. */
static int find_migration(const char *domain, bool running, uint32_t *domid)
{
    libxl_live_migrate_status *list;
    int count, rc = -1;

    if (libxl_live_migrate_list(&list, &count)) {
        count = 0;
    }
    for (int i = 0; i < count && rc; i++) {
        bool runs = list[i].state == LIBXL_LIVE_MIGRATE_STATE_RUNNING;

        if (list[i].role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE &&
            runs == running && !strcmp(list[i].name, domain)) {
            *domid = list[i].domid;
            rc = 0;
        }
    }
    libxl_live_migrate_status_list_free(list, count);
    return rc;
}

int xl_migrations_find(struct xl_context *xl, const char *domain,
                       uint32_t *domid)
{
    if (!find_migration(domain, true, domid) ||
        !libxl_domain_qualifier_to_domid(xl->ctx, domain, domid) ||
        !find_migration(domain, false, domid)) {
        return 0;
    }
    fprintf(stderr, "xl: there is no domain '%s' here\n", domain);
    return -1;
}
