/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whether the domain that is moved out is still as the guest left it.
 */
#ifndef XLM_SAVE_SOURCE_H
#define XLM_SAVE_SOURCE_H

#include "save/saver.h"

/* The guest is suspended: from here on nothing of the domain may change. */
int xlm_save_mark_source(struct xlm_saver *saver);
/* Is it as it was marked?  -1: it is not, and its memory is lost, which
 * ctx->lost says as well.  Before the mark: 0.  What was read of it before the
 * call is what the guest left. */
int xlm_save_check_source(struct xlm_saver *saver);
/* The same without consequences, from any thread. */
bool xlm_save_source_is_sound(struct xlm_saver *saver);
/* As xlm_save_check_source(), after a page was found not to be there: it never
 * was, when this returns 0.  From the thread that reads page types. */
int xlm_save_check_memory(struct xlm_saver *saver);

#endif
