/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source in the postcopy phase.
 */
#ifndef XLM_SAVE_PUSH_H
#define XLM_SAVE_PUSH_H

#include "save/saver.h"

struct xlm_pusher;

/* Prepare the postcopy phase: what can fail for want of memory fails here,
 * before the go.  NULL with a reason. */
struct xlm_pusher *xlm_pusher_open(struct xlm_saver *saver);
void xlm_pusher_close(struct xlm_pusher *pusher);
/* The postcopy phase, from the go to POSTCOPY_COMPLETE. */
int xlm_pusher_run(struct xlm_pusher *pusher);

#endif
