/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Exit statuses.
 */
#include "exit_status.h"

#include <stdlib.h>

int xl_exit_of_status(const libxl_live_migrate_status *status)
{
    switch (status->state) {
    case LIBXL_LIVE_MIGRATE_STATE_COMPLETE:
        return EXIT_SUCCESS;
    case LIBXL_LIVE_MIGRATE_STATE_RUNNING:
    case LIBXL_LIVE_MIGRATE_STATE_PAUSED:
        return XL_EXIT_PAUSED;
    case LIBXL_LIVE_MIGRATE_STATE_LOST:
        return XL_EXIT_GONE;
    case LIBXL_LIVE_MIGRATE_STATE_KILLED:
        /* Before its stop the guest never noticed. */
        return status->phase >= LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED
                   ? XL_EXIT_PAUSED
                   : EXIT_FAILURE;
    case LIBXL_LIVE_MIGRATE_STATE_FAILED:
        break;
    }
    return EXIT_FAILURE;
}
