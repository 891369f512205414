/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source until the go: does the destination live, and does it know that
 * the source lives?
 */
#ifndef XLM_SAVE_ALIVE_H
#define XLM_SAVE_ALIVE_H

#include "save/saver.h"

/* Until the guest will be suspended, tell the destination that the source
 * lives, and wait for a destination that says the same.  Needs a way back. */
void xlm_save_keep_alive(struct xlm_saver *saver);
/* From now on wait only for answers, with a time-out: a destination that only
 * says that it lives must not prolong the stop, and there may be no person to
 * give it up.  Cannot fail. */
int xlm_save_stop_keeping_alive(struct xlm_saver *saver);
/* Call now and then while nothing is sent or read.  ETIMEDOUT: the destination
 * has been silent for too long. */
int xlm_save_check_heard(struct xlm_saver *saver);
/* Read the next record.  Not *answer: it says no more than that the
 * destination lives, how fast it evicts, or in which forms pages may come. */
int xlm_save_read_one(struct xlm_saver *saver, enum xlm_reader_state state,
                      bool *answer);
/* Read the next record that says more than that. */
int xlm_save_read_answer(struct xlm_saver *saver, enum xlm_reader_state state);

#endif
