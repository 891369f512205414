/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of the fault channel.
 */
#ifndef XLM_SAVE_FAULTS_H
#define XLM_SAVE_FAULTS_H

#include <pthread.h>

#include "save/saver.h"

/* PREPARED has come: connect a fault channel when the caller has a way to.
 * When that fails the log says why, and there is none. */
void xlm_save_connect_faults(struct xlm_saver *saver);
void xlm_save_close_faults(struct xlm_saver *saver);

/* What the threads of the postcopy phase share: what goes next. */
struct xlm_push_shared {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* of the pushing thread */
    struct xlm_push_plan plan;
};

/* All of these are harmless when there is no channel (NULL). */

/* Serve what is asked for over it, in a thread of its own, until
 * xlm_faults_stop(). */
void xlm_faults_start(struct xlm_fault_channel *faults,
                      struct xlm_push_shared *shared);
void xlm_faults_stop(struct xlm_fault_channel *faults);
/* From the pushing thread, now and then: tell the destination when the channel
 * is lost.  Fails when the first connection does. */
int xlm_faults_look_after(struct xlm_fault_channel *faults);
/* These two with the lock held.  Pages went over it of which it is not known
 * that they have come. */
bool xlm_faults_pending(const struct xlm_fault_channel *faults);
/* Add what went over it since the last call. */
void xlm_faults_count(struct xlm_fault_channel *faults,
                      struct xlm_stats *stats);
/* POSTCOPY_CHANNEL_END: what did not come is outstanding again. */
int xlm_faults_take_end(struct xlm_saver *saver,
                        const struct xlm_record *record);

#endif
