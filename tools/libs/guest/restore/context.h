/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The state of the suspended guest, loaded into the domain.
 */
#ifndef XLM_RESTORE_CONTEXT_H
#define XLM_RESTORE_CONTEXT_H

#include "restore/restorer.h"

/* Is the new domain there, not crashed, and waiting for the go? */
int xlm_restore_check_alive(struct xlm_restorer *restorer);
/* Load the state of the suspended guest into the domain.  The pages that the
 * state names must be there. */
int xlm_restore_load_context(struct xlm_restorer *restorer);

#endif
