/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Recognises a page that the hypervisor holds, or looks up, on behalf of a
 * guest.
 */
#ifndef XLM_PINNED_PAGE_H
#define XLM_PINNED_PAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does this page look as if a running guest had registered it?  It has a
 * vcpu_info, or is a control block or an array of FIFO event channels.  A
 * Linux guest registers these anew when it resumes, which fails for a page
 * that is paged out.  The function recognised all such pages that were tried;
 * another page that looks alike goes early, which does no harm.  The guest may
 * write the page meanwhile.
 */
bool xlm_is_pinned_page(const uint8_t *page);

#endif
