/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source's end of the further streams: connections that the push goes over
 * besides the first one.
 */
#ifndef XLM_SAVE_STREAMS_H
#define XLM_SAVE_STREAMS_H

#include "save/saver.h"
#include "save/shared.h"

/* Call this after PREPARED or LACKING, when the destination listens.  Begins
 * to connect params->streams less the first, each in a thread of its own.  The
 * log says which could not be connected, and why. */
void xlm_save_connect_streams(struct xlm_saver *saver);
/* End all of their threads, and forget them.  Harmless when there are none. */
void xlm_save_close_streams(struct xlm_saver *saver);

/* All of these are harmless without streams (NULL). */

/* From now on every stream that has joined, or joins later, may push. */
void xlm_streams_start(struct xlm_save_streams *streams,
                       struct xlm_push_shared *shared);
/* No stream is connected or pushes any more when this returns. */
void xlm_streams_stop(struct xlm_save_streams *streams);
/* For the pushing thread, now and then: tell the destination which streams
 * come into use, and which are lost.  Fails when the first connection does. */
int xlm_streams_look_after(struct xlm_save_streams *streams);
/* With the lock held.  Did pages go over a stream that may not have
 * arrived? */
bool xlm_streams_pending(const struct xlm_save_streams *streams);
/* With the lock held.  Add to the stats what went over streams since the last
 * call. */
void xlm_streams_count(struct xlm_save_streams *streams,
                       struct xlm_stats *stats);
/* With the lock held.  How many connections the push goes over, the first one
 * among them. */
uint64_t xlm_streams_in_use(const struct xlm_save_streams *streams);
/* POSTCOPY_STREAM_END: put the pages that did not arrive back into the plan.
 * EPROTO: the record contradicts what this end knows. */
int xlm_streams_take_end(struct xlm_saver *saver,
                         const struct xlm_record *record);

#endif
