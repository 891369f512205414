/*
 * What differs between the versions of Xen's public headers, in one place.
 *
 * The version of the domctl interface tells the releases apart: 0x12 is Xen
 * 4.14, 0x14 is 4.16, 0x15 is 4.17.  A program built with one of them runs
 * only on that release, as libxenctrl does.
 */
#include "hypervisor_xen.h"

#if XEN_DOMCTL_INTERFACE_VERSION >= 0x14

#include <errno.h>

#include <xenguest.h>

int xen_policy_size(struct xen_hypervisor *xen, uint32_t *leaves,
                    uint32_t *msrs)
{
    return xc_cpu_policy_get_size(xen->xc, leaves, msrs) ? -1 : 0;
}

int xen_policy_read(struct xen_hypervisor *xen, uint32_t domid,
                    xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves,
                    xen_msr_entry_t *msrs, uint32_t *nr_msrs)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    int rc = -1, saved_errno;

    if (!policy) {
        errno = ENOMEM;
        return -1;
    }
    if (xc_cpu_policy_get_domain(xen->xc, domid, policy) == 0 &&
        xc_cpu_policy_serialise(xen->xc, policy, leaves, nr_leaves, msrs,
                                nr_msrs) == 0) {
        rc = 0;
    }
    saved_errno = errno;
    xc_cpu_policy_destroy(policy);
    errno = saved_errno;
    return rc;
}

#else

int xen_policy_size(struct xen_hypervisor *xen, uint32_t *leaves,
                    uint32_t *msrs)
{
    return xc_get_cpu_policy_size(xen->xc, leaves, msrs) ? -1 : 0;
}

int xen_policy_read(struct xen_hypervisor *xen, uint32_t domid,
                    xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves,
                    xen_msr_entry_t *msrs, uint32_t *nr_msrs)
{
    int rc = xc_get_domain_cpu_policy(xen->xc, domid, nr_leaves, leaves,
                                      nr_msrs, msrs);

    return rc ? -1 : 0;
}

#endif
