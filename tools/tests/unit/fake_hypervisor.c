/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "fake_internal.h"
#include "fake_memory.h"
#include "wire/wire.h"

/* ---- common to all ops ---- */

static struct fake_handle *handle_of(struct xlm_hypervisor *hv)
{
    return (struct fake_handle *)hv;
}

static bool thread_safe(enum fake_op op)
{
    return op == FAKE_OP_map || op == FAKE_OP_pager_notify;
}

static int ordered_failure(struct fake_host *host, enum fake_op op)
{
    struct fake_order *order = &host->orders[op];

    host->calls[op]++;
    if (order->nth == 0 || --order->nth > 0) {
        return 0;
    }
    host->failed = true;
    errno = order->error;
    return -1;
}

static bool needs_memory(enum fake_op op)
{
    switch (op) {
    case FAKE_OP_set_state:
    case FAKE_OP_set_max_pages:
    case FAKE_OP_populate:
    case FAKE_OP_claim:
    case FAKE_OP_pager_enable:
    case FAKE_OP_pager_take_over:
    case FAKE_OP_page_in:
        return true;
    default:
        return false;
    }
}

static bool any_ran(const struct fake_host *host)
{
    const struct fake_domain *domain = host->domains;

    while (domain && !domain->ran) {
        domain = domain->next;
    }
    return domain;
}

static int lack_of_memory(struct fake_host *host, enum fake_op op)
{
    if (!host->out_of_memory || !needs_memory(op)) {
        return 0;
    }
    if (op == FAKE_OP_page_in && host->patience && any_ran(host)) {
        host->patience--;
        host->out_of_memory = host->patience > 0;
    }
    errno = ENOMEM;
    return -1;
}

/* What a real one is asked by domctl or sysctl. */
static bool is_control(enum fake_op op)
{
    switch (op) {
    case FAKE_OP_domain_info:
    case FAKE_OP_domain_by_handle:
    case FAKE_OP_get_state:
    case FAKE_OP_set_state:
    case FAKE_OP_cancel_suspend:
    case FAKE_OP_pause:
    case FAKE_OP_page_types:
    case FAKE_OP_logdirty_enable:
    case FAKE_OP_logdirty_disable:
    case FAKE_OP_logdirty_read:
    case FAKE_OP_set_max_pages:
    case FAKE_OP_pager_enable:
    case FAKE_OP_pager_disable:
        return true;
    default:
        return false;
    }
}

static int check_interface(struct fake_host *host)
{
    const struct xlm_xen_interface ours = FAKE_XEN_INTERFACE;

    if (host->interface.domctl != ours.domctl ||
        host->interface.sysctl != ours.sysctl) {
        errno = EACCES;
        return -1;
    }
    return 0;
}

static void run_hook(struct fake_host *host, enum fake_op op)
{
    fake_hook *hook;
    void *data;

    fake_lock(host);
    hook = host->hook;
    data = host->hook_data;
    fake_unlock(host);
    if (hook) {
        hook(op, data);
    }
}

/* Locks the host in any case; -1: this call is to fail. */
static int op_begin(struct fake_handle *handle, enum fake_op op)
{
    struct fake_host *host = handle->host;
    bool overlaps = false;

    if (!thread_safe(op)) {
        overlaps = atomic_exchange(&handle->busy[op], true);
    }
    fake_memory_leave_alone();
    run_hook(host, op);
    fake_lock(host);
    if (overlaps) {
        fake_violation(host, "%s called by two threads at once",
                       fake_op_names[op]);
    }
    if (handle->dead) {
        errno = EIO;
        return -1;
    }
    if (is_control(op) && check_interface(host)) {
        return -1;
    }
    return ordered_failure(host, op) || lack_of_memory(host, op) ? -1 : 0;
}

static int op_end(struct fake_handle *handle, enum fake_op op, int rc)
{
    fake_unlock(handle->host);
    fake_memory_watch_again();
    if (!thread_safe(op)) {
        atomic_store(&handle->busy[op], false);
    }
    return rc;
}

static struct fake_domain *find(struct fake_host *host, uint32_t domid)
{
    struct fake_domain *domain;

    for (domain = host->domains; domain; domain = domain->next) {
        if (domain->domid == domid && !domain->dead) {
            return domain;
        }
    }
    errno = ESRCH;
    return NULL;
}

/* As op_begin() for ops on a domain: NULL, the call fails. */
static struct fake_domain *op_begin_on(struct fake_handle *handle,
                                       enum fake_op op, uint32_t domid)
{
    return op_begin(handle, op) ? NULL : find(handle->host, domid);
}

static bool pfns_valid(struct fake_domain *domain, enum fake_op op,
                       size_t count, const uint64_t *pfns)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (pfns[i] >= domain->nr_pfns) {
            fake_violation(domain->host, "%s: pfn %#llx is no page",
                           fake_op_names[op], (unsigned long long)pfns[i]);
            errno = EINVAL;
            return false;
        }
    }
    return true;
}

/* ---- any domain ---- */

static int op_pause(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_pause, domid);

    if (domain) {
        domain->paused = true;
        fake_wake(handle->host);
    }
    return op_end(handle, FAKE_OP_pause, domain ? 0 : -1);
}

static void op_close(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_host *host = handle->host;

    fake_lock(host);
    /* A guest that ran and lacks pages keeps its pager, so that it waits
     * for them; one that never ran is about to be destroyed. */
    if (!host->failed && !handle->dead && handle->pager_of &&
        handle->pager_of->paging && handle->pager_of->ran &&
        !handle->pager_of->dead && !handle->pager_of->paged_pages) {
        fake_violation(host, "closed with the pager enabled");
    }
    if (handle->mapped) {
        fake_violation(host, "closed with %u pages mapped", handle->mapped);
    }
    for (size_t i = 0; i < XLM_CONTENTS_BUFFERS; i++) {
        if (handle->contents[i].start) {
            fake_violation(host, "closed with memory for contents");
        }
    }
    if (handle->pager_of && !handle->dead) {
        handle->pager_of->ring_mapped = false;
    }
    host->handles--;
    fake_unlock(host);
    free(handle->dirty);
    free(handle);
}

static void fill_info(const struct fake_domain *domain,
                      struct xlm_domain_info *info)
{
    memset(info, 0, sizeof(*info));
    info->domid = domain->domid;
    memcpy(info->handle, domain->handle, sizeof(info->handle));
    info->hvm = true;
    info->hap = domain->hap;
    info->paused = domain->paused;
    info->shutdown = domain->suspended || domain->crashed;
    info->shutdown_reason = domain->crashed ? 3 : 2; /* SHUTDOWN_crash */
    info->tot_pages = domain->tot_pages;
    info->max_pages = domain->max_pages;
    info->paged_pages = domain->paged_pages;
    info->cpu_ns = domain->cpu_ns;
    info->max_vcpu_id = domain->vcpus - 1;
}

/* A domain stays, dead, for as long as its pager maps the ring. */
static struct fake_domain *find_remains(struct fake_host *host, uint32_t domid)
{
    struct fake_domain *domain;

    for (domain = host->domains; domain; domain = domain->next) {
        if (domain->domid == domid && (!domain->dead || domain->ring_mapped)) {
            return domain;
        }
    }
    errno = ESRCH;
    return NULL;
}

static int op_domain_info(struct xlm_hypervisor *hv, uint32_t domid,
                          struct xlm_domain_info *info)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin(handle, FAKE_OP_domain_info)
                                     ? NULL
                                     : find_remains(handle->host, domid);

    if (domain) {
        fill_info(domain, info);
        info->dying = domain->dead;
    }
    return op_end(handle, FAKE_OP_domain_info, domain ? 0 : -1);
}

static int op_domain_by_handle(struct xlm_hypervisor *hv,
                               const uint8_t uuid[16], uint32_t except,
                               uint32_t *domid)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = NULL;

    if (op_begin(handle, FAKE_OP_domain_by_handle) == 0) {
        errno = ESRCH;
        domain = handle->host->domains;
    }
    for (; domain; domain = domain->next) {
        if (!domain->dead && domain->domid != except &&
            memcmp(domain->handle, uuid, 16) == 0) {
            *domid = domain->domid;
            break;
        }
    }
    return op_end(handle, FAKE_OP_domain_by_handle, domain ? 0 : -1);
}

static int op_nr_pfns(struct xlm_hypervisor *hv, uint32_t domid,
                      uint64_t *nr_pfns)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_nr_pfns, domid);

    if (domain) {
        *nr_pfns = domain->nr_pfns;
    }
    return op_end(handle, FAKE_OP_nr_pfns, domain ? 0 : -1);
}

static void op_xen_version(struct xlm_hypervisor *hv, uint32_t *major,
                           uint32_t *minor)
{
    *major = 4;
    *minor = handle_of(hv)->host->minor;
}

static int op_interface(struct xlm_hypervisor *hv,
                        struct xlm_xen_interface *ours)
{
    *ours = FAKE_XEN_INTERFACE;
    return check_interface(handle_of(hv)->host);
}

static int copy_state(const struct fake_blob *blob, void **data,
                      size_t *length)
{
    void *copy;

    if (!blob->data) {
        errno = ENOENT;
        return -1;
    }
    copy = malloc(blob->length ? blob->length : 1);
    memcpy(copy, blob->data, blob->length);
    *data = copy;
    *length = blob->length;
    return 0;
}

static int op_get_state(struct xlm_hypervisor *hv, uint32_t domid,
                        enum xlm_platform_state which, void **data,
                        size_t *length)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_get_state, domid);
    int rc = domain ? copy_state(&domain->states[which], data, length) : -1;

    return op_end(handle, FAKE_OP_get_state, rc);
}

static void replace_state(struct fake_domain *domain,
                          enum xlm_platform_state which, const void *data,
                          size_t length)
{
    struct fake_blob *blob = &domain->states[which];

    free(blob->data);
    blob->data = malloc(length ? length : 1);
    memcpy(blob->data, data, length);
    blob->length = length;
}

static int op_set_state(struct xlm_hypervisor *hv, uint32_t domid,
                        enum xlm_platform_state which, const void *data,
                        size_t length)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_set_state, domid);

    if (domain && !domain->paused) {
        fake_violation(handle->host, "state set of a domain that is running");
    }
    if (domain && which != XLM_STATE_TSC_INFO &&
        which != XLM_STATE_HVM_CONTEXT) {
        fake_violation(handle->host, "state %d cannot be set", (int)which);
    }
    if (domain) {
        replace_state(domain, which, data, length);
        if (which == XLM_STATE_HVM_CONTEXT) {
            fake_context_load(domain, data, length);
        }
    }
    return op_end(handle, FAKE_OP_set_state, domain ? 0 : -1);
}

static int op_get_param(struct xlm_hypervisor *hv, uint32_t domid,
                        uint32_t index, uint64_t *value)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_get_param, domid);
    int rc = -1;

    if (domain && index < FAKE_PARAMS) {
        *value = domain->params[index];
        rc = 0;
    } else if (domain) {
        errno = EINVAL;
    }
    return op_end(handle, FAKE_OP_get_param, rc);
}

/* As hvm_allow_set_param(). */
static bool set_once(uint32_t index)
{
    switch (index) {
    case HVM_PARAM_VIRIDIAN:
    case HVM_PARAM_IOREQ_PFN:
    case HVM_PARAM_BUFIOREQ_PFN:
    case HVM_PARAM_IOREQ_SERVER_PFN:
    case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
    case HVM_PARAM_MCA_CAP:
        return true;
    default:
        return false;
    }
}

static int op_set_param(struct xlm_hypervisor *hv, uint32_t domid,
                        uint32_t index, uint64_t value)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_set_param, domid);
    int rc = -1;

    if (domain && index < FAKE_PARAMS && set_once(index) &&
        domain->params[index] && domain->params[index] != value) {
        errno = EEXIST;
    } else if (domain && index < FAKE_PARAMS) {
        domain->params[index] = value;
        rc = 0;
    } else if (domain) {
        errno = EINVAL;
    }
    return op_end(handle, FAKE_OP_set_param, rc);
}

static int op_cancel_suspend(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_cancel_suspend, domid);
    int rc = -1;

    if (domain && domain->suspended) {
        domain->suspend_cancelled = true;
        rc = 0;
    } else if (domain) {
        errno = EINVAL;
    }
    return op_end(handle, FAKE_OP_cancel_suspend, rc);
}

/* ---- memory ---- */

static uint32_t type_of(const struct fake_domain *domain, uint64_t pfn)
{
    if (pfn >= domain->nr_pfns || domain->dying) {
        return XLM_TYPE_XTAB;
    }
    switch ((enum fake_page)domain->p2m[pfn]) {
    case FAKE_RAM:
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

static int op_page_types(struct xlm_hypervisor *hv, uint32_t domid,
                         size_t count, const uint64_t *pfns, uint32_t *types)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_page_types, domid);
    size_t i;

    if (domain && count > XLM_BATCH_PAGES) {
        fake_violation(handle->host, "types of %zu pages at once", count);
    }
    for (i = 0; domain && i < count; i++) {
        types[i] = type_of(domain, pfns[i]);
    }
    return op_end(handle, FAKE_OP_page_types, domain ? 0 : -1);
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
    if (domain->p2m[pfn] == FAKE_RAM) {
        return 0;
    }
    if (fake_is_paged(domain->p2m[pfn])) {
        fake_paging_foreign(domain, pfn);
        return ENOENT;
    }
    return EINVAL;
}

/* As if all of the domain's memory were mapped already: for measuring, since
 * this process's page tables are not the hypervisor's.  NULL: the pages are
 * not side by side, or not all there. */
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

/* A header page in front of each mapping remembers what it holds. */
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

/* Pages side by side in the guest and in the mapping go in one call, as in a
 * hypervisor a batch does. */
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

static void *op_map(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
                    size_t count, const uint64_t *pfns, int *errors)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_map, domid);
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
    op_end(handle, FAKE_OP_map, 0);
    return pages;
}

static void op_unmap(struct xlm_hypervisor *hv, void *pages, size_t count)
{
    struct fake_handle *handle = handle_of(hv);
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

static int op_logdirty_enable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_logdirty_enable, domid);

    if (domain && domain->logdirty) {
        errno = EINVAL;
        domain = NULL;
    } else if (domain) {
        domain->logdirty = true;
        memset(domain->dirty, 0, domain->nr_pfns);
        memset(domain->unlogged, 0, domain->nr_pfns);
    }
    return op_end(handle, FAKE_OP_logdirty_enable, domain ? 0 : -1);
}

static int op_logdirty_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_logdirty_disable, domid);

    if (domain) {
        domain->logdirty = false;
    }
    return op_end(handle, FAKE_OP_logdirty_disable, domain ? 0 : -1);
}

/* Not where it was the last time: what was read then is not to be used. */
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

static int op_logdirty_read(struct xlm_hypervisor *hv, uint32_t domid,
                            bool clean, uint64_t nr_pfns,
                            const unsigned long **bitmap)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_logdirty_read, domid);

    if (domain && !domain->logdirty) {
        errno = EINVAL;
        domain = NULL;
    } else if (domain) {
        *bitmap = read_dirty(handle, domain, clean, nr_pfns);
    }
    return op_end(handle, FAKE_OP_logdirty_read, domain ? 0 : -1);
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
        /* What a new page holds is nobody's business: no zeroes here.  Where
         * time is measured that would be what is measured. */
        if (!domain->host->all_mapped) {
            memset(domain->memory + pfns[i] * XLM_PAGE_SIZE, 0xa5,
                   XLM_PAGE_SIZE);
        }
    }
    return 0;
}

static int op_set_max_pages(struct xlm_hypervisor *hv, uint32_t domid,
                            uint64_t pages)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_set_max_pages, domid);

    if (domain) {
        domain->max_pages = pages;
    }
    return op_end(handle, FAKE_OP_set_max_pages, domain ? 0 : -1);
}

static int op_populate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                       const uint64_t *pfns)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_populate, domid);
    int rc = -1;

    if (domain && pfns_valid(domain, FAKE_OP_populate, count, pfns)) {
        rc = populate_all(domain, count, pfns);
    }
    return op_end(handle, FAKE_OP_populate, rc);
}

static int op_depopulate(struct xlm_hypervisor *hv, uint32_t domid,
                         size_t count, const uint64_t *pfns)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_depopulate, domid);
    size_t i;

    if (domain && !pfns_valid(domain, FAKE_OP_depopulate, count, pfns)) {
        domain = NULL;
    }
    for (i = 0; domain && i < count; i++) {
        fake_paging_drop(domain, pfns[i]);
    }
    return op_end(handle, FAKE_OP_depopulate, domain ? 0 : -1);
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

static int op_claim(struct xlm_hypervisor *hv, uint32_t domid, uint64_t pages)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_claim, domid);
    int rc = domain ? claim_pages(domain, pages) : -1;

    return op_end(handle, FAKE_OP_claim, rc);
}

static int op_paging_supported(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = handle_of(hv);
    int rc = op_begin(handle, FAKE_OP_paging_supported);

    if (rc == 0 && handle->host->no_paging) {
        errno = ENOSYS;
        rc = -1;
    }
    return op_end(handle, FAKE_OP_paging_supported, rc);
}

static int pager_enable(struct fake_handle *handle, struct fake_domain *domain,
                        void **ring, int *event_fd, uint32_t *port)
{
    if (handle->pager_of) {
        fake_violation(handle->host, "one pager at a time per handle");
    }
    if (!domain->paused) {
        fake_violation(handle->host, "pager enabled on a running domain");
    }
    errno = handle->host->no_paging ? ENOSYS : ENODEV;
    if (handle->host->no_paging || !domain->hap ||
        fake_paging_enable(domain, ring, event_fd, port)) {
        return -1;
    }
    handle->pager_of = domain;
    domain->ring_mapped = true;
    return 0;
}

static int op_pager_enable(struct xlm_hypervisor *hv, uint32_t domid,
                           void **ring, int *event_fd, uint32_t *port)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_pager_enable, domid);
    int rc = domain ? pager_enable(handle, domain, ring, event_fd, port) : -1;

    return op_end(handle, FAKE_OP_pager_enable, rc);
}

static int take_over(struct fake_handle *handle, struct fake_domain *domain,
                     uint32_t port, void **ring, int *event_fd)
{
    if (fake_paging_take_over(domain, port, ring, event_fd)) {
        return -1;
    }
    handle->pager_of = domain;
    domain->ring_mapped = true;
    fake_wake(handle->host);
    return 0;
}

static int op_pager_take_over(struct xlm_hypervisor *hv, uint32_t domid,
                              uint32_t port, void **ring, int *event_fd)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_pager_take_over, domid);
    int rc = domain ? take_over(handle, domain, port, ring, event_fd) : -1;

    return op_end(handle, FAKE_OP_pager_take_over, rc);
}

static int op_pager_disable(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain =
        op_begin_on(handle, FAKE_OP_pager_disable, domid);

    if (domain && domain->paging) {
        /* The guest's next touch would be its last. */
        if (domain->ran && domain->paged_pages > 0) {
            fake_violation(handle->host, "pager disabled, %llu pages paged",
                           (unsigned long long)domain->paged_pages);
        }
        fake_paging_disable(domain);
        domain->ring_mapped = false;
        handle->pager_of = NULL;
    }
    return op_end(handle, FAKE_OP_pager_disable, domain ? 0 : -1);
}

static int op_pager_accept(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = handle_of(hv);
    int rc = op_begin(handle, FAKE_OP_pager_accept);

    if (rc == 0 && !(handle->pager_of && handle->pager_of->paging)) {
        fake_violation(handle->host, "accept without a pager");
        errno = EINVAL;
        rc = -1;
    } else if (rc == 0) {
        rc = fake_paging_accept(handle->pager_of);
    }
    return op_end(handle, FAKE_OP_pager_accept, rc);
}

static int op_pager_notify(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = handle_of(hv);
    int rc = op_begin(handle, FAKE_OP_pager_notify);

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
    return op_end(handle, FAKE_OP_pager_notify, rc);
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

static int op_evict(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                    struct xlm_eviction *pages)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_evict, domid);
    size_t i;

    if (domain && !domain->paging) {
        errno = ENODEV;
        domain = NULL;
    }
    for (i = 0; domain && i < count; i++) {
        pages[i].error = evict_one(domain, pages[i].pfn);
    }
    return op_end(handle, FAKE_OP_evict, domain ? 0 : -1);
}

/* Prep with a buffer. */
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

/* Whole pages in memory that is the hypervisor's to read. */
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

static int op_page_in(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      struct xlm_page_in *pages)
{
    struct fake_handle *handle = handle_of(hv);
    struct fake_domain *domain = op_begin_on(handle, FAKE_OP_page_in, domid);
    size_t i;

    /* Of a domain that is being destroyed Xen refuses each page. */
    if (!domain && errno == ESRCH) {
        for (i = 0; i < count; i++) {
            pages[i].error = ESRCH;
        }
        return op_end(handle, FAKE_OP_page_in, 0);
    }
    if (domain && !domain->paging) {
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
    return op_end(handle, FAKE_OP_page_in, domain ? 0 : -1);
}

static void *op_contents_alloc(struct xlm_hypervisor *hv, size_t pages)
{
    struct fake_handle *handle = handle_of(hv);
    void *contents = NULL;
    size_t i = 0;

    if (!op_begin(handle, FAKE_OP_contents_alloc)) {
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
    op_end(handle, FAKE_OP_contents_alloc, 0);
    return contents;
}

static void op_contents_free(struct xlm_hypervisor *hv, void *contents,
                             size_t pages)
{
    struct fake_handle *handle = handle_of(hv);
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

static bool op_shadow_stacks(struct xlm_hypervisor *hv)
{
    return handle_of(hv)->host->shadow_stacks;
}

static const struct xlm_hypervisor_ops fake_ops = {
    .close = op_close,
    .shadow_stacks = op_shadow_stacks,
    .xen_version = op_xen_version,
    .interface = op_interface,
    .unmap = op_unmap,
    .contents_free = op_contents_free,
#define FAKE_OP_SLOT(name) .name = op_##name,
    FAKE_OPS(FAKE_OP_SLOT)
#undef FAKE_OP_SLOT
};

/* Its threads run on in a world of their own, where they may change what it
 * has kept, and a copy of the ring: together both are as they were at one
 * moment. */
void fake_kill(struct xlm_hypervisor *hv, const void *kept, void *copy,
               size_t octets)
{
    struct fake_handle *handle = handle_of(hv);
    bool pages;

    fake_lock(handle->host);
    handle->dead = true;
    pages = handle->pager_of && handle->pager_of->paging;
    if (pages) {
        fake_paging_abandon(handle->pager_of);
        handle->pager_of->ring_mapped = false;
    }
    do {
        if (octets) {
            memcpy(copy, kept, octets);
        }
        if (pages) {
            fake_paging_copy_ring(handle->pager_of);
        }
    } while (octets && memcmp(copy, kept, octets));
    fake_unlock(handle->host);
}

struct xlm_hypervisor *fake_open(struct fake_host *host)
{
    struct fake_handle *handle = calloc(1, sizeof(*handle));

    handle->hv.ops = &fake_ops;
    handle->host = host;
    fake_lock(host);
    host->handles++;
    fake_unlock(host);
    return &handle->hv;
}
