/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long a silent connection counts as alive, from the go on.
 */
#ifndef XLM_RESTORE_LINK_H
#define XLM_RESTORE_LINK_H

#include "restore/restorer.h"

/* Set that time, for each connection. */
void xlm_restore_set_link_timeout(struct xlm_restorer *restorer);

#endif
