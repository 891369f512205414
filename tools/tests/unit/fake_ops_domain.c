/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor: calls about any domain.
 */
#include "fake_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/hvm/params.h>

int fake_op_pause(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_pause, domid);

    if (domain) {
        domain->pauses++;
        fake_wake(handle->host);
    }
    return fake_op_end(handle, FAKE_OP_pause, domain ? 0 : -1);
}

int fake_op_unpause(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_unpause, domid);
    int rc = -1;

    if (domain && !domain->pauses) {
        errno = EINVAL;
    } else if (domain) {
        domain->pauses--;
        fake_region_check(domain);
        fake_wake(handle->host);
        rc = 0;
    }
    return fake_op_end(handle, FAKE_OP_unpause, rc);
}

void fake_op_close(struct xlm_hypervisor *hv)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_host *host = handle->host;

    fake_lock(host);
    /* A guest that has run and lacks pages must keep its pager, so that it
     * waits for these pages.  A guest that never ran is about to be destroyed.
     */
    if (!host->failed && !handle->dead && handle->pager_of &&
        handle->pager_of->paging && handle->pager_of->ran &&
        !handle->pager_of->dead && !handle->pager_of->paged_pages &&
        !handle->pager_of->hidden_pages) {
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
    info->emulated_devices = domain->emulated_devices;
    info->paused = fake_is_held(domain);
    info->shutdown = domain->suspended || domain->crashed;
    info->shutdown_reason = domain->crashed ? 3 : 2; /* SHUTDOWN_crash */
    info->tot_pages = domain->tot_pages;
    info->max_pages = domain->max_pages;
    info->paged_pages = domain->paged_pages;
    info->cpu_ns = domain->cpu_ns;
    info->max_vcpu_id = domain->vcpus - 1;
}

/* A destroyed domain stays, as a dead one, as long as its pager maps the ring.
 */
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

int fake_op_domain_info(struct xlm_hypervisor *hv, uint32_t domid,
                        struct xlm_domain_info *info)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain = fake_op_begin(handle, FAKE_OP_domain_info)
                                     ? NULL
                                     : find_remains(handle->host, domid);

    if (domain) {
        fill_info(domain, info);
        info->dying = domain->dead;
    }
    return fake_op_end(handle, FAKE_OP_domain_info, domain ? 0 : -1);
}

int fake_op_domain_by_handle(struct xlm_hypervisor *hv, const uint8_t uuid[16],
                             uint32_t except, uint32_t *domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain = NULL;

    if (fake_op_begin(handle, FAKE_OP_domain_by_handle) == 0) {
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
    return fake_op_end(handle, FAKE_OP_domain_by_handle, domain ? 0 : -1);
}

int fake_op_nr_pfns(struct xlm_hypervisor *hv, uint32_t domid,
                    uint64_t *nr_pfns)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_nr_pfns, domid);

    if (domain) {
        *nr_pfns = domain->nr_pfns;
    }
    return fake_op_end(handle, FAKE_OP_nr_pfns, domain ? 0 : -1);
}

void fake_op_xen_version(struct xlm_hypervisor *hv, uint32_t *major,
                         uint32_t *minor)
{
    *major = 4;
    *minor = fake_handle_of(hv)->host->minor;
}

int fake_op_interface(struct xlm_hypervisor *hv,
                      struct xlm_xen_interface *ours)
{
    *ours = FAKE_XEN_INTERFACE;
    return fake_check_interface(fake_handle_of(hv)->host);
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

int fake_op_host_cpuid(struct xlm_hypervisor *hv, void **data, size_t *length)
{
    struct fake_handle *handle = fake_handle_of(hv);
    int rc = fake_op_begin(handle, FAKE_OP_host_cpuid);

    if (!rc) {
        rc = copy_state(&handle->host->cpuid, data, length);
    }
    return fake_op_end(handle, FAKE_OP_host_cpuid, rc);
}

int fake_op_get_state(struct xlm_hypervisor *hv, uint32_t domid,
                      enum xlm_platform_state which, void **data,
                      size_t *length)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_get_state, domid);
    int rc = domain ? copy_state(&domain->states[which], data, length) : -1;

    return fake_op_end(handle, FAKE_OP_get_state, rc);
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

int fake_op_set_state(struct xlm_hypervisor *hv, uint32_t domid,
                      enum xlm_platform_state which, const void *data,
                      size_t length)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_set_state, domid);

    if (domain && !fake_is_held(domain)) {
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
    return fake_op_end(handle, FAKE_OP_set_state, domain ? 0 : -1);
}

int fake_op_get_param(struct xlm_hypervisor *hv, uint32_t domid,
                      uint32_t index, uint64_t *value)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_get_param, domid);
    int rc = -1;

    if (domain && index < FAKE_PARAMS) {
        *value = domain->params[index];
        rc = 0;
    } else if (domain) {
        errno = EINVAL;
    }
    return fake_op_end(handle, FAKE_OP_get_param, rc);
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

int fake_op_set_param(struct xlm_hypervisor *hv, uint32_t domid,
                      uint32_t index, uint64_t value)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_set_param, domid);
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
    return fake_op_end(handle, FAKE_OP_set_param, rc);
}

int fake_op_cancel_suspend(struct xlm_hypervisor *hv, uint32_t domid)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_cancel_suspend, domid);
    int rc = -1;

    if (domain && domain->suspended) {
        domain->suspend_cancelled = true;
        rc = 0;
    } else if (domain) {
        errno = EINVAL;
    }
    return fake_op_end(handle, FAKE_OP_cancel_suspend, rc);
}
