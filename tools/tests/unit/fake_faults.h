/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fault channel of a fake migration: the second connection, and what the
 * toolstacks at both ends do to make it.
 */
#ifndef FAKE_FAULTS_H
#define FAKE_FAULTS_H

#include "fake_migration.h"

/* For xlm_save(): its callback connect_faults(). */
int fake_faults_connect(int *in_fd, int *out_fd, void *migration);
/* xlm_save() has returned. */
void fake_faults_end_source(struct fake_migration *migration);

/* For xlm_restore(): its callback in struct xlm_relink. */
int fake_faults_take(struct fake_migration *migration, int *in_fd,
                     int *out_fd);
void fake_faults_drop(struct fake_migration *migration);
/* Once both ends have ended. */
void fake_faults_free(struct fake_migration *migration);

#endif
