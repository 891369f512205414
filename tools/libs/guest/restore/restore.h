/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination, from the first record to the last.
 */
#ifndef XLM_RESTORE_H
#define XLM_RESTORE_H

#include "restore/restorer.h"

/* Handle the stream, and those that replace it when it is lost, to the end. */
int xlm_restore_follow(struct xlm_restorer *restorer);
/* Release all resources of the restorer, and report how it ended: returns
 * rc. */
int xlm_restore_end(struct xlm_restorer *restorer, int rc);

#endif
