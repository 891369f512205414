/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What differs between the versions of Xen's public headers, in one place.
 *
 * A program built with the headers of one release runs only on a hypervisor
 * with the same interface, like libxenctrl: policy/release.c has the list.
 */
#include "hypervisor/xen.h"

#include <errno.h>

/*
 * Ask for an impossible domain, so that the hypervisor looks at nothing but
 * the version; and through libxenctrl, which is of the same release as its
 * headers.
 */
int xen_interface(struct xlm_hypervisor *hv, struct xlm_xen_interface *ours)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xen_domctl_t op = {.cmd = XEN_DOMCTL_getpageframeinfo3};
    xc_domaininfo_t info;

    *ours = (struct xlm_xen_interface){
        .domctl = XEN_DOMCTL_INTERFACE_VERSION,
        .sysctl = XEN_SYSCTL_INTERFACE_VERSION,
    };
    if (xen_make_domctl(xen, DOMID_INVALID, &op) && errno == EACCES) {
        return -1;
    }
    return xc_domain_getinfolist(xen->xc, 0, 1, &info) < 0 && errno == EACCES
               ? -1
               : 0;
}

#if XEN_DOMCTL_INTERFACE_VERSION >= 0x14 /* Xen 4.16 */

#include <xenguest.h>

int xen_policy_size(struct xen_hypervisor *xen, uint32_t *leaves,
                    uint32_t *msrs)
{
    return xc_cpu_policy_get_size(xen->xc, leaves, msrs) ? -1 : 0;
}

static int read_policy(struct xen_hypervisor *xen, uint32_t domid,
                       xc_cpu_policy_t *policy)
{
    return domid == XEN_POLICY_OF_HOST
               ? xc_cpu_policy_get_system(
                     xen->xc, XEN_SYSCTL_cpu_policy_hvm_max, policy)
               : xc_cpu_policy_get_domain(xen->xc, domid, policy);
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
    if (read_policy(xen, domid, policy) == 0 &&
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
    int rc =
        domid == XEN_POLICY_OF_HOST
            ? xc_get_system_cpu_policy(xen->xc, XEN_SYSCTL_cpu_policy_hvm_max,
                                       nr_leaves, leaves, nr_msrs, msrs)
            : xc_get_domain_cpu_policy(xen->xc, domid, nr_leaves, leaves,
                                       nr_msrs, msrs);

    return rc ? -1 : 0;
}

#endif
