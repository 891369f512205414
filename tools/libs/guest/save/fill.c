/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages of the suspended guest, collected to be sent in the postcopy phase.
 */
#include "save/fill.h"

static int fill(struct xlm_page_batch *batch,
                const struct xlm_page_batch_form *form,
                struct xlm_source_memory *memory, size_t count,
                const uint64_t *pfns, int (*is_hole)(uint64_t pfn, void *data),
                void *data)
{
    xlm_page_batch_begin(batch, XLM_REC_POSTCOPY_PAGE_DATA, form);
    for (size_t i = 0; i < count; i++) {
        const void *contents = xlm_source_memory_page(memory, pfns[i]);

        if (!contents && is_hole(pfns[i], data)) {
            return -1;
        }
        xlm_page_batch_add(batch, pfns[i],
                           contents ? XLM_TYPE_NOTAB : XLM_TYPE_XTAB,
                           contents);
    }
    return 0;
}

int xlm_save_fill(struct xlm_page_batch *batch,
                  const struct xlm_page_batch_form *form,
                  struct xlm_source_memory *memory, size_t count,
                  const uint64_t *pfns,
                  int (*is_hole)(uint64_t pfn, void *data), void *data)
{
    uint64_t remapped;

    do { /* mapping a page also maps its neighbours */
        remapped = memory->remapped;
        if (fill(batch, form, memory, count, pfns, is_hole, data)) {
            return -1;
        }
    } while (memory->remapped != remapped);
    return 0;
}
