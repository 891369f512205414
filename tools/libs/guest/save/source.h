/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Is the source's domain still as the guest left it?
 */
#ifndef XLM_SAVE_SOURCE_H
#define XLM_SAVE_SOURCE_H

#include "save/saver.h"

/* Call when the guest is suspended: from now on the domain must not change. */
int xlm_save_mark_source(struct xlm_saver *saver);
/* Has nothing changed since the mark? -1: it has, the memory is lost, and
 * ctx->lost is set.  0 also before the mark.  If 0, what was read from the
 * domain before this call is what the guest left. */
int xlm_save_check_source(struct xlm_saver *saver);
/* The same without consequences; from any thread. */
bool xlm_save_source_is_sound(struct xlm_saver *saver);
/* From any thread that sends after the go: has the domain no such page?
 * false also when that cannot be found out. */
bool xlm_save_has_no_page(struct xlm_saver *saver, uint64_t pfn);
/* The same, and the guest left the domain without it. */
bool xlm_save_never_had_page(struct xlm_saver *saver, uint64_t pfn);
/* As xlm_save_check_source(), after a page was found missing: 0 means that the
 * page never existed. */
int xlm_save_check_memory(struct xlm_saver *saver);

#endif
