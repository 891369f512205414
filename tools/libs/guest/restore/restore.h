/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination, from the first record to the last.
 */
#ifndef XLM_RESTORE_H
#define XLM_RESTORE_H

#include "restore/restorer.h"

/* Take the stream, and others that come when it is lost, to the end. */
int xlm_restore_follow(struct xlm_restorer *restorer);
/* Release all that the restorer has, and say how it ended, with this rc, which
 * is returned. */
int xlm_restore_end(struct xlm_restorer *restorer, int rc);

#endif
