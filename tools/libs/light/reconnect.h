/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How another connection gets to the call that receives a migration: over a
 * socket of this host, whoever has accepted it.
 *
 * Both sides are here.  The call that receives listens in a thread of its own.
 */
#ifndef LM_RECONNECT_H
#define LM_RECONNECT_H

#include "xlm.h"

struct lm_reconnect;

/* ---- the call that receives ---- */

/*
 * Listen for connections that continue this migration.  Each makes
 * abort_event_fd readable as well: before the go it means that there will be
 * none.  NULL with errno.
 */
struct lm_reconnect *lm_reconnect_open(const struct xlm_identity *identity,
                                       int abort_event_fd);
/* Readable while a connection waits to be taken. */
int lm_reconnect_fd(const struct lm_reconnect *reconnect);
/* Wait for one, up to so long; the one taken before is closed in any case.  0:
 * here it is; 1: there is none yet. */
int lm_reconnect_take(struct lm_reconnect *reconnect, int timeout_ms,
                      int *recv_fd, int *send_fd);
/* The fault channel, when one has joined: 0, here it is; 1: there is none.
 * Asked for once, and before the go: none can join later. */
int lm_reconnect_take_faults(struct lm_reconnect *reconnect, int *recv_fd,
                             int *send_fd);
/* Done with it. */
void lm_reconnect_drop_faults(struct lm_reconnect *reconnect);
/* Nothing continues it any more: closes all connections.  How it ended must
 * have been noted by then.  Harmless on NULL. */
void lm_reconnect_close(struct lm_reconnect *reconnect);

/* ---- who has accepted a connection ---- */

/*
 * Hand it to the call that receives this migration: to go on with it, or for
 * its fault channel.  >= 0: it has taken it, and holds on to it until
 * lm_reconnect_await_end() of this; -1: nobody receives the migration, or
 * whoever did has ended, or does not want it.
 */
int lm_reconnect_hand_over(const struct xlm_identity *identity,
                           bool for_faults, int recv_fd, int send_fd);
void lm_reconnect_await_end(int taken);

#endif
