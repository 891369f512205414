/*
 * The phases of a migration, by name.
 */
#include "stats.h"

const char *xlm_phase_name(enum xlm_phase phase)
{
    static const char *const names[] = {
        [XLM_PHASE_START] = "start",
        [XLM_PHASE_PREPARING] = "preparing",
        [XLM_PHASE_PRECOPY] = "precopy",
        [XLM_PHASE_EVICTING] = "evicting",
        [XLM_PHASE_SUSPENDED] = "suspended",
        [XLM_PHASE_READY] = "ready",
        [XLM_PHASE_GO] = "go",
        [XLM_PHASE_POSTCOPY] = "postcopy",
        [XLM_PHASE_COMPLETE] = "complete",
    };

    return names[phase];
}
