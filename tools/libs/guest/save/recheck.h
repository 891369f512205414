/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the source reads early and uses late.
 */
#ifndef XLM_SAVE_RECHECK_H
#define XLM_SAVE_RECHECK_H

#include "save/saver.h"

/* The guest is stopped, nothing final is sent: see whether what was read while
 * it ran still holds.  Fails when the migration must not go on. */
int xlm_save_recheck_in_stop(struct xlm_saver *saver);
/* The same of what can only be refused: before the go, or END without a way
 * back. */
int xlm_save_recheck_before_go(struct xlm_saver *saver);

#endif
