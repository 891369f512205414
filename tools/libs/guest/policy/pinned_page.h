/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Telling a page that the hypervisor holds, or looks up, on behalf of a guest.
 */
#ifndef XLM_PINNED_PAGE_H
#define XLM_PINNED_PAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does this page look as if a running guest had registered it?  It has a
 * vcpu_info, or it is a control block or an array of FIFO event channels:
 * those that a Linux guest registers anew when it resumes, which fails for a
 * page that is paged out.  Right for all that were seen; other pages that look
 * so do no harm but go early.  The page may be written meanwhile.
 */
bool xlm_is_pinned_page(const uint8_t *page);

#endif
