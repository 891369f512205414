/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Absent pages by access rights: each absent page has a frame, which is clear,
 * and no vCPU has a right to it.  Xen puts accesses of vCPUs into the monitor
 * ring.  Accesses by anything else bypass the rights: see
 * docs/designs/memory-access.pandoc.  So the pager expects a clear frame when
 * the page comes.  If the frame is not clear, a program or the hypervisor has
 * bypassed the rights and written to it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "clock.h"
#include "hypervisor/ring_paging.h"
#include "policy/page.h"

/* The log is read at most this often: reading pauses the guest. */
#define LOG_PAUSE_US 100000

/* In the leaf of CPUID that has the processor's features. */
#define FEATURE_LEAF 1
#define FEATURE_VMX (1u << 5)

struct access_paging {
    struct xlm_ring_paging ring; /* first */
    uint64_t log_read_us;
    uint64_t log_pfns;        /* bits of the log as it was read last */
    const unsigned long *log; /* NULL: not read yet */
};

static struct access_paging *of(struct xlm_paging *base)
{
    return (struct access_paging *)base;
}

/* ---- can it be had? ---- */

static int check_host(struct xlm_context *ctx, enum xlm_refusal *refusal)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    if (!hv->ops->access_supported(hv)) {
        return 0;
    }
    *refusal = XLM_REFUSED_NO_PAGING;
    if (errno == ENODEV) {
        return xlm_fail(ctx, "this host's processor has no VMX, which the "
                             "pager on access rights needs: use the one on "
                             "memory paging, or another host");
    }
    return xlm_fail(ctx, "this host's hypervisor is built without access "
                         "rights for pages (CONFIG_MEM_ACCESS): use another "
                         "host");
}

/* A device model maps the guest's pages, and so bypasses their rights. */
static int check_devices(struct xlm_context *ctx,
                         const struct xlm_paged_guest *guest,
                         enum xlm_refusal *refusal)
{
    if (!guest->emulated_devices) {
        return 0;
    }
    *refusal = XLM_REFUSED_OTHER;
    errno = EOPNOTSUPP;
    return xlm_fail(ctx, "the guest has emulated devices, which go past the "
                         "access rights of its pages: only PVH guests can "
                         "have the pager on access rights");
}

static int access_check(struct xlm_context *ctx,
                        const struct xlm_paged_guest *guest,
                        enum xlm_refusal *refusal)
{
    return check_host(ctx, refusal) || check_devices(ctx, guest, refusal) ||
                   xlm_ring_check_guest(ctx, guest, refusal)
               ? -1
               : 0;
}

static const char *why_not(int error)
{
    switch (error) {
    case EBUSY:
        return "another program, such as one for introspection, has the "
               "guest's monitor ring";
    case ENODEV:
        return "the guest has no hardware assisted paging (hap=0 in its "
               "configuration?)";
    case ENOSYS:
    case EOPNOTSUPP:
        return "this host's hypervisor is built without access rights for "
               "pages (CONFIG_MEM_ACCESS)";
    case ENOMEM:
        return "this host has not enough memory: free some";
    default:
        return strerror(error);
    }
}

/* ---- the ring ---- */

static void read_request(const vm_event_request_t *request,
                         struct xlm_fault *fault)
{
    fault->pfn = request->u.mem_access.gfn;
    fault->own[0] = request->u.mem_access.flags;
}

static void write_response(const struct xlm_fault *fault,
                           vm_event_response_t *response)
{
    response->u.mem_access.gfn = fault->pfn;
    response->u.mem_access.flags = fault->own[0];
}

static int find_absent(struct xlm_ring_paging *paging, size_t count,
                       const uint64_t *pfns, bool *absent)
{
    return paging->hv->ops->get_access(paging->hv, paging->domid, count, pfns,
                                       absent);
}

static const struct xlm_ring_kind kind = {
    .ops = &xlm_paging_access,
    .size = sizeof(struct access_paging),
    .ring = XLM_RING_MONITOR,
    .reason = VM_EVENT_REASON_MEM_ACCESS,
    .ignored = 0,
    .read = read_request,
    .write = write_response,
    .find_absent = find_absent,
    .why_not = why_not,
};

/* A guest whose CPUID shows VMX may run guests of its own. */
static int may_nest(struct xlm_context *ctx, uint32_t domid, bool *may)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;
    size_t length = 0;
    void *data = NULL;
    const xen_cpuid_leaf_t *leaves;

    if (hv->ops->get_state(hv, domid, XLM_STATE_CPUID_POLICY, &data,
                           &length)) {
        return -1;
    }
    leaves = data;
    *may = false;
    for (size_t i = 0; i < length / sizeof(*leaves); i++) {
        *may |= leaves[i].leaf == FEATURE_LEAF && leaves[i].c & FEATURE_VMX;
    }
    free(data);
    return 0;
}

/* Does Xen translate this guest's memory by further tables, in which rights
 * may differ? */
static int check_views(struct xlm_context *ctx, uint32_t domid)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;
    uint64_t altp2m = 0;
    bool nests = false;

    if (may_nest(ctx, domid, &nests) ||
        hv->ops->get_param(hv, domid, HVM_PARAM_ALTP2M, &altp2m)) {
        return xlm_fail(ctx, "cannot look at the new domain: %s",
                        strerror(errno));
    }
    if (!nests && !altp2m) {
        return 0;
    }
    errno = EOPNOTSUPP;
    return xlm_fail(ctx,
                    "the guest has %s, with which access rights do not hold "
                    "for all that it does: set it to 0, or use the pager on "
                    "memory paging",
                    nests ? "nestedhvm" : "altp2m");
}

static struct xlm_paging *access_start(struct xlm_context *ctx, uint32_t domid,
                                       unsigned long *kept)
{
    return check_views(ctx, domid) ? NULL
                                   : xlm_ring_start(ctx, domid, kept, &kind);
}

static struct xlm_paging *access_take_over(
    struct xlm_context *ctx, uint32_t domid, unsigned long *kept, size_t most,
    struct xlm_fault held[XLM_PAGING_FAULTS], size_t *nr_held)
{
    return xlm_ring_take_over(ctx, domid, kept, most, held, nr_held, &kind);
}

static void stop_log(struct access_paging *paging)
{
    struct xlm_hypervisor *hv = paging->ring.hv;

    if (paging->ring.kept->logging) {
        /* A domain that has gone has no log. */
        (void)hv->ops->logdirty_disable(hv, paging->ring.domid);
    }
    paging->ring.kept->logging = 0;
    paging->log = NULL;
}

static int access_stop(struct xlm_paging *base)
{
    stop_log(of(base));
    return xlm_ring_stop(base);
}

/* ---- making absent ---- */

/* Clear the frame of each page.  A page that cannot be mapped gets an error,
 * and stays as it is. */
static int clear_frames(struct xlm_ring_paging *paging, size_t count,
                        struct xlm_eviction *pages)
{
    struct xlm_hypervisor *hv = paging->hv;
    uint64_t pfns[XLM_BATCH_PAGES] = {0};
    int errors[XLM_BATCH_PAGES];
    uint8_t *frames;

    for (size_t i = 0; i < count; i++) {
        pfns[i] = pages[i].pfn;
    }
    frames = hv->ops->map(hv, paging->domid, true, count, pfns, errors);
    if (!frames) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        pages[i].error = errors[i];
        if (!errors[i]) {
            memset(frames + i * XLM_PAGE_SIZE, 0, XLM_PAGE_SIZE);
        }
    }
    hv->ops->unmap(hv, frames, count);
    return 0;
}

static int take_rights(struct xlm_ring_paging *paging, size_t count,
                       const struct xlm_eviction *pages)
{
    struct xlm_hypervisor *hv = paging->hv;
    uint64_t pfns[XLM_BATCH_PAGES] = {0};
    size_t nr_clear = 0;

    for (size_t i = 0; i < count; i++) {
        if (!pages[i].error) {
            pfns[nr_clear++] = pages[i].pfn;
        }
    }
    return hv->ops->set_access(hv, paging->domid, false, nr_clear, pfns);
}

static int access_make_absent(struct xlm_paging *base, size_t nr_new,
                              const uint64_t *new_pfns, size_t count,
                              struct xlm_eviction *pages)
{
    struct xlm_ring_paging *paging = xlm_ring_of(base);

    /* Some releases log new pages as dirty. */
    stop_log(of(base));
    if (xlm_ring_populate(paging, nr_new, new_pfns)) {
        return -1;
    }
    if (count && (clear_frames(paging, count, pages) ||
                  take_rights(paging, count, pages))) {
        return xlm_fail(paging->ctx,
                        "cannot take the rights to pages of domain %" PRIu32
                        " away: %s",
                        paging->domid, strerror(errno));
    }
    return 0;
}

/* ---- writes that bypass the rights ---- */

/* Read the dirty log, unless that was done a moment ago.  -1 with errno: a
 * later call may succeed. */
static int read_log(struct access_paging *paging)
{
    struct xlm_hypervisor *hv = paging->ring.hv;
    uint64_t now_us = xlm_now_us();
    uint32_t domid = paging->ring.domid;

    if (paging->log && now_us - paging->log_read_us < LOG_PAUSE_US) {
        return 0;
    }
    paging->log = NULL;
    /* EINVAL: a process that was killed has switched it on. */
    if (!paging->ring.kept->logging && hv->ops->logdirty_enable(hv, domid) &&
        errno != EINVAL) {
        return -1;
    }
    paging->ring.kept->logging = 1;
    if (hv->ops->nr_pfns(hv, domid, &paging->log_pfns) ||
        hv->ops->logdirty_read(hv, domid, false, paging->log_pfns,
                               &paging->log)) {
        return -1;
    }
    paging->log_read_us = now_us;
    return 0;
}

static bool is_logged(const struct access_paging *paging, uint64_t pfn)
{
    const unsigned int bits = 8 * sizeof(*paging->log);

    return pfn < paging->log_pfns && paging->log[pfn / bits] >> pfn % bits & 1;
}

/*
 * Put contents into a frame that is clear, or in which a killed process has
 * put some of the same contents.  False: other contents are there; they stay,
 * and this call leaves none of its own.
 */
static bool fill(uint64_t *frame, const uint64_t *contents)
{
    const size_t words = XLM_PAGE_SIZE / sizeof(*frame);
    size_t i = 0;

    for (; i < words; i++) {
        uint64_t found = 0;

        if (!__atomic_compare_exchange_n(&frame[i], &found, contents[i], false,
                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
            found != contents[i]) {
            break;
        }
    }
    if (i == words) {
        return true;
    }
    while (i--) {
        uint64_t found = contents[i];

        (void)__atomic_compare_exchange_n(&frame[i], &found, 0, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return false;
}

static bool is_clear(const uint64_t *contents)
{
    static const uint64_t clear[XLM_PAGE_SIZE / sizeof(uint64_t)];

    return !memcmp(contents, clear, XLM_PAGE_SIZE);
}

/* ---- paging in ---- */

static int error_of(const struct access_paging *paging, bool absent,
                    int map_error, void *frame, const struct xlm_page_in *page)
{
    if (!absent) {
        return ENOENT;
    }
    if (map_error) {
        return map_error;
    }
    /* The frame needs no contents.  If a back end has written to it since the
     * guest began to run here, that must stay. */
    if (is_clear(page->contents)) {
        return 0;
    }
    return is_logged(paging, page->pfn) || !fill(frame, page->contents)
               ? EUCLEAN
               : 0;
}

/* If a batch has a page twice, only the first counts, as in batches of one
 * page. */
static bool is_repeated(const uint64_t *pfns, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (pfns[j] == pfns[i]) {
            return true;
        }
    }
    return false;
}

/*
 * Call this when the frames are mapped.  Only after that does it ask for the
 * rights: a page without rights is the one that the pager took them from,
 * because no other page ever lacks them.  So the mapped frame is that page's.
 */
static int put(struct access_paging *paging, size_t count,
               struct xlm_page_in *pages, uint8_t *frames, const int *errors,
               const uint64_t *pfns)
{
    struct xlm_hypervisor *hv = paging->ring.hv;
    uint64_t there[XLM_BATCH_PAGES];
    bool absent[XLM_BATCH_PAGES];
    size_t nr_there = 0;

    if (hv->ops->get_access(hv, paging->ring.domid, count, pfns, absent)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        pages[i].error =
            error_of(paging, absent[i] && !is_repeated(pfns, i), errors[i],
                     frames + i * XLM_PAGE_SIZE, &pages[i]);
        if (!pages[i].error) {
            there[nr_there++] = pfns[i];
        }
    }
    return hv->ops->set_access(hv, paging->ring.domid, true, nr_there, there);
}

static int map_and_put(struct access_paging *paging, size_t count,
                       struct xlm_page_in *pages)
{
    struct xlm_hypervisor *hv = paging->ring.hv;
    uint64_t pfns[XLM_BATCH_PAGES] = {0};
    int errors[XLM_BATCH_PAGES];
    uint8_t *frames;
    int rc, error;

    for (size_t i = 0; i < count; i++) {
        pfns[i] = pages[i].pfn;
    }
    frames = hv->ops->map(hv, paging->ring.domid, true, count, pfns, errors);
    if (!frames) {
        return -1;
    }
    rc = put(paging, count, pages, frames, errors, pfns);
    error = errno;
    hv->ops->unmap(hv, frames, count);
    errno = error;
    return rc;
}

/* The domain is being destroyed: the hypervisor refuses each of its pages. */
static int refuse_all(size_t count, struct xlm_page_in *pages)
{
    for (size_t i = 0; i < count; i++) {
        pages[i].error = ESRCH;
    }
    return 0;
}

static int access_bring_in(struct xlm_paging *base, size_t count,
                           struct xlm_page_in *pages)
{
    struct access_paging *paging = of(base);

    if (!count) {
        return 0;
    }
    if (!read_log(paging) && !map_and_put(paging, count, pages)) {
        return 0;
    }
    return errno == ESRCH ? refuse_all(count, pages) : -1;
}

const struct xlm_paging_ops xlm_paging_access = {
    .pages = 1, /* the ring's: the guest may have had a hole at its pfn */
    .check = access_check,
    .most_vcpus = xlm_ring_most_vcpus,
    .start = access_start,
    .take_over = access_take_over,
    .stop = access_stop,
    .leave = xlm_ring_leave,
    .make_absent = access_make_absent,
    .bring_in = access_bring_in,
    .make_holes = xlm_ring_make_holes,
    .accept = xlm_ring_accept,
    .next_fault = xlm_ring_next_fault,
    .keep = xlm_ring_keep,
    .answer = xlm_ring_answer,
    .tell = xlm_ring_tell,
};
