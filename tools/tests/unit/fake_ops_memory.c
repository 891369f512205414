/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor: calls that map, log, populate and remove memory.
 */
#include "fake_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "wire/wire.h"

static uint32_t type_of(const struct fake_domain *domain, uint64_t pfn)
{
    if (pfn >= domain->nr_pfns || domain->dying) {
        return XLM_TYPE_XTAB;
    }
    switch (domain->p2m[pfn]) {
    case FAKE_RAM:
    case FAKE_NOMINATED:
    case FAKE_HIDDEN:
        return XLM_TYPE_NOTAB;
    case FAKE_BROKEN:
        return XLM_TYPE_BROKEN;
    case FAKE_HOLE:
    case FAKE_PAGED:
    case FAKE_PAGING_IN:
        break;
    }
    return XLM_TYPE_XTAB;
}

int fake_op_page_types(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                       const uint64_t *pfns, uint32_t *types)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_page_types, domid);
    size_t i;

    if (domain && count > XLM_BATCH_PAGES) {
        fake_violation(handle->host, "types of %zu pages at once", count);
    }
    for (i = 0; domain && i < count; i++) {
        types[i] = type_of(domain, pfns[i]);
    }
    return fake_op_end(handle, FAKE_OP_page_types, domain ? 0 : -1);
}

static int map_error(struct fake_domain *domain, uint64_t pfn)
{
    if (pfn >= domain->nr_pfns || domain->dying) {
        return EINVAL;
    }
    if (domain->bad_errno && domain->bad_pfn == pfn) {
        int error = domain->bad_errno;

        domain->bad_errno = 0;
        return error;
    }
    if (fake_is_reachable(domain->p2m[pfn])) {
        return 0;
    }
    if (fake_is_paged(domain->p2m[pfn])) {
        fake_paging_foreign(domain, pfn);
        return ENOENT;
    }
    if (domain->p2m[pfn] == FAKE_NOMINATED) {
        return ENOENT;
    }
    return EINVAL;
}

/* Maps as if all of the domain's memory were mapped already.  This is for
 * measuring, because this process's page tables are not the hypervisor's.
 * NULL: the pages are not contiguous, or not all of them exist. */
static uint8_t *mapped_already(struct fake_domain *domain, size_t count,
                               const uint64_t *pfns, int *errors)
{
    for (size_t i = 0; i < count; i++) {
        if (domain->dying || pfns[i] != pfns[0] + i ||
            pfns[i] >= domain->nr_pfns || domain->p2m[pfns[i]] != FAKE_RAM) {
            return NULL;
        }
        errors[i] = 0;
    }
    return domain->memory + pfns[0] * XLM_PAGE_SIZE;
}

static bool is_memory(const struct fake_host *host, const void *pages)
{
    const struct fake_domain *domain;

    for (domain = host->domains; domain; domain = domain->next) {
        if ((const uint8_t *)pages >= domain->memory &&
            (const uint8_t *)pages <
                domain->memory + domain->nr_pfns * XLM_PAGE_SIZE) {
            return true;
        }
    }
    return false;
}

/* A header page in front of each mapping says which pages the mapping holds.
 */
struct mapping {
    struct fake_domain *domain;
    size_t count;
    uint64_t pfns[]; /* UINT64_MAX: not mapped */
};

static size_t mapping_header_size(size_t count)
{
    size_t size = sizeof(struct mapping) + count * sizeof(uint64_t);

    return (size + XLM_PAGE_SIZE - 1) & ~(size_t)(XLM_PAGE_SIZE - 1);
}

static struct mapping *mapping_reserve(size_t count)
{
    size_t header = mapping_header_size(count);
    struct mapping *mapping =
        mmap(NULL, header + count * XLM_PAGE_SIZE, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapping == MAP_FAILED ||
        mprotect(mapping, header, PROT_READ | PROT_WRITE)) {
        abort();
    }
    return mapping;
}

/* Pages that are contiguous in the guest and in the mapping are copied in one
 * call, as a hypervisor handles a batch. */
static void map_run(struct fake_domain *domain, uint8_t *where, bool writable,
                    uint64_t pfn, size_t count)
{
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);

    if (count && mmap(where, count * XLM_PAGE_SIZE, protection,
                      MAP_SHARED | MAP_FIXED | MAP_POPULATE, domain->memfd,
                      (off_t)(pfn * XLM_PAGE_SIZE)) == MAP_FAILED) {
        abort();
    }
}

static void *map_all(struct fake_handle *handle, struct fake_domain *domain,
                     bool writable, size_t count, const uint64_t *pfns,
                     int *errors)
{
    struct mapping *mapping = mapping_reserve(count);
    uint8_t *pages = (uint8_t *)mapping + mapping_header_size(count);
    size_t first = 0;

    mapping->domain = domain;
    mapping->count = count;
    for (size_t i = 0; i < count; i++) {
        errors[i] = map_error(domain, pfns[i]);
        mapping->pfns[i] = errors[i] ? UINT64_MAX : pfns[i];
        if (errors[i] || pfns[i] != pfns[first] + (i - first)) {
            map_run(domain, pages + first * XLM_PAGE_SIZE, writable,
                    pfns[first], i - first);
            first = errors[i] ? i + 1 : i;
        }
        if (!errors[i]) {
            domain->refs[pfns[i]]++;
        }
    }
    if (first < count) {
        map_run(domain, pages + first * XLM_PAGE_SIZE, writable, pfns[first],
                count - first);
    }
    handle->mapped += count;
    return pages;
}

void *fake_op_map(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
                  size_t count, const uint64_t *pfns, int *errors)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain = fake_op_begin_on(handle, FAKE_OP_map, domid);
    void *pages = NULL;

    if (domain && count == 0) {
        errno = EINVAL;
    } else if (domain) {
        if (domain->host->all_mapped) {
            pages = mapped_already(domain, count, pfns, errors);
        }
        if (!pages) {
            pages = map_all(handle, domain, writable, count, pfns, errors);
        }
    }
    fake_op_end(handle, FAKE_OP_map, 0);
    return pages;
}

void fake_op_unmap(struct xlm_hypervisor *hv, void *pages, size_t count)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_host *host = handle->host;
    size_t header = mapping_header_size(count), i;
    struct mapping *mapping = (void *)((uint8_t *)pages - header);

    if (host->all_mapped && is_memory(host, pages)) {
        return;
    }
    fake_lock(host);
    if (mapping->count != count) {
        fake_violation(host, "unmap of %zu pages, %zu were mapped", count,
                       mapping->count);
        abort();
    }
    for (i = 0; i < count; i++) {
        if (mapping->pfns[i] != UINT64_MAX) {
            mapping->domain->refs[mapping->pfns[i]]--;
        }
    }
    handle->mapped -= count;
    fake_unlock(host);
    munmap(mapping, header + count * XLM_PAGE_SIZE);
}

/* ---- the source ---- */

int fake_op_logdirty_enable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_logdirty_enable, domid);

    if (domain && domain->logdirty) {
        errno = EINVAL;
        domain = NULL;
    } else if (domain) {
        domain->logdirty = true;
        memset(domain->dirty, 0, domain->nr_pfns);
        memset(domain->unlogged, 0, domain->nr_pfns);
    }
    return fake_op_end(handle, FAKE_OP_logdirty_enable, domain ? 0 : -1);
}

int fake_op_logdirty_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_logdirty_disable, domid);

    if (domain) {
        domain->logdirty = false;
    }
    return fake_op_end(handle, FAKE_OP_logdirty_disable, domain ? 0 : -1);
}

/* The log is at another address than the last time, so that a caller that
 * still uses the old one fails. */
static const unsigned long *read_dirty(struct fake_handle *handle,
                                       struct fake_domain *domain, bool clean,
                                       uint64_t nr_pfns)
{
    const unsigned int bits = 8 * sizeof(unsigned long);
    unsigned long *bitmap =
        calloc((nr_pfns + bits - 1) / bits, sizeof(*bitmap));
    uint64_t pfn;

    free(handle->dirty);
    handle->dirty = bitmap;
    for (pfn = 0; pfn < nr_pfns && pfn < domain->nr_pfns; pfn++) {
        if (domain->dirty[pfn]) {
            bitmap[pfn / bits] |= 1UL << pfn % bits;
            domain->dirty[pfn] = !clean;
        }
    }
    if (clean) {
        memset(domain->unlogged, 0, domain->nr_pfns);
    }
    return bitmap;
}

int fake_op_logdirty_read(struct xlm_hypervisor *hv, uint32_t domid,
                          bool clean, uint64_t nr_pfns,
                          const unsigned long **bitmap)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_logdirty_read, domid);

    if (domain && !domain->logdirty) {
        errno = EINVAL;
        domain = NULL;
    } else if (domain) {
        *bitmap = read_dirty(handle, domain, clean, nr_pfns);
    }
    return fake_op_end(handle, FAKE_OP_logdirty_read, domain ? 0 : -1);
}

/* ---- the destination ---- */

static int populate_all(struct fake_domain *domain, size_t count,
                        const uint64_t *pfns)
{
    size_t i;

    if (domain->tot_pages + count > domain->max_pages ||
        count > domain->host->free_pages + domain->claimed) {
        errno = ENOMEM;
        return -1;
    }
    for (i = 0; i < count; i++) {
        if (domain->p2m[pfns[i]] != FAKE_HOLE) {
            fake_violation(domain->host, "pfn %#llx populated twice",
                           (unsigned long long)pfns[i]);
            errno = EINVAL;
            return -1;
        }
        fake_page_move(domain, pfns[i], FAKE_RAM);
        /* A new page is not zeroed: no caller may rely on its contents, and a
         * benchmark would measure the zeroing. */
        if (!domain->host->all_mapped) {
            memset(domain->memory + pfns[i] * XLM_PAGE_SIZE, 0xa5,
                   XLM_PAGE_SIZE);
        }
    }
    return 0;
}

int fake_op_set_max_pages(struct xlm_hypervisor *hv, uint32_t domid,
                          uint64_t pages)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_set_max_pages, domid);

    if (domain) {
        domain->max_pages = pages;
    }
    return fake_op_end(handle, FAKE_OP_set_max_pages, domain ? 0 : -1);
}

int fake_op_populate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                     const uint64_t *pfns)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_populate, domid);
    int rc = -1;

    if (domain && fake_pfns_valid(domain, FAKE_OP_populate, count, pfns)) {
        rc = populate_all(domain, count, pfns);
    }
    return fake_op_end(handle, FAKE_OP_populate, rc);
}

int fake_op_depopulate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                       const uint64_t *pfns)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_depopulate, domid);
    size_t i;

    if (domain && !fake_pfns_valid(domain, FAKE_OP_depopulate, count, pfns)) {
        domain = NULL;
    }
    for (i = 0; domain && i < count; i++) {
        fake_paging_drop(domain, pfns[i]);
    }
    return fake_op_end(handle, FAKE_OP_depopulate, domain ? 0 : -1);
}

static int claim_pages(struct fake_domain *domain, uint64_t pages)
{
    struct fake_host *host = domain->host;
    uint64_t wanted =
        pages > domain->tot_pages ? pages - domain->tot_pages : 0;

    if (wanted > host->free_pages + domain->claimed) {
        errno = ENOMEM;
        return -1;
    }
    host->free_pages += domain->claimed;
    host->free_pages -= wanted;
    domain->claimed = wanted;
    return 0;
}

int fake_op_claim(struct xlm_hypervisor *hv, uint32_t domid, uint64_t pages)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_claim, domid);
    int rc = domain ? claim_pages(domain, pages) : -1;

    return fake_op_end(handle, FAKE_OP_claim, rc);
}
