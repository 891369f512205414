/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Chooses this host's mechanism for making pages absent.
 */
#include "hypervisor/paging.h"

#include <errno.h>
#include <string.h>

/* In order of preference. */
static const struct xlm_paging_ops *const known[] = {
    &xlm_paging_xen,
};

const struct xlm_paging_ops *xlm_choose_paging(
    struct xlm_context *ctx, const struct xlm_paged_guest *guest,
    enum xlm_refusal *refusal)
{
    enum xlm_refusal others;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!known[i]->check(ctx, guest, i ? &others : refusal)) {
            if (i) {
                xlm_forget_failure(ctx);
            }
            return known[i];
        }
    }
    return NULL;
}

const struct xlm_paging_ops *xlm_choose_paging_of(struct xlm_context *ctx,
                                                  uint32_t domid,
                                                  enum xlm_refusal *refusal)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;
    struct xlm_paged_guest guest;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, domid, &info)) {
        xlm_note_failure(ctx, "the new domain is gone: %s", strerror(errno));
        return NULL;
    }
    guest = (struct xlm_paged_guest){
        .hap = info.hap,
        .vcpus = info.max_vcpu_id + 1,
    };
    return xlm_choose_paging(ctx, &guest, refusal);
}
