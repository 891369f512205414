/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Chooses this host's mechanism for making pages absent.
 */
#include "hypervisor/paging.h"

#include <errno.h>
#include <string.h>

static const struct mechanism {
    const struct xlm_paging_ops *ops;
    unsigned long number;
    enum xlm_mechanism pager;
} known[] = {
#define ROW(name, number, pager) {&xlm_paging_##name, number, pager},
    XLM_PAGING_MECHANISMS(ROW)};
#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

unsigned long xlm_paging_number(const struct xlm_paging_ops *ops)
{
    for (size_t i = 0; i < NR_KNOWN; i++) {
        if (known[i].ops == ops) {
            return known[i].number;
        }
    }
    return 0;
}

const struct xlm_paging_ops *xlm_paging_of_number(unsigned long number)
{
    for (size_t i = 0; i < NR_KNOWN; i++) {
        if (known[i].number == number) {
            return known[i].ops;
        }
    }
    return NULL;
}

const struct xlm_paging_ops *xlm_choose_paging(
    struct xlm_context *ctx, enum xlm_mechanism wanted,
    const struct xlm_paged_guest *guest, enum xlm_refusal *refusal)
{
    enum xlm_refusal others;
    bool first = true;

    for (size_t i = 0; i < NR_KNOWN; i++) {
        if (wanted != XLM_MECHANISM_ANY && wanted != known[i].pager) {
            continue;
        }
        if (!known[i].ops->check(ctx, guest, first ? refusal : &others)) {
            if (!first) {
                xlm_forget_failure(ctx);
            }
            return known[i].ops;
        }
        first = false;
    }
    return NULL;
}

const struct xlm_paging_ops *xlm_choose_paging_of(struct xlm_context *ctx,
                                                  enum xlm_mechanism wanted,
                                                  uint32_t domid,
                                                  enum xlm_refusal *refusal)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;
    struct xlm_paged_guest guest;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, domid, &info)) {
        xlm_note_failure(ctx, "the new domain is gone: %s; try again",
                         strerror(errno));
        return NULL;
    }
    guest = (struct xlm_paged_guest){
        .hap = info.hap,
        .vcpus = info.max_vcpu_id + 1,
        .emulated_devices = info.emulated_devices,
    };
    return xlm_choose_paging(ctx, wanted, &guest, refusal);
}
