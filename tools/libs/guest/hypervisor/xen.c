/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: the handle, domains and their platform state.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/xen.h"

#define XEN_INFO_BATCH 64

/* ---- domains ---- */

static int xen_domain_by_handle(struct xlm_hypervisor *hv,
                                const uint8_t handle[16], uint32_t except,
                                uint32_t *domid)
{
    xc_domaininfo_t found[XEN_INFO_BATCH];
    uint32_t next = 0;
    int i, count;

    for (;;) {
        count =
            xc_domain_getinfolist(xen_of(hv)->xc, next, XEN_INFO_BATCH, found);
        if (count < 0) {
            return xen_failed(xen_of(hv), "listing the domains");
        }
        for (i = 0; i < count; i++) {
            if (found[i].domain != except &&
                memcmp(found[i].handle, handle, 16) == 0) {
                *domid = found[i].domain;
                return 0;
            }
        }
        if (count < XEN_INFO_BATCH) {
            errno = ESRCH;
            return -1;
        }
        next = found[count - 1].domain + 1u;
    }
}

static int xen_nr_pfns(struct xlm_hypervisor *hv, uint32_t domid,
                       uint64_t *nr_pfns)
{
    xen_pfn_t highest;

    if (xc_domain_maximum_gpfn(xen_of(hv)->xc, domid, &highest) < 0) {
        return xen_failed(xen_of(hv), "reading the highest pfn of domain %u",
                          domid);
    }
    *nr_pfns = highest + 1;
    return 0;
}

static void xen_xen_version(struct xlm_hypervisor *hv, uint32_t *major,
                            uint32_t *minor)
{
    int version = xc_version(xen_of(hv)->xc, XENVER_version, NULL);

    /* Cannot fail; if it should, zero stands for unknown. */
    *major = version < 0 ? 0 : (uint32_t)version >> 16;
    *minor = version < 0 ? 0 : (uint32_t)version & 0xffff;
}

static int xen_get_param(struct xlm_hypervisor *hv, uint32_t domid,
                         uint32_t index, uint64_t *value)
{
    uint64_t found;

    if (xc_hvm_param_get(xen_of(hv)->xc, domid, index, &found)) {
        return xen_failed(xen_of(hv), "reading HVM parameter %u of domain %u",
                          index, domid);
    }
    *value = found;
    return 0;
}

static int xen_set_param(struct xlm_hypervisor *hv, uint32_t domid,
                         uint32_t index, uint64_t value)
{
    if (xc_hvm_param_set(xen_of(hv)->xc, domid, index, value)) {
        return xen_failed(xen_of(hv), "setting HVM parameter %u of domain %u",
                          index, domid);
    }
    return 0;
}

/*
 * A guest that suspends finds in its first vCPU's rax whether it goes on in a
 * new domain (0) or where it was (1): see xen/include/public/sched.h.  Before
 * Xen 4.15 libxl_domain_resume() forgets this for PVH.
 */
static int xen_cancel_suspend(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct xen_hypervisor *xen = xen_of(hv);
    struct xlm_domain_info info;
    vcpu_guest_context_any_t context;
    uint64_t callback = 0;

    if (xen_domain_info(hv, domid, &info) ||
        xen_get_param(hv, domid, HVM_PARAM_CALLBACK_IRQ, &callback)) {
        return -1;
    }
    if (!info.shutdown || info.shutdown_reason != SHUTDOWN_suspend) {
        errno = EINVAL;
        return -1;
    }
    if (!callback) {
        return 0;
    }
    if (xc_vcpu_getcontext(xen->xc, domid, 0, &context)) {
        return xen_failed(xen, "reading the first vCPU of domain %u", domid);
    }
    context.x64.user_regs.rax = 1;
    if (xc_vcpu_setcontext(xen->xc, domid, 0, &context)) {
        return xen_failed(xen, "setting the first vCPU of domain %u", domid);
    }
    return 0;
}

static int xen_pause(struct xlm_hypervisor *hv, uint32_t domid)
{
    return xc_domain_pause(xen_of(hv)->xc, domid)
               ? xen_failed(xen_of(hv), "pausing domain %u", domid)
               : 0;
}

static int xen_unpause(struct xlm_hypervisor *hv, uint32_t domid)
{
    return xc_domain_unpause(xen_of(hv)->xc, domid)
               ? xen_failed(xen_of(hv), "unpausing domain %u", domid)
               : 0;
}

/* ---- platform state ---- */

/* One call returns both parts of the policy; the other part is dropped. */
static int get_policy(struct xen_hypervisor *xen, uint32_t domid,
                      bool want_leaves, void **data, size_t *length)
{
    xen_cpuid_leaf_t *leaves = NULL;
    xen_msr_entry_t *msrs = NULL;
    uint32_t nr_leaves, nr_msrs;
    int rc = -1;

    if (xen_policy_size(xen, &nr_leaves, &nr_msrs)) {
        return xen_failed(xen, "reading the size of a CPU policy");
    }
    leaves = calloc(nr_leaves ? nr_leaves : 1, sizeof(*leaves));
    msrs = calloc(nr_msrs ? nr_msrs : 1, sizeof(*msrs));
    if (!leaves || !msrs) {
        xen_failed(xen, "allocating a CPU policy");
    } else if (xen_policy_read(xen, domid, leaves, &nr_leaves, msrs,
                               &nr_msrs)) {
        xen_failed(xen, "reading the CPU policy of domain %u", domid);
    } else if (want_leaves) {
        *data = leaves;
        *length = nr_leaves * sizeof(*leaves);
        leaves = NULL;
        rc = 0;
    } else {
        *data = msrs;
        *length = nr_msrs * sizeof(*msrs);
        msrs = NULL;
        rc = 0;
    }
    free(leaves);
    free(msrs);
    return rc;
}

static int xen_host_cpuid(struct xlm_hypervisor *hv, void **data,
                          size_t *length)
{
    return get_policy(xen_of(hv), XEN_POLICY_OF_HOST, true, data, length);
}

static int get_tsc_info(struct xen_hypervisor *xen, uint32_t domid,
                        void **data, size_t *length)
{
    struct xlm_wire_tsc_info *tsc = calloc(1, sizeof(*tsc));

    if (!tsc) {
        return xen_failed(xen, "allocating TSC information");
    }
    if (xc_domain_get_tsc_info(xen->xc, domid, &tsc->mode, &tsc->nsec,
                               &tsc->khz, &tsc->incarnation)) {
        xen_failed(xen, "reading the TSC of domain %u", domid);
        free(tsc);
        return -1;
    }
    *data = tsc;
    *length = sizeof(*tsc);
    return 0;
}

static int get_hvm_context(struct xen_hypervisor *xen, uint32_t domid,
                           void **data, size_t *length)
{
    int size = xc_domain_hvm_getcontext(xen->xc, domid, NULL, 0);
    uint8_t *context;

    if (size < 0) {
        return xen_failed(xen, "sizing the HVM context of domain %u", domid);
    }
    context = malloc(size ? size : 1);
    if (!context) {
        return xen_failed(xen, "allocating an HVM context of %d octets", size);
    }
    /* The context may be shorter than the maximum. */
    size = xc_domain_hvm_getcontext(xen->xc, domid, context, size);
    if (size < 0) {
        xen_failed(xen, "reading the HVM context of domain %u", domid);
        free(context);
        return -1;
    }
    *data = context;
    *length = size;
    return 0;
}

static int xen_get_state(struct xlm_hypervisor *hv, uint32_t domid,
                         enum xlm_platform_state which, void **data,
                         size_t *length)
{
    switch (which) {
    case XLM_STATE_CPUID_POLICY:
        return get_policy(xen_of(hv), domid, true, data, length);
    case XLM_STATE_MSR_POLICY:
        return get_policy(xen_of(hv), domid, false, data, length);
    case XLM_STATE_TSC_INFO:
        return get_tsc_info(xen_of(hv), domid, data, length);
    case XLM_STATE_HVM_CONTEXT:
        return get_hvm_context(xen_of(hv), domid, data, length);
    }
    errno = EINVAL;
    return -1;
}

static int set_tsc_info(struct xen_hypervisor *xen, uint32_t domid,
                        const void *data, size_t length)
{
    struct xlm_wire_tsc_info tsc;

    if (length != sizeof(tsc)) {
        errno = EINVAL;
        return xen_failed(xen, "TSC information of %zu octets", length);
    }
    memcpy(&tsc, data, sizeof(tsc));
    if (xc_domain_set_tsc_info(xen->xc, domid, tsc.mode, tsc.nsec, tsc.khz,
                               tsc.incarnation)) {
        return xen_failed(xen, "setting the TSC of domain %u", domid);
    }
    return 0;
}

static int set_hvm_context(struct xen_hypervisor *xen, uint32_t domid,
                           const void *data, size_t length)
{
    if (length > UINT32_MAX) {
        errno = E2BIG;
        return -1;
    }
    /* The library only reads the data, despite its prototype. */
    if (xc_domain_hvm_setcontext(xen->xc, domid, (uint8_t *)data, length)) {
        return xen_failed(xen, "setting the HVM context of domain %u", domid);
    }
    return 0;
}

static int xen_set_state(struct xlm_hypervisor *hv, uint32_t domid,
                         enum xlm_platform_state which, const void *data,
                         size_t length)
{
    switch (which) {
    case XLM_STATE_TSC_INFO:
        return set_tsc_info(xen_of(hv), domid, data, length);
    case XLM_STATE_HVM_CONTEXT:
        return set_hvm_context(xen_of(hv), domid, data, length);
    default:
        errno = EINVAL;
        return -1;
    }
}

/* ---- the handle ---- */

static void xen_close(struct xlm_hypervisor *hv)
{
    struct xen_hypervisor *xen = xen_of(hv);

    xen_pager_dispose(xen);
    xen_access_dispose(xen);
    xen_memory_dispose(xen);
    if (xen->memory) {
        xenforeignmemory_close(xen->memory);
    }
    if (xen->call) {
        xencall_close(xen->call);
    }
    if (xen->xc) {
        xc_interface_close(xen->xc);
    }
    free(xen);
}

static const struct xlm_hypervisor_ops xen_ops = {
    .close = xen_close,
    .domain_info = xen_domain_info,
    .domain_by_handle = xen_domain_by_handle,
    .nr_pfns = xen_nr_pfns,
    .xen_version = xen_xen_version,
    .interface = xen_interface,
    .host_cpuid = xen_host_cpuid,
    .get_state = xen_get_state,
    .set_state = xen_set_state,
    .get_param = xen_get_param,
    .set_param = xen_set_param,
    .cancel_suspend = xen_cancel_suspend,
    .pause = xen_pause,
    .unpause = xen_unpause,
    .page_types = xen_page_types,
    .map = xen_map,
    .unmap = xen_unmap,
    .logdirty_enable = xen_logdirty_enable,
    .logdirty_disable = xen_logdirty_disable,
    .logdirty_read = xen_logdirty_read,
    .set_max_pages = xen_set_max_pages,
    .populate = xen_populate,
    .depopulate = xen_depopulate,
    .claim = xen_claim,
    .paging_supported = xen_paging_supported,
    .shadow_stacks = xen_shadow_stacks,
    .access_supported = xen_access_supported,
    .pager_enable = xen_pager_enable,
    .pager_take_over = xen_pager_take_over,
    .pager_disable = xen_pager_disable,
    .pager_accept = xen_pager_accept,
    .pager_notify = xen_pager_notify,
    .evict = xen_evict,
    .page_in = xen_page_in,
    .nominate_region = xen_nominate_region,
    .move_pages = xen_move_pages,
    .populate_region = xen_populate_region,
    .is_granted = xen_is_granted,
    .spare_region = xen_spare_region,
    .set_access = xen_set_access,
    .get_access = xen_get_access,
    .contents_alloc = xen_contents_alloc,
    .contents_free = xen_contents_free,
};

static int open_libraries(struct xen_hypervisor *xen)
{
    xen->xc = xc_interface_open(xen->logger, NULL, 0);
    if (!xen->xc) {
        return -1;
    }
    xen->call = xencall_open(xen->logger, 0);
    if (!xen->call) {
        return -1;
    }
    xen->memory = xenforeignmemory_open(xen->logger, 0);
    return xen->memory ? 0 : -1;
}

struct xlm_hypervisor *xlm_hypervisor_open(xentoollog_logger *logger)
{
    struct xen_hypervisor *xen = calloc(1, sizeof(*xen));
    int saved_errno;

    if (!xen) {
        return NULL;
    }
    xen->base.ops = &xen_ops;
    xen->logger = logger;
    xen_pager_init(&xen->pager);
    if (open_libraries(xen) || xen_memory_init(xen)) {
        saved_errno = errno;
        xen_failed(xen, "opening the hypervisor");
        xen_close(&xen->base);
        errno = saved_errno;
        return NULL;
    }
    return &xen->base;
}
