/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pages that a guest's vCPUs need first when they run again.
 */
#ifndef XLM_VCPU_PAGES_H
#define XLM_VCPU_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

#define XLM_VCPU_PAGES_MAX 512

/*
 * Where a stopped guest will go on: the pages that its vCPUs' registers and
 * the upper ends of their stacks point to, with the page tables on the way.
 * These hold the code that the vCPUs are in and return to. No log of writes
 * names them, and the guest would fault on one after the other. If there are
 * too many, each vCPU gets its share.
 *
 * @param context  an HVM context as the hypervisor saves it.
 * @param limit    the guest's pfns are below it.
 * @param pfns     room for XLM_VCPU_PAGES_MAX; each pfn appears once.
 *
 * Returns how many there are; values that make no sense are left out.
 */
size_t xlm_find_vcpu_pages(struct xlm_hypervisor *hv, uint32_t domid,
                           const void *context, size_t length, uint64_t limit,
                           uint64_t *pfns);

#endif
