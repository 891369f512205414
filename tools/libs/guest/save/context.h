/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the state of a suspended guest's vCPUs says about pages.
 */
#ifndef XLM_SAVE_CONTEXT_H
#define XLM_SAVE_CONTEXT_H

#include "save/saver.h"

/* Read the context of the suspended guest, and add to to_send what the
 * destination lacks of the pages that it needs at once: those that loading the
 * context looks for, always, and where the vCPUs go on, unless no page is to
 * go for being hot. */
int xlm_save_add_context_pages(struct xlm_saver *saver);

#endif
