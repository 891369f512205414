/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The guest gets no page while it moves.
 */
#ifndef XLM_SAVE_HOLD_H
#define XLM_SAVE_HOLD_H

#include "save/saver.h"

/* Keep the guest from getting pages until xlm_save_release(). */
int xlm_save_hold(struct xlm_saver *saver);
/* Let the guest have again what it had before; harmless when it was not
 * held. */
void xlm_save_release(struct xlm_saver *saver);
/* While the guest runs: if the size of its memory has changed, or with `list`,
 * list its pages anew, and send those that are new. */
int xlm_save_look_again(struct xlm_saver *saver, bool list);
/* The same for the suspended guest; new pages go to saver->sets.fresh. */
int xlm_save_recheck_pages(struct xlm_saver *saver);
/* Firmware may have registered pages with the hypervisor since the last look:
 * add them to saver->sets.resident. */
int xlm_save_recheck_resident(struct xlm_saver *saver);

#endif
