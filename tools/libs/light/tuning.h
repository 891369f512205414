/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A caller's tunables, as the guest layer wants them.
 */
#ifndef LM_TUNING_H
#define LM_TUNING_H

#include "libxl_live_migrate.h"
#include "xlm.h"

/* What the caller has left at zero stays as the guest layer likes it. */
void lm_tune(struct xlm_save_params *out,
             const libxl_live_migrate_params *params);

/* A time-out of the caller's; one that is too long for us is the longest. */
uint32_t lm_timeout_ms(uint64_t seconds);

#endif
