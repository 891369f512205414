/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pages that the vCPUs of a guest stand on.
 */
#ifndef XLM_VCPU_PAGES_H
#define XLM_VCPU_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

#define XLM_VCPU_PAGES_MAX 512

/*
 * Where a stopped guest will go on: the pages that its vCPUs' registers and
 * the upper ends of their stacks point to, with the page tables on the way
 * there.  That is the code that they are in and return to, which no log of
 * writes names, and whose faults would come one after the other.  Where there
 * are more than fit each vCPU has its share.
 *
 * @param context  an HVM context as the hypervisor saves it.
 * @param limit    pfns below it are the guest's.
 * @param pfns     room for XLM_VCPU_PAGES_MAX; no pfn is in it twice.
 *
 * Returns how many there are; what cannot be made sense of is left out.
 */
size_t xlm_find_vcpu_pages(struct xlm_hypervisor *hv, uint32_t domid,
                           const void *context, size_t length, uint64_t limit,
                           uint64_t *pfns);

#endif
