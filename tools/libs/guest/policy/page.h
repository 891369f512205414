/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The size of a page, and of a batch of them.
 */
#ifndef XLM_PAGE_H
#define XLM_PAGE_H

#define XLM_PAGE_SHIFT 12
#define XLM_PAGE_SIZE (1u << XLM_PAGE_SHIFT)

/* Most pfns in one PAGE_DATA record, and in one batch. */
#define XLM_BATCH_PAGES 1024

#endif
