/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Absent pages by Xen's memory paging: pages are evicted, and Xen puts
 * accesses to them into a ring that it shares with the pager.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "hypervisor/ring_paging.h"

/* ---- can it be had? ---- */

static int check_host(struct xlm_context *ctx, enum xlm_refusal *refusal)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    if (hv->ops->paging_supported(hv)) {
        *refusal = XLM_REFUSED_NO_PAGING;
        return xlm_fail(ctx, "this host's hypervisor is built "
                             "without memory paging "
                             "(CONFIG_MEM_PAGING): leave out "
                             "--postcopy, choose another host, or "
                             "boot one there that has it (`make "
                             "hypervisor` makes it)");
    }
    return 0;
}

static int ring_check(struct xlm_context *ctx,
                      const struct xlm_paged_guest *guest,
                      enum xlm_refusal *refusal)
{
    return check_host(ctx, refusal) ||
                   xlm_ring_check_guest(ctx, guest, refusal)
               ? -1
               : 0;
}

static const char *why_not(int error)
{
    switch (error) {
    case ENODEV:
        return "the guest has no hardware assisted paging (hap=0 in its "
               "configuration?)";
    case ENOSYS:
    case EOPNOTSUPP:
        return "this host's hypervisor is built without memory paging "
               "(CONFIG_MEM_PAGING)";
    case EXDEV:
        return "the guest uses populate-on-demand or passed-through devices";
    case ENOMEM:
        return "this host has not enough memory: free some";
    default:
        return strerror(error);
    }
}

/* ---- the ring ---- */

static void read_request(const vm_event_request_t *request,
                         struct xlm_fault *fault)
{
    fault->pfn = request->u.mem_paging.gfn;
    fault->dropped = request->u.mem_paging.flags & MEM_PAGING_DROP_PAGE;
    fault->own[0] = request->u.mem_paging.flags;
    fault->own[1] = request->u.mem_paging.p2mt;
}

static void write_response(const struct xlm_fault *fault,
                           vm_event_response_t *response)
{
    response->u.mem_paging.gfn = fault->pfn;
    response->u.mem_paging.flags = fault->own[0];
    response->u.mem_paging.p2mt = fault->own[1];
}

static int find_absent(struct xlm_ring_paging *paging, size_t count,
                       const uint64_t *pfns, bool *absent)
{
    uint32_t types[XLM_BATCH_PAGES];

    if (paging->hv->ops->page_types(paging->hv, paging->domid, count, pfns,
                                    types)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        absent[i] = !xlm_type_has_contents(types[i]);
    }
    return 0;
}

static const struct xlm_ring_kind kind = {
    .ops = &xlm_paging_xen,
    .size = sizeof(struct xlm_ring_paging),
    .ring = XLM_RING_PAGING,
    .reason = VM_EVENT_REASON_MEM_PAGING,
    .ignored = MEM_PAGING_DROP_PAGE,
    .read = read_request,
    .write = write_response,
    .find_absent = find_absent,
    .why_not = why_not,
};

static struct xlm_paging *ring_start(struct xlm_context *ctx, uint32_t domid,
                                     unsigned long *kept)
{
    return xlm_ring_start(ctx, domid, kept, &kind);
}

static struct xlm_paging *ring_take_over(
    struct xlm_context *ctx, uint32_t domid, unsigned long *kept, size_t most,
    struct xlm_fault held[XLM_PAGING_FAULTS], size_t *nr_held)
{
    return xlm_ring_take_over(ctx, domid, kept, most, held, nr_held, &kind);
}

/* ---- pages ---- */

static int ring_make_absent(struct xlm_paging *base, size_t nr_new,
                            const uint64_t *new_pfns, size_t count,
                            struct xlm_eviction *pages)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);
    struct xlm_hypervisor *hv = paging->hv;

    if (xlm_ring_populate(paging, nr_new, new_pfns)) {
        return -1;
    }
    if (hv->ops->evict(hv, paging->domid, count, pages)) {
        return xlm_fail(paging->ctx,
                        "cannot evict pages of domain %" PRIu32 ": %s",
                        paging->domid, strerror(errno));
    }
    return 0;
}

static int ring_bring_in(struct xlm_paging *base, size_t count,
                         struct xlm_page_in *pages)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);

    return paging->hv->ops->page_in(paging->hv, paging->domid, count, pages);
}

const struct xlm_paging_ops xlm_paging_xen = {
    .pages = 1, /* the ring's: the guest may have had a hole at its pfn */
    .check = ring_check,
    .most_vcpus = xlm_ring_most_vcpus,
    .start = ring_start,
    .take_over = ring_take_over,
    .stop = xlm_ring_stop,
    .leave = xlm_ring_leave,
    .make_absent = ring_make_absent,
    .bring_in = ring_bring_in,
    .make_holes = xlm_ring_make_holes,
    .accept = xlm_ring_accept,
    .next_fault = xlm_ring_next_fault,
    .keep = xlm_ring_keep,
    .answer = xlm_ring_answer,
    .tell = xlm_ring_tell,
};
