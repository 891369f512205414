/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Faults through a ring that Xen shares with the pager, for any mechanism that
 * makes pages absent.
 */
#include "hypervisor/ring_paging.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "policy/pfn_set.h"
#include "policy/shadow_stacks.h"

/* ---- which guests ---- */

static int check_hap(struct xlm_context *ctx,
                     const struct xlm_paged_guest *guest,
                     enum xlm_refusal *refusal)
{
    if (!guest->hap) {
        *refusal = XLM_REFUSED_NO_HAP;
        errno = ENODEV;
        return xlm_fail(ctx,
                        "the guest has no hardware assisted paging, which "
                        "postcopy needs: remove hap=0 from its configuration, "
                        "or leave out --postcopy");
    }
    return 0;
}

/* If a vCPU found the ring full, a host on shadow stacks would panic: see
 * policy/shadow_stacks.h. */
unsigned int xlm_ring_most_vcpus(struct xlm_context *ctx)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    return hv->ops->shadow_stacks(hv) ? XLM_SHADOW_STACKS_VCPUS : 0;
}

static int check_vcpus(struct xlm_context *ctx,
                       const struct xlm_paged_guest *guest,
                       enum xlm_refusal *refusal)
{
    unsigned int most = xlm_ring_most_vcpus(ctx);

    if (!most || guest->vcpus <= most) {
        return 0;
    }
    *refusal = XLM_REFUSED_OTHER;
    errno = EOPNOTSUPP;
    return xlm_fail(
        ctx,
        "the guest has %u vCPUs, and this host's hypervisor runs on "
        "shadow stacks, with which it does not survive more than %u "
        "that wait for memory: start it with cet=no-shstk, or leave "
        "out --postcopy",
        guest->vcpus, most);
}

int xlm_ring_check_guest(struct xlm_context *ctx,
                         const struct xlm_paged_guest *guest,
                         enum xlm_refusal *refusal)
{
    return check_hap(ctx, guest, refusal) || check_vcpus(ctx, guest, refusal)
               ? -1
               : 0;
}

/* ---- answers ---- */

static void put_answer(struct xlm_ring_paging *paging,
                       const struct xlm_fault *fault)
{
    vm_event_response_t response;

    memset(&response, 0, sizeof(response));
    response.version = VM_EVENT_INTERFACE_VERSION;
    response.vcpu_id = fault->vcpu;
    response.flags = fault->vcpu_waits ? VM_EVENT_FLAG_VCPU_PAUSED : 0;
    response.reason = paging->kind->reason;
    paging->kind->write(fault, &response);
    xlm_paging_ring_put(&paging->ring, &response);
}

/* Every request that was read is kept by now, or will be answered at once. */
static void note_read(struct xlm_ring_paging *paging)
{
    __atomic_store_n(&paging->kept->requests, paging->ring.req_cons,
                     __ATOMIC_RELEASE);
}

/* Each request holds a slot of the ring until its answer, even if no vCPU
 * waits. */
void xlm_ring_answer(struct xlm_paging *base, const struct xlm_fault *fault)
{
    struct xlm_kept_waiter *kept = fault->kept;

    if (!kept) {
        note_read(xlm_ring_of(base));
    }
    put_answer(xlm_ring_of(base), fault);
    if (kept) {
        __atomic_store_n(&kept->used, 0, __ATOMIC_RELEASE);
    }
}

int xlm_ring_tell(struct xlm_paging *base)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);

    return paging->hv->ops->pager_notify(paging->hv);
}

/* ---- faults ---- */

int xlm_ring_accept(struct xlm_paging *base)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);

    return paging->hv->ops->pager_accept(paging->hv);
}

bool xlm_ring_next_fault(struct xlm_paging *base, struct xlm_fault *fault)
{
    vm_event_request_t request;

    if (!xlm_paging_ring_get(&xlm_ring_of(base)->ring, &request)) {
        return false;
    }
    *fault = (struct xlm_fault){
        .vcpu = request.vcpu_id,
        .vcpu_waits = request.flags & VM_EVENT_FLAG_VCPU_PAUSED,
    };
    xlm_ring_of(base)->kind->read(&request, fault);
    return true;
}

void xlm_ring_keep(struct xlm_paging *base, struct xlm_fault *fault)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);

    for (size_t i = 0; !fault->kept && i < XLM_KEPT_WAITERS; i++) {
        struct xlm_kept_waiter *kept = &paging->kept->waiters[i];

        if (!kept->used) {
            kept->request = paging->ring.req_cons - 1;
            kept->answers = paging->ring.rsp_prod_pvt;
            kept->vcpu = fault->vcpu;
            kept->pfn = fault->pfn;
            kept->flags = fault->own[0];
            __atomic_store_n(&kept->used, 1, __ATOMIC_RELEASE);
            fault->kept = kept;
        }
    }
    note_read(paging);
}

/* ---- begin and end ---- */

static struct xlm_ring_paging *new_paging(struct xlm_context *ctx,
                                          uint32_t domid, unsigned long *kept,
                                          const struct xlm_ring_kind *kind)
{
    struct xlm_ring_paging *paging = calloc(1, kind->size);

    if (paging) {
        paging->base.ops = kind->ops;
        paging->kind = kind;
        paging->ctx = ctx;
        paging->hv = ctx->hypervisor;
        paging->domid = domid;
        paging->kept = kept ? (void *)kept : &paging->own_kept;
    }
    return paging;
}

struct xlm_paging *xlm_ring_start(struct xlm_context *ctx, uint32_t domid,
                                  unsigned long *kept,
                                  const struct xlm_ring_kind *kind)
{
    struct xlm_ring_paging *paging = new_paging(ctx, domid, kept, kind);
    void *page;
    int error;

    if (paging && !paging->hv->ops->pager_enable(paging->hv, domid, kind->ring,
                                                 &page, &paging->base.fd,
                                                 &paging->kept->port)) {
        xlm_paging_ring_attach(&paging->ring, page);
        return &paging->base;
    }
    error = errno;
    free(paging);
    xlm_fail(ctx, "cannot page domain %" PRIu32 ": %s", domid,
             kind->why_not(error));
    errno = error;
    return NULL;
}

int xlm_ring_stop(struct xlm_paging *base)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);
    int rc = paging->hv->ops->pager_disable(paging->hv, paging->domid);
    int error = errno;

    free(paging);
    errno = error;
    return rc;
}

void xlm_ring_leave(struct xlm_paging *base)
{
    free(xlm_ring_of(base));
}

/* ---- taking over from a dead process ---- */

/* Why this process could not take over from a dead pager. */
static const char *why_not_replaced(int error)
{
    switch (error) {
    case EINVAL:
        return "its event channel is not free, so it lives, or the guest has "
               "another one: see xl migrate-status";
    case EPROTO:
        return "its ring is not in the state that it has kept; the guest is "
               "lost";
    default:
        return strerror(error);
    }
}

/* Was the fault answered?  The process was then killed after it had put the
 * answer into the ring, which is the last one there. */
static bool is_answered(const struct xlm_ring_paging *paging,
                        const struct xlm_kept_waiter *kept)
{
    const vm_event_response_t *last = xlm_paging_ring_last(&paging->ring);

    return last && kept->answers != paging->ring.rsp_prod_pvt &&
           last->vcpu_id == kept->vcpu &&
           last->flags & VM_EVENT_FLAG_VCPU_PAUSED;
}

/* Was the process killed before it noted the request as read?  Then this
 * process reads the request again. */
static bool is_unread(const struct xlm_ring_paging *paging,
                      const struct xlm_kept_waiter *kept)
{
    return (int32_t)(kept->request - paging->ring.req_cons) >= 0;
}

static struct xlm_fault fault_of(struct xlm_kept_waiter *kept)
{
    return (struct xlm_fault){
        .pfn = kept->pfn,
        .vcpu = kept->vcpu,
        .vcpu_waits = true,
        .own = {kept->flags},
        .kept = kept,
    };
}

/* Answer a request on which no vCPU waits.  The hypervisor ignores an answer
 * about an invalid page. */
static void answer_nobody(struct xlm_ring_paging *paging)
{
    const struct xlm_fault nobody = {
        .pfn = XLM_PFN_NONE,
        .own = {paging->kind->ignored},
    };

    put_answer(paging, &nobody);
}

/* Each request that was read needs exactly one answer: with more or fewer the
 * ring counts wrong for ever. */
static int resume(struct xlm_ring_paging *paging, void *page, size_t most,
                  struct xlm_fault held[XLM_PAGING_FAULTS], size_t *nr_held)
{
    struct xlm_kept_waiter *kept = paging->kept->waiters;
    uint32_t owed;

    *nr_held = 0;
    if (!xlm_paging_ring_resume(&paging->ring, page, paging->kept->requests)) {
        return -1;
    }
    owed = paging->ring.req_cons - paging->ring.rsp_prod_pvt;
    for (size_t i = 0; i < XLM_KEPT_WAITERS; i++) {
        if (kept[i].used &&
            (is_answered(paging, &kept[i]) || is_unread(paging, &kept[i]))) {
            kept[i].used = 0;
        }
        if (kept[i].used) {
            held[(*nr_held)++] = fault_of(&kept[i]);
        }
    }
    if (*nr_held > owed || *nr_held > most) {
        return -1;
    }
    for (; owed > *nr_held; owed--) {
        answer_nobody(paging);
    }
    return 0;
}

static void note_pausing(struct xlm_ring_paging *paging, uint32_t pausing)
{
    __atomic_store_n(&paging->kept->pausing, pausing, __ATOMIC_SEQ_CST);
}

static int unpause(struct xlm_ring_paging *paging)
{
    struct xlm_hypervisor *hv = paging->hv;

    while (hv->ops->unpause(hv, paging->domid)) {
        if (!xlm_try_again(errno)) {
            return -1;
        }
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
    }
    note_pausing(paging, 0);
    return 0;
}

/* The process that died may have had the domain paused. */
static int unpause_again(struct xlm_ring_paging *paging)
{
    struct xlm_hypervisor *hv = paging->hv;
    struct xlm_domain_info info;

    if (!paging->kept->pausing) {
        return 0;
    }
    if (hv->ops->domain_info(hv, paging->domid, &info)) {
        return -1;
    }
    if (info.paused) {
        return unpause(paging);
    }
    note_pausing(paging, 0);
    return 0;
}

struct xlm_paging *xlm_ring_take_over(struct xlm_context *ctx, uint32_t domid,
                                      unsigned long *kept, size_t most,
                                      struct xlm_fault held[XLM_PAGING_FAULTS],
                                      size_t *nr_held,
                                      const struct xlm_ring_kind *kind)
{
    struct xlm_ring_paging *paging = new_paging(ctx, domid, kept, kind);
    void *page;
    int error;

    if (paging && !paging->hv->ops->pager_take_over(
                      paging->hv, domid, kind->ring, paging->kept->port, &page,
                      &paging->base.fd)) {
        if (resume(paging, page, most, held, nr_held)) {
            errno = EPROTO;
        } else if (!unpause_again(paging)) {
            return &paging->base;
        }
    }
    error = errno;
    free(paging);
    xlm_fail(ctx,
             "cannot take the place of the pager of domain %" PRIu32
             ", which was killed: %s",
             domid, why_not_replaced(error));
    errno = error;
    return NULL;
}

/* ---- pages ---- */

int xlm_ring_populate(struct xlm_ring_paging *paging, size_t count,
                      const uint64_t *pfns)
{
    struct xlm_hypervisor *hv = paging->hv;

    if (count && hv->ops->populate(hv, paging->domid, count, pfns)) {
        return xlm_fail(paging->ctx,
                        "cannot get memory for the guest: %s; "
                        "free some on this host",
                        strerror(errno));
    }
    return 0;
}

/* The domain is paused. */
static int remove_absent(struct xlm_ring_paging *paging, size_t count,
                         const uint64_t *pfns)
{
    struct xlm_hypervisor *hv = paging->hv;
    bool absent[XLM_BATCH_PAGES];
    uint64_t gone[XLM_BATCH_PAGES];
    size_t nr_gone = 0;

    if (paging->kind->find_absent(paging, count, pfns, absent)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (absent[i]) {
            gone[nr_gone++] = pfns[i];
        }
    }
    return nr_gone ? hv->ops->depopulate(hv, paging->domid, nr_gone, gone) : 0;
}

/* Xen removes what it finds at a pfn, and does not tell the pager when a guest
 * puts a page in place of an absent one.  So the guest must be paused between
 * the look and the removal, or a page that it has just got could be
 * removed.  If this process is killed meanwhile, the process that takes over
 * unpauses the domain. */
int xlm_ring_make_holes(struct xlm_paging *base, size_t count,
                        const uint64_t *pfns)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);
    struct xlm_hypervisor *hv = paging->hv;
    int rc, error;

    note_pausing(paging, 1);
    if (hv->ops->pause(hv, paging->domid)) {
        note_pausing(paging, 0);
        return -1;
    }
    rc = remove_absent(paging, count, pfns);
    error = errno;
    if (unpause(paging)) {
        return -1;
    }
    errno = error;
    return rc;
}
