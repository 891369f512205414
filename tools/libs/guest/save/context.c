/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which pages the vCPU state of a suspended guest refers to.
 */
#include "save/context.h"

#include "hypervisor/vcpu_pages.h"
#include "policy/hvm_context.h"

static void add_if_lacking(struct xlm_saver *saver, uint64_t pfn)
{
    if (xlm_pfn_set_contains(&saver->sets.outstanding, pfn) ||
        xlm_pfn_set_contains(&saver->sets.dirty, pfn) ||
        xlm_pfn_set_contains(&saver->sets.fresh, pfn)) {
        xlm_pfn_set_add(&saver->sets.to_send, pfn);
    }
}

static int add_named(uint64_t pfn, uint8_t *msr, void *data)
{
    (void)msr;
    add_if_lacking(data, pfn);
    return 0;
}

static void add_where_vcpus_stand(struct xlm_saver *saver)
{
    uint64_t pfns[XLM_VCPU_PAGES_MAX];
    size_t count = xlm_find_vcpu_pages(
        saver->ctx->hypervisor, saver->params->domid,
        saver->domain.context.octets, saver->domain.context.length,
        saver->domain.nr_pfns, pfns);

    for (size_t i = 0; i < count; i++) {
        add_if_lacking(saver, pfns[i]);
    }
}

int xlm_save_add_context_pages(struct xlm_saver *saver)
{
    if (xlm_read_hvm_context(saver->ctx, saver->params->domid,
                             &saver->domain.context)) {
        return -1;
    }
    (void)xlm_hvm_context_pages(saver->domain.context.octets,
                                saver->domain.context.length, add_named,
                                saver);
    if (saver->params->hot_pages_max) {
        add_where_vcpus_stand(saver);
    }
    return 0;
}
