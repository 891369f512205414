/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The paging ring, and the guests that wait at it.
 *
 * As in the hypervisor every request takes a slot of the ring until a response
 * is taken out of it, whether a vCPU waits for that or not: a pager that does
 * not answer the requests of dom0's mappings or of ballooning fills the ring.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_internal.h"
#include "hypervisor/paging_ring.h"
#include "policy/pfn_set.h"
#include "wire/wire.h"

#define SLOTS 8
#define FIRST_PORT 20

struct fake_paging {
    struct fake_paging *next; /* of those that are buried */
    enum xlm_ring which;
    void *ring;
    int event_fd;
    uint32_t port;
    bool abandoned; /* its pager has died */
    vm_event_front_ring_t front;
    vm_event_request_t unanswered[SLOTS];
};

/* What its requests and responses are about. */
static uint32_t reason_of(const struct fake_paging *paging)
{
    return paging->which == XLM_RING_PAGING ? VM_EVENT_REASON_MEM_PAGING
                                            : VM_EVENT_REASON_MEM_ACCESS;
}

bool fake_paging_has(const struct fake_domain *domain, enum xlm_ring which)
{
    return domain->paging && domain->paging->which == which;
}

int fake_paging_enable(struct fake_domain *domain, enum xlm_ring which,
                       void **ring, int *event_fd, uint32_t *port)
{
    struct fake_paging *paging;

    if (domain->paging || (which == XLM_RING_MONITOR && domain->monitored)) {
        errno = EBUSY;
        return -1;
    }
    paging = calloc(1, sizeof(*paging));
    paging->which = which;
    paging->ring = aligned_alloc(XLM_PAGE_SIZE, XLM_PAGE_SIZE);
    paging->event_fd = eventfd(0, EFD_CLOEXEC);
    memset(paging->ring, 0, XLM_PAGE_SIZE);
    FRONT_RING_INIT(&paging->front, (vm_event_sring_t *)paging->ring,
                    XLM_PAGE_SIZE);
    if (RING_SIZE(&paging->front) != SLOTS) {
        abort();
    }
    domain->paging = paging;
    paging->port = FIRST_PORT + domain->domid;
    *ring = paging->ring;
    *event_fd = paging->event_fd;
    *port = paging->port;
    return 0;
}

static void free_paging(struct fake_paging *paging)
{
    close(paging->event_fd);
    free(paging->ring);
    free(paging);
}

void fake_paging_disable(struct fake_domain *domain)
{
    free_paging(domain->paging);
    domain->paging = NULL;
    fake_wake(domain->host);
}

/*
 * The threads of a process that died go on using its ring and its event
 * channel, in a world of their own, until the domain is freed.  The hypervisor
 * goes on with a page of its own, which has the ring as it is now, and with an
 * event channel on which no process waits.
 */
void fake_paging_abandon(struct fake_domain *domain)
{
    struct fake_paging *dead = domain->paging;
    struct fake_paging *paging = malloc(sizeof(*paging));

    *paging = *dead;
    paging->ring = aligned_alloc(XLM_PAGE_SIZE, XLM_PAGE_SIZE);
    paging->front.sring = paging->ring;
    paging->event_fd = eventfd(0, EFD_CLOEXEC);
    paging->abandoned = true;
    domain->paging = paging;
    dead->next = domain->buried;
    domain->buried = dead;
    fake_paging_copy_ring(domain);
}

/* The ring as the dead process has it now. */
void fake_paging_copy_ring(struct fake_domain *domain)
{
    memcpy(domain->paging->ring, domain->buried->ring, XLM_PAGE_SIZE);
}

/* The ring is as the former pager left it.  The process that binds to the port
 * gets one signal: earlier ones were lost. */
int fake_paging_take_over(struct fake_domain *domain, enum xlm_ring which,
                          uint32_t port, void **ring, int *event_fd)
{
    struct fake_paging *paging = domain->paging;
    uint64_t one = 1;

    if (!fake_paging_has(domain, which) || paging->port != port) {
        errno = EINVAL;
        return -1;
    }
    if (!paging->abandoned) {
        fake_paging_abandon(domain);
        paging = domain->paging;
    }
    paging->abandoned = false;
    if (write(paging->event_fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
    *ring = paging->ring;
    *event_fd = paging->event_fd;
    return 0;
}

void fake_paging_dispose(struct fake_domain *domain)
{
    struct fake_paging *next;

    for (; domain->buried; domain->buried = next) {
        next = domain->buried->next;
        free_paging(domain->buried);
    }
    if (domain->paging) {
        fake_paging_disable(domain);
    }
}

int fake_paging_accept(struct fake_domain *domain)
{
    struct pollfd poll_fd = {.fd = domain->paging->event_fd, .events = POLLIN};
    uint64_t count;

    if (poll(&poll_fd, 1, 0) != 1) {
        fake_violation(domain->host, "accept, but nothing was signalled");
        errno = EAGAIN;
        return -1;
    }
    return read(poll_fd.fd, &count, sizeof(count)) == sizeof(count) ? 0 : -1;
}

/* ---- requests ---- */

static bool ring_full(struct fake_domain *domain)
{
    return RING_FULL(&domain->paging->front);
}

/* A vCPU does, and is put to sleep by moving its stack about. */
static void find_ring_full(struct fake_domain *domain)
{
    domain->ring_full++;
    if (domain->host->shadow_stacks) {
        fake_violation(domain->host,
                       "the host panicked: a vCPU of domain %u found the ring "
                       "full, on shadow stacks",
                       domain->domid);
    }
}

static void remember(struct fake_domain *domain,
                     const vm_event_request_t *request)
{
    domain->paging->unanswered[domain->unanswered++] = *request;
}

static void put_request(struct fake_domain *domain, uint64_t pfn,
                        unsigned int vcpu, uint32_t flags,
                        uint32_t paging_flags)
{
    vm_event_front_ring_t *front = &domain->paging->front;
    vm_event_request_t request;
    uint64_t one = 1;

    memset(&request, 0, sizeof(request));
    request.version = VM_EVENT_INTERFACE_VERSION;
    request.flags = flags;
    request.reason = reason_of(domain->paging);
    request.vcpu_id = vcpu;
    if (domain->paging->which == XLM_RING_PAGING) {
        request.u.mem_paging.gfn = pfn;
        request.u.mem_paging.flags = paging_flags;
    } else {
        request.u.mem_access.gfn = pfn;
        request.u.mem_access.flags = MEM_ACCESS_R;
    }
    remember(domain, &request);

    *RING_GET_REQUEST(front, front->req_prod_pvt) = request;
    front->req_prod_pvt++;
    RING_PUSH_REQUESTS(front);
    if (write(domain->paging->event_fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
}

/* Dom0 accesses an absent page: no vCPU waits for it. */
void fake_paging_foreign(struct fake_domain *domain, uint64_t pfn)
{
    if (!domain->paging || ring_full(domain) ||
        domain->p2m[pfn] != FAKE_PAGED) {
        return;
    }
    domain->p2m[pfn] = FAKE_PAGING_IN;
    put_request(domain, pfn, 0, VM_EVENT_FLAG_FOREIGN, 0);
}

bool fake_paging_drop(struct fake_domain *domain, uint64_t pfn)
{
    if (!fake_is_paged(domain->p2m[pfn]) &&
        !fake_is_reachable(domain->p2m[pfn])) {
        return false;
    }
    /* The ring is full: the page is dropped, and the pager is not told. */
    if (fake_is_paged(domain->p2m[pfn]) && domain->paging &&
        !ring_full(domain)) {
        put_request(domain, pfn, 0, 0, MEM_PAGING_DROP_PAGE);
    }
    fake_page_move(domain, pfn, FAKE_HOLE);
    fake_wake(domain->host);
    return true;
}

/* The hypervisor reports a page once.  A vCPU that accesses the page after
 * that is not paused by the hypervisor, and only waits until the page is
 * there. */
static void spin(struct fake_domain *domain, unsigned int vcpu)
{
    domain->spins++;
    domain->vcpu_spins[vcpu] = true;
    fake_wake(domain->host);
    fake_wait(domain->host);
    domain->vcpu_spins[vcpu] = false;
}

/* A vCPU accesses the page. */
static enum fake_access raise_fault(struct fake_domain *domain,
                                    unsigned int vcpu, uint64_t pfn)
{
    if (!domain->paging) {
        domain->crashed = true;
        fake_wake(domain->host);
        return FAKE_ACCESS_CRASHED;
    }
    if (domain->p2m[pfn] == FAKE_PAGING_IN && !domain->all_at_once) {
        spin(domain, vcpu);
        return FAKE_ACCESS_DONE;
    }
    if (ring_full(domain)) {
        find_ring_full(domain);
        domain->sleepers++;
        fake_wake(domain->host);
        fake_wait(domain->host);
        domain->sleepers--;
        return FAKE_ACCESS_DONE;
    }
    if (domain->p2m[pfn] == FAKE_PAGED) {
        domain->p2m[pfn] = FAKE_PAGING_IN;
    }
    domain->vcpu_waits[vcpu] = true;
    put_request(domain, pfn, vcpu, VM_EVENT_FLAG_VCPU_PAUSED, 0);
    fake_wake(domain->host);
    return FAKE_ACCESS_DONE;
}

/* ---- responses ---- */

static uint64_t gfn_of(const vm_event_request_t *event)
{
    return event->reason == VM_EVENT_REASON_MEM_PAGING
               ? event->u.mem_paging.gfn
               : event->u.mem_access.gfn;
}

static bool answers(const vm_event_request_t *request,
                    const vm_event_response_t *response)
{
    return response->version == VM_EVENT_INTERFACE_VERSION &&
           response->vcpu_id == request->vcpu_id &&
           !((response->flags ^ request->flags) & VM_EVENT_FLAG_VCPU_PAUSED) &&
           response->reason == request->reason &&
           gfn_of(response) == gfn_of(request);
}

/* Such an answer frees a request's slot and does nothing else. */
static bool is_blank(const vm_event_response_t *response)
{
    return !(response->flags & VM_EVENT_FLAG_VCPU_PAUSED) &&
           (response->reason != VM_EVENT_REASON_MEM_PAGING ||
            response->u.mem_paging.flags & MEM_PAGING_DROP_PAGE) &&
           gfn_of(response) == XLM_PFN_NONE;
}

static bool forget(struct fake_domain *domain,
                   const vm_event_response_t *response)
{
    vm_event_request_t *list = domain->paging->unanswered;
    unsigned int i;

    for (i = 0; i < domain->unanswered; i++) {
        if (answers(&list[i], response) ||
            (is_blank(response) &&
             !(list[i].flags & VM_EVENT_FLAG_VCPU_PAUSED))) {
            list[i] = list[--domain->unanswered];
            return true;
        }
    }
    fake_violation(domain->host,
                   "response to no request: version %u vcpu %u flags %#x "
                   "reason %u gfn %#llx",
                   response->version, response->vcpu_id, response->flags,
                   response->reason, (unsigned long long)gfn_of(response));
    return false;
}

static void take_response(struct fake_domain *domain,
                          const vm_event_response_t *response)
{
    uint64_t pfn = gfn_of(response);

    if (!forget(domain, response) ||
        !(response->flags & VM_EVENT_FLAG_VCPU_PAUSED)) {
        return;
    }
    if (fake_is_absent(domain->p2m[pfn])) {
        fake_violation(domain->host,
                       "vCPU %u is told to go on, pfn %#llx is not there",
                       response->vcpu_id, (unsigned long long)pfn);
    }
    domain->vcpu_waits[response->vcpu_id] = false;
}

void fake_paging_resume(struct fake_domain *domain)
{
    vm_event_front_ring_t *front = &domain->paging->front;
    vm_event_response_t response;
    RING_IDX produced = front->sring->rsp_prod;

    if (domain->scribbled) {
        return; /* nothing in there means anything */
    }
    xen_rmb();
    if (produced - front->rsp_cons > domain->unanswered) {
        fake_violation(domain->host, "more responses than requests");
        return;
    }
    while (front->rsp_cons != produced) {
        memcpy(&response, RING_GET_RESPONSE(front, front->rsp_cons),
               sizeof(response));
        front->rsp_cons++;
        take_response(domain, &response);
    }
    fake_wake(domain->host);
}

void fake_ring_scribble(struct fake_domain *domain, unsigned int seed)
{
    uint8_t *octets = domain->paging->ring;
    uint64_t one = 1;
    size_t i;

    fake_lock(domain->host);
    domain->scribbled = true;
    for (i = 0; i < XLM_PAGE_SIZE; i++) {
        octets[i] = (uint8_t)(rand_r(&seed) >> 8);
    }
    if (write(domain->paging->event_fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
    fake_unlock(domain->host);
}

/* ---- what guests do ---- */

static void wait_for_pager(struct fake_domain *domain, unsigned int vcpu)
{
    while (domain->vcpu_waits[vcpu] && !domain->stopped && !domain->crashed) {
        fake_wait(domain->host);
    }
}

static enum fake_access may_run(const struct fake_domain *domain)
{
    if (domain->stopped) {
        return FAKE_ACCESS_STOPPED;
    }
    if (domain->crashed) {
        return FAKE_ACCESS_CRASHED;
    }
    if (fake_is_held(domain) || domain->suspended) {
        return FAKE_ACCESS_NOT_RUNNING;
    }
    return FAKE_ACCESS_DONE;
}

static enum fake_access locked_access(struct fake_domain *domain,
                                      unsigned int vcpu, uint64_t pfn)
{
    enum fake_access access;

    for (;;) {
        wait_for_pager(domain, vcpu);
        access = may_run(domain);
        if (access != FAKE_ACCESS_DONE) {
            return access;
        }
        if (pfn >= domain->nr_pfns || domain->p2m[pfn] == FAKE_HOLE ||
            domain->p2m[pfn] == FAKE_BROKEN) {
            return FAKE_ACCESS_NO_PAGE;
        }
        if (!fake_is_absent(domain->p2m[pfn])) {
            return FAKE_ACCESS_DONE;
        }
        access = raise_fault(domain, vcpu, pfn);
        if (access != FAKE_ACCESS_DONE) {
            return access;
        }
    }
}

enum fake_access fake_vcpu_access(struct fake_domain *domain,
                                  unsigned int vcpu, uint64_t pfn, bool write,
                                  fake_access_fn *fn, void *data)
{
    enum fake_access access;

    if (vcpu >= domain->vcpus || vcpu >= FAKE_VCPUS) {
        abort();
    }
    fake_lock(domain->host);
    access = locked_access(domain, vcpu, pfn);
    if (access == FAKE_ACCESS_DONE) {
        if (write && domain->logdirty && !domain->unlogged[pfn]) {
            domain->dirty[pfn] = true;
        }
        if (fn) {
            fn(domain->memory + pfn * XLM_PAGE_SIZE, pfn, data);
        }
    }
    fake_unlock(domain->host);
    return access;
}

bool fake_unseen_access(struct fake_domain *domain, uint64_t pfn, bool write,
                        bool logged, fake_access_fn *fn, void *data)
{
    bool there;

    fake_lock(domain->host);
    fake_paging_foreign(domain, pfn);
    there = fake_is_reachable(domain->p2m[pfn]);
    if (there && write && logged && domain->logdirty) {
        domain->dirty[pfn] = true;
    }
    if (there) {
        fn(domain->memory + pfn * XLM_PAGE_SIZE, pfn, data);
    }
    fake_unlock(domain->host);
    return there;
}

bool fake_guest_balloon(struct fake_domain *domain, uint64_t pfn)
{
    bool dropped;

    fake_lock(domain->host);
    while (fake_is_paged(domain->p2m[pfn]) && domain->paging &&
           ring_full(domain) && !domain->stopped &&
           domain->host->drops_paged) {
        find_ring_full(domain);
        fake_wait(domain->host);
    }
    dropped =
        (domain->host->drops_paged || !fake_is_paged(domain->p2m[pfn])) &&
        fake_paging_drop(domain, pfn);
    fake_unlock(domain->host);
    return dropped;
}

bool fake_guest_unballoon(struct fake_domain *domain, uint64_t pfn)
{
    bool got = false;

    fake_lock(domain->host);
    while (domain->pauses && !domain->stopped && !domain->dead) {
        fake_wait(domain->host);
    }
    if (domain->p2m[pfn] == FAKE_HOLE || fake_is_absent(domain->p2m[pfn])) {
        got = fake_page_move(domain, pfn, FAKE_RAM) == 0;
        domain->unlogged[pfn] |= got;
    }
    if (got) {
        memset(domain->memory + pfn * XLM_PAGE_SIZE, 0, XLM_PAGE_SIZE);
    }
    fake_unlock(domain->host);
    return got;
}

static unsigned int waiting(const struct fake_domain *domain)
{
    unsigned int vcpu, count = 0;

    for (vcpu = 0; vcpu < domain->vcpus; vcpu++) {
        count += domain->vcpu_waits[vcpu] || domain->vcpu_spins[vcpu];
    }
    return count;
}

void fake_await_waiting(struct fake_domain *domain, unsigned int vcpus)
{
    fake_lock(domain->host);
    while (waiting(domain) < vcpus && !domain->stopped && !domain->crashed) {
        fake_wait(domain->host);
    }
    fake_unlock(domain->host);
}

/* The pager writes into the ring which request it waits for: the one after the
 * last that it read. */
static bool all_taken(struct fake_domain *domain)
{
    const vm_event_front_ring_t *front = &domain->paging->front;

    return __atomic_load_n(&front->sring->req_event, __ATOMIC_SEQ_CST) ==
           front->req_prod_pvt + 1;
}

void fake_await_taken(struct fake_domain *domain)
{
    bool taken = false;

    while (!taken) {
        sched_yield();
        fake_lock(domain->host);
        taken = !domain->paging || domain->stopped || all_taken(domain);
        fake_unlock(domain->host);
    }
}

static unsigned int get_count(struct fake_domain *domain,
                              const unsigned int *count)
{
    unsigned int value;

    fake_lock(domain->host);
    value = *count;
    fake_unlock(domain->host);
    return value;
}

unsigned int fake_ring_full(struct fake_domain *domain)
{
    return get_count(domain, &domain->ring_full);
}

void fake_fault_at_once(struct fake_domain *domain)
{
    fake_lock(domain->host);
    domain->all_at_once = true;
    fake_unlock(domain->host);
}

unsigned int fake_spins(struct fake_domain *domain)
{
    return get_count(domain, &domain->spins);
}

unsigned int fake_unanswered(struct fake_domain *domain)
{
    return get_count(domain, &domain->unanswered);
}
