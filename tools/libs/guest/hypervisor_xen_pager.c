/*
 * The real hypervisor: becoming and ceasing to be the pager of a domain.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor_xen.h"
#include "paging_ring.h"
#include "pfn_set.h"

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
                          uint64_t pfn, int protection)
{
    int error = 0;
    void *ring =
        xenforeignmemory_map(xen->memory, domid, protection, 1, &pfn, &error);

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

    pager->ring = try_map_ring(xen, domid, pfn, PROT_READ | PROT_WRITE);
    if (!pager->ring && !xen_populate(&xen->base, domid, 1, &pfn)) {
        pager->ring = try_map_ring(xen, domid, pfn, PROT_READ | PROT_WRITE);
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

/* The guest must not write to the ring.  It stays where it is, for who has to
 * find it when this process is killed; but not at any price. */
static int protect_ring(struct xen_hypervisor *xen, uint32_t domid,
                        uint64_t pfn)
{
    if (!xen_set_mem_type(xen, domid, pfn, HVMMEM_ram_ro)) {
        return 0;
    }
    xen_debug(xen, "the ring of domain %u cannot be made read-only: %s", domid,
              strerror(errno));
    return xen_depopulate(&xen->base, domid, 1, &pfn);
}

/* Initialised, mapped, and not the hypervisor's yet. */
static int make_ring(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    leave_ring(xen);
    if (map_ring(xen, domid, pfn)) {
        return -1;
    }
    memset(xen->pager.ring, 0, XLM_PAGE_SIZE);
    SHARED_RING_INIT((vm_event_sring_t *)xen->pager.ring);
    return 0;
}

static int register_pager(struct xen_hypervisor *xen, uint32_t domid,
                          uint64_t pfn)
{
    uint32_t remote_port;

    if (xc_mem_paging_enable(xen->xc, domid, &remote_port)) {
        return xen_failed(xen, "enabling the pager of domain %u", domid);
    }
    xen->pager.registered = true;
    if (bind_events(xen, domid, remote_port)) {
        return -1;
    }
    return protect_ring(xen, domid, pfn);
}

static int be_first(struct xen_hypervisor *xen, uint32_t domid)
{
    uint64_t pfn;

    if (find_ring_pfn(xen, domid, &pfn) || make_ring(xen, domid, pfn)) {
        return -1;
    }
    return register_pager(xen, domid, pfn);
}

/*
 * The ring of the one before makes room for another page at its pfn, but what
 * the hypervisor has of it it writes to until the end: only then it is read.
 * Between the two calls the domain has no pager, and there nobody may look at a
 * page that is paged out: nothing else stands between them.
 */
static int replace_once(struct xen_hypervisor *xen, uint32_t domid,
                        struct xlm_left *left)
{
    void *before;
    uint64_t pfn;
    int rc;

    if (find_ring_pfn(xen, domid, &pfn)) {
        return -1;
    }
    before = try_map_ring(xen, domid, pfn, PROT_READ);
    rc = before ? xen_depopulate(&xen->base, domid, 1, &pfn) : 0;
    if (!rc) {
        rc = make_ring(xen, domid, pfn) || unregister_pager(xen, domid) ||
                     register_pager(xen, domid, pfn)
                 ? -1
                 : 0;
    }
    if (before) {
        int saved_errno = errno;

        xlm_paging_ring_left(before, left);
        xenforeignmemory_unmap(xen->memory, before, 1);
        errno = saved_errno;
    }
    return rc;
}

/*
 * The vCPUs that wait for an answer of a pager that is dead look once more at
 * the page that they want.  To one that waits for none the answer means nothing.
 * That the page, which is nobody's, is said to be dropped keeps the hypervisor
 * from looking at it, and us when we look for what was asked.
 */
static int wake_vcpus(struct xen_hypervisor *xen, unsigned int nr_vcpus)
{
    vm_event_back_ring_t ring;
    vm_event_response_t response = {
        .version = VM_EVENT_INTERFACE_VERSION,
        .flags = VM_EVENT_FLAG_VCPU_PAUSED,
        .reason = VM_EVENT_REASON_MEM_PAGING,
        .u.mem_paging = {.gfn = XLM_PFN_NONE, .flags = MEM_PAGING_DROP_PAGE},
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
                         unsigned int nr_vcpus, struct xlm_left *left)
{
    left->count = 0;
    if (replace_once(xen, domid, left) || wake_vcpus(xen, nr_vcpus)) {
        return -1;
    }
    return replace_once(xen, domid, left);
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

static int failed(struct xen_hypervisor *xen)
{
    int saved_errno = errno;

    xen_pager_dispose(xen);
    errno = saved_errno;
    return -1;
}

static int begin(struct xen_hypervisor *xen, uint32_t domid)
{
    if (xen->pager.registered) {
        errno = EBUSY;
        return -1;
    }
    xen->pager.domid = domid;
    return allocate_batches(xen) ? failed(xen) : 0;
}

static int begun(struct xen_pager *pager, void **ring, int *event_fd)
{
    *ring = pager->ring;
    *event_fd = xenevtchn_fd(pager->events);
    return 0;
}

int xen_pager_enable(struct xlm_hypervisor *hv, uint32_t domid, void **ring,
                     int *event_fd)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (begin(xen, domid)) {
        return -1;
    }
    if (!be_first(xen, domid)) {
        return begun(&xen->pager, ring, event_fd);
    }
    if (xen->pager.registered) {
        int saved_errno = errno;

        xc_mem_paging_disable(xen->xc, domid);
        errno = saved_errno;
    }
    return failed(xen);
}

int xen_pager_take_over(struct xlm_hypervisor *hv, uint32_t domid,
                        unsigned int nr_vcpus, void **ring, int *event_fd,
                        struct xlm_left *left)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (begin(xen, domid)) {
        return -1;
    }
    return replace_pager(xen, domid, nr_vcpus, left)
               ? failed(xen)
               : begun(&xen->pager, ring, event_fd);
}

int xen_pager_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct xen_hypervisor *xen = xen_of(hv);
    uint64_t pfn;

    if (xen_pager_check(xen, domid)) {
        return 0;
    }
    if (!xc_mem_paging_disable(xen->xc, domid)) {
        if (!find_ring_pfn(xen, domid, &pfn)) {
            (void)xen_depopulate(hv, domid, 1, &pfn);
        }
    } else if (errno != ESRCH) {
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
