/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real hypervisor: evicting pages and paging them in.
 *
 * A paging op is about one page, and most of what it costs is the way into
 * the hypervisor and back: multicalls take many of them there at once.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "hypervisor/xen.h"

/* How often, and how long apart, to try to settle a page between states. */
#define SETTLE_TRIES 20
#define SETTLE_PAUSE_NS 100000

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

/* What became of one op: 0 or an errno. */
static int batch_error(const struct xen_paging_batch *batch, size_t index)
{
    return -(int)(long)batch->entries[index].result;
}

/* ---- evicting and paging in ---- */

/* One op by itself, in the batch's last place: 0 or an errno. */
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

    if (xen_pager_check(xen, domid) == 0) {
        error = single_op(xen, &xen->pager.blank, XENMEM_paging_op_prep, domid,
                          pfn);
    }
    errno = error;
    return error ? -1 : 0;
}

/*
 * Start to page in a page that was nominated, as a guest's access would: the
 * one way to that state from outside is to change the type of the page, which
 * is refused (EAGAIN) after the paging in has begun.  Puts a request in the
 * ring that pauses nobody.
 */
static void request_page(struct xen_hypervisor *xen, uint32_t domid,
                         uint64_t pfn)
{
    (void)xen_set_mem_type(xen, domid, pfn, HVMMEM_ram_rw);
}

/*
 * A page was nominated but not evicted, as somebody mapped it in between.  It
 * must not stay that way: the next access would go to the pager, or kill the
 * guest once there is none.  Returns what the page's error is to be.
 */
static int settle(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn)
{
    const struct timespec pause = {.tv_nsec = SETTLE_PAUSE_NS};
    struct xen_paging_batch *batch = &xen->pager.evict;
    unsigned int i;

    for (i = 0; i < SETTLE_TRIES; i++) {
        if (single_op(xen, batch, XENMEM_paging_op_evict, domid, pfn) == 0) {
            return 0;
        }
        /* Without contents: the page keeps the frame that it still has. */
        request_page(xen, domid, pfn);
        if (single_op(xen, batch, XENMEM_paging_op_prep, domid, pfn) == 0) {
            return EBUSY;
        }
        /* The ring was full, perhaps. */
        nanosleep(&pause, NULL);
    }
    errno = EBUSY;
    xen_failed(xen, "page %#llx of domain %u is neither in nor out",
               (unsigned long long)pfn, domid);
    return EBUSY;
}

/* As many pages as a multicall takes, of whatever kind. */
typedef int run_chunk(struct xen_hypervisor *xen, uint32_t domid, size_t count,
                      void *pages);

/* Of what kind they are, and where each has its error. */
struct page_kind {
    size_t size;
    size_t error;
    run_chunk *run;
    const char *what;
};

/*
 * Pages of any number, chunk by chunk.  0: those that went through have their
 * errors set, and those that did not all have failed with errno.
 * -1: not one went through.
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
            pages[i].error = settle(xen, domid, pages[i].pfn);
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

static bool is_readable(const struct xen_hypervisor *xen,
                        const uint8_t *contents)
{
    for (size_t i = 0; i < XLM_CONTENTS_BUFFERS; i++) {
        const struct xen_contents *buffer = &xen->contents[i];

        /* Xen takes whole pages. */
        if (buffer->start && contents >= buffer->start &&
            contents < buffer->start + buffer->octets) {
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
        /* Xen says EINVAL of any domain that is being destroyed, long before
         * it shows as dying.  (It also does so without a buffer.) */
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
            buffer->start = xencall_alloc_buffer_pages(xen->call, pages);
            buffer->octets = pages * XLM_PAGE_SIZE;
            return buffer->start;
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
            xencall_free_buffer_pages(xen->call, contents, pages);
            xen->contents[i] = (struct xen_contents){.start = NULL};
        }
    }
}
