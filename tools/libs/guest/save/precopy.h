/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Precopy at the source: rounds of pages while the guest runs.
 */
#ifndef XLM_SAVE_PRECOPY_H
#define XLM_SAVE_PRECOPY_H

#include "save/saver.h"

/* Read the log of writes and keep the pages for the next round. */
int xlm_save_keep_dirty(struct xlm_saver *saver);
/* Send rounds of to_send until the policy no longer says to continue.  The
 * pages then in to_send were never sent, or were written since. */
int xlm_save_precopy(struct xlm_saver *saver, enum xlm_precopy_answer *answer);

#endif
