/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: evicting pages and paging them in.
 *
 * A paging op is about one page, and costs mostly the way into the hypervisor
 * and back: multicalls take many ops there at once.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "hypervisor/xen.h"

/* How often, and at which intervals, to try to turn back a nominated page. */
#define TURN_BACK_TRIES 20
#define TURN_BACK_PAUSE_NS 100000

/* ---- whose pages ---- */

int xen_pager_check(struct xen_hypervisor *xen, uint32_t domid)
{
    if (!xen->pager.registered || xen->pager.domid != domid) {
        errno = ENODEV;
        return -1;
    }
    return 0;
}

/* ---- batches ---- */

void xen_batch_dispose(struct xen_hypervisor *xen,
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

int xen_batch_init(struct xen_hypervisor *xen, struct xen_paging_batch *batch,
                   size_t ops, bool contents)
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
    batch->size = ops;
    return 0;
}

static uint8_t *own_contents(const struct xen_paging_batch *batch,
                             size_t index)
{
    return batch->contents + index * XLM_PAGE_SIZE;
}

static void batch_set(struct xen_paging_batch *batch, size_t index,
                      uint8_t what, uint32_t domid, uint64_t pfn)
{
    xen_mem_paging_op_t *op = &batch->ops[index];

    *op = (xen_mem_paging_op_t){.op = what, .domain = domid, .gfn = pfn};
    if (batch->contents) {
        set_xen_guest_handle_raw(op->buffer, own_contents(batch, index));
    }
    batch->entries[index] = (multicall_entry_t){
        .op = __HYPERVISOR_memory_op,
        .args = {XENMEM_paging_op, (uintptr_t)op},
    };
}

static int batch_run(struct xen_hypervisor *xen,
                     struct xen_paging_batch *batch, size_t ops)
{
    int rc = xencall2(xen->call, __HYPERVISOR_multicall,
                      (uintptr_t)batch->entries, ops);

    return rc < 0 ? -1 : 0;
}

/* The result of one op: 0 or an errno. */
static int batch_error(const struct xen_paging_batch *batch, size_t index)
{
    return -(int)(long)batch->entries[index].result;
}

/* ---- evicting and paging in ---- */

/* Run one op in the batch's last place: 0 or an errno. */
static int single_op(struct xen_hypervisor *xen,
                     struct xen_paging_batch *batch, uint8_t what,
                     uint32_t domid, uint64_t pfn)
{
    size_t last = batch->size - 1;
    int rc;

    batch_set(batch, last, what, domid, pfn);
    rc = xencall2(xen->call, __HYPERVISOR_memory_op, XENMEM_paging_op,
                  (uintptr_t)&batch->ops[last]);
    return rc < 0 ? errno : 0;
}

int xen_bring_blank(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    int error = ENOENT;

    if (xen_pager_check(xen, domid) == 0 &&
        xen->pager.which == XLM_RING_PAGING) {
        error = single_op(xen, &xen->pager.blank, XENMEM_paging_op_prep, domid,
                          pfn);
    }
    errno = error;
    return error ? -1 : 0;
}

/*
 * Start to page in a nominated page, as a guest's access would.  From outside
 * the only way to that state is to change the page's type, which is refused
 * (EAGAIN) after paging in has begun.  This puts a request into the ring on
 * which no vCPU waits.
 */
static void request_page(struct xen_hypervisor *xen, uint32_t domid,
                         uint64_t pfn)
{
    (void)xen_set_mem_type(xen, domid, pfn, HVMMEM_ram_rw);
}

/*
 * Turn back a page that was nominated but not evicted, because a program
 * mapped it in between.  It must not stay nominated: the next access would go
 * to the pager, or kill the guest once there is no pager.  Returns the page's
 * error.
 */
static int turn_back(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    const struct timespec pause = {.tv_nsec = TURN_BACK_PAUSE_NS};
    struct xen_paging_batch *batch = &xen->pager.evict;
    unsigned int i;

    for (i = 0; i < TURN_BACK_TRIES; i++) {
        if (single_op(xen, batch, XENMEM_paging_op_evict, domid, pfn) == 0) {
            return 0;
        }
        /* Without contents: the page still has its frame. */
        request_page(xen, domid, pfn);
        if (single_op(xen, batch, XENMEM_paging_op_prep, domid, pfn) == 0) {
            return EBUSY;
        }
        /* Perhaps the ring was full. */
        nanosleep(&pause, NULL);
    }
    errno = EBUSY;
    xen_failed(xen, "page %#llx of domain %u is neither in nor out",
               (unsigned long long)pfn, domid);
    return EBUSY;
}

/* Handles the pages of one multicall, of any type. */
typedef int run_chunk(struct xen_hypervisor *xen, uint32_t domid, size_t count,
                      void *pages);

/* The type of these pages, and where each has its error. */
struct page_kind {
    size_t size;
    size_t error;
    run_chunk *run;
    const char *what;
};

/*
 * Run on any number of pages, chunk by chunk.  0: pages that were handled have
 * their errors set, all others have failed with errno. -1: no page was
 * handled.
 */
static int run_in_chunks(struct xen_hypervisor *xen, uint32_t domid,
                         size_t count, void *data,
                         const struct page_kind *kind)
{
    uint8_t *pages = data;
    bool is_pager = !xen_pager_check(xen, domid);
    size_t done = 0, chunk;

    for (; is_pager && done < count; done += chunk) {
        chunk =
            count - done < XEN_PAGING_CHUNK ? count - done : XEN_PAGING_CHUNK;
        if (kind->run(xen, domid, chunk, pages + done * kind->size)) {
            break;
        }
    }
    if (!is_pager || (done == 0 && count)) {
        return xen_failed(xen, "%s %zu pages of domain %u", kind->what, count,
                          domid);
    }
    for (; done < count; done++) {
        *(int *)(pages + done * kind->size + kind->error) = errno;
    }
    return 0;
}

static int evict_chunk(struct xen_hypervisor *xen, uint32_t domid,
                       size_t count, void *data)
{
    struct xen_paging_batch *batch = &xen->pager.evict;
    struct xlm_eviction *pages = data;
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
        if (!pages[i].error && batch_error(batch, 2 * i + 1)) {
            pages[i].error = turn_back(xen, domid, pages[i].pfn);
        }
    }
    return 0;
}

int xen_evict(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
              struct xlm_eviction *pages)
{
    static const struct page_kind kind = {
        .size = sizeof(*pages),
        .error = offsetof(struct xlm_eviction, error),
        .run = evict_chunk,
        .what = "evicting",
    };

    return run_in_chunks(xen_of(hv), domid, count, pages, &kind);
}

int xen_nominate(struct xen_hypervisor *xen, uint32_t domid, uint64_t first,
                 size_t count, size_t *refused)
{
    struct xen_paging_batch *batch = &xen->pager.evict;
    size_t i;

    if (xen_pager_check(xen, domid)) {
        return -1;
    }
    for (i = 0; i < count; i++) {
        batch_set(batch, i, XENMEM_paging_op_nominate, domid, first + i);
    }
    if (batch_run(xen, batch, count)) {
        return -1;
    }
    for (i = 0; i < count; i++) {
        *refused += batch_error(batch, i) != 0;
    }
    return 0;
}

static bool is_readable(const struct xen_hypervisor *xen,
                        const uint8_t *contents)
{
    for (size_t i = 0; i < XLM_CONTENTS_BUFFERS; i++) {
        const struct xen_contents *buffer = &xen->contents[i];
        const uint8_t *start = atomic_load(&buffer->start);

        /* Xen takes whole pages. */
        if (start && contents >= start && contents < start + buffer->octets) {
            return (uintptr_t)contents % XLM_PAGE_SIZE == 0;
        }
    }
    return false;
}

static void batch_set_contents(struct xen_hypervisor *xen,
                               struct xen_paging_batch *batch, size_t index,
                               const void *contents)
{
    if (is_readable(xen, contents)) {
        set_xen_guest_handle_raw(batch->ops[index].buffer,
                                 (uint8_t *)contents);
    } else {
        memcpy(own_contents(batch, index), contents, XLM_PAGE_SIZE);
    }
}

static int page_in_chunk(struct xen_hypervisor *xen, uint32_t domid,
                         size_t count, void *data)
{
    struct xen_paging_batch *batch = &xen->pager.page_in;
    struct xlm_page_in *pages = data;
    size_t i;

    for (i = 0; i < count; i++) {
        batch_set(batch, i, XENMEM_paging_op_prep, domid, pages[i].pfn);
        batch_set_contents(xen, batch, i, pages[i].contents);
    }
    if (batch_run(xen, batch, count)) {
        return -1;
    }
    for (i = 0; i < count; i++) {
        pages[i].error = batch_error(batch, i);
        /* For a domain that is being destroyed Xen returns EINVAL, long before
         * it shows the domain as dying. (Xen also does so without a
         * buffer.) */
        if (pages[i].error == EINVAL) {
            pages[i].error = ESRCH;
        }
    }
    return 0;
}

int xen_page_in(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                struct xlm_page_in *pages)
{
    static const struct page_kind kind = {
        .size = sizeof(*pages),
        .error = offsetof(struct xlm_page_in, error),
        .run = page_in_chunk,
        .what = "paging in",
    };

    return run_in_chunks(xen_of(hv), domid, count, pages, &kind);
}

void *xen_contents_alloc(struct xlm_hypervisor *hv, size_t pages)
{
    struct xen_hypervisor *xen = xen_of(hv);

    for (size_t i = 0; i < XLM_CONTENTS_BUFFERS; i++) {
        struct xen_contents *buffer = &xen->contents[i];

        if (!buffer->start) {
            void *start = xencall_alloc_buffer_pages(xen->call, pages);

            buffer->octets = pages * XLM_PAGE_SIZE;
            atomic_store(&buffer->start, start);
            return start;
        }
    }
    errno = EBUSY;
    return NULL;
}

void xen_contents_free(struct xlm_hypervisor *hv, void *contents, size_t pages)
{
    struct xen_hypervisor *xen = xen_of(hv);

    for (size_t i = 0; contents && i < XLM_CONTENTS_BUFFERS; i++) {
        if (xen->contents[i].start == contents) {
            atomic_store(&xen->contents[i].start, NULL);
            xencall_free_buffer_pages(xen->call, contents, pages);
        }
    }
}
