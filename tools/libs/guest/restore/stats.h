/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Statistics about the guest's faults, for the caller and the source.
 */
#ifndef XLM_RESTORE_STATS_H
#define XLM_RESTORE_STATS_H

#include "restore/restorer.h"

/* Call while no record comes: show what is known so far as progress. */
void xlm_restore_refresh(struct xlm_restorer *restorer);
/* Is it time to tell the source again?  If true, the caller must tell it. */
bool xlm_restore_stats_are_due(struct xlm_restorer *restorer);
/* Update the stats, and send them to the source. */
int xlm_restore_send_stats(struct xlm_restorer *restorer);
/* Tell the source of the guest's faults if it is time.  For the thread that
 * reads the fault channel, after pages. */
int xlm_restore_tell_stats(struct xlm_restorer *restorer);

#endif
