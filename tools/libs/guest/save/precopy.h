/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Precopy at the source: rounds of pages while the guest runs.
 */
#ifndef XLM_SAVE_PRECOPY_H
#define XLM_SAVE_PRECOPY_H

#include "save/saver.h"

/* Read the log: what it says is kept for the next round. */
int xlm_save_keep_dirty(struct xlm_saver *saver);
/* Rounds of to_send, until the policy has another answer than to go on.
 * What is then in to_send was never sent, or was written since. */
int xlm_save_precopy(struct xlm_saver *saver, enum xlm_precopy_answer *answer);

#endif
