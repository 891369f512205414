/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages of the suspended guest, collected to be sent in the postcopy phase.
 */
#ifndef XLM_SAVE_FILL_H
#define XLM_SAVE_FILL_H

#include "hypervisor/source_memory.h"
#include "wire/page_batch.h"

/*
 * Fill the batch, of this form, with these pages, which the plan has handed
 * out together.  Their contents stay until the memory is asked for other
 * pages.  A page that cannot be mapped is sent as a hole if is_hole() returns
 * 0 for it, with errno of the mapping when it is called; otherwise this fails.
 */
int xlm_save_fill(struct xlm_page_batch *batch,
                  const struct xlm_page_batch_form *form,
                  struct xlm_source_memory *memory, size_t count,
                  const uint64_t *pfns,
                  int (*is_hole)(uint64_t pfn, void *data), void *data);

#endif
