/*
 * Which way of making pages absent this host has.
 */
#include "hypervisor/paging.h"

/* The best first. */
static const struct xlm_paging_ops *const known[] = {
    &xlm_paging_xen,
};

const struct xlm_paging_ops *xlm_choose_paging(struct xlm_context *ctx,
                                               uint32_t domid,
                                               enum xlm_refusal *refusal)
{
    enum xlm_refusal others;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!known[i]->check(ctx, domid, i ? &others : refusal)) {
            if (i) {
                xlm_forget_failure(ctx);
            }
            return known[i];
        }
    }
    return NULL;
}
