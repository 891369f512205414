/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The guest gets no page while it is moved.
 */
#ifndef XLM_SAVE_HOLD_H
#define XLM_SAVE_HOLD_H

#include "save/saver.h"

/* From here on the guest gets no page, until xlm_save_let_go(). */
int xlm_save_hold(struct xlm_saver *saver);
/* It may have again what it might before; harmless when it was not held. */
void xlm_save_let_go(struct xlm_saver *saver);
/* The guest runs: when its memory is another than at the last look, or `list`,
 * list its pages anew, and have those that were not known sent. */
int xlm_save_look_again(struct xlm_saver *saver, bool list);
/* The same of the suspended guest; they are in saver->sets.fresh. */
int xlm_save_recheck_pages(struct xlm_saver *saver);
/* Firmware may have told the hypervisor of pages that it needs since: they
 * join saver->sets.resident. */
int xlm_save_recheck_resident(struct xlm_saver *saver);

#endif
