/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The further streams of a fake migration: what the toolstacks at both ends do
 * to make them, for the migration and for each recovery.
 */
#ifndef FAKE_STREAMS_H
#define FAKE_STREAMS_H

#include "fake_migration.h"

void fake_streams_open(struct fake_migration *migration);
void fake_streams_free(struct fake_migration *migration);

/* For xlm_save() and xlm_recover(): their callback connect_stream(). */
int fake_streams_connect(uint32_t index, int cancel_fd, int *in_fd,
                         int *out_fd, void *migration);
/* Call this when xlm_save() or xlm_recover() has returned. */
void fake_streams_end_source(struct fake_migration *migration);

/* For xlm_restore(): its callbacks in struct xlm_relink. */
int fake_streams_take(struct fake_migration *migration, uint32_t index,
                      int *in_fd, int *out_fd);
void fake_streams_drop(struct fake_migration *migration);

/* The process of this end dies. */
void fake_streams_kill(struct fake_migration *migration, unsigned int end);

/* Once both ends have ended: the stream's links in the order in which they
 * were made; NULL: no more. */
struct fake_link *fake_streams_link(struct fake_migration *migration,
                                    uint32_t index, unsigned int nth);

#endif
