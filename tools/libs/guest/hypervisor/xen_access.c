/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: which rights a domain's vCPUs have to its pages.
 */
#include <errno.h>
#include <string.h>

#include "hypervisor/xen.h"

/* Where the host's featureset says that the processor has VMX. */
#define VMX_WORD 1
#define VMX_BIT 5

/* The hypervisor needs a page for the table of each 512 of a domain's pages, a
 * page of the dirty log for each 32768, and some for the upper levels. */
#define PAGES_A_TABLE 512
#define PAGES_A_LEAF 32768
#define UPPER_TABLES 64
#define PAGES_A_MIB 256

/* ---- does this host have access rights? ---- */

/* Asks for rights of this domain itself.  Xen refuses that with EPERM if it is
 * built with access rights, and with another error if it is not. */
static int is_built(struct xen_hypervisor *xen)
{
    xen_mem_access_op_t *op = xencall_alloc_buffer(xen->call, sizeof(*op));
    int rc;

    if (!op) {
        return xen_failed(xen, "allocating an access op");
    }
    *op = (xen_mem_access_op_t){.op = XENMEM_access_op_get_access};
    rc = xencall2(xen->call, __HYPERVISOR_memory_op, XENMEM_access_op,
                  (uintptr_t)op);
    rc = rc < 0 ? errno : 0;
    xencall_free_buffer(xen->call, op);
    if (rc == 0 || rc == EPERM) {
        return 0;
    }
    errno = ENOSYS;
    return -1;
}

int xen_access_supported(struct xlm_hypervisor *hv)
{
    struct xen_hypervisor *xen = xen_of(hv);
    uint32_t features[XEN_FEATURE_WORDS];

    if (is_built(xen)) {
        return -1;
    }
    if (xen_host_features(xen, features)) {
        return xen_failed(xen, "reading the features of the processor");
    }
    if (!(features[VMX_WORD] & 1u << VMX_BIT)) {
        errno = ENODEV;
        return -1;
    }
    return 0;
}

/* ---- preparing a domain ---- */

/* Access rights are those of single pages, so all superpages will be split:
 * the pool must have room for the tables. */
static int enlarge_pool(struct xen_hypervisor *xen, uint32_t domid)
{
    xen_domctl_t op = {.cmd = XEN_DOMCTL_shadow_op};
    struct xlm_domain_info info;
    uint64_t pages;

    if (xen_domain_info(&xen->base, domid, &info)) {
        return -1;
    }
    pages = info.max_pages / PAGES_A_TABLE + info.max_pages / PAGES_A_LEAF +
            UPPER_TABLES;
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION;
    if (xen_make_domctl(xen, domid, &op)) {
        return xen_failed(xen, "reading the paging pool of domain %u", domid);
    }
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION;
    op.u.shadow_op.mb += pages / PAGES_A_MIB + 1;
    if (xen_make_domctl(xen, domid, &op)) {
        return xen_failed(xen, "enlarging the paging pool of domain %u",
                          domid);
    }
    return 0;
}

static int require_listener(struct xen_hypervisor *xen, uint32_t domid)
{
    xen_domctl_t op = {.cmd = XEN_DOMCTL_set_access_required};

    op.u.access_required.access_required = 1;
    if (xen_make_domctl(xen, domid, &op)) {
        return xen_failed(xen, "requiring a listener for domain %u", domid);
    }
    return 0;
}

int xen_access_begin(struct xen_hypervisor *xen, uint32_t domid)
{
    return require_listener(xen, domid) || enlarge_pool(xen, domid) ? -1 : 0;
}

/* ---- buffers ---- */

static void dispose(struct xen_hypervisor *xen, struct xen_access *access)
{
    void *buffers[] = {access->entries, access->ops, access->pfns,
                       access->rights};

    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        if (buffers[i]) {
            xencall_free_buffer(xen->call, buffers[i]);
        }
    }
    *access = (struct xen_access){.ops = NULL};
}

void xen_access_dispose(struct xen_hypervisor *xen)
{
    dispose(xen, &xen->set_access);
    dispose(xen, &xen->get_access);
}

static int make_room_to_set(struct xen_hypervisor *xen)
{
    struct xen_access *access = &xen->set_access;

    if (access->ops) {
        return 0;
    }
    access->pfns = xencall_alloc_buffer(xen->call, XLM_BATCH_PAGES *
                                                       sizeof(*access->pfns));
    access->rights = xencall_alloc_buffer(xen->call, XLM_BATCH_PAGES);
    access->ops = xencall_alloc_buffer(xen->call, sizeof(*access->ops));
    if (!access->pfns || !access->rights || !access->ops) {
        dispose(xen, access);
        return xen_failed(xen, "allocating access rights");
    }
    return 0;
}

static int make_room_to_get(struct xen_hypervisor *xen)
{
    struct xen_access *access = &xen->get_access;

    if (access->ops) {
        return 0;
    }
    access->entries = xencall_alloc_buffer(
        xen->call, XLM_BATCH_PAGES * sizeof(*access->entries));
    access->ops = xencall_alloc_buffer(xen->call,
                                       XLM_BATCH_PAGES * sizeof(*access->ops));
    if (!access->entries || !access->ops) {
        dispose(xen, access);
        return xen_failed(xen, "allocating access ops");
    }
    return 0;
}

/* ---- rights ---- */

/* Xen returns EINVAL for a domain that is being destroyed. */
static int access_failed(struct xen_hypervisor *xen, const char *what,
                         uint32_t domid, int error)
{
    errno = error == EINVAL ? ESRCH : error;
    return xen_failed(xen, "%s access rights of domain %u", what, domid);
}

static bool is_range(size_t count, const uint64_t *pfns)
{
    for (size_t i = 1; i < count; i++) {
        if (pfns[i] != pfns[0] + i) {
            return false;
        }
    }
    return true;
}

int xen_set_access(struct xlm_hypervisor *hv, uint32_t domid, bool all,
                   size_t count, const uint64_t *pfns)
{
    struct xen_hypervisor *xen = xen_of(hv);
    struct xen_access *access = &xen->set_access;
    uint8_t rights = all ? XENMEM_access_rwx : XENMEM_access_n;

    if (count > XLM_BATCH_PAGES) {
        errno = E2BIG;
        return -1;
    }
    if (!count) {
        return 0;
    }
    if (make_room_to_set(xen)) {
        return -1;
    }
    *access->ops = (xen_mem_access_op_t){.domid = domid, .nr = count};
    if (is_range(count, pfns)) {
        access->ops->op = XENMEM_access_op_set_access;
        access->ops->pfn = pfns[0];
        access->ops->access = rights;
    } else {
        memcpy(access->pfns, pfns, count * sizeof(*pfns));
        memset(access->rights, rights, count);
        access->ops->op = XENMEM_access_op_set_access_multi;
        set_xen_guest_handle_raw(access->ops->pfn_list, access->pfns);
        set_xen_guest_handle_raw(access->ops->access_list, access->rights);
    }
    if (xencall2(xen->call, __HYPERVISOR_memory_op, XENMEM_access_op,
                 (uintptr_t)access->ops) < 0) {
        return access_failed(xen, "setting", domid, errno);
    }
    return 0;
}

static int ask(struct xen_hypervisor *xen, uint32_t domid, size_t count,
               const uint64_t *pfns)
{
    struct xen_access *access = &xen->get_access;

    for (size_t i = 0; i < count; i++) {
        access->ops[i] = (xen_mem_access_op_t){
            .op = XENMEM_access_op_get_access,
            .domid = domid,
            .pfn = pfns[i],
        };
        access->entries[i] = (multicall_entry_t){
            .op = __HYPERVISOR_memory_op,
            .args = {XENMEM_access_op, (uintptr_t)&access->ops[i]},
        };
    }
    return xencall2(xen->call, __HYPERVISOR_multicall,
                    (uintptr_t)access->entries, count) < 0
               ? -1
               : 0;
}

int xen_get_access(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   const uint64_t *pfns, bool *none)
{
    struct xen_hypervisor *xen = xen_of(hv);
    struct xen_access *access = &xen->get_access;
    struct xlm_domain_info info;
    bool holes = false;

    if (count > XLM_BATCH_PAGES) {
        errno = E2BIG;
        return -1;
    }
    if (make_room_to_get(xen)) {
        return -1;
    }
    if (ask(xen, domid, count, pfns)) {
        return access_failed(xen, "reading", domid, errno);
    }
    for (size_t i = 0; i < count; i++) {
        int error = -(int)(long)access->entries[i].result;

        if (error && error != ESRCH) {
            return access_failed(xen, "reading", domid, error);
        }
        holes |= error;
        none[i] = !error && access->ops[i].access == XENMEM_access_n;
    }
    /* Xen returns ESRCH for a hole, and for a domain that is gone. */
    return holes ? xen_domain_info(hv, domid, &info) : 0;
}
