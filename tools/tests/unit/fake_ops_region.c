/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fake hypervisor: regions that get superpages again.
 */
#include "fake_ops.h"

#include <errno.h>
#include <string.h>

#include "wire/wire.h"

/* ---- for tests ---- */

void fake_host_fragmented(struct fake_host *host, bool fragmented)
{
    fake_lock(host);
    host->fragmented = fragmented;
    fake_unlock(host);
}

void fake_page_grant(struct fake_domain *domain, uint64_t pfn, bool granted)
{
    fake_lock(domain->host);
    domain->granted[pfn] = granted;
    fake_unlock(domain->host);
}

bool fake_page_large(struct fake_domain *domain, uint64_t pfn)
{
    bool large;

    fake_lock(domain->host);
    large = domain->large[fake_region_of(pfn)];
    fake_unlock(domain->host);
    return large;
}

void fake_domain_set_spare(struct fake_domain *domain, uint64_t first)
{
    fake_lock(domain->host);
    domain->spare = first;
    fake_unlock(domain->host);
}

void fake_domain_new_grants(struct fake_domain *domain)
{
    fake_lock(domain->host);
    domain->new_grants = true;
    fake_unlock(domain->host);
}

/* ---- rules ---- */

void fake_region_check(struct fake_domain *domain)
{
    for (uint64_t pfn = 0; domain->spare && pfn < domain->nr_pfns; pfn++) {
        bool spare = fake_region_of(pfn) == domain->spare;

        if (domain->p2m[pfn] == FAKE_NOMINATED ||
            (spare && domain->p2m[pfn] != FAKE_HOLE)) {
            fake_violation(domain->host,
                           "the domain runs, and pfn %#llx is %s",
                           (unsigned long long)pfn,
                           spare ? "where nothing should be" : "nominated");
        }
    }
}

static void check_paused(struct fake_domain *domain, const char *what)
{
    if (!fake_is_held(domain)) {
        fake_violation(domain->host, "%s, and the domain runs", what);
    }
}

static bool is_empty(const struct fake_domain *domain, uint64_t first)
{
    for (uint64_t pfn = first; pfn < first + XLM_REGION_PAGES; pfn++) {
        if (domain->p2m[pfn] != FAKE_HOLE) {
            return false;
        }
    }
    return true;
}

/* ---- calls ---- */

static size_t nominate(struct fake_domain *domain, uint64_t first)
{
    size_t refused = 0;

    for (uint64_t pfn = first; pfn < first + XLM_REGION_PAGES; pfn++) {
        if (domain->p2m[pfn] != FAKE_RAM || domain->busy[pfn] ||
            domain->refs[pfn]) {
            refused++;
        } else {
            fake_page_move(domain, pfn, FAKE_NOMINATED);
        }
    }
    return refused;
}

int fake_op_nominate_region(struct xlm_hypervisor *hv, uint32_t domid,
                            uint64_t first, size_t *refused)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_nominate_region, domid);

    if (domain && handle->pager_of != domain) {
        errno = ENODEV;
        domain = NULL;
    }
    if (domain) {
        check_paused(domain, "pages are nominated");
        *refused = nominate(domain, first);
    }
    return fake_op_end(handle, FAKE_OP_nominate_region, domain ? 0 : -1);
}

static int move_one(struct fake_domain *domain, uint64_t from, uint64_t to)
{
    if (!fake_has_frame(domain->p2m[from])) {
        errno = EINVAL;
        return -1;
    }
    if (domain->bad_errno && domain->bad_pfn == from) {
        errno = domain->bad_errno;
        domain->bad_errno = 0;
        return -1;
    }
    if (fake_has_frame(domain->p2m[to])) {
        if (domain->refs[to]) {
            fake_violation(domain->host, "pfn %#llx is mapped and replaced",
                           (unsigned long long)to);
        }
        fake_page_move(domain, to, FAKE_HOLE);
    }
    /* Where it was there is nothing any more. */
    memcpy(domain->memory + to * XLM_PAGE_SIZE,
           domain->memory + from * XLM_PAGE_SIZE, XLM_PAGE_SIZE);
    memset(domain->memory + from * XLM_PAGE_SIZE, 0x5a, XLM_PAGE_SIZE);
    domain->p2m[from] = FAKE_HOLE;
    domain->p2m[to] = FAKE_RAM;
    domain->large[fake_region_of(from)] = false;
    domain->large[fake_region_of(to)] = false;
    return 0;
}

int fake_op_move_pages(struct xlm_hypervisor *hv, uint32_t domid,
                       uint64_t from, uint64_t to, size_t count)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_move_pages, domid);
    int rc = domain ? 0 : -1;

    if (domain) {
        check_paused(domain, "pages are moved");
    }
    for (size_t i = 0; !rc && i < count; i++) {
        rc = move_one(domain, from + i, to + i);
    }
    return fake_op_end(handle, FAKE_OP_move_pages, rc);
}

static int populate(struct fake_domain *domain, uint64_t first)
{
    if (domain->host->fragmented ||
        domain->tot_pages + XLM_REGION_PAGES > domain->max_pages ||
        domain->host->free_pages + domain->claimed < XLM_REGION_PAGES) {
        errno = ENOMEM;
        return -1;
    }
    if (!is_empty(domain, first)) {
        fake_violation(domain->host, "region %#llx populated twice",
                       (unsigned long long)first);
    }
    for (uint64_t pfn = first; pfn < first + XLM_REGION_PAGES; pfn++) {
        fake_page_move(domain, pfn, FAKE_RAM);
        memset(domain->memory + pfn * XLM_PAGE_SIZE, 0xa5, XLM_PAGE_SIZE);
    }
    domain->large[first] = true;
    return 0;
}

int fake_op_populate_region(struct xlm_hypervisor *hv, uint32_t domid,
                            uint64_t first)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_populate_region, domid);
    int rc = -1;

    if (domain) {
        check_paused(domain, "a region is populated");
        rc = populate(domain, first);
    }
    return fake_op_end(handle, FAKE_OP_populate_region, rc);
}

int fake_op_is_granted(struct xlm_hypervisor *hv, uint32_t domid,
                       uint64_t first, bool *granted)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_is_granted, domid);

    if (domain && domain->new_grants) {
        errno = EOPNOTSUPP;
        domain = NULL;
    }
    if (domain) {
        *granted = false;
        for (size_t i = 0; i < XLM_REGION_PAGES; i++) {
            *granted |= domain->granted[first + i];
        }
    }
    return fake_op_end(handle, FAKE_OP_is_granted, domain ? 0 : -1);
}

int fake_op_spare_region(struct xlm_hypervisor *hv, uint32_t domid,
                         uint64_t *first)
{
    struct fake_handle *handle = fake_handle_of(hv);
    struct fake_domain *domain =
        fake_op_begin_on(handle, FAKE_OP_spare_region, domid);

    if (domain && (!domain->spare || !is_empty(domain, domain->spare))) {
        errno = ENOSPC;
        domain = NULL;
    }
    if (domain) {
        *first = domain->spare;
    }
    return fake_op_end(handle, FAKE_OP_spare_region, domain ? 0 : -1);
}
