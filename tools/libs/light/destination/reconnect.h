/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How another connection gets to the call that receives a migration: any
 * process of this host may accept the connection, and hands it over through a
 * local socket.
 *
 * Both sides are here.  The call that receives listens in a thread of its own.
 */
#ifndef LM_RECONNECT_H
#define LM_RECONNECT_H

#include "xlm.h"

struct lm_reconnect;

/* ---- the call that receives ---- */

/*
 * Listen for connections that continue this migration.  Each one also makes
 * abort_event_fd readable: before the go it means that the source has given up
 * its first connection.  NULL with errno.
 */
struct lm_reconnect *lm_reconnect_open(const struct xlm_identity *identity,
                                       int abort_event_fd);
/* Readable while a connection waits for lm_reconnect_take(). */
int lm_reconnect_fd(const struct lm_reconnect *reconnect);
/* Close the connection taken before, if any, and wait up to timeout_ms for the
 * next one.  0: there is one; 1: not yet. */
int lm_reconnect_take(struct lm_reconnect *reconnect, int timeout_ms,
                      int *recv_fd, int *send_fd);
/* Take the fault channel.  0: there is one; 1: there is none.  Call once,
 * before the go: no fault channel can join later. */
int lm_reconnect_take_faults(struct lm_reconnect *reconnect, int *recv_fd,
                             int *send_fd);
/* Close the fault channel. */
void lm_reconnect_drop_faults(struct lm_reconnect *reconnect);
/* Take a stream, at any time.  0: it has joined; 1: it has not. */
int lm_reconnect_take_stream(struct lm_reconnect *reconnect, uint32_t index,
                             int *recv_fd, int *send_fd);
/* Close all streams that have joined; others may join later. */
void lm_reconnect_drop_streams(struct lm_reconnect *reconnect);
/* Close all connections: nothing continues the migration any more.  The caller
 * must have noted before how it ended.  Harmless on NULL. */
void lm_reconnect_close(struct lm_reconnect *reconnect);

/* ---- who has accepted a connection ---- */

/*
 * Hand a connection to the call that receives this migration: to go on with
 * it, or as its fault channel or a stream. >= 0: that call has the connection
 * until lm_reconnect_await_end() of this number returns. -1: no call receives
 * the migration, the receiving call has ended, or it refuses the connection.
 */
int lm_reconnect_hand_over(const struct xlm_identity *identity,
                           const struct xlm_errand *errand, int recv_fd,
                           int send_fd);
void lm_reconnect_await_end(int taken);

#endif
