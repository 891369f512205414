/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor: the calls of a pager.
 */
#include "fake_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

int fake_op_paging_supported(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = fake_handle_of(hv);
    int rc = fake_op_begin(handle, FAKE_OP_paging_supported);

    if (rc == 0 && handle->host->no_paging) {
        errno = ENOSYS;
        rc = -1;
    }
    return fake_op_end(handle, FAKE_OP_paging_supported, rc);
}

int fake_op_access_supported(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = fake_handle_of(hv);
    int rc = fake_op_begin(handle, FAKE_OP_access_supported);

    if (rc == 0 && handle->host->no_access) {
        errno = handle->host->no_access;
        rc = -1;
    }
    return fake_op_end(handle, FAKE_OP_access_supported, rc);
}

/* 0, or the errno with which a host without that mechanism refuses. */
static int lack_of_ring(const struct fake_host *host, enum xlm_ring which)
{
    if (which == XLM_RING_PAGING) {
        return host->no_paging ? ENOSYS : 0;
    }
    return host->no_access;
}

static int pager_enable(struct fake_handle *handle, struct fake_domain *domain,
                        enum xlm_ring which, void **ring, int *event_fd,
                        uint32_t *port)
{
    if (handle->pager_of) {
        fake_violation(handle->host, "one pager at a time per handle");
    }
    if (!fake_is_held(domain)) {
        fake_violation(handle->host, "pager enabled on a running domain");
    }
    errno = lack_of_ring(handle->host, which);
    if (!errno && !domain->hap) {
        errno = ENODEV;
    }
    if (errno || fake_paging_enable(domain, which, ring, event_fd, port)) {
        return -1;
    }
    handle->pager_of = domain;
    domain->ring_mapped = true;
    return 0;
}

int fake_op_pager_enable(struct xlm_hypervisor *hv, uint32_t domid,
                         enum xlm_ring which, void **ring, int *event_fd,
                         uint32_t *port)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_pager_enable, domid);
    int rc = domain ? pager_enable(handle, domain, which, ring, event_fd, port)
                    : -1;

    return fake_op_end(handle, FAKE_OP_pager_enable, rc);
}

static int take_over(struct fake_handle *handle, struct fake_domain *domain,
                     enum xlm_ring which, uint32_t port, void **ring,
                     int *event_fd)
{
    if (fake_paging_take_over(domain, which, port, ring, event_fd)) {
        return -1;
    }
    handle->pager_of = domain;
    domain->ring_mapped = true;
    fake_wake(handle->host);
    return 0;
}

int fake_op_pager_take_over(struct xlm_hypervisor *hv, uint32_t domid,
                            enum xlm_ring which, uint32_t port, void **ring,
                            int *event_fd)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_pager_take_over, domid);
    int rc =
        domain ? take_over(handle, domain, which, port, ring, event_fd) : -1;

    return fake_op_end(handle, FAKE_OP_pager_take_over, rc);
}

int fake_op_pager_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_pager_disable, domid);

    if (domain && domain->paging) {
        /* The guest would crash at its next access. */
        uint64_t absent = domain->paged_pages + domain->hidden_pages;

        if (domain->ran && absent > 0) {
            fake_violation(handle->host, "pager disabled, %llu pages absent",
                           (unsigned long long)absent);
        }
        fake_paging_disable(domain);
        domain->ring_mapped = false;
        handle->pager_of = NULL;
    }
    return fake_op_end(handle, FAKE_OP_pager_disable, domain ? 0 : -1);
}

int fake_op_pager_accept(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = fake_handle_of(hv);
    int rc = fake_op_begin(handle, FAKE_OP_pager_accept);

    if (rc == 0 && !(handle->pager_of && handle->pager_of->paging)) {
        fake_violation(handle->host, "accept without a pager");
        errno = EINVAL;
        rc = -1;
    } else if (rc == 0) {
        rc = fake_paging_accept(handle->pager_of);
    }
    return fake_op_end(handle, FAKE_OP_pager_accept, rc);
}

int fake_op_pager_notify(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = fake_handle_of(hv);
    int rc = fake_op_begin(handle, FAKE_OP_pager_notify);

    if (rc == 0 && handle->pager_of && handle->pager_of->dead) {
        errno = ESRCH;
        rc = -1;
    } else if (rc == 0 && !(handle->pager_of && handle->pager_of->paging)) {
        fake_violation(handle->host, "notify without a pager");
        errno = EINVAL;
        rc = -1;
    } else if (rc == 0) {
        fake_paging_resume(handle->pager_of);
    }
    return fake_op_end(handle, FAKE_OP_pager_notify, rc);
}

/* Nominate and evict. */
static int evict_one(struct fake_domain *domain, uint64_t pfn)
{
    if (pfn >= domain->nr_pfns) {
        return EINVAL;
    }
    if (domain->p2m[pfn] != FAKE_RAM || domain->busy[pfn] ||
        domain->refs[pfn]) {
        return EBUSY;
    }
    if (domain->ran) {
        fake_violation(domain->host, "pfn %#llx of a guest that ran evicted",
                       (unsigned long long)pfn);
    }
    fake_page_move(domain, pfn, FAKE_PAGED);
    memset(domain->memory + pfn * XLM_PAGE_SIZE, 0xee, XLM_PAGE_SIZE);
    return 0;
}

int fake_op_evict(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                  struct xlm_eviction *pages)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_evict, domid);
    size_t i;

    if (domain && !fake_paging_has(domain, XLM_RING_PAGING)) {
        errno = ENODEV;
        domain = NULL;
    }
    for (i = 0; domain && i < count; i++) {
        pages[i].error = evict_one(domain, pages[i].pfn);
    }
    return fake_op_end(handle, FAKE_OP_evict, domain ? 0 : -1);
}

/* Page in from a buffer (Xen's prep). */
static int page_in_one(struct fake_domain *domain, uint64_t pfn,
                       const void *contents)
{
    if (pfn >= domain->nr_pfns || !fake_is_paged(domain->p2m[pfn])) {
        return ENOENT;
    }
    if (domain->host->enomem) {
        domain->host->enomem--;
        return ENOMEM;
    }
    if (fake_page_move(domain, pfn, FAKE_RAM)) {
        return ENOMEM;
    }
    memcpy(domain->memory + pfn * XLM_PAGE_SIZE, contents, XLM_PAGE_SIZE);
    return 0;
}

/* The buffer is whole pages that the hypervisor may read. */
static bool is_lent(const struct fake_handle *handle, const uint8_t *contents)
{
    for (size_t i = 0; i < XLM_CONTENTS_BUFFERS; i++) {
        const uint8_t *start = handle->contents[i].start;

        if (start && contents >= start &&
            contents < start + handle->contents[i].octets) {
            return (contents - start) % XLM_PAGE_SIZE == 0;
        }
    }
    return false;
}

int fake_op_page_in(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                    struct xlm_page_in *pages)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_page_in, domid);
    size_t i;

    /* Xen refuses each page of a domain that is being destroyed. */
    if (!domain && errno == ESRCH) {
        for (i = 0; i < count; i++) {
            pages[i].error = ESRCH;
        }
        return fake_op_end(handle, FAKE_OP_page_in, 0);
    }
    if (domain && !fake_paging_has(domain, XLM_RING_PAGING)) {
        errno = ENODEV;
        domain = NULL;
    }
    for (i = 0; domain && i < count; i++) {
        handle->host->copied += !is_lent(handle, pages[i].contents);
        pages[i].error = page_in_one(domain, pages[i].pfn, pages[i].contents);
    }
    if (domain) {
        fake_wake(handle->host);
    }
    return fake_op_end(handle, FAKE_OP_page_in, domain ? 0 : -1);
}

static void set_rights(struct fake_domain *domain, bool all, uint64_t pfn)
{
    if (all && domain->p2m[pfn] == FAKE_HIDDEN) {
        fake_page_move(domain, pfn, FAKE_RAM);
    } else if (!all && domain->p2m[pfn] != FAKE_RAM) {
        fake_violation(domain->host, "pfn %#llx has no rights to lose",
                       (unsigned long long)pfn);
    } else if (!all) {
        if (domain->ran) {
            fake_violation(domain->host,
                           "pfn %#llx of a guest that ran loses its rights",
                           (unsigned long long)pfn);
        }
        fake_page_move(domain, pfn, FAKE_HIDDEN);
    }
}

/* A domain whose pager can ask for rights; NULL with errno. */
static struct fake_domain *begin_rights(struct fake_handle *handle,
                                        enum fake_op op, uint32_t domid,
                                        size_t count, const uint64_t *pfns)
{
    struct fake_domain *domain = fake_op_begin_on(handle, op, domid);

    if (domain && !fake_paging_has(domain, XLM_RING_MONITOR)) {
        errno = ENODEV;
        return NULL;
    }
    if (domain && domain->dying) {
        errno = ESRCH;
        return NULL;
    }
    return domain && fake_pfns_valid(domain, op, count, pfns) ? domain : NULL;
}

int fake_op_set_access(struct xlm_hypervisor *hv, uint32_t domid, bool all,
                       size_t count, const uint64_t *pfns)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        begin_rights(handle, FAKE_OP_set_access, domid, count, pfns);

    for (size_t i = 0; domain && i < count; i++) {
        set_rights(domain, all, pfns[i]);
    }
    if (domain) {
        fake_wake(handle->host);
    }
    return fake_op_end(handle, FAKE_OP_set_access, domain ? 0 : -1);
}

int fake_op_get_access(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                       const uint64_t *pfns, bool *none)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        begin_rights(handle, FAKE_OP_get_access, domid, count, pfns);

    for (size_t i = 0; domain && i < count; i++) {
        none[i] = domain->p2m[pfns[i]] == FAKE_HIDDEN;
    }
    return fake_op_end(handle, FAKE_OP_get_access, domain ? 0 : -1);
}

void *fake_op_contents_alloc(struct xlm_hypervisor *hv, size_t pages)
{
    struct fake_handle *handle = fake_handle_of(hv);
    void *contents = NULL;
    size_t i = 0;

    if (!fake_op_begin(handle, FAKE_OP_contents_alloc)) {
        while (i < XLM_CONTENTS_BUFFERS && handle->contents[i].start) {
            i++;
        }
        if (i == XLM_CONTENTS_BUFFERS) {
            fake_violation(handle->host, "too many buffers for contents");
        } else {
            contents = aligned_alloc(XLM_PAGE_SIZE, pages * XLM_PAGE_SIZE);
            handle->contents[i].start = contents;
            handle->contents[i].octets = pages * XLM_PAGE_SIZE;
        }
    }
    fake_op_end(handle, FAKE_OP_contents_alloc, 0);
    return contents;
}

void fake_op_contents_free(struct xlm_hypervisor *hv, void *contents,
                           size_t pages)
{
    struct fake_handle *handle = fake_handle_of(hv);
    size_t i = 0;

    fake_lock(handle->host);
    while (i < XLM_CONTENTS_BUFFERS && handle->contents[i].start != contents) {
        i++;
    }
    if (i == XLM_CONTENTS_BUFFERS ||
        handle->contents[i].octets != pages * XLM_PAGE_SIZE) {
        fake_violation(handle->host, "freed contents that were not allocated");
    } else {
        handle->contents[i].start = NULL;
        free(contents);
    }
    fake_unlock(handle->host);
}

bool fake_op_shadow_stacks(struct xlm_hypervisor *hv)
{
    return fake_handle_of(hv)->host->shadow_stacks;
}
