/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Reading the next record while the pages of one are paged in.
 */
#ifndef XLM_RESTORE_AHEAD_H
#define XLM_RESTORE_AHEAD_H

#include "restore/restorer.h"

/*
 * The record in restorer->record is about to be paged in: have another
 * thread read the next one meanwhile, if that record is large and more has
 * come.  Then the caller's thread must not read from the channel but by
 * xlm_restore_read_next().  After the go only.
 */
void xlm_restore_read_ahead(struct xlm_restorer *restorer);

/* Read the next record, into restorer->record; pays credit before it waits.
 * The reason for a failure is in `ctx`. */
int xlm_restore_read_next(struct xlm_restorer *restorer,
                          struct xlm_context *ctx);

/* The channel is stopped: forget the record that another thread reads.  No
 * thread reads from the channel when this returns. */
void xlm_restore_drop_ahead(struct xlm_restorer *restorer);

/* The same for good. */
void xlm_restore_close_ahead(struct xlm_restorer *restorer);

#endif
