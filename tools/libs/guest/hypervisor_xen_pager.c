/*
 * The real hypervisor: memory paging.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor_xen.h"

/* Fit for tools only, which xenctrl.h has declared us to be. */
#include <xen/vm_event.h>

/* Where the stock toolstack puts the ring of a domain that has none yet. */
#define XEN_DEFAULT_RING_PFN 0xfeff8

/* ---- batches ---- */

static void batch_dispose(struct xen_hypervisor *xen,
                          struct xen_paging_batch *batch)
{
    if (batch->entries) {
        xencall_free_buffer(xen->call, batch->entries);
    }
    if (batch->ops) {
        xencall_free_buffer(xen->call, batch->ops);
    }
    if (batch->contents) {
        xencall_free_buffer(xen->call, batch->contents);
    }
    *batch = (struct xen_paging_batch){0};
}

static int batch_init(struct xen_hypervisor *xen,
                      struct xen_paging_batch *batch, size_t ops,
                      bool contents)
{
    batch->entries =
        xencall_alloc_buffer(xen->call, ops * sizeof(*batch->entries));
    batch->ops = xencall_alloc_buffer(xen->call, ops * sizeof(*batch->ops));
    if (contents) {
        batch->contents = xencall_alloc_buffer(xen->call, ops * XLM_PAGE_SIZE);
    }
    if (!batch->entries || !batch->ops || (contents && !batch->contents)) {
        return xen_failed(xen, "allocating buffers for %zu paging ops", ops);
    }
    return 0;
}

static void batch_set(struct xen_paging_batch *batch, size_t index,
                      uint8_t what, uint32_t domid, uint64_t pfn)
{
    xen_mem_paging_op_t *op = &batch->ops[index];

    *op = (xen_mem_paging_op_t){.op = what, .domain = domid, .gfn = pfn};
    if (batch->contents) {
        set_xen_guest_handle_raw(op->buffer,
                                 batch->contents + index * XLM_PAGE_SIZE);
    }
    batch->entries[index] = (multicall_entry_t){
        .op = __HYPERVISOR_memory_op,
        .args = {XENMEM_paging_op, (uintptr_t)op},
    };
}

static int batch_run(struct xen_hypervisor *xen,
                     struct xen_paging_batch *batch, size_t ops)
{
    return xencall2(xen->call, __HYPERVISOR_multicall,
                    (uintptr_t)batch->entries, ops) < 0
               ? -1
               : 0;
}

/* What became of one op: 0 or an errno. */
static int batch_error(const struct xen_paging_batch *batch, size_t index)
{
    return -(int)(long)batch->entries[index].result;
}

/* Are there buffers, and is it this domain that the pager is for? */
static int check_enabled(struct xen_hypervisor *xen, uint32_t domid)
{
    if (!xen->pager.registered || xen->pager.domid != domid) {
        errno = ENODEV;
        return -1;
    }
    return 0;
}

/* ---- evicting and paging in ---- */

static int evict_chunk(struct xen_hypervisor *xen, uint32_t domid,
                       size_t count, struct xlm_eviction *pages)
{
    struct xen_paging_batch *batch = &xen->pager.evict;
    size_t i;

    for (i = 0; i < count; i++) {
        batch_set(batch, 2 * i, XENMEM_paging_op_nominate, domid,
                  pages[i].pfn);
        batch_set(batch, 2 * i + 1, XENMEM_paging_op_evict, domid,
                  pages[i].pfn);
    }
    if (batch_run(xen, batch, 2 * count)) {
        return -1;
    }
    for (i = 0; i < count; i++) {
        pages[i].error = batch_error(batch, 2 * i);
        if (!pages[i].error) {
            pages[i].error = batch_error(batch, 2 * i + 1);
        }
    }
    return 0;
}

int xen_evict(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
              struct xlm_eviction *pages)
{
    struct xen_hypervisor *xen = xen_of(hv);
    size_t done, chunk;

    if (check_enabled(xen, domid)) {
        return -1;
    }
    for (done = 0; done < count; done += chunk) {
        chunk =
            count - done < XEN_EVICT_CHUNK ? count - done : XEN_EVICT_CHUNK;
        if (evict_chunk(xen, domid, chunk, pages + done)) {
            break;
        }
    }
    if (done == 0 && count) {
        return xen_failed(xen, "evicting %zu pages of domain %u", count,
                          domid);
    }
    /* Some were evicted: then the rest are pages that failed. */
    for (; done < count; done++) {
        pages[done].error = errno;
    }
    return 0;
}

static int page_in_chunk(struct xen_hypervisor *xen, uint32_t domid,
                         size_t count, struct xlm_page_in *pages)
{
    struct xen_paging_batch *batch = &xen->pager.page_in;
    size_t i;

    for (i = 0; i < count; i++) {
        batch_set(batch, i, XENMEM_paging_op_prep, domid, pages[i].pfn);
        memcpy(batch->contents + i * XLM_PAGE_SIZE, pages[i].contents,
               XLM_PAGE_SIZE);
    }
    if (batch_run(xen, batch, count)) {
        return -1;
    }
    for (i = 0; i < count; i++) {
        pages[i].error = batch_error(batch, i);
    }
    return 0;
}

int xen_page_in(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                struct xlm_page_in *pages)
{
    struct xen_hypervisor *xen = xen_of(hv);
    size_t done, chunk;

    if (check_enabled(xen, domid)) {
        return -1;
    }
    for (done = 0; done < count; done += chunk) {
        chunk = count - done < XEN_PAGE_IN_CHUNK ? count - done
                                                 : XEN_PAGE_IN_CHUNK;
        if (page_in_chunk(xen, domid, chunk, pages + done)) {
            break;
        }
    }
    if (done == 0 && count) {
        return xen_failed(xen, "paging in %zu pages of domain %u", count,
                          domid);
    }
    for (; done < count; done++) {
        pages[done].error = errno;
    }
    return 0;
}

/* ---- the pager ---- */

int xen_paging_supported(struct xlm_hypervisor *hv)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xen_mem_paging_op_t *op = xencall_alloc_buffer(xen->call, sizeof(*op));
    int rc;

    if (!op) {
        return xen_failed(xen, "allocating a paging op");
    }
    /* Nobody may page out domain 0, but who can page says so. */
    *op = (xen_mem_paging_op_t){.op = XENMEM_paging_op_nominate};
    rc = xencall2(xen->call, __HYPERVISOR_memory_op, XENMEM_paging_op,
                  (uintptr_t)op);
    rc = rc < 0 ? errno : 0;
    xencall_free_buffer(xen->call, op);
    if (rc == 0 || rc == EPERM) {
        return 0;
    }
    errno = rc;
    return -1;
}

void xen_pager_init(struct xen_pager *pager)
{
    *pager = (struct xen_pager){.port = -1};
}

void xen_pager_dispose(struct xen_hypervisor *xen)
{
    struct xen_pager *pager = &xen->pager;

    if (pager->port >= 0) {
        xenevtchn_unbind(pager->events, pager->port);
    }
    if (pager->events) {
        xenevtchn_close(pager->events);
    }
    if (pager->ring) {
        xenforeignmemory_unmap(xen->memory, pager->ring, 1);
    }
    batch_dispose(xen, &pager->evict);
    batch_dispose(xen, &pager->page_in);
    xen_pager_init(pager);
}

/* The pfn that the domain has for its ring; given one when it has none. */
static int find_ring_pfn(struct xen_hypervisor *xen, uint32_t domid,
                         uint64_t *pfn)
{
    uint64_t found;

    if (xc_hvm_param_get(xen->xc, domid, HVM_PARAM_PAGING_RING_PFN, &found)) {
        return xen_failed(xen, "reading the ring pfn of domain %u", domid);
    }
    if (!found) {
        found = XEN_DEFAULT_RING_PFN;
        if (xc_hvm_param_set(xen->xc, domid, HVM_PARAM_PAGING_RING_PFN,
                             found)) {
            return xen_failed(xen, "setting the ring pfn of domain %u", domid);
        }
    }
    *pfn = found;
    return 0;
}

static void *try_map_ring(struct xen_hypervisor *xen, uint32_t domid,
                          uint64_t pfn)
{
    int error = 0;
    void *ring = xenforeignmemory_map(xen->memory, domid,
                                      PROT_READ | PROT_WRITE, 1, &pfn, &error);

    if (ring && error) {
        xenforeignmemory_unmap(xen->memory, ring, 1);
        errno = error < 0 ? -error : error;
        return NULL;
    }
    return ring;
}

/* A domain that came by postcopy before has a hole where its ring was. */
static int map_ring(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    struct xen_pager *pager = &xen->pager;

    pager->ring = try_map_ring(xen, domid, pfn);
    if (!pager->ring && !xen_populate(&xen->base, domid, 1, &pfn)) {
        pager->ring = try_map_ring(xen, domid, pfn);
    }
    if (!pager->ring) {
        return xen_failed(xen, "mapping the paging ring of domain %u", domid);
    }
    return 0;
}

static int bind_events(struct xen_hypervisor *xen, uint32_t domid,
                       uint32_t remote_port)
{
    struct xen_pager *pager = &xen->pager;

    pager->events = xenevtchn_open(xen->logger, 0);
    if (!pager->events) {
        return xen_failed(xen, "opening the event channels");
    }
    pager->port =
        xenevtchn_bind_interdomain(pager->events, domid, remote_port);
    if (pager->port < 0) {
        return xen_failed(xen, "binding to the pager of domain %u", domid);
    }
    return 0;
}

static int register_pager(struct xen_hypervisor *xen, uint32_t domid)
{
    uint64_t pfn;
    uint32_t remote_port;

    if (find_ring_pfn(xen, domid, &pfn) || map_ring(xen, domid, pfn)) {
        return -1;
    }
    memset(xen->pager.ring, 0, XLM_PAGE_SIZE);
    SHARED_RING_INIT((vm_event_sring_t *)xen->pager.ring);
    if (xc_mem_paging_enable(xen->xc, domid, &remote_port)) {
        return xen_failed(xen, "enabling the pager of domain %u", domid);
    }
    xen->pager.registered = true;
    if (bind_events(xen, domid, remote_port)) {
        return -1;
    }
    /* Last, so that the guest never has the ring in its own memory. */
    return xen_depopulate(&xen->base, domid, 1, &pfn);
}

int xen_pager_enable(struct xlm_hypervisor *hv, uint32_t domid, void **ring,
                     int *event_fd)
{
    struct xen_hypervisor *xen = xen_of(hv);
    struct xen_pager *pager = &xen->pager;
    int saved_errno;

    if (pager->registered) {
        errno = EBUSY;
        return -1;
    }
    pager->domid = domid;
    if (batch_init(xen, &pager->evict, 2 * XEN_EVICT_CHUNK, false) ||
        batch_init(xen, &pager->page_in, XEN_PAGE_IN_CHUNK, true) ||
        register_pager(xen, domid)) {
        saved_errno = errno;
        if (pager->registered) {
            xc_mem_paging_disable(xen->xc, domid);
        }
        xen_pager_dispose(xen);
        errno = saved_errno;
        return -1;
    }
    *ring = pager->ring;
    *event_fd = xenevtchn_fd(pager->events);
    return 0;
}

int xen_pager_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (check_enabled(xen, domid)) {
        return 0;
    }
    if (xc_mem_paging_disable(xen->xc, domid) && errno != ESRCH) {
        return xen_failed(xen, "disabling the pager of domain %u", domid);
    }
    xen_pager_dispose(xen);
    return 0;
}

int xen_pager_accept(struct xlm_hypervisor *hv)
{
    struct xen_pager *pager = &xen_of(hv)->pager;
    int port;

    if (!pager->events) {
        errno = ENODEV;
        return -1;
    }
    port = xenevtchn_pending(pager->events);
    if (port < 0) {
        return xen_failed(xen_of(hv), "taking the signal of the pager");
    }
    /* Unmasked before the ring is read: a request that comes while it is
     * being read signals again. */
    if (xenevtchn_unmask(pager->events, port)) {
        return xen_failed(xen_of(hv), "unmasking the signal of the pager");
    }
    return 0;
}

int xen_pager_notify(struct xlm_hypervisor *hv)
{
    struct xen_pager *pager = &xen_of(hv)->pager;

    if (!pager->events) {
        errno = ENODEV;
        return -1;
    }
    if (xenevtchn_notify(pager->events, pager->port)) {
        return xen_failed(xen_of(hv), "signalling the hypervisor");
    }
    return 0;
}
