/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: regions of 2 MiB that get superpages again.
 *
 * Xen maps as a superpage only what was populated as one, and never joins
 * pages later.  Xen can move a page, with its frame, from one pfn to another.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor/xen.h"

#include <xen/grant_table.h>

/* The spare region lies below the special pages at 0xfe000, and above the pfns
 * that a PVH guest can have as memory below 4 GiB. */
#define SPARE_FIRST 0xf0000u
#define SPARE_END 0xfe000u

/* ---- hypercalls ---- */

/* Make a call whose argument Xen reads and writes: it is copied to a buffer
 * and back.  -1 with errno, which is not logged. */
static int call_with(struct xen_hypervisor *xen, unsigned int op,
                     unsigned int command, void *argument, size_t size,
                     unsigned long count)
{
    void *buffer = xencall_alloc_buffer(xen->call, size);
    int rc, saved_errno;

    if (!buffer) {
        return -1;
    }
    memcpy(buffer, argument, size);
    rc = xencall3(xen->call, op, command, (uintptr_t)buffer, count);
    saved_errno = errno;
    memcpy(argument, buffer, size);
    xencall_free_buffer(xen->call, buffer);
    errno = saved_errno;
    return rc;
}

/* ---- pages ---- */

int xen_nominate_region(struct xlm_hypervisor *hv, uint32_t domid,
                        uint64_t first, size_t *refused)
{
    struct xen_hypervisor *xen = xen_of(hv);
    size_t count = 0;

    for (size_t i = 0; i < XLM_REGION_PAGES; i += XEN_PAGING_CHUNK) {
        if (xen_nominate(xen, domid, first + i, XEN_PAGING_CHUNK, &count)) {
            return xen_failed(xen, "nominating pages of domain %u", domid);
        }
    }
    *refused = count;
    return 0;
}

int xen_move_pages(struct xlm_hypervisor *hv, uint32_t domid, uint64_t from,
                   uint64_t to, size_t count)
{
    xen_add_to_physmap_t move = {
        .domid = domid,
        .size = count,
        .space = XENMAPSPACE_gmfn_range,
        .idx = from,
        .gpfn = to,
    };

    return call_with(xen_of(hv), __HYPERVISOR_memory_op, XENMEM_add_to_physmap,
                     &move, sizeof(move), 0);
}

int xen_populate_region(struct xlm_hypervisor *hv, uint32_t domid,
                        uint64_t first)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xen_memory_reservation_t *reservation = xen->populate.reservation;
    int rc;

    xen->populate.pfns[0] = first;
    *reservation = (xen_memory_reservation_t){
        .nr_extents = 1,
        .extent_order = XLM_REGION_ORDER,
        .domid = domid,
    };
    set_xen_guest_handle_raw(reservation->extent_start, xen->populate.pfns);
    rc = xencall2(xen->call, __HYPERVISOR_memory_op, XENMEM_populate_physmap,
                  (uintptr_t)reservation);
    if (rc == 0) {
        errno = ENOMEM;
    }
    return rc == 1 ? 0 : -1;
}

/* ---- grants ---- */

/* EOPNOTSUPP: the grant table is not one of version 1. */
static int grant_frames(struct xen_hypervisor *xen, uint32_t domid,
                        uint32_t *frames)
{
    struct gnttab_query_size size = {.dom = domid};
    struct gnttab_get_version version = {.dom = domid};

    if (call_with(xen, __HYPERVISOR_grant_table_op, GNTTABOP_get_version,
                  &version, sizeof(version), 1) ||
        call_with(xen, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, &size,
                  sizeof(size), 1)) {
        return -1;
    }
    if (version.version > 1 || size.status != GNTST_okay) {
        errno = EOPNOTSUPP;
        return -1;
    }
    *frames = size.nr_frames;
    return 0;
}

static bool any_in_region(const volatile grant_entry_v1_t *entries,
                          size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        if ((entries[i].flags & GTF_type_mask) != GTF_invalid &&
            entries[i].frame - first < XLM_REGION_PAGES) {
            return true;
        }
    }
    return false;
}

int xen_is_granted(struct xlm_hypervisor *hv, uint32_t domid, uint64_t first,
                   bool *granted)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xenforeignmemory_resource_handle *resource;
    void *entries = NULL;
    uint32_t frames;

    if (grant_frames(xen, domid, &frames)) {
        return -1;
    }
    if (!frames) {
        *granted = false;
        return 0;
    }
    resource = xenforeignmemory_map_resource(
        xen->memory, domid, XENMEM_resource_grant_table,
        XENMEM_resource_grant_table_id_shared, 0, frames, &entries, PROT_READ,
        0);
    if (!resource) {
        return xen_failed(xen, "mapping the grant table of domain %u", domid);
    }
    *granted = any_in_region(
        entries, (size_t)frames * XLM_PAGE_SIZE / sizeof(grant_entry_v1_t),
        first);
    xenforeignmemory_unmap_resource(xen->memory, resource);
    return 0;
}

/* ---- holes ---- */

/* By its page type a hole looks like a page of the grant table, or another
 * page of Xen's, that a guest has mapped.  How Xen treats accesses to the pfn
 * tells them apart. */
static int is_hole(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    struct xen_hvm_get_mem_type type = {.domid = domid, .pfn = pfn};

    if (call_with(xen, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, &type,
                  sizeof(type), 0)) {
        return xen_failed(xen, "the type of pfn %#llx of domain %u",
                          (unsigned long long)pfn, domid);
    }
    return type.mem_type == HVMMEM_mmio_dm;
}

/* 1, 0 or -1 */
static int is_empty(struct xen_hypervisor *xen, uint32_t domid, uint64_t first)
{
    int is = 1;

    for (size_t i = 0; is == 1 && i < XLM_REGION_PAGES; i++) {
        is = is_hole(xen, domid, first + i);
    }
    return is;
}

int xen_spare_region(struct xlm_hypervisor *hv, uint32_t domid,
                     uint64_t *first)
{
    int is = 0;

    for (uint64_t pfn = SPARE_END - XLM_REGION_PAGES; pfn >= SPARE_FIRST;
         pfn -= XLM_REGION_PAGES) {
        is = is_empty(xen_of(hv), domid, pfn);
        if (is) {
            *first = pfn;
            return is > 0 ? 0 : -1;
        }
    }
    errno = ENOSPC;
    return -1;
}
