/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination after the connection was lost.
 */
#ifndef XLM_RESTORE_RECOVER_H
#define XLM_RESTORE_RECOVER_H

#include "restore/restorer.h"

/* The guest lacks pages: use this connection from now on, and first tell the
 * source which pages these are. */
int xlm_restore_open_link(struct xlm_restorer *restorer, int in_fd,
                          int out_fd);
/* The guest runs here, and the connection is lost or brought something bad:
 * wait for another one.  0: it is there, and the source was told what is
 * missing; -1: there will be none, or the guest is gone. */
int xlm_restore_recover(struct xlm_restorer *restorer);

#endif
