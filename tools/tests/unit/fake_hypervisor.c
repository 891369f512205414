/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor: what its calls have in common, and their table.
 */
#include "fake_ops.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fake_memory.h"

/* ---- common to all ops ---- */

struct fake_handle *fake_handle_of(struct xlm_hypervisor *hv)
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

/* The calls that a real hypervisor gets as domctl or sysctl. */
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
    case FAKE_OP_access_supported:
    case FAKE_OP_pager_enable:
    case FAKE_OP_pager_disable:
        return true;
    default:
        return false;
    }
}

int fake_check_interface(struct fake_host *host)
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

/* Locks the host in any case.  -1: this call must fail. */
int fake_op_begin(struct fake_handle *handle, enum fake_op op)
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
    if (is_control(op) && fake_check_interface(host)) {
        return -1;
    }
    return ordered_failure(host, op) || lack_of_memory(host, op) ? -1 : 0;
}

int fake_op_end(struct fake_handle *handle, enum fake_op op, int rc)
{
    fake_unlock(handle->host);
    fake_memory_watch_again();
    if (!thread_safe(op)) {
        atomic_store(&handle->busy[op], false);
    }
    return rc;
}

struct fake_domain *fake_find(struct fake_host *host, uint32_t domid)
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

struct fake_domain *fake_op_begin_on(struct fake_handle *handle,
                                     enum fake_op op, uint32_t domid)
{
    return fake_op_begin(handle, op) ? NULL : fake_find(handle->host, domid);
}

bool fake_pfns_valid(struct fake_domain *domain, enum fake_op op, size_t count,
                     const uint64_t *pfns)
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

/* ---- the table ---- */

static const struct xlm_hypervisor_ops fake_ops = {
    .close = fake_op_close,
    .shadow_stacks = fake_op_shadow_stacks,
    .xen_version = fake_op_xen_version,
    .interface = fake_op_interface,
    .unmap = fake_op_unmap,
    .contents_free = fake_op_contents_free,
#define FAKE_OP_SLOT(name) .name = fake_op_##name,
    FAKE_OPS(FAKE_OP_SLOT)
#undef FAKE_OP_SLOT
};

/* The threads of a process that died run on in a world of their own, where
 * they may change what the process has kept, and a copy of the ring. Both are
 * copied together, so they show the same moment. */
void fake_kill(struct xlm_hypervisor *hv, const void *kept, void *copy,
               size_t octets)
{
    struct fake_handle *handle = fake_handle_of(hv);
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
