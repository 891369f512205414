/*
 * The real hypervisor: becoming and ceasing to be the pager of a domain.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor_xen.h"
#include "paging_ring.h"

/* Where the stock toolstack puts the ring of a domain that has none yet. */
#define XEN_DEFAULT_RING_PFN 0xfeff8

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

int xen_pager_check(struct xen_hypervisor *xen, uint32_t domid)
{
    if (!xen->pager.registered || xen->pager.domid != domid) {
        errno = ENODEV;
        return -1;
    }
    return 0;
}

void xen_pager_init(struct xen_pager *pager)
{
    *pager = (struct xen_pager){.port = -1};
}

/* What there is of a ring of before; the hypervisor has its own hold on it. */
static void leave_ring(struct xen_hypervisor *xen)
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
    pager->port = -1;
    pager->events = NULL;
    pager->ring = NULL;
}

void xen_pager_dispose(struct xen_hypervisor *xen)
{
    struct xen_pager *pager = &xen->pager;

    leave_ring(xen);
    xen_batch_dispose(xen, &pager->evict);
    xen_batch_dispose(xen, &pager->page_in);
    xen_batch_dispose(xen, &pager->blank);
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

static int unregister_pager(struct xen_hypervisor *xen, uint32_t domid)
{
    /* EINVAL: it has none, as who took over before did not get on. */
    if (xc_mem_paging_disable(xen->xc, domid) && errno != EINVAL) {
        return xen_failed(xen, "disabling the pager of domain %u", domid);
    }
    xen->pager.registered = false;
    return 0;
}

/* In place of another pager, or as the first.  Between the two calls that
 * replace one the domain has none, and there nobody may look at a page that is
 * paged out: nothing else stands between them. */
static int register_pager(struct xen_hypervisor *xen, uint32_t domid,
                          bool in_place_of_another)
{
    uint64_t pfn;
    uint32_t remote_port;

    leave_ring(xen);
    if (find_ring_pfn(xen, domid, &pfn) || map_ring(xen, domid, pfn)) {
        return -1;
    }
    memset(xen->pager.ring, 0, XLM_PAGE_SIZE);
    SHARED_RING_INIT((vm_event_sring_t *)xen->pager.ring);
    if (in_place_of_another && unregister_pager(xen, domid)) {
        return -1;
    }
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

/*
 * The vCPUs that wait for an answer of a pager that is dead: they look once
 * more at the page that they want, and ask again.  To one that waits for none
 * the answer means nothing.  That the page is said to be dropped keeps the
 * hypervisor from looking at it.
 */
static int wake_vcpus(struct xen_hypervisor *xen, unsigned int nr_vcpus)
{
    vm_event_back_ring_t ring;
    vm_event_response_t response = {
        .version = VM_EVENT_INTERFACE_VERSION,
        .flags = VM_EVENT_FLAG_VCPU_PAUSED,
        .reason = VM_EVENT_REASON_MEM_PAGING,
        .u.mem_paging.flags = MEM_PAGING_DROP_PAGE,
    };

    xlm_paging_ring_attach(&ring, xen->pager.ring);
    for (unsigned int vcpu = 0; vcpu < nr_vcpus; vcpu++) {
        bool full = (vcpu + 1) % RING_SIZE(&ring) == 0;

        response.vcpu_id = vcpu;
        xlm_paging_ring_put(&ring, &response);
        if ((full || vcpu + 1 == nr_vcpus) && xen_pager_notify(&xen->base)) {
            return -1;
        }
    }
    return 0;
}

/* A ring that had answers without requests counts wrong from then on. */
static int replace_pager(struct xen_hypervisor *xen, uint32_t domid,
                         unsigned int nr_vcpus)
{
    if (register_pager(xen, domid, true) || wake_vcpus(xen, nr_vcpus)) {
        return -1;
    }
    return register_pager(xen, domid, true);
}

static int allocate_batches(struct xen_hypervisor *xen)
{
    struct xen_pager *pager = &xen->pager;

    if (xen_batch_init(xen, &pager->evict, XEN_EVICT_OPS, false) ||
        xen_batch_init(xen, &pager->page_in, XEN_PAGING_CHUNK, true) ||
        xen_batch_init(xen, &pager->blank, 1, true)) {
        return -1;
    }
    return 0;
}

/* As the first pager, or (the domain has vCPUs) in place of a dead one. */
static int open_pager(struct xen_hypervisor *xen, uint32_t domid,
                      unsigned int nr_vcpus, void **ring, int *event_fd)
{
    struct xen_pager *pager = &xen->pager;

    if (pager->registered) {
        errno = EBUSY;
        return -1;
    }
    pager->domid = domid;
    if (allocate_batches(xen) ||
        (nr_vcpus ? replace_pager(xen, domid, nr_vcpus)
                  : register_pager(xen, domid, false))) {
        int saved_errno = errno;

        if (pager->registered && !nr_vcpus) {
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

int xen_pager_enable(struct xlm_hypervisor *hv, uint32_t domid, void **ring,
                     int *event_fd)
{
    return open_pager(xen_of(hv), domid, 0, ring, event_fd);
}

int xen_pager_take_over(struct xlm_hypervisor *hv, uint32_t domid,
                        unsigned int nr_vcpus, void **ring, int *event_fd)
{
    return open_pager(xen_of(hv), domid, nr_vcpus, ring, event_fd);
}

int xen_pager_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (xen_pager_check(xen, domid)) {
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
