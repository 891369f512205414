/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A thread that says, now and then, that this end of a migration is alive: so
 * the peer can tell an end that is busy from one that has gone.
 */
#ifndef XLM_KEEPALIVE_H
#define XLM_KEEPALIVE_H

#include <stdint.h>

#include "context.h"
#include "wire/channel.h"

/* How often; a peer waits for at least three of them before it gives up. */
#define XLM_KEEPALIVE_MS (20 * 1000)
/* A connection on which nothing came for so long is lost: the peer would have
 * said that it is alive. */
#define XLM_SILENCE_MS (3 * 60 * 1000)
/* What this end does in one go, between two steps, ends by itself; what lasts
 * longer hangs, and is not called alive. */
#define XLM_STEP_MS (15 * 60 * 1000)

struct xlm_keepalive;

/*
 * Write an empty record of this type to the channel each period_ms (0:
 * XLM_KEEPALIVE_MS), until xlm_keepalive_stop(), which must come before the
 * channel is closed.  All other writers must write whole records, through
 * wire/record.h.  NULL without memory for it or without a thread: the peer
 * hears nothing then, and the caller goes on.  A record that cannot be written
 * ends it without a word: the caller finds the connection as it is.
 */
struct xlm_keepalive *xlm_keepalive_start(struct xlm_context *ctx,
                                          struct xlm_channel *channel,
                                          uint32_t type, uint32_t period_ms);
/* The caller gets on.  Harmless with NULL. */
void xlm_keepalive_step(struct xlm_keepalive *keepalive);
/* Nothing is written any more when this returns; *keepalive is NULL then.
 * Harmless when it is NULL before. */
void xlm_keepalive_stop(struct xlm_keepalive **keepalive);

#endif
