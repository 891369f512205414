/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A caller's parameters, converted for the guest layer.
 */
#ifndef LM_TUNING_H
#define LM_TUNING_H

#include "libxl_live_migrate.h"
#include "xlm.h"

/* Where the caller has left zero, the guest layer's default stays. */
void lm_tune(struct xlm_save_params *out,
             const libxl_live_migrate_params *params);

/* The time-out of a caller in milliseconds, cut to the longest possible. */
uint32_t lm_timeout_ms(uint64_t seconds);

#endif
