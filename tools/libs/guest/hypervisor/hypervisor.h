/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The seam between the migration engine and the hypervisor.
 *
 * Everything that the engine asks of Xen goes through this table. xen*.c
 * beside this file implement it, and are the only files that include xenctrl.h
 * and its relatives; the tests link a fake in their place.
 *
 * Every slot is filled.  Unless its comment says otherwise, a slot returns 0,
 * or -1 with errno set and no effect, and any thread may call it as long as no
 * two threads use the same slot at the same time.
 */
#ifndef XLM_HYPERVISOR_H
#define XLM_HYPERVISOR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xentoollog.h>

#include "policy/release.h"
#include "wire/wire.h"

struct xlm_domain_info {
    uint32_t domid;
    uint8_t handle[16]; /* the uuid */
    bool hvm;           /* HVM or PVH: memory translated by the hypervisor */
    bool hap;
    bool emulated_devices; /* beyond the local APIC that each vCPU has */
    bool paused; /* by the toolstack; vCPUs may be paused otherwise */
    bool dying;
    bool shutdown;
    unsigned int shutdown_reason; /* SHUTDOWN_*, if shutdown */
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t paged_pages; /* paged out, by any pager */
    uint64_t cpu_ns;      /* time for which its vCPUs have run */
    unsigned int max_vcpu_id;
};

/* What a stream carries of a domain besides memory. */
enum xlm_platform_state {
    XLM_STATE_CPUID_POLICY, /* xen_cpuid_leaf_t[] */
    XLM_STATE_MSR_POLICY,   /* xen_msr_entry_t[] */
    XLM_STATE_TSC_INFO,     /* struct xlm_wire_tsc_info */
    XLM_STATE_HVM_CONTEXT,  /* opaque */
};

/* One page that the pager pages in, and the outcome. */
struct xlm_page_in {
    uint64_t pfn;
    const void *contents; /* XLM_PAGE_SIZE octets */
    int error;            /* out: 0, ENOENT: no longer paged, ENOMEM: retry,
                             ESRCH: the domain is being destroyed, EUCLEAN:
                             another program has written to it, or the
                             hypervisor */
};

/* One page to evict, and the outcome. */
struct xlm_eviction {
    uint64_t pfn;
    int error; /* out: 0; EBUSY and the like: the page stays resident */
};

/* One for each connection that carries pages: the streams and the fault
 * channel; one to read ahead on the first; and one for a page of zeroes. */
#define XLM_CONTENTS_BUFFERS (XLM_STREAMS_MOST + 3)

/* The mechanism by which pages shall be absent: see hypervisor/paging.h. */
enum xlm_mechanism {
    XLM_MECHANISM_PAGING, /* memory paging */
    XLM_MECHANISM_ACCESS, /* access rights: experimental */
    XLM_MECHANISM_ANY,    /* the best that the host has */
};

/* The rings through which the hypervisor tells of a domain's faults. */
enum xlm_ring {
    XLM_RING_PAGING,  /* memory paging */
    XLM_RING_MONITOR, /* access rights */
};

struct xlm_hypervisor;

struct xlm_hypervisor_ops {
    /* Release the handle and all that it holds.  The caller must call this
     * exactly once, with the pager disabled and no page mapped. */
    void (*close)(struct xlm_hypervisor *hv);

    /* ---- any domain ---- */

    /* ESRCH: no such domain.  For a while a domain that is being destroyed can
     * look like any other, except that its pages are gone.  As long as a
     * process maps one of its pages, the domain stays, dying, and looks as it
     * did when it was destroyed: shutdown is set if it had shut down before,
     * otherwise not. */
    int (*domain_info)(struct xlm_hypervisor *hv, uint32_t domid,
                       struct xlm_domain_info *info);
    /* Find the domain with this handle, other than `except` (DOMID_INVALID:
     * any).  ESRCH: there is none. */
    int (*domain_by_handle)(struct xlm_hypervisor *hv,
                            const uint8_t handle[16], uint32_t except,
                            uint32_t *domid);
    /* The highest gfn that the domain has ever had, plus one. */
    int (*nr_pfns)(struct xlm_hypervisor *hv, uint32_t domid,
                   uint64_t *nr_pfns);
    void (*xen_version)(struct xlm_hypervisor *hv, uint32_t *major,
                        uint32_t *minor);
    /* *ours receives the interface version of this library's calls, in any
     * case.  EACCES: the hypervisor has another version, and most other slots
     * fail. */
    int (*interface)(struct xlm_hypervisor *hv,
                     struct xlm_xen_interface *ours);
    /* The most that this host gives an HVM or PVH guest of CPUID, in the form
     * of XLM_STATE_CPUID_POLICY.  *data as below. */
    int (*host_cpuid)(struct xlm_hypervisor *hv, void **data, size_t *length);
    /* *data is malloc()ed, and the caller must free it.  Works on a running
     * domain. */
    int (*get_state)(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_platform_state which, void **data,
                     size_t *length);
    /* Only XLM_STATE_TSC_INFO and XLM_STATE_HVM_CONTEXT; the domain must be
     * paused. */
    int (*set_state)(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_platform_state which, const void *data,
                     size_t length);
    int (*get_param)(struct xlm_hypervisor *hv, uint32_t domid, uint32_t index,
                     uint64_t *value);
    int (*set_param)(struct xlm_hypervisor *hv, uint32_t domid, uint32_t index,
                     uint64_t value);

    /* Tell a suspended guest that its suspend was cancelled.  Otherwise the
     * guest, when it runs on, takes its domain for a new one and sets up again
     * what it has already.  A guest without Xen drivers does not ask.  EINVAL:
     * not suspended. */
    int (*cancel_suspend)(struct xlm_hypervisor *hv, uint32_t domid);

    /* Pause the domain on the toolstack's behalf.  Pauses nest. */
    int (*pause)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Take one such pause back.  EINVAL: there is none. */
    int (*unpause)(struct xlm_hypervisor *hv, uint32_t domid);

    /* ---- memory ---- */

    /* Types XLM_TYPE_* of up to XLM_BATCH_PAGES pfns. */
    int (*page_types)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      const uint64_t *pfns, uint32_t *types);
    /* Map count pages side by side. errors[i] is 0 or the errno of page i; the
     * caller must not touch the part of the mapping of a page with an error.
     * NULL with errno: nothing was mapped.  The call waits for a page that is
     * paged out until the page is back, so a thread that pages in must never
     * map one. map and unmap are thread-safe. */
    void *(*map)(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
                 size_t count, const uint64_t *pfns, int *errors);
    void (*unmap)(struct xlm_hypervisor *hv, void *mapping, size_t count);

    /* ---- the source ---- */

    int (*logdirty_enable)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Harmless when log-dirty is off. */
    int (*logdirty_disable)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Read the dirty bitmap and, with `clean`, clear it.  *bitmap has one bit
     * for each of nr_pfns pfns, in whole words; it is valid until the next
     * call of this slot. */
    int (*logdirty_read)(struct xlm_hypervisor *hv, uint32_t domid, bool clean,
                         uint64_t nr_pfns, const unsigned long **bitmap);

    /* ---- the destination ---- */

    /* Limit the pages that the domain may hold.  Paged out pages do not
     * count. */
    int (*set_max_pages)(struct xlm_hypervisor *hv, uint32_t domid,
                         uint64_t pages);
    /* Give the domain a page at each of these pfns, or at none: ENOMEM. */
    int (*populate)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                    const uint64_t *pfns);
    /* Take pages away, paged out or not.  A hole stays a hole. */
    int (*depopulate)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      const uint64_t *pfns);
    /* Claim host memory for pages that the domain does not hold yet, up to
     * `pages` in all, in place of an earlier claim; 0: withdraw the claim.
     * Populating and paging in use the claim up, evicting gives back to it.  A
     * claim that is used up is gone.  So the caller must claim before it
     * populates the first page, evict before it populates the last, and
     * withdraw at the end for the pages that the guest has freed.  ENOMEM: the
     * host has not got the memory, and no claim is left. */
    int (*claim)(struct xlm_hypervisor *hv, uint32_t domid, uint64_t pages);

    /* ---- faults: only for the mechanisms of paging.h ---- */

    /* ENOSYS: this hypervisor has no memory paging. */
    int (*paging_supported)(struct xlm_hypervisor *hv);
    /* Does this hypervisor panic when the ring is full and another vCPU waits
     * for a page?  See policy/shadow_stacks.h.  Cannot fail; true when in
     * doubt. */
    bool (*shadow_stacks)(struct xlm_hypervisor *hv);
    /* 0: this hypervisor stops vCPUs at pages to which they have no rights.
     * ENOSYS: it is built without that; ENODEV: it cannot do that on this
     * processor. */
    int (*access_supported)(struct xlm_hypervisor *hv);
    /* Register as the pager of a paused domain, by that ring; one pager at a
     * time for a handle.  *ring is the page shared with the hypervisor,
     * initialised, for the vm_event ring macros.  *event_fd is readable when
     * the hypervisor signals; *port is the hypervisor's end of that event
     * channel.  Both stay valid until pager_disable().  The ring's own pfn is
     * populated if need be; the guest's writes there are lost, and
     * pager_disable() leaves a hole.  ENODEV: the domain has no HAP; EBUSY:
     * another program has the ring; EXDEV as the hypervisor says.  With
     * XLM_RING_MONITOR, a domain that touches a page without rights while no
     * pager is there crashes, and does not read the page. */
    int (*pager_enable)(struct xlm_hypervisor *hv, uint32_t domid,
                        enum xlm_ring which, void **ring, int *event_fd,
                        uint32_t *port);
    /* Take over from a pager whose process died.  `port` is the port that
     * pager was given; *ring is returned as that pager left it.  The
     * hypervisor sees no change: it keeps the requests and the waiting vCPUs,
     * and signals once, because an earlier signal may have reached no process.
     * EINVAL: the other pager's process lives, or there never was one. */
    int (*pager_take_over)(struct xlm_hypervisor *hv, uint32_t domid,
                           enum xlm_ring which, uint32_t port, void **ring,
                           int *event_fd);
    /* No page may be paged out.  Harmless when not enabled. */
    int (*pager_disable)(struct xlm_hypervisor *hv, uint32_t domid);
    /* Take the pending signal when event_fd is readable. */
    int (*pager_accept)(struct xlm_hypervisor *hv);
    /* Tell the hypervisor that the ring holds responses.  Thread-safe. */
    int (*pager_notify)(struct xlm_hypervisor *hv);

    /* Evict a batch of populated pages, of any size; each page's error says
     * what became of it. -1: the whole batch failed, and the errors are not
     * set; ENODEV: the pager is not enabled. */
    int (*evict)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                 struct xlm_eviction *pages);
    /* Page in a batch of paged-out pages; errors as in evict(). */
    int (*page_in)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   struct xlm_page_in *pages);
    /* Take all rights to these pages from the vCPUs, or give all back, in a
     * domain whose pager has XLM_RING_MONITOR.  Up to XLM_BATCH_PAGES, which
     * must exist when rights are taken.  Rights given to a hole change
     * nothing. -1 with errno: some may have changed; ESRCH: the domain is
     * being destroyed. */
    int (*set_access)(struct xlm_hypervisor *hv, uint32_t domid, bool all,
                      size_t count, const uint64_t *pfns);
    /* Which of up to XLM_BATCH_PAGES pages have no rights?  A hole is none of
     * these, and neither is a page that the guest has put there itself. */
    int (*get_access)(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      const uint64_t *pfns, bool *none);
    /* ---- regions of a paused domain: for restore/superpages.c ---- */

    /* Nominate the pages of a region, as evict() does: then no vCPU, back end
     * or program can reach them.  *refused: how many are not nominated,
     * because a process, a back end or Xen holds them.  move_pages() makes all
     * ordinary again.  Only for the pager, and never at the same time as
     * evict(). */
    int (*nominate_region)(struct xlm_hypervisor *hv, uint32_t domid,
                           uint64_t first, size_t *refused);
    /* Move pages, with their frames, to other pfns, one after the other; a
     * page that is there is freed. -1: it ended at one of them, and those
     * before that have moved; EINVAL: because there is no page. */
    int (*move_pages)(struct xlm_hypervisor *hv, uint32_t domid, uint64_t from,
                      uint64_t to, size_t count);
    /* Give a region of holes one frame of 2 MiB, with any contents, mapped as
     * one.  ENOMEM: there is no such frame, or the domain may have no more
     * pages. */
    int (*populate_region)(struct xlm_hypervisor *hv, uint32_t domid,
                           uint64_t first);
    /* Has the guest granted a page of the region?  EOPNOTSUPP: its
     * grant table is of a kind that this cannot read. */
    int (*is_granted)(struct xlm_hypervisor *hv, uint32_t domid,
                      uint64_t first, bool *granted);
    /* Find a region of holes where no PVH guest has memory or devices, and
     * where nothing has been mapped.  ENOSPC: there is none. */
    int (*spare_region)(struct xlm_hypervisor *hv, uint32_t domid,
                        uint64_t *first);
    /* Allocate room for the contents of pages. page_in() takes contents from
     * there without a copy if they are page-aligned.  At most
     * XLM_CONTENTS_BUFFERS for each handle at a time; no thread may page in
     * from one while that one is allocated or freed.  One thread may call
     * these two while others page in. */
    void *(*contents_alloc)(struct xlm_hypervisor *hv, size_t pages);
    void (*contents_free)(struct xlm_hypervisor *hv, void *contents,
                          size_t pages);
};

/* An implementation embeds this as its first member. */
struct xlm_hypervisor {
    const struct xlm_hypervisor_ops *ops;
};

/* Memory is short now, the hypervisor is busy, or a signal came: the call may
 * succeed later. */
static inline bool xlm_try_again(int error)
{
    return error == ENOMEM || error == EAGAIN || error == EBUSY ||
           error == EINTR;
}

/* How long to wait before such a call is made again. */
#define XLM_TRY_AGAIN_PAUSE_MS 10

/*
 * The hypervisor of this host.  NULL with errno when this domain is no dom0,
 * or the libraries cannot reach the hypervisor.  The logger stays the
 * caller's, and must outlive the handle.  A handle serves one migration.
 */
struct xlm_hypervisor *xlm_hypervisor_open(xentoollog_logger *logger);

static inline void xlm_hypervisor_close(struct xlm_hypervisor *hv)
{
    if (hv) {
        hv->ops->close(hv);
    }
}

#endif
