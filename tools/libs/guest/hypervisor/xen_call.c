/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: what all parts of it call.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "hypervisor/xen.h"

#include <xen/hvm/dm_op.h>

/* ---- logging ---- */

void xen_log_failure(struct xen_hypervisor *xen, const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    va_start(args, format);
    xtl_logv(xen->logger, XTL_ERROR, saved_errno, "xlm", format, args);
    va_end(args);
    errno = saved_errno;
}

void xen_debug(struct xen_hypervisor *xen, const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    va_start(args, format);
    xtl_logv(xen->logger, XTL_DEBUG, -1, "xlm", format, args);
    va_end(args);
    errno = saved_errno;
}

/* ---- calls ---- */

static void describe_domain(const xc_domaininfo_t *from,
                            struct xlm_domain_info *info)
{
    *info = (struct xlm_domain_info){
        .domid = from->domain,
        .hvm = from->flags & XEN_DOMINF_hvm_guest,
        .hap = from->flags & XEN_DOMINF_hap,
        .emulated_devices =
            from->arch_config.emulation_flags & ~XEN_X86_EMU_LAPIC,
        .paused = from->flags & XEN_DOMINF_paused,
        .dying = from->flags & XEN_DOMINF_dying,
        .shutdown = from->flags & XEN_DOMINF_shutdown,
        .shutdown_reason = (from->flags >> XEN_DOMINF_shutdownshift) &
                           XEN_DOMINF_shutdownmask,
        .tot_pages = from->tot_pages,
        .max_pages = from->max_pages,
        .paged_pages = from->paged_pages,
        .cpu_ns = from->cpu_time,
        .max_vcpu_id = from->max_vcpu_id,
    };
    memcpy(info->handle, from->handle, sizeof(info->handle));
}

int xen_domain_info(struct xlm_hypervisor *hv, uint32_t domid,
                    struct xlm_domain_info *info)
{
    xc_domaininfo_t found;
    int count = xc_domain_getinfolist(xen_of(hv)->xc, domid, 1, &found);

    if (count < 0) {
        return xen_failed(xen_of(hv), "reading the state of domain %u", domid);
    }
    /* The list starts with the first domain at or above domid. */
    if (count == 0 || found.domain != domid) {
        errno = ESRCH;
        return -1;
    }
    describe_domain(&found, info);
    return 0;
}

int xen_make_domctl(struct xen_hypervisor *xen, uint32_t domid,
                    xen_domctl_t *op)
{
    /* One page, which the library keeps for the next call. */
    xen_domctl_t *buffer = xencall_alloc_buffer(xen->call, sizeof(*buffer));
    int rc, saved_errno;

    if (!buffer) {
        return -1;
    }
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = domid;
    *buffer = *op;
    rc = xencall1(xen->call, __HYPERVISOR_domctl, (uintptr_t)buffer);
    saved_errno = errno;
    *op = *buffer;
    xencall_free_buffer(xen->call, buffer);
    errno = saved_errno;
    return rc < 0 ? -1 : 0;
}

/* What the hypervisor reads for one device model op. */
struct device_model_call {
    struct xen_dm_op op;
    xen_dm_op_buf_t buffer;
};

int xen_set_mem_type(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn,
                     uint16_t type)
{
    struct device_model_call *call =
        xencall_alloc_buffer(xen->call, sizeof(*call));
    int rc, saved_errno;

    if (!call) {
        return -1;
    }
    *call = (struct device_model_call){
        .op = {.op = XEN_DMOP_set_mem_type,
               .u.set_mem_type = {.nr = 1,
                                  .mem_type = type,
                                  .first_pfn = pfn}},
        .buffer = {.size = sizeof(call->op)},
    };
    set_xen_guest_handle_raw(call->buffer.h, &call->op);
    rc = xencall3(xen->call, __HYPERVISOR_dm_op, domid, 1,
                  (uintptr_t)&call->buffer);
    saved_errno = errno;
    xencall_free_buffer(xen->call, call);
    errno = saved_errno;
    return rc < 0 ? -1 : 0;
}
