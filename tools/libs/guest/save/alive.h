/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source until the go: is the destination alive, and is it told that we
 * are?
 */
#ifndef XLM_SAVE_ALIVE_H
#define XLM_SAVE_ALIVE_H

#include "save/saver.h"

/* From here on, until the guest is to be suspended: say that we are alive, and
 * wait for a destination that says so.  There is a way back. */
void xlm_save_keep_alive(struct xlm_saver *saver);
/* The guest is to wait for us from here on, and not for a destination that is
 * merely alive: nobody may be there to give up.  Cannot fail. */
int xlm_save_stop_keeping_alive(struct xlm_saver *saver);
/* While nothing is sent or read, now and then: ETIMEDOUT when the destination
 * shows no sign of life any more. */
int xlm_save_check_heard(struct xlm_saver *saver);
/* The next record that says more than that the destination is alive. */
int xlm_save_read_answer(struct xlm_saver *saver, enum xlm_reader_state state);

#endif
