/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The size of a page, of a superpage, and of a batch of pages.
 */
#ifndef XLM_PAGE_H
#define XLM_PAGE_H

#define XLM_PAGE_SHIFT 12
#define XLM_PAGE_SIZE (1u << XLM_PAGE_SHIFT)

/* Pages of a superpage of 2 MiB, and of a region: such a range of pfns. */
#define XLM_REGION_ORDER 9
#define XLM_REGION_PAGES (1u << XLM_REGION_ORDER)

/* Most pfns in one PAGE_DATA record, and in one batch. */
#define XLM_BATCH_PAGES 1024

#endif
