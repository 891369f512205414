/*
 * The pager of a domain that is being received.
 */
#include "pager.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "histogram.h"
#include "paging_ring.h"
#include "record.h"

/* So often a page is tried to be brought in while the guest is not ours. */
#define TRIES_BEFORE_GO 20

/* A vCPU that waits for a page. */
struct waiter {
    vm_event_request_t request;
    uint64_t since_us;
    uint64_t pushed; /* pages that had come unasked by then */
};

struct xlm_pager {
    struct xlm_context *ctx;
    struct xlm_channel *channel;
    uint32_t domid;
    int event_fd; /* the hypervisor signals */
    int stop_fd;  /* the ring thread shall end */
    pthread_t ring_thread;
    bool ring_thread_runs;
    pthread_t request_thread;
    bool request_thread_runs;
    pthread_mutex_t entry; /* one thread at a time brings pages in */

    /* All below is under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* of the request thread */
    pthread_cond_t idle; /* it has stopped writing */
    vm_event_back_ring_t ring;
    struct xlm_pfn_set outstanding;
    struct xlm_pfn_set requested; /* asked for, or about to be */
    struct xlm_pfn_set unsent;    /* requested, and not yet written */
    struct xlm_pfn_set dropped;   /* by the guest; the source may send them */
    struct waiter *waiters;       /* one a vCPU at the most */
    size_t nr_waiters;
    size_t max_waiters;
    bool requests_open; /* the source takes them: it has said GO */
    bool ours;          /* the same, once and for all */
    bool writing;       /* the request thread is using the channel */
    bool stopping;
    bool gone;                   /* the domain is being destroyed */
    struct xlm_pfn_set arrived;  /* and not evicted again since */
    struct xlm_histogram waits;  /* of vCPUs, in us ... */
    struct xlm_histogram behind; /* ... and what came unasked meanwhile */
    uint64_t *blocked_us;        /* by vCPU; max_waiters of them */
    uint64_t duplicates;
    uint64_t pages_requested;
    uint64_t pages_pushed;
    uint64_t pages_dropped;
    uint64_t outside; /* requests on which no vCPU waits */
};

/* ---- the ring; callers hold the lock ---- */

static void answer(struct xlm_pager *pager, const vm_event_request_t *request)
{
    vm_event_response_t response;

    memset(&response, 0, sizeof(response));
    response.version = VM_EVENT_INTERFACE_VERSION;
    response.vcpu_id = request->vcpu_id;
    response.flags = request->flags & VM_EVENT_FLAG_VCPU_PAUSED;
    response.reason = request->reason;
    response.u.mem_paging = request->u.mem_paging;
    xlm_paging_ring_put(&pager->ring, &response);
}

static void notify(struct xlm_pager *pager)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;

    if (hv->ops->pager_notify(hv)) {
        xtl_log(pager->ctx->logger, XTL_ERROR, errno, "xlm",
                "cannot signal the hypervisor");
    }
}

static void count_wait(struct xlm_pager *pager, const struct waiter *waiter)
{
    uint64_t us = xlm_now_us() - waiter->since_us;

    xlm_histogram_add(&pager->waits, us);
    xlm_histogram_add(&pager->behind, pager->pages_pushed - waiter->pushed);
    if (waiter->request.vcpu_id < pager->max_waiters) {
        pager->blocked_us[waiter->request.vcpu_id] += us;
    }
}

/* The page is there, or nobody wants it: answer all who waited for it. */
static bool answer_waiters(struct xlm_pager *pager, uint64_t pfn)
{
    size_t kept = 0;
    bool answered = false;

    for (size_t i = 0; i < pager->nr_waiters; i++) {
        struct waiter *waiter = &pager->waiters[i];

        if (waiter->request.u.mem_paging.gfn == pfn) {
            answer(pager, &waiter->request);
            count_wait(pager, waiter);
            answered = true;
        } else {
            pager->waiters[kept++] = *waiter;
        }
    }
    pager->nr_waiters = kept;
    return answered;
}

/* A page is outstanding no more; true when there is somebody to notify. */
static bool settle(struct xlm_pager *pager, uint64_t pfn)
{
    xlm_pfn_set_remove(&pager->outstanding, pfn);
    xlm_pfn_set_remove(&pager->requested, pfn);
    xlm_pfn_set_remove(&pager->unsent, pfn);
    return answer_waiters(pager, pfn);
}

static void ask_for(struct xlm_pager *pager, uint64_t pfn)
{
    if (xlm_pfn_set_add(&pager->requested, pfn)) {
        xlm_pfn_set_add(&pager->unsent, pfn);
        pthread_cond_signal(&pager->wake);
    }
}

static void take_request(struct xlm_pager *pager,
                         const vm_event_request_t *request)
{
    uint64_t pfn = request->u.mem_paging.gfn;
    bool vcpu_waits = request->flags & VM_EVENT_FLAG_VCPU_PAUSED;

    if (request->u.mem_paging.flags & MEM_PAGING_DROP_PAGE) {
        if (xlm_pfn_set_contains(&pager->outstanding, pfn)) {
            pager->pages_dropped++;
            (void)settle(pager, pfn);
            xlm_pfn_set_add(&pager->dropped, pfn);
        }
    } else if (xlm_pfn_set_contains(&pager->outstanding, pfn)) {
        ask_for(pager, pfn);
        pager->outside += !vcpu_waits;
        if (vcpu_waits && pager->nr_waiters < pager->max_waiters) {
            pager->waiters[pager->nr_waiters++] =
                (struct waiter){*request, xlm_now_us(), pager->pages_pushed};
            return;
        }
    }
    /* Every request holds a slot of the ring until it is answered, also those
     * that nobody waits on: who maps a page from outside tries again. */
    answer(pager, request);
}

/* Take at most what the ring holds, whatever its counters say; true: there may
 * be more. */
static bool drain_ring(struct xlm_pager *pager)
{
    const unsigned int slots = RING_SIZE(&pager->ring);
    vm_event_request_t request;
    unsigned int taken = 0;

    pthread_mutex_lock(&pager->lock);
    while (taken < slots && xlm_paging_ring_get(&pager->ring, &request)) {
        take_request(pager, &request);
        taken++;
    }
    pthread_mutex_unlock(&pager->lock);
    if (taken) {
        notify(pager);
    }
    return taken == slots;
}

static void *run_ring(void *data)
{
    struct xlm_pager *pager = data;
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    struct pollfd fds[] = {
        {.fd = pager->event_fd, .events = POLLIN},
        {.fd = pager->stop_fd, .events = POLLIN},
    };
    bool more = false;

    while (!fds[1].revents) {
        if (poll(fds, 2, more ? 0 : -1) < 0) {
            continue; /* EINTR */
        }
        if (fds[0].revents && hv->ops->pager_accept(hv)) {
            xtl_log(pager->ctx->logger, XTL_ERROR, errno, "xlm",
                    "cannot take the hypervisor's signal");
        }
        more = drain_ring(pager);
    }
    return NULL;
}

/* ---- requests to the source ---- */

static size_t take_unsent(struct xlm_pager *pager, uint64_t *pfns, size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&pager->lock);
    while (!pager->stopping &&
           !(pager->requests_open && pager->unsent.count)) {
        /* What was unsent may have been settled. */
        pthread_cond_broadcast(&pager->idle);
        pthread_cond_wait(&pager->wake, &pager->lock);
    }
    while (!pager->stopping && count < max && pager->unsent.count) {
        pfns[count] = xlm_pfn_set_next(&pager->unsent, 0);
        xlm_pfn_set_remove(&pager->unsent, pfns[count++]);
    }
    pager->writing = count;
    pthread_mutex_unlock(&pager->lock);
    return count;
}

/* When writing has failed the stream's reader is stopped: it may not find the
 * connection dead by itself.  Until there is another one, nothing more is
 * written. */
static void stop_writing(struct xlm_pager *pager, bool failed)
{
    pthread_mutex_lock(&pager->lock);
    pager->writing = false;
    if (failed) {
        pager->requests_open = false;
    }
    pthread_cond_broadcast(&pager->idle);
    pthread_mutex_unlock(&pager->lock);
}

static void *run_requests(void *data)
{
    struct xlm_pager *pager = data;
    uint64_t pfns[64];
    size_t count;
    int rc;

    while ((count = take_unsent(pager, pfns, 64))) {
        rc = xlm_write_pfns(pager->ctx, pager->channel, XLM_REC_POSTCOPY_FAULT,
                            pfns, count);
        if (rc) {
            xlm_channel_stop(pager->channel);
        }
        stop_writing(pager, rc);
    }
    return NULL;
}

void xlm_pager_open_requests(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    pager->requests_open = true;
    pager->ours = true;
    pthread_cond_signal(&pager->wake);
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_await_requests(struct xlm_pager *pager,
                              const struct xlm_channel *channel)
{
    pthread_mutex_lock(&pager->lock);
    while (pager->channel == channel && pager->requests_open &&
           (pager->unsent.count || pager->writing)) {
        pthread_cond_wait(&pager->idle, &pager->lock);
    }
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_use_channel(struct xlm_pager *pager,
                           struct xlm_channel *channel)
{
    pthread_mutex_lock(&pager->lock);
    pager->channel = channel;
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_close_requests(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    pager->requests_open = false;
    while (pager->writing) {
        pthread_cond_wait(&pager->idle, &pager->lock);
    }
    /* What was asked for may not have arrived. */
    xlm_pfn_set_clear(&pager->unsent);
    xlm_pfn_set_unite(&pager->unsent, &pager->requested);
    /* What is lacking will be told. */
    xlm_pfn_set_clear(&pager->dropped);
    pthread_mutex_unlock(&pager->lock);
}

size_t xlm_pager_take_dropped(struct xlm_pager *pager, uint64_t *pfns,
                              size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&pager->lock);
    while (count < max && pager->dropped.count) {
        uint64_t from = count ? pfns[count - 1] : 0;

        pfns[count] = xlm_pfn_set_next(&pager->dropped, from);
        xlm_pfn_set_remove(&pager->dropped, pfns[count++]);
    }
    pthread_mutex_unlock(&pager->lock);
    return count;
}

int xlm_pager_list_outstanding(struct xlm_pager *pager, uint64_t **pfns,
                               size_t *count)
{
    const struct xlm_pfn_set *set = &pager->outstanding;
    uint64_t pfn;

    *count = 0;
    pthread_mutex_lock(&pager->lock);
    *pfns = calloc(set->count + 1, sizeof(**pfns));
    for (pfn = *pfns ? xlm_pfn_set_next(set, 0) : XLM_PFN_NONE;
         pfn != XLM_PFN_NONE; pfn = xlm_pfn_set_next(set, pfn + 1)) {
        (*pfns)[(*count)++] = pfn;
    }
    pthread_mutex_unlock(&pager->lock);
    return *pfns ? 0 : xlm_fail(pager->ctx, "no memory for a list of pages");
}

/* ---- open and close ---- */

static int make_room_for_kept(struct xlm_pager *pager, uint64_t limit,
                              unsigned long *kept)
{
    if (!kept) {
        return xlm_pfn_set_reserve(&pager->outstanding, limit) ||
                       xlm_pfn_set_reserve(&pager->requested, limit)
                   ? -1
                   : 0;
    }
    xlm_pfn_set_lend(&pager->outstanding, kept, limit);
    xlm_pfn_set_lend(&pager->requested, kept + xlm_pfn_set_words(limit),
                     limit);
    xlm_pfn_set_intersect(&pager->requested, &pager->outstanding);
    return 0;
}

static int make_room(struct xlm_pager *pager, uint64_t limit,
                     unsigned long *kept)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, pager->domid, &info)) {
        return -1;
    }
    pager->max_waiters = info.max_vcpu_id + 1;
    pager->waiters = calloc(pager->max_waiters, sizeof(*pager->waiters));
    pager->blocked_us = calloc(pager->max_waiters, sizeof(*pager->blocked_us));
    pager->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (!pager->waiters || !pager->blocked_us || pager->stop_fd < 0 ||
        make_room_for_kept(pager, limit, kept) ||
        xlm_pfn_set_reserve(&pager->unsent, limit) ||
        xlm_pfn_set_reserve(&pager->dropped, limit) ||
        xlm_pfn_set_reserve(&pager->arrived, limit)) {
        return -1;
    }
    /* What was asked for before, by another. */
    xlm_pfn_set_unite(&pager->unsent, &pager->requested);
    return 0;
}

static int start(pthread_t *thread, bool *runs, void *(*run)(void *),
                 struct xlm_pager *pager)
{
    errno = pthread_create(thread, NULL, run, pager);
    *runs = !errno;
    return errno ? -1 : 0;
}

/* A guest that lacks pages keeps the registration: it waits for another. */
static void retire(struct xlm_pager *pager)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    int error = errno;

    if (!pager->outstanding.count) {
        (void)hv->ops->pager_disable(hv, pager->domid);
    }
    errno = error;
}

/* The hypervisor asks once, and the dead pager did not come to read it. */
static void ask_for_left(struct xlm_pager *pager, const struct xlm_left *left)
{
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < left->count; i++) {
        if (xlm_pfn_set_contains(&pager->outstanding, left->pfns[i])) {
            ask_for(pager, left->pfns[i]);
        }
    }
    pthread_mutex_unlock(&pager->lock);
}

static int enable(struct xlm_pager *pager, bool in_place_of_another)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    struct xlm_left left = {.count = 0};
    void *page;

    if (start(&pager->request_thread, &pager->request_thread_runs,
              run_requests, pager)) {
        return -1;
    }
    if (in_place_of_another
            ? hv->ops->pager_take_over(hv, pager->domid, pager->max_waiters,
                                       &page, &pager->event_fd, &left)
            : hv->ops->pager_enable(hv, pager->domid, &page,
                                    &pager->event_fd)) {
        return -1;
    }
    ask_for_left(pager, &left);
    xlm_paging_ring_attach(&pager->ring, page);
    if (start(&pager->ring_thread, &pager->ring_thread_runs, run_ring,
              pager)) {
        retire(pager);
        return -1;
    }
    return 0;
}

static const char *why_not(int error)
{
    switch (error) {
    case ENODEV:
        return "the guest has no hardware assisted paging (hap=0 in its "
               "configuration?)";
    case ENOSYS:
    case EOPNOTSUPP:
        return "this host's hypervisor is built without memory paging "
               "(CONFIG_MEM_PAGING)";
    case EXDEV:
        return "the guest uses populate-on-demand or passed-through devices";
    case ENOMEM:
        return "this host has not enough memory: free some";
    default:
        return strerror(error);
    }
}

static struct xlm_pager *new_pager(struct xlm_context *ctx,
                                   struct xlm_channel *channel, uint32_t domid)
{
    struct xlm_pager *pager = calloc(1, sizeof(*pager));

    if (!pager) {
        xlm_fail(ctx, "no memory for the pager");
        return NULL;
    }
    pager->ctx = ctx;
    pager->channel = channel;
    pager->domid = domid;
    pager->stop_fd = -1;
    pthread_mutex_init(&pager->lock, NULL);
    pthread_mutex_init(&pager->entry, NULL);
    pthread_cond_init(&pager->wake, NULL);
    pthread_cond_init(&pager->idle, NULL);
    return pager;
}

/* Why a pager that has died could not be replaced. */
static const char *why_not_replaced(int error)
{
    return error == EBUSY
               ? "a vCPU of the guest sleeps in the hypervisor, as more "
                 "pages were wanted at once than the ring has room for; "
                 "the guest is lost"
               : why_not(error);
}

static struct xlm_pager *open_pager(struct xlm_context *ctx,
                                    struct xlm_channel *channel,
                                    uint32_t domid, uint64_t limit,
                                    unsigned long *kept,
                                    bool in_place_of_another)
{
    struct xlm_pager *pager = new_pager(ctx, channel, domid);
    int error;

    if (!pager || (!make_room(pager, limit, kept) &&
                   !enable(pager, in_place_of_another))) {
        return pager;
    }
    error = errno;
    if (in_place_of_another) {
        xlm_fail(ctx,
                 "cannot take the place of the pager of domain %" PRIu32
                 ", which was killed: %s",
                 domid, why_not_replaced(error));
    } else {
        xlm_fail(ctx, "cannot page domain %" PRIu32 ": %s", domid,
                 why_not(error));
    }
    xlm_pager_close(pager);
    errno = error;
    return NULL;
}

struct xlm_pager *xlm_pager_open(struct xlm_context *ctx,
                                 struct xlm_channel *channel, uint32_t domid,
                                 uint64_t limit, unsigned long *kept)
{
    return open_pager(ctx, channel, domid, limit, kept, false);
}

struct xlm_pager *xlm_pager_take_over(struct xlm_context *ctx,
                                      struct xlm_channel *channel,
                                      uint32_t domid, uint64_t limit,
                                      unsigned long *kept)
{
    return open_pager(ctx, channel, domid, limit, kept, true);
}

static void stop_threads(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    pager->stopping = true;
    pthread_cond_signal(&pager->wake);
    pthread_mutex_unlock(&pager->lock);
    if (pager->request_thread_runs) {
        pthread_join(pager->request_thread, NULL);
    }
    if (pager->ring_thread_runs) {
        eventfd_write(pager->stop_fd, 1);
        pthread_join(pager->ring_thread, NULL);
    }
}

void xlm_pager_close(struct xlm_pager *pager)
{
    struct xlm_hypervisor *hv;

    if (!pager) {
        return;
    }
    hv = pager->ctx->hypervisor;
    stop_threads(pager);
    if (pager->ring_thread_runs) {
        /* Once more, in case the last one was lost: no other will follow. */
        notify(pager);
    }
    if (pager->outstanding.count) {
        xtl_log(pager->ctx->logger, XTL_WARN, -1, "xlm",
                "domain %" PRIu32 " lacks %" PRIu64 " pages and has lost its "
                "pager",
                pager->domid, pager->outstanding.count);
    } else if (pager->ring_thread_runs &&
               hv->ops->pager_disable(hv, pager->domid)) {
        xtl_log(pager->ctx->logger, XTL_WARN, errno, "xlm",
                "cannot stop paging domain %" PRIu32, pager->domid);
    }
    if (pager->stop_fd >= 0) {
        close(pager->stop_fd);
    }
    xlm_pfn_set_dispose(&pager->outstanding);
    xlm_pfn_set_dispose(&pager->requested);
    xlm_pfn_set_dispose(&pager->unsent);
    xlm_pfn_set_dispose(&pager->dropped);
    xlm_pfn_set_dispose(&pager->arrived);
    pthread_mutex_destroy(&pager->lock);
    pthread_mutex_destroy(&pager->entry);
    pthread_cond_destroy(&pager->wake);
    pthread_cond_destroy(&pager->idle);
    free(pager->waiters);
    free(pager->blocked_us);
    free(pager);
}

/* ---- pages out and in ---- */

int xlm_pager_evict(struct xlm_pager *pager, size_t count,
                    const uint64_t *pfns, struct xlm_pfn_set *refused)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    struct xlm_eviction pages[XLM_BATCH_PAGES];
    size_t nr_pages = 0;

    /* Outstanding first: a request must find its page expected. */
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        if (xlm_pfn_set_add(&pager->outstanding, pfns[i])) {
            xlm_pfn_set_remove(&pager->arrived, pfns[i]);
            pages[nr_pages++] = (struct xlm_eviction){.pfn = pfns[i]};
        }
    }
    pthread_mutex_unlock(&pager->lock);
    if (hv->ops->evict(hv, pager->domid, nr_pages, pages)) {
        return xlm_fail(pager->ctx,
                        "cannot evict pages of domain %" PRIu32 ": %s",
                        pager->domid, strerror(errno));
    }
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < nr_pages; i++) {
        if (pages[i].error) {
            xlm_pfn_set_add(refused, pages[i].pfn);
            (void)settle(pager, pages[i].pfn);
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return 0;
}

bool xlm_pager_is_outstanding(struct xlm_pager *pager, uint64_t pfn)
{
    bool is;

    pthread_mutex_lock(&pager->lock);
    is = xlm_pfn_set_contains(&pager->outstanding, pfn);
    pthread_mutex_unlock(&pager->lock);
    return is;
}

uint64_t xlm_pager_outstanding(struct xlm_pager *pager)
{
    uint64_t count;

    pthread_mutex_lock(&pager->lock);
    count = pager->outstanding.count;
    pthread_mutex_unlock(&pager->lock);
    return count;
}

uint64_t xlm_pager_requested(struct xlm_pager *pager)
{
    uint64_t count;

    pthread_mutex_lock(&pager->lock);
    count = pager->requested.count;
    pthread_mutex_unlock(&pager->lock);
    return count;
}

uint64_t xlm_pager_waiting_since(struct xlm_pager *pager)
{
    uint64_t since_us = 0;

    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < pager->nr_waiters; i++) {
        uint64_t us = pager->waiters[i].since_us;

        if (!since_us || us < since_us) {
            since_us = us;
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return since_us;
}

bool xlm_pager_guest_is_gone(struct xlm_pager *pager)
{
    bool gone;

    pthread_mutex_lock(&pager->lock);
    gone = pager->gone;
    pthread_mutex_unlock(&pager->lock);
    return gone;
}

void xlm_pager_forget_guest(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    xlm_pfn_set_clear(&pager->outstanding);
    xlm_pfn_set_clear(&pager->requested);
    xlm_pfn_set_clear(&pager->unsent);
    pager->nr_waiters = 0;
    pthread_mutex_unlock(&pager->lock);
}

static int page_in_failed(struct xlm_pager *pager,
                          const struct xlm_page_in *page)
{
    errno = page->error;
    return xlm_fail(pager->ctx,
                    "cannot bring in page %#" PRIx64 " of domain %" PRIu32
                    ": %s",
                    page->pfn, pager->domid, strerror(errno));
}

/*
 * Account for a batch that was tried; what is left to try again moves to its
 * front.  0: *left pages remain; -1: a page failed for good.
 */
static int settle_batch(struct xlm_pager *pager, size_t count,
                        struct xlm_page_in *pages, size_t *left)
{
    bool answered = false;
    int rc = 0;

    *left = 0;
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        bool asked = xlm_pfn_set_contains(&pager->requested, pages[i].pfn);

        if (xlm_try_again(pages[i].error)) {
            pages[(*left)++] = pages[i];
            continue;
        }
        if (pages[i].error && pages[i].error != ENOENT) {
            pager->gone |= pages[i].error == ESRCH;
            rc = page_in_failed(pager, &pages[i]);
            continue;
        }
        if (pages[i].error) {
            /* Unless the ring told of it meanwhile. */
            pager->pages_dropped +=
                xlm_pfn_set_contains(&pager->outstanding, pages[i].pfn);
        } else {
            xlm_pfn_set_add(&pager->arrived, pages[i].pfn);
            pager->pages_requested += asked;
            pager->pages_pushed += !asked;
        }
        answered |= settle(pager, pages[i].pfn);
    }
    pthread_mutex_unlock(&pager->lock);
    if (answered) {
        notify(pager);
    }
    return rc;
}

/* Drop from a batch what is not outstanding: a lying or repeating peer, or a
 * page that the guest has dropped meanwhile. */
static size_t only_outstanding(struct xlm_pager *pager, size_t count,
                               struct xlm_page_in *pages)
{
    size_t kept = 0;

    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < count; i++) {
        if (xlm_pfn_set_contains(&pager->outstanding, pages[i].pfn)) {
            pages[kept++] = pages[i];
        } else {
            pager->duplicates +=
                xlm_pfn_set_contains(&pager->arrived, pages[i].pfn);
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return kept;
}

/* Before the go the guest is stopped at the source, which can let it run on:
 * nobody is to wait long. */
static int check_patience(struct xlm_pager *pager, unsigned int tries)
{
    bool ours;

    pthread_mutex_lock(&pager->lock);
    ours = pager->ours;
    pthread_mutex_unlock(&pager->lock);
    if (ours || tries < TRIES_BEFORE_GO) {
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
        return 0;
    }
    errno = ENOMEM;
    return xlm_fail(pager->ctx,
                    "cannot bring in pages of domain %" PRIu32
                    ": this host has no memory for them; free some",
                    pager->domid);
}

static int page_in(struct xlm_pager *pager, size_t count,
                   struct xlm_page_in *pages)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    int rc;

    pthread_mutex_lock(&pager->entry);
    rc = hv->ops->page_in(hv, pager->domid, count, pages);
    pthread_mutex_unlock(&pager->entry);
    return rc;
}

int xlm_pager_bring_in(struct xlm_pager *pager, size_t count,
                       struct xlm_page_in *pages)
{
    unsigned int tries = 0;

    count = only_outstanding(pager, count, pages);
    while (count) {
        size_t left = count;
        int rc = page_in(pager, count, pages);

        if (rc && !xlm_try_again(errno)) {
            return xlm_fail(pager->ctx,
                            "cannot bring in pages of domain "
                            "%" PRIu32 ": %s",
                            pager->domid, strerror(errno));
        }
        if (!rc && settle_batch(pager, count, pages, &left)) {
            return -1;
        }
        if (left == count && check_patience(pager, ++tries)) {
            return -1;
        }
        count = left;
    }
    return 0;
}

static int depopulate(struct xlm_pager *pager, uint64_t pfn)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    int rc;

    pthread_mutex_lock(&pager->entry);
    rc = hv->ops->depopulate(hv, pager->domid, 1, &pfn);
    pthread_mutex_unlock(&pager->entry);
    return rc;
}

int xlm_pager_bring_hole(struct xlm_pager *pager, uint64_t pfn)
{
    bool answered;

    if (!xlm_pager_is_outstanding(pager, pfn)) {
        return 0;
    }
    while (depopulate(pager, pfn)) {
        if (!xlm_try_again(errno)) {
            return xlm_fail(pager->ctx,
                            "cannot remove page %#" PRIx64
                            " of domain %" PRIu32 ": %s",
                            pfn, pager->domid, strerror(errno));
        }
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
    }
    pthread_mutex_lock(&pager->lock);
    pager->pages_dropped += xlm_pfn_set_contains(&pager->outstanding, pfn);
    answered = settle(pager, pfn);
    pthread_mutex_unlock(&pager->lock);
    if (answered) {
        notify(pager);
    }
    return 0;
}

void xlm_pager_get_stats(struct xlm_pager *pager, struct xlm_wire_stats *stats,
                         uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS])
{
    size_t nr_vcpus = pager->max_waiters < XLM_WIRE_WAIT_VCPUS
                          ? pager->max_waiters
                          : XLM_WIRE_WAIT_VCPUS;

    pthread_mutex_lock(&pager->lock);
    *stats = (struct xlm_wire_stats){
        .faults = pager->waits.count,
        .fault_median_us = xlm_histogram_quantile(&pager->waits, 500),
        .fault_p99_us = xlm_histogram_quantile(&pager->waits, 990),
        .fault_max_us = pager->waits.most,
        .pages_requested = pager->pages_requested,
        .pages_pushed = pager->pages_pushed,
        .pages_dropped = pager->pages_dropped,
        .blocked_us = pager->waits.sum,
        .outside = pager->outside,
        .duplicates = pager->duplicates,
        .behind_median = xlm_histogram_quantile(&pager->behind, 500),
        .behind_most = pager->behind.most,
        .nr_vcpus = nr_vcpus,
    };
    xlm_histogram_log2(&pager->waits, stats->histogram, XLM_WIRE_WAIT_BUCKETS);
    memcpy(blocked_us, pager->blocked_us, nr_vcpus * sizeof(*blocked_us));
    pthread_mutex_unlock(&pager->lock);
}
