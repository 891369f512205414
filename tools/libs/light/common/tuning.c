/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A caller's parameters, converted for the guest layer.
 */
#include "common/tuning.h"

_Static_assert(LIBXL_LIVE_MIGRATE_MAX_STREAMS == XLM_STREAMS_MOST,
               "one number");

static uint32_t or_ours(uint64_t wanted, uint64_t none, uint32_t ours)
{
    if (wanted == none) {
        return 0;
    }
    if (!wanted) {
        return ours;
    }
    return wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
}

uint32_t lm_timeout_ms(uint64_t seconds)
{
    return seconds < UINT32_MAX / 1000 ? (uint32_t)seconds * 1000 : UINT32_MAX;
}

/* By the list; `ours` is what suits most guests. */
#define NOBODY ours
#define SAME(name) params->name
#define UNLESS_0(name) (params->name ? params->name : ours)
#define UNLESS_0_NONE(name, none) or_ours(params->name, none, ours)
#define UNSET(one, other) (!params->one && !params->other)
#define IS(name, value) (params->name == LIBXL_LIVE_MIGRATE_##value)
#define ENUM(type, name) ((type)params->name)
#define SECONDS(name) lm_timeout_ms(params->name)

void lm_tune(struct xlm_save_params *out,
             const libxl_live_migrate_params *params)
{
#define TUNABLE(type, field, standard, from) \
    { \
        const type ours = (standard); \
        (void)ours; \
        out->field = (from); \
    }
#include "tunables.def"
}
