/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Connections that follow one that was lost, for a fake migration.
 */
#ifndef FAKE_RELINK_H
#define FAKE_RELINK_H

#include "fake_migration.h"

/* Call the first before a run, the second when the migration is freed.  The
 * migration's orders say whether they do anything. */
void fake_relink_open(struct fake_migration *migration);
void fake_relink_free(struct fake_migration *migration);

/* The callback for xlm_restore().  NULL: a lost connection ends the receiver.
 */
const struct xlm_relink *fake_relink_for(struct fake_migration *migration);
/* xlm_restore() has ended. */
void fake_relink_over(struct fake_migration *migration);

/* The connection in use, or the last one. */
struct fake_link *fake_relink_link(struct fake_migration *migration);
/* Wait for the receivers that took the place of killed ones. */
void fake_relink_await_heir(struct fake_migration *migration);

/* The source recovers as often as needed, and as the test ordered. */
void fake_relink_recover(struct fake_migration *migration);
/* Tell the destination that no other connection will come. */
void fake_relink_give_up(struct fake_migration *migration);

/* Receive in place of a receiver that was killed, over another connection. */
void fake_migration_take_over(struct fake_migration *migration, int fd);

/* A context like that of a process of this host. */
void fake_migration_init_context(struct xlm_context *ctx,
                                 struct fake_host *host);

#endif
