/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: becoming and ceasing to be the pager of a domain.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "hypervisor/paging_ring.h"
#include "hypervisor/xen.h"
#include "policy/shadow_stacks.h"

#include <xenguest.h> /* has the host's features from Xen 4.16 on */

/* What each ring is called in Xen's interface, and where the stock toolstack
 * puts that of a domain which has none yet. */
static const struct {
    unsigned int param;
    uint32_t mode;
    uint64_t pfn;
} rings[] = {
    [XLM_RING_PAGING] = {HVM_PARAM_PAGING_RING_PFN,
                         XEN_DOMCTL_VM_EVENT_OP_PAGING, 0xfeff8},
    [XLM_RING_MONITOR] = {HVM_PARAM_MONITOR_RING_PFN,
                          XEN_DOMCTL_VM_EVENT_OP_MONITOR, 0xfeff9},
};

/* How often, and at which intervals, to try to bind to a port: the kernel may
 * not yet have closed it for the process that died. */
#define BIND_TRIES 50
#define BIND_PAUSE_NS 20000000

int xen_paging_supported(struct xlm_hypervisor *hv)
{
    struct xen_hypervisor *xen = xen_of(hv);
    xen_mem_paging_op_t *op = xencall_alloc_buffer(xen->call, sizeof(*op));
    int rc;

    if (!op) {
        return xen_failed(xen, "allocating a paging op");
    }
    /* No process may page out domain 0, but a hypervisor with paging says
     * so. */
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

int xen_host_features(struct xen_hypervisor *xen,
                      uint32_t features[XEN_FEATURE_WORDS])
{
    uint32_t count = XEN_FEATURE_WORDS;

    memset(features, 0, XEN_FEATURE_WORDS * sizeof(*features));
    return xc_get_cpu_featureset(xen->xc, XEN_SYSCTL_cpu_featureset_host,
                                 &count, features);
}

/* Each release has the feature's bit. */
#define CET_SS_WORD 6
#define CET_SS_BIT 7

bool xen_shadow_stacks(struct xlm_hypervisor *hv)
{
    struct xen_hypervisor *xen = xen_of(hv);
    uint32_t features[XEN_FEATURE_WORDS];
    xen_capabilities_info_t capabilities = "";
    xen_commandline_t command_line = "";
    bool processor_has_them;

    processor_has_them = xen_host_features(xen, features) ||
                         features[CET_SS_WORD] & 1u << CET_SS_BIT;
    (void)xc_version(xen->xc, XENVER_capabilities, &capabilities);
    (void)xc_version(xen->xc, XENVER_commandline, &command_line);
    return xlm_shadow_stacks_in_use(processor_has_them, capabilities,
                                    command_line);
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
    xen_batch_dispose(xen, &pager->evict);
    xen_batch_dispose(xen, &pager->page_in);
    xen_batch_dispose(xen, &pager->blank);
    xen_pager_init(pager);
}

/* The pfn for the domain's ring; chosen here if the domain has none. */
static int find_ring_pfn(struct xen_hypervisor *xen, uint32_t domid,
                         uint64_t *pfn)
{
    enum xlm_ring which = xen->pager.which;
    uint64_t found;

    if (xc_hvm_param_get(xen->xc, domid, rings[which].param, &found)) {
        return xen_failed(xen, "reading the ring pfn of domain %u", domid);
    }
    if (!found) {
        found = rings[which].pfn;
        if (xc_hvm_param_set(xen->xc, domid, rings[which].param, found)) {
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
static int make_ring(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    struct xen_pager *pager = &xen->pager;

    pager->ring = try_map_ring(xen, domid, pfn);
    if (!pager->ring && !xen_populate(&xen->base, domid, 1, &pfn)) {
        pager->ring = try_map_ring(xen, domid, pfn);
    }
    if (!pager->ring) {
        return xen_failed(xen, "mapping the paging ring of domain %u", domid);
    }
    memset(pager->ring, 0, XLM_PAGE_SIZE);
    SHARED_RING_INIT((vm_event_sring_t *)pager->ring);
    return 0;
}

static int bind_events(struct xen_hypervisor *xen, uint32_t domid,
                       uint32_t port, unsigned int tries)
{
    const struct timespec pause = {.tv_nsec = BIND_PAUSE_NS};
    struct xen_pager *pager = &xen->pager;

    pager->events = xenevtchn_open(xen->logger, 0);
    if (!pager->events) {
        return xen_failed(xen, "opening the event channels");
    }
    for (;;) {
        pager->port = xenevtchn_bind_interdomain(pager->events, domid, port);
        if (pager->port >= 0) {
            return 0;
        }
        if (!--tries || errno != EINVAL) {
            return xen_failed(xen, "binding to the pager of domain %u", domid);
        }
        nanosleep(&pause, NULL);
    }
}

/* The guest must not be able to write to the ring.  The ring stays where it
 * is, so that another process can find it when this one is killed; if the
 * hypervisor refuses, the ring's page is taken out of the guest instead. */
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

/* XEN_VM_EVENT_ENABLE, with the event channel's port in return, or _DISABLE.
 * libxenctrl's function for the monitor would take the ring's page out of the
 * guest, where no other process could find it. */
static int switch_ring(struct xen_hypervisor *xen, uint32_t domid, uint32_t to,
                       uint32_t *port)
{
    xen_domctl_t op = {.cmd = XEN_DOMCTL_vm_event_op};

    op.u.vm_event_op.mode = rings[xen->pager.which].mode;
    op.u.vm_event_op.op = to;
    if (xen_make_domctl(xen, domid, &op)) {
        return -1;
    }
    if (port) {
        *port = op.u.vm_event_op.u.enable.port;
    }
    return 0;
}

static int register_pager(struct xen_hypervisor *xen, uint32_t domid,
                          uint32_t *port)
{
    bool monitor = xen->pager.which == XLM_RING_MONITOR;
    uint64_t pfn;

    if ((monitor && xen_access_begin(xen, domid)) ||
        find_ring_pfn(xen, domid, &pfn) || make_ring(xen, domid, pfn)) {
        return -1;
    }
    if (switch_ring(xen, domid, XEN_VM_EVENT_ENABLE, port)) {
        return xen_failed(xen, "enabling the pager of domain %u", domid);
    }
    xen->pager.registered = true;
    return bind_events(xen, domid, *port, 1) || protect_ring(xen, domid, pfn)
               ? -1
               : 0;
}

/* The hypervisor still holds the ring, and its end of the event channel, which
 * any process can bind to since the former pager's end was closed. */
static int adopt_pager(struct xen_hypervisor *xen, uint32_t domid,
                       uint32_t port)
{
    uint64_t pfn;

    if (find_ring_pfn(xen, domid, &pfn)) {
        return -1;
    }
    xen->pager.ring = try_map_ring(xen, domid, pfn);
    if (!xen->pager.ring) {
        return xen_failed(xen, "mapping the ring of domain %u's pager", domid);
    }
    if (bind_events(xen, domid, port, BIND_TRIES)) {
        return -1;
    }
    xen->pager.registered = true;
    return 0;
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

static int dispose_and_fail(struct xen_hypervisor *xen)
{
    int saved_errno = errno;

    xen_pager_dispose(xen);
    errno = saved_errno;
    return -1;
}

static int prepare_pager(struct xen_hypervisor *xen, uint32_t domid,
                         enum xlm_ring which)
{
    if (xen->pager.registered) {
        errno = EBUSY;
        return -1;
    }
    xen->pager.domid = domid;
    xen->pager.which = which;
    return allocate_batches(xen) ? dispose_and_fail(xen) : 0;
}

static int return_handles(struct xen_pager *pager, void **ring, int *event_fd)
{
    *ring = pager->ring;
    *event_fd = xenevtchn_fd(pager->events);
    return 0;
}

int xen_pager_enable(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_ring which, void **ring, int *event_fd,
                     uint32_t *port)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (prepare_pager(xen, domid, which)) {
        return -1;
    }
    if (!register_pager(xen, domid, port)) {
        return return_handles(&xen->pager, ring, event_fd);
    }
    if (xen->pager.registered) {
        int saved_errno = errno;

        (void)switch_ring(xen, domid, XEN_VM_EVENT_DISABLE, NULL);
        errno = saved_errno;
    }
    return dispose_and_fail(xen);
}

int xen_pager_take_over(struct xlm_hypervisor *hv, uint32_t domid,
                        enum xlm_ring which, uint32_t port, void **ring,
                        int *event_fd)
{
    struct xen_hypervisor *xen = xen_of(hv);

    if (prepare_pager(xen, domid, which)) {
        return -1;
    }
    return adopt_pager(xen, domid, port)
               ? dispose_and_fail(xen)
               : return_handles(&xen->pager, ring, event_fd);
}

int xen_pager_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct xen_hypervisor *xen = xen_of(hv);
    uint64_t pfn;

    if (xen_pager_check(xen, domid)) {
        return 0;
    }
    if (!switch_ring(xen, domid, XEN_VM_EVENT_DISABLE, NULL)) {
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
    /* Unmask before the ring is read: a request that comes meanwhile signals
     * again. */
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
