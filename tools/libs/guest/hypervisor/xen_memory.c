/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: page types, mappings, log-dirty, populating.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor/xen.h"
#include "policy/pfn_set.h"

/* ---- buffers ---- */

static int pfn_buffer_init(struct xen_hypervisor *xen,
                           struct xen_pfn_buffer *buffer)
{
    buffer->pfns = xencall_alloc_buffer(xen->call, XLM_BATCH_PAGES *
                                                       sizeof(*buffer->pfns));
    buffer->reservation =
        xencall_alloc_buffer(xen->call, sizeof(*buffer->reservation));
    return buffer->pfns && buffer->reservation ? 0 : -1;
}

static void pfn_buffer_dispose(struct xen_hypervisor *xen,
                               struct xen_pfn_buffer *buffer)
{
    if (buffer->pfns) {
        xencall_free_buffer(xen->call, buffer->pfns);
    }
    if (buffer->reservation) {
        xencall_free_buffer(xen->call, buffer->reservation);
    }
    *buffer = (struct xen_pfn_buffer){0};
}

int xen_memory_init(struct xen_hypervisor *xen)
{
    if (pfn_buffer_init(xen, &xen->types) ||
        pfn_buffer_init(xen, &xen->populate) ||
        pfn_buffer_init(xen, &xen->depopulate)) {
        return -1;
    }
    return 0;
}

void xen_memory_dispose(struct xen_hypervisor *xen)
{
    pfn_buffer_dispose(xen, &xen->types);
    pfn_buffer_dispose(xen, &xen->populate);
    pfn_buffer_dispose(xen, &xen->depopulate);
    if (xen->dirty_bitmap) {
        xencall_free_buffer(xen->call, xen->dirty_bitmap);
        xen->dirty_bitmap = NULL;
        xen->dirty_octets = 0;
    }
}

/* The caller must not pass a batch that is larger than the buffers. */
static int check_count(size_t count)
{
    if (count > XLM_BATCH_PAGES) {
        errno = E2BIG;
        return -1;
    }
    return 0;
}

/* ---- any domain ---- */

int xen_page_types(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   const uint64_t *pfns, uint32_t *types)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xen_domctl_t op = {.cmd = XEN_DOMCTL_getpageframeinfo3};
    size_t i;

    if (check_count(count)) {
        return -1;
    }
    memcpy(xen->types.pfns, pfns, count * sizeof(*pfns));
    op.u.getpageframeinfo3.num = count;
    set_xen_guest_handle_raw(op.u.getpageframeinfo3.array, xen->types.pfns);
    if (xen_make_domctl(xen, domid, &op)) {
        return xen_failed(xen, "reading page types of domain %u", domid);
    }
    for (i = 0; i < count; i++) {
        types[i] = xen->types.pfns[i] >> XEN_DOMCTL_PFINFO_LTAB_SHIFT & 0xf;
    }
    return 0;
}

void *xen_map(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
              size_t count, const uint64_t *pfns, int *errors)
{
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapping = xenforeignmemory_map(xen_of(hv)->memory, domid, protection,
                                         count, pfns, errors);
    size_t i;

    if (!mapping) {
        xen_failed(xen_of(hv), "mapping %zu pages of domain %u", count, domid);
        return NULL;
    }
    /* The kernel's errors are negative, those of some fallbacks are not. */
    for (i = 0; i < count; i++) {
        errors[i] = abs(errors[i]);
    }
    return mapping;
}

void xen_unmap(struct xlm_hypervisor *hv, void *mapping, size_t count)
{
    if (mapping &&
        xenforeignmemory_unmap(xen_of(hv)->memory, mapping, count)) {
        xen_failed(xen_of(hv), "unmapping %zu pages", count);
    }
}

/* ---- the source ---- */

static int switch_logdirty(struct xen_hypervisor *xen, uint32_t domid,
                           uint32_t operation)
{
    xen_domctl_t op = {.cmd = XEN_DOMCTL_shadow_op};

    op.u.shadow_op.op = operation;
    return xen_make_domctl(xen, domid, &op);
}

int xen_logdirty_enable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct xen_hypervisor *xen = xen_of(hv);
    int rc = switch_logdirty(xen, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);

    if (rc && errno == EINVAL) {
        /* The log is on for the video memory, or because a process was
         * killed. */
        xen_debug(xen, "log-dirty of domain %u is on: starting over", domid);
        rc = switch_logdirty(xen, domid, XEN_DOMCTL_SHADOW_OP_OFF);
        if (!rc) {
            rc = switch_logdirty(xen, domid,
                                 XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
        }
    }
    return rc ? xen_failed(xen, "enabling log-dirty of domain %u", domid) : 0;
}

int xen_logdirty_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    if (switch_logdirty(xen_of(hv), domid, XEN_DOMCTL_SHADOW_OP_OFF)) {
        return xen_failed(xen_of(hv), "disabling log-dirty of domain %u",
                          domid);
    }
    return 0;
}

/* Guests do not grow while they migrate, so this allocates once. */
static int dirty_bitmap_fit(struct xen_hypervisor *xen, size_t octets)
{
    if (octets <= xen->dirty_octets) {
        return 0;
    }
    if (xen->dirty_bitmap) {
        xencall_free_buffer(xen->call, xen->dirty_bitmap);
        xen->dirty_octets = 0;
    }
    xen->dirty_bitmap = xencall_alloc_buffer(xen->call, octets);
    if (!xen->dirty_bitmap) {
        return xen_failed(xen, "allocating a bitmap of %zu octets", octets);
    }
    xen->dirty_octets = octets;
    return 0;
}

int xen_logdirty_read(struct xlm_hypervisor *hv, uint32_t domid, bool clean,
                      uint64_t nr_pfns, const unsigned long **bitmap)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xen_domctl_t op = {.cmd = XEN_DOMCTL_shadow_op};
    size_t octets = xlm_pfn_set_words(nr_pfns) * sizeof(unsigned long);

    if (dirty_bitmap_fit(xen, octets)) {
        return -1;
    }
    op.u.shadow_op.op =
        clean ? XEN_DOMCTL_SHADOW_OP_CLEAN : XEN_DOMCTL_SHADOW_OP_PEEK;
    /* Also report pages that the hypervisor keeps mapped for writing as dirty:
     * needed in the last round; in other rounds it is a handful of pages too
     * many. */
    op.u.shadow_op.mode = XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL;
    op.u.shadow_op.pages = nr_pfns;
    set_xen_guest_handle_raw(op.u.shadow_op.dirty_bitmap, xen->dirty_bitmap);
    if (xen_make_domctl(xen, domid, &op)) {
        return xen_failed(xen, "reading the dirty pages of domain %u", domid);
    }
    *bitmap = xen->dirty_bitmap;
    return 0;
}

/* ---- the destination ---- */

/* Change the pfns in the buffer from `first` on.  Returns how many pages it
 * did before the first that it could not do; -1: none. */
static int change_reservation(struct xen_hypervisor *xen, unsigned int command,
                              uint32_t domid, struct xen_pfn_buffer *buffer,
                              size_t first, size_t count)
{
    *buffer->reservation = (xen_memory_reservation_t){
        .nr_extents = count,
        .domid = domid,
    };
    set_xen_guest_handle_raw(buffer->reservation->extent_start,
                             buffer->pfns + first);
    return xencall2(xen->call, __HYPERVISOR_memory_op, command,
                    (uintptr_t)buffer->reservation);
}

int xen_set_max_pages(struct xlm_hypervisor *hv, uint32_t domid,
                      uint64_t pages)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (xc_domain_setmaxmem(xen->xc, domid, pages << (XLM_PAGE_SHIFT - 10))) {
        return xen_failed(xen, "allowing domain %u %llu pages", domid,
                          (unsigned long long)pages);
    }
    return 0;
}

int xen_populate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                 const uint64_t *pfns)
{
    struct xen_hypervisor *xen = xen_of(hv);
    int done;

    if (check_count(count)) {
        return -1;
    }
    memcpy(xen->populate.pfns, pfns, count * sizeof(*pfns));
    done = change_reservation(xen, XENMEM_populate_physmap, domid,
                              &xen->populate, 0, count);
    if (done >= 0 && (size_t)done == count) {
        return 0;
    }
    if (done > 0) {
        /* For translated guests populating does not change the list. */
        change_reservation(xen, XENMEM_decrease_reservation, domid,
                           &xen->populate, 0, done);
    }
    if (done >= 0) {
        errno = ENOMEM;
    }
    return xen_failed(xen, "populating %zu pages of domain %u, done %d", count,
                      domid, done);
}

/*
 * Removing stopped at this pfn.  If the page is paged out, the hypervisor does
 * not remove it, for the guest no more than for the toolstack: page in a page
 * of zeroes and try again.  Otherwise the pfn is a hole, and can be skipped.
 */
static int skip_or_revive(struct xen_hypervisor *xen, uint32_t domid,
                          uint64_t pfn, size_t *next)
{
    if (xen_bring_blank(xen, domid, pfn) == 0) {
        return 0;
    }
    if (errno != ENOENT) {
        return -1;
    }
    xen_debug(xen, "domain %u has no page at pfn %#llx", domid,
              (unsigned long long)pfn);
    (*next)++;
    return 0;
}

int xen_depopulate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   const uint64_t *pfns)
{
    struct xen_hypervisor *xen = xen_of(hv);
    size_t first = 0;
    int done;

    if (check_count(count)) {
        return -1;
    }
    memcpy(xen->depopulate.pfns, pfns, count * sizeof(*pfns));
    while (first < count) {
        done = change_reservation(xen, XENMEM_decrease_reservation, domid,
                                  &xen->depopulate, first, count - first);
        if (done < 0) {
            return xen_failed(xen, "removing %zu pages of domain %u", count,
                              domid);
        }
        first += done;
        if (first < count && skip_or_revive(xen, domid, pfns[first], &first)) {
            return xen_failed(xen, "removing page %#llx of domain %u",
                              (unsigned long long)pfns[first], domid);
        }
    }
    return 0;
}

/* The hypervisor has no claims: is this much memory free now?  Others may take
 * it first. */
static int check_free(struct xen_hypervisor *xen, uint64_t wanted)
{
    xc_physinfo_t host = {0};

    if (xc_physinfo(xen->xc, &host)) {
        return xen_failed(xen, "reading the free memory of the host");
    }
    if (host.free_pages < host.outstanding_pages ||
        host.free_pages - host.outstanding_pages < wanted) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

int xen_claim(struct xlm_hypervisor *hv, uint32_t domid, uint64_t pages)
{
    struct xen_hypervisor *xen = xen_of(hv);
    struct xlm_domain_info info;

    if (xen_domain_info(hv, domid, &info)) {
        return -1;
    }
    if (pages > info.max_pages) {
        pages = info.max_pages;
    }
    /* A claim cannot be changed: withdraw it and make another. */
    if (xc_domain_claim_pages(xen->xc, domid, 0) && errno != ENOSYS) {
        xen_debug(xen, "withdrawing the claim of domain %u: %s", domid,
                  strerror(errno));
    }
    if (pages <= info.tot_pages) {
        return 0;
    }
    if (xc_domain_claim_pages(xen->xc, domid, pages) == 0) {
        return 0;
    }
    if (errno == EPERM || errno == ENOSYS || errno == EINVAL) {
        xen_debug(xen, "no claim for domain %u (%s), looking at free memory",
                  domid, strerror(errno));
        return check_free(xen, pages - info.tot_pages);
    }
    return xen_failed(xen, "claiming memory for %llu pages of domain %u",
                      (unsigned long long)pages, domid);
}
