/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A thread that tells the peer now and then that this end of a migration
 * lives: so the peer can tell an end that is busy from one that is gone.
 */
#ifndef XLM_KEEPALIVE_H
#define XLM_KEEPALIVE_H

#include <stdint.h>

#include "context.h"
#include "wire/channel.h"

/* The period.  The peer waits for at least three periods before it gives
 * up. */
#define XLM_KEEPALIVE_MS (20 * 1000)
/* A connection that was silent for this time is lost: a living peer would have
 * written. */
#define XLM_SILENCE_MS (3 * 60 * 1000)
/* Whatever this end does between two steps ends by itself within this time.
 * If it takes longer it hangs, and the thread no longer says that this end
 * lives. */
#define XLM_STEP_MS (15 * 60 * 1000)

struct xlm_keepalive;

/*
 * Write an empty record of this type to the channel each period_ms (0:
 * XLM_KEEPALIVE_MS), until xlm_keepalive_stop(), which must come before the
 * channel is closed.  All other writers must write whole records, through
 * wire/record.h.  NULL: no memory or no thread; the peer then hears nothing,
 * and the caller may go on.  The thread ends silently when it cannot write a
 * record: the caller will find the connection broken.
 */
struct xlm_keepalive *xlm_keepalive_start(struct xlm_context *ctx,
                                          struct xlm_channel *channel,
                                          uint32_t type, uint32_t period_ms);
/* Report that the caller makes progress.  Harmless with NULL. */
void xlm_keepalive_step(struct xlm_keepalive *keepalive);
/* Stop: nothing is written any more when this returns, and *keepalive is NULL.
 * Harmless when it is NULL before. */
void xlm_keepalive_stop(struct xlm_keepalive **keepalive);

#endif
