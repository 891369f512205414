/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination whose devices start in the stop.
 */
#ifndef XLM_RESTORE_LATE_H
#define XLM_RESTORE_LATE_H

#include "restore/restorer.h"

/* Whether the devices start late, by the flags of PREPARE. */
void xlm_restore_choose_build(struct xlm_restorer *restorer, uint32_t flags);
/* PREPARE of such a guest: the toolstack has all but what starts the devices.
 */
int xlm_restore_hold_build(struct xlm_restorer *restorer);
/* POSTCOPY_TRANSITION of such a guest: the devices start. */
int xlm_restore_build_late(struct xlm_restorer *restorer);

#endif
