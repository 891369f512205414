/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which pages the vCPU state of a suspended guest refers to.
 */
#ifndef XLM_SAVE_CONTEXT_H
#define XLM_SAVE_CONTEXT_H

#include "save/saver.h"

/* Read the context of the suspended guest, and add to to_send those pages that
 * the guest needs at once and the destination lacks: always those that Xen
 * looks for when it loads the context, and, unless hot pages are off, those
 * where the vCPUs go on. */
int xlm_save_add_context_pages(struct xlm_saver *saver);

#endif
