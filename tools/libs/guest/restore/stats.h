/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the destination knows of the guest's faults, and tells the source.
 */
#ifndef XLM_RESTORE_STATS_H
#define XLM_RESTORE_STATS_H

#include "restore/restorer.h"

/* While nothing comes that would show it: what is known by now is progress. */
void xlm_restore_refresh(struct xlm_restorer *restorer);
/* The source has not heard of it for long; who is told so, tells it. */
bool xlm_restore_stats_are_due(struct xlm_restorer *restorer);
/* What is known by now, into the stats and to the source. */
int xlm_restore_send_stats(struct xlm_restorer *restorer);
/* Tell the source of the guest's faults when it has not heard of them lately:
 * for the thread that reads the fault channel, after pages. */
int xlm_restore_tell_stats(struct xlm_restorer *restorer);

#endif
