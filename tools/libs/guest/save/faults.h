/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of the fault channel.
 */
#ifndef XLM_SAVE_FAULTS_H
#define XLM_SAVE_FAULTS_H

#include "save/saver.h"
#include "save/shared.h"

/* Call after PREPARED: connect a fault channel, if the caller can.  If that
 * fails, the log says why, and there is no fault channel. */
void xlm_save_connect_faults(struct xlm_saver *saver);
void xlm_save_close_faults(struct xlm_saver *saver);

/* All of these are harmless without a channel (NULL). */

/* Start a thread that serves the requests on the channel, until
 * xlm_faults_stop(). */
void xlm_faults_start(struct xlm_fault_channel *faults,
                      struct xlm_push_shared *shared);
void xlm_faults_stop(struct xlm_fault_channel *faults);
/* For the pushing thread, now and then: tell the destination if the channel is
 * lost.  Fails when the first connection does. */
int xlm_faults_look_after(struct xlm_fault_channel *faults);
/* With the lock held.  Did pages go over the channel that may not have
 * arrived? */
bool xlm_faults_pending(const struct xlm_fault_channel *faults);
/* With the lock held.  Add to the stats what went over the channel since the
 * last call. */
void xlm_faults_count(struct xlm_fault_channel *faults,
                      struct xlm_stats *stats);
/* POSTCOPY_CHANNEL_END: make outstanding again what did not arrive. */
int xlm_faults_take_end(struct xlm_saver *saver,
                        const struct xlm_record *record);

#endif
