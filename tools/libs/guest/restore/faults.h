/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of the fault channel.
 */
#ifndef XLM_RESTORE_FAULTS_H
#define XLM_RESTORE_FAULTS_H

#include "restore/restorer.h"

/* Call before the guest runs: if a fault channel has joined, send requests
 * over it, and start a thread that pages in the pages from it.  Otherwise, or
 * if that fails, requests go over the first connection. */
void xlm_restore_open_faults(struct xlm_restorer *restorer);
/* POSTCOPY_CHANNEL_LOST: the source has lost the fault channel. */
int xlm_restore_take_channel_lost(struct xlm_restorer *restorer);
/* Use the fault channel no more; its thread has ended when this returns.
 * Harmless when there is none. */
void xlm_restore_close_faults(struct xlm_restorer *restorer);

#endif
