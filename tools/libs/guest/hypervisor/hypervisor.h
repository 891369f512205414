/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The seam between the migration engine and the hypervisor.
 *
 * Everything that the engine asks of Xen goes through this table.  The real
 * side is xen*.c beside it, the only files that include xenctrl.h and its
 * relatives; the tests link a fake in their place.
 *
 * Every slot is filled.  Unless its comment says otherwise, a slot returns 0,
 * or -1 with errno set and no effect, and may be called from any thread as
 * long as no two threads use the same slot at the same time.
 */
#ifndef XLM_HYPERVISOR_H
#define XLM_HYPERVISOR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xentoollog.h>

#include "policy/release.h"

struct xlm_domain_info {
    uint32_t domid;
    uint8_t handle[16]; /* the uuid */
    bool hvm;           /* HVM or PVH: memory translated by the hypervisor */
    bool hap;
    bool paused; /* by the toolstack */
    bool dying;
    bool shutdown;
    unsigned int shutdown_reason; /* SHUTDOWN_*; when shutdown */
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t paged_pages; /* paged out, by whatever pager */
    uint64_t cpu_ns;      /* that its vCPUs have run */
    unsigned int max_vcpu_id;
};

/* What a stream carries of a domain besides its memory. */
enum xlm_platform_state {
    XLM_STATE_CPUID_POLICY, /* xen_cpuid_leaf_t[] */
    XLM_STATE_MSR_POLICY,   /* xen_msr_entry_t[] */
    XLM_STATE_TSC_INFO,     /* struct xlm_wire_tsc_info */
    XLM_STATE_HVM_CONTEXT,  /* opaque */
};

/* One page that the pager brings in, and what became of it. */
struct xlm_page_in {
    uint64_t pfn;
    const void *contents; /* XLM_PAGE_SIZE octets */
    int error;            /* out: 0, ENOENT: no longer paged, ENOMEM: retry,
                             ESRCH: the domain is being destroyed */
};

/* One page to evict, and what became of it. */
struct xlm_eviction {
    uint64_t pfn;
    int error; /* out: 0, EBUSY and the like: it stays resident */
};

/* One for each connection that pages come over, and a page of zeroes. */
#define XLM_CONTENTS_BUFFERS 3

struct xlm_hypervisor;

struct xlm_hypervisor_ops {
    /* Release the handle and all that it holds.  Called exactly once, with
     * the pager disabled and no page mapped. */
    void (*close)(struct xlm_hypervisor *hv);

    /* ---- any domain ---- */

    /* ESRCH: no such domain.  A domain that is being destroyed can look like
     * any other for a while, but for its pages, which are there no more; and
     * one of which anybody maps a page stays, dying, and as it was when it was
     * destroyed: shut down for that reason, or not. */
    int (*domain_info)(struct xlm_hypervisor *hv, uint32_t domid,
                       struct xlm_domain_info *info);
    /* Find a domain by its handle, other than `except` (DOMID_INVALID: none);
     * ESRCH: none has it. */
    int (*domain_by_handle)(struct xlm_hypervisor *hv,
                            const uint8_t handle[16], uint32_t except,
                            uint32_t *domid);
    /* One more than the highest gfn that the domain has ever had. */
    int (*nr_pfns)(struct xlm_hypervisor *hv, uint32_t domid,
                   uint64_t *nr_pfns);
    void (*xen_version)(struct xlm_hypervisor *hv, uint32_t *major,
                        uint32_t *minor);
    /* *ours becomes the interface that this library makes its calls with, in
     * any case.  EACCES: this hypervisor has another one, and most other slots
     * fail. */
    int (*interface)(struct xlm_hypervisor *hv,
                     struct xlm_xen_interface *ours);
    /* *data is malloc()ed and the caller's.  Works on a running domain. */
    int (*get_state)(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_platform_state which, void **data,
                     size_t *length);
    /* XLM_STATE_TSC_INFO and XLM_STATE_HVM_CONTEXT only, domain paused. */
    int (*set_state)(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_platform_state which, const void *data,
                     size_t length);
    int (*get_param)(struct xlm_hypervisor *hv, uint32_t domid, uint32_t index,
                     uint64_t *value);
    int (*set_param)(struct xlm_hypervisor *hv, uint32_t domid, uint32_t index,
                     uint64_t value);

    /* The suspend of a suspended domain came to nothing: tell the guest when
     * it runs on, which else takes itself for one in a new domain and sets up
     * what it has already.  One without Xen drivers is not asking.  EINVAL:
     * not suspended. */
    int (*cancel_suspend)(struct xlm_hypervisor *hv, uint32_t domid);

    /* Keep the domain from running until the toolstack lets it; any number of
     * times, each of which counts. */
    int (*pause)(struct xlm_hypervisor *hv, uint32_t domid);

    /* ---- memory ---- */

    /* Types XLM_TYPE_* of up to XLM_BATCH_PAGES pfns. */
    int (*page_types)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      const uint64_t *pfns, uint32_t *types);
    /* Map count pages side by side; errors[i] is 0 or the errno of page i,
     * whose part of the mapping must then not be touched.  NULL with errno:
     * nothing was mapped.  Waits for a page that is paged out until it is
     * back, so never call it for one from a thread that pages in.
     * These two are thread-safe. */
    void *(*map)(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
                 size_t count, const uint64_t *pfns, int *errors);
    void (*unmap)(struct xlm_hypervisor *hv, void *mapping, size_t count);

    /* ---- the source ---- */

    int (*logdirty_enable)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Safe to call when it is off. */
    int (*logdirty_disable)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Read the dirty bitmap and, when `clean`, clear it.  *bitmap has a bit
     * a pfn, nr_pfns of them, in whole words; it is valid until the next call
     * of this slot. */
    int (*logdirty_read)(struct xlm_hypervisor *hv, uint32_t domid, bool clean,
                         uint64_t nr_pfns, const unsigned long **bitmap);

    /* ---- the destination ---- */

    /* How many pages the domain may hold, paged out ones not counted. */
    int (*set_max_pages)(struct xlm_hypervisor *hv, uint32_t domid,
                         uint64_t pages);
    /* Give the domain a page at each of these pfns, all or fail: ENOMEM. */
    int (*populate)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                    const uint64_t *pfns);
    /* Take the pages away again, paged out or not; a hole stays one. */
    int (*depopulate)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      const uint64_t *pfns);
    /* Keep host memory back for the pages that the domain does not hold now,
     * up to `pages` in all, in place of an earlier claim; 0: withdraw it.
     * Populating and paging in take from a claim and evicting gives back,
     * until it is used up: then it is gone.  So claim before the first page
     * is populated, evict before the last is, and withdraw at the end for the
     * sake of what the guest has freed.  ENOMEM: the host does not have them,
     * and no claim is left. */
    int (*claim)(struct xlm_hypervisor *hv, uint32_t domid, uint64_t pages);

    /* ---- Xen's memory paging: for paging_xen.c, and nobody else ---- */

    /* ENOSYS: this hypervisor has no memory paging. */
    int (*paging_supported)(struct xlm_hypervisor *hv);
    /* Whether this hypervisor panics when the ring is full and another vCPU
     * waits for a page: policy/shadow_stacks.h.  Cannot fail; true when in
     * doubt. */
    bool (*shadow_stacks)(struct xlm_hypervisor *hv);
    /* Register as the pager of a paused domain, one at a time per handle.
     * *ring is the page shared with the hypervisor, initialised, to be used
     * with the vm_event ring macros; *event_fd polls readable when the
     * hypervisor signals; *port is its end of that.  The ring's own pfn is
     * populated when it is not, what the guest writes there is lost, and it is
     * a hole once the pager is disabled.  ENODEV: the domain has no HAP;
     * EXDEV, EBUSY as the hypervisor says.  Ring and event_fd stay valid until
     * pager_disable(). */
    int (*pager_enable)(struct xlm_hypervisor *hv, uint32_t domid, void **ring,
                        int *event_fd, uint32_t *port);
    /* Become the pager in place of one that has died, who was given this port,
     * and of whom *ring is, as he has left it.  The hypervisor sees no change:
     * it has the requests, and vCPUs that wait, and signals once for what it
     * may have said to nobody.  EINVAL: he lives, or never was. */
    int (*pager_take_over)(struct xlm_hypervisor *hv, uint32_t domid,
                           uint32_t port, void **ring, int *event_fd);
    /* Only with no page paged out; harmless when not enabled. */
    int (*pager_disable)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Take the pending signal (event_fd is readable), ready for the next. */
    int (*pager_accept)(struct xlm_hypervisor *hv);
    /* Tell the hypervisor that there are responses in the ring.
     * Thread-safe. */
    int (*pager_notify)(struct xlm_hypervisor *hv);

    /* Evict a batch of populated pages, of any size; the fate of each page
     * is in its error.  -1: the batch failed as a whole, errors are not set;
     * ENODEV: the pager is not enabled. */
    int (*evict)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                 struct xlm_eviction *pages);
    /* Bring in a batch of paged pages, as evict(). */
    int (*page_in)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   struct xlm_page_in *pages);
    /* Memory of so many pages from which page_in() takes contents that begin
     * where a page does without a copy; for each handle at most
     * XLM_CONTENTS_BUFFERS at a time, allocated and freed while nobody pages
     * in from them. */
    void *(*contents_alloc)(struct xlm_hypervisor *hv, size_t pages);
    void (*contents_free)(struct xlm_hypervisor *hv, void *contents,
                          size_t pages);
};

/* What an implementation embeds as its first member. */
struct xlm_hypervisor {
    const struct xlm_hypervisor_ops *ops;
};

/* No memory now, or busy, or a signal came: another time it may succeed. */
static inline bool xlm_try_again(int error)
{
    return error == ENOMEM || error == EAGAIN || error == EBUSY ||
           error == EINTR;
}

/* How long to let the host find memory, or time, before asking it again. */
#define XLM_TRY_AGAIN_PAUSE_MS 10

/*
 * The hypervisor of this host.  NULL with errno when this is not a dom0 or
 * the libraries cannot reach it.  The logger stays the caller's and must
 * outlive the handle.  A handle serves one migration.
 */
struct xlm_hypervisor *xlm_hypervisor_open(xentoollog_logger *logger);

static inline void xlm_hypervisor_close(struct xlm_hypervisor *hv)
{
    if (hv) {
        hv->ops->close(hv);
    }
}

#endif
