/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Connections that follow one that was lost, for a fake migration.
 */
#ifndef FAKE_RELINK_H
#define FAKE_RELINK_H

#include "fake_migration.h"

/* Before a run, and when a migration goes; the migration's orders say whether
 * there is anything to do. */
void fake_relink_open(struct fake_migration *migration);
void fake_relink_free(struct fake_migration *migration);

/* For xlm_restore(); NULL: a connection that is lost ends it. */
const struct xlm_relink *fake_relink_for(struct fake_migration *migration);
/* xlm_restore() has ended. */
void fake_relink_over(struct fake_migration *migration);

/* The connection in use, or the last one. */
struct fake_link *fake_relink_link(struct fake_migration *migration);
/* Wait for the heirs of receivers that were killed. */
void fake_relink_await_heir(struct fake_migration *migration);

/* The source: recover as often as it takes, and as was ordered. */
void fake_relink_recover(struct fake_migration *migration);
/* No other connection comes. */
void fake_relink_give_up(struct fake_migration *migration);

/* In place of a receiver that was killed, over another connection. */
void fake_migration_take_over(struct fake_migration *migration, int fd);

/* A context as a process of that host has it. */
void fake_migration_init_context(struct xlm_context *ctx,
                                 struct fake_host *host);

#endif
