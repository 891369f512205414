/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination whose devices start in the stop.
 */
#ifndef XLM_RESTORE_LATE_H
#define XLM_RESTORE_LATE_H

#include "restore/restorer.h"

/* Choose by the flags of PREPARE whether the devices start late. */
void xlm_restore_choose_build(struct xlm_restorer *restorer, uint32_t flags);
/* PREPARE of such a guest: the toolstack gets all but what starts devices. */
int xlm_restore_hold_build(struct xlm_restorer *restorer);
/* POSTCOPY_TRANSITION of such a guest: start the devices. */
int xlm_restore_build_late(struct xlm_restorer *restorer);

#endif
