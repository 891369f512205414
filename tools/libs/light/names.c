/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The enumerations of the public interface, by name.
 */
#include <stddef.h>
#include <strings.h>

#include "libxl_live_migrate.h"
#include "stats.h"

_Static_assert((int)LIBXL_LIVE_MIGRATE_PHASE_START == (int)XLM_PHASE_START &&
                   (int)LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED ==
                       (int)XLM_PHASE_SUSPENDED &&
                   (int)LIBXL_LIVE_MIGRATE_PHASE_GO == (int)XLM_PHASE_GO &&
                   (int)LIBXL_LIVE_MIGRATE_PHASE_COMPLETE ==
                       (int)XLM_PHASE_COMPLETE,
               "the public phases are those of the guest layer");

static const char *name_of(const char *const *names, size_t count,
                           unsigned int value)
{
    return value < count ? names[value] : NULL;
}

static int find(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcasecmp(names[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

#define NELEMS(array) (sizeof(array) / sizeof((array)[0]))

/* Both functions of one enumeration, whose names follow. */
#define NAMES(what, ...) \
    static const char *const what##_names[] = {__VA_ARGS__}; \
\
    const char *libxl_live_migrate_##what##_to_string( \
        libxl_live_migrate_##what value) \
    { \
        return name_of(what##_names, NELEMS(what##_names), \
                       (unsigned int)value); \
    } \
\
    int libxl_live_migrate_##what##_from_string( \
        const char *name, libxl_live_migrate_##what *value) \
    { \
        int found = find(what##_names, NELEMS(what##_names), name); \
\
        if (found < 0) { \
            return ERROR_INVAL; \
        } \
        *value = (libxl_live_migrate_##what)found; \
        return 0; \
    }

/* scripts/check-interface compares them with the header. */
/* clang-format off */

NAMES(phase,
      [LIBXL_LIVE_MIGRATE_PHASE_START] = "start",
      [LIBXL_LIVE_MIGRATE_PHASE_PREPARING] = "preparing",
      [LIBXL_LIVE_MIGRATE_PHASE_PRECOPY] = "precopy",
      [LIBXL_LIVE_MIGRATE_PHASE_EVICTING] = "evicting",
      [LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED] = "suspended",
      [LIBXL_LIVE_MIGRATE_PHASE_READY] = "ready",
      [LIBXL_LIVE_MIGRATE_PHASE_GO] = "go",
      [LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY] = "postcopy",
      [LIBXL_LIVE_MIGRATE_PHASE_COMPLETE] = "complete")

NAMES(build,
      [LIBXL_LIVE_MIGRATE_BUILD_ANY] = "any",
      [LIBXL_LIVE_MIGRATE_BUILD_EARLY] = "early",
      [LIBXL_LIVE_MIGRATE_BUILD_LATE] = "late")

NAMES(strategy,
      [LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY] = "stop-and-copy",
      [LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY] = "postcopy",
      [LIBXL_LIVE_MIGRATE_STRATEGY_AUTO] = "auto")

NAMES(compress,
      [LIBXL_LIVE_MIGRATE_COMPRESS_AUTO] = "auto",
      [LIBXL_LIVE_MIGRATE_COMPRESS_OFF] = "off",
      [LIBXL_LIVE_MIGRATE_COMPRESS_ZSTD] = "zstd")
NAMES(push_order,
      [LIBXL_LIVE_MIGRATE_PUSH_ORDER_RECENT] = "recent",
      [LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING] = "ascending")

NAMES(pager,
      [LIBXL_LIVE_MIGRATE_PAGER_PAGING] = "paging",
      [LIBXL_LIVE_MIGRATE_PAGER_ACCESS] = "access")

NAMES(recovery,
      [LIBXL_LIVE_MIGRATE_RECOVERY_NONE] = "none",
      [LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE] = "complete",
      [LIBXL_LIVE_MIGRATE_RECOVERY_ENDED] = "ended",
      [LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK] = "taken-back")

NAMES(role,
      [LIBXL_LIVE_MIGRATE_ROLE_SOURCE] = "source",
      [LIBXL_LIVE_MIGRATE_ROLE_DESTINATION] = "destination")

NAMES(state,
      [LIBXL_LIVE_MIGRATE_STATE_RUNNING] = "running",
      [LIBXL_LIVE_MIGRATE_STATE_COMPLETE] = "complete",
      [LIBXL_LIVE_MIGRATE_STATE_FAILED] = "failed",
      [LIBXL_LIVE_MIGRATE_STATE_PAUSED] = "paused",
      [LIBXL_LIVE_MIGRATE_STATE_KILLED] = "killed",
      [LIBXL_LIVE_MIGRATE_STATE_LOST] = "lost")

NAMES(half,
      [LIBXL_LIVE_MIGRATE_HALF_NONE] = "none",
      [LIBXL_LIVE_MIGRATE_HALF_LEAVING] = "leaving",
      [LIBXL_LIVE_MIGRATE_HALF_LEFT] = "left",
      [LIBXL_LIVE_MIGRATE_HALF_ARRIVING] = "arriving",
      [LIBXL_LIVE_MIGRATE_HALF_ARRIVED] = "arrived",
      [LIBXL_LIVE_MIGRATE_HALF_PAGED] = "paged")

NAMES(obstacle,
      [LIBXL_LIVE_MIGRATE_OBSTACLE_NONE] = "none",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_HYPERVISOR] = "hypervisor",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_TYPE] = "type",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_HAP] = "hap",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_PAGING] = "paging",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_VCPUS] = "vcpus",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_DEVICES] = "devices",
      [LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY] = "memory")

NAMES(command,
      [LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY] = "start-postcopy",
      [LIBXL_LIVE_MIGRATE_COMMAND_ABORT] = "abort",
      [LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE] = "set-rate")
