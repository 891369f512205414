/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the source reads early and uses late.
 */
#ifndef XLM_SAVE_RECHECK_H
#define XLM_SAVE_RECHECK_H

#include "save/saver.h"

/* In the stop, before anything final is sent: does what was read while the
 * guest ran still hold?  Fails when the migration must not go on. */
int xlm_save_recheck_in_stop(struct xlm_saver *saver);
/* The same for changes that the migration can only refuse: before the go, or
 * before END in a stream without a way back. */
int xlm_save_recheck_before_go(struct xlm_saver *saver);

#endif
