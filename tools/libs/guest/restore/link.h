/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long the destination believes in a connection, from the go on.
 */
#ifndef XLM_RESTORE_LINK_H
#define XLM_RESTORE_LINK_H

#include "restore/restorer.h"

/* From the go on, on each connection: how long it is believed in. */
void xlm_restore_set_link_timeout(struct xlm_restorer *restorer);

#endif
