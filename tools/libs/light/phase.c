/*
 * The phases of a migration, by name.
 */
#include "libxl_live_migrate.h"
#include "xlm.h"

_Static_assert((int)LIBXL_LIVE_MIGRATE_PHASE_START == (int)XLM_PHASE_START &&
                   (int)LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED ==
                       (int)XLM_PHASE_SUSPENDED &&
                   (int)LIBXL_LIVE_MIGRATE_PHASE_GO == (int)XLM_PHASE_GO &&
                   (int)LIBXL_LIVE_MIGRATE_PHASE_COMPLETE ==
                       (int)XLM_PHASE_COMPLETE,
               "the public phases are those of the guest layer");

const char *libxl_live_migrate_phase_to_string(libxl_live_migrate_phase phase)
{
    return xlm_phase_name((enum xlm_phase)phase);
}
