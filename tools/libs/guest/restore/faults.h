/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of the fault channel.
 */
#ifndef XLM_RESTORE_FAULTS_H
#define XLM_RESTORE_FAULTS_H

#include "restore/restorer.h"

/* The guest is about to run: when a fault channel has joined, have requests go
 * over it, and a thread bring in what it brings.  Else, or when that fails,
 * they go over the first connection. */
void xlm_restore_open_faults(struct xlm_restorer *restorer);
/* POSTCOPY_CHANNEL_LOST: the source has lost it. */
int xlm_restore_take_channel_lost(struct xlm_restorer *restorer);
/* Nothing more comes over it; its thread has ended when this returns. Harmless
 * when there is none. */
void xlm_restore_close_faults(struct xlm_restorer *restorer);

#endif
