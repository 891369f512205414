/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the parts of the real hypervisor share; private to xen*.c.
 *
 * xen.c         the handle, domains and their platform state; uses all
 *               others, and they use those below them
 * xen_pager.c   being the pager of a domain
 * xen_memory.c  page types, mappings, log-dirty, populating
 * xen_paging.c  evicting and paging in
 * xen_region.c  regions that get superpages again
 * xen_access.c  access rights
 * xen_compat.c  what differs between Xen's versions
 * xen_call.c    what all of them call
 *
 * Hypercalls that libxenctrl wraps without harm go through it. Those on many
 * pages are made here: libxenctrl copies and allocates at every call, and
 * cannot put several paging ops into one hypercall.
 */
#ifndef XLM_HYPERVISOR_XEN_H
#define XLM_HYPERVISOR_XEN_H

#include <stdatomic.h>

#include <xenctrl.h>
#include <xencall.h>
#include <xenforeignmemory.h>
#include <xenevtchn.h>

#include "hypervisor/hypervisor.h"
#include "wire/wire.h"

_Static_assert(sizeof(xen_pfn_t) == sizeof(uint64_t), "pfns are 64 bits");

/*
 * Pages in one multicall.  More gain nothing, and the contents of this many
 * stay in the cache between the copy into the buffer and the hypervisor's copy
 * out of it.
 */
#define XEN_PAGING_CHUNK 128

/* Evicting a page takes two ops, and giving it its type a third. */
#define XEN_EVICT_OPS (2 * XEN_PAGING_CHUNK + 1)

/* A list of pfns that the hypervisor can read and write. */
struct xen_pfn_buffer {
    xen_pfn_t *pfns; /* XLM_BATCH_PAGES of them */
    xen_memory_reservation_t *reservation;
};

/* Paging ops for one multicall. */
struct xen_paging_batch {
    multicall_entry_t *entries;
    xen_mem_paging_op_t *ops;
    uint8_t *contents; /* XLM_PAGE_SIZE for each op; NULL: no contents */
    size_t size;       /* room, in ops */
};

/* Memory, handed out to the caller, that the hypervisor can read. */
struct xen_contents {
    size_t octets;
    _Atomic(uint8_t *) start; /* set after octets; NULL: none */
};

/* The pager of one domain: all pointers are NULL while it is not enabled. */
struct xen_pager {
    uint32_t domid;
    enum xlm_ring which;
    bool registered; /* the hypervisor knows of it */
    void *ring;
    xenevtchn_handle *events;
    int port; /* -1: not bound */
    struct xen_paging_batch evict;
    struct xen_paging_batch page_in;
    struct xen_paging_batch blank; /* one op with a page of zeroes */
};

/* Room for one operation on access rights for each page of a batch. */
struct xen_access {
    multicall_entry_t *entries;
    xen_mem_access_op_t *ops;
    uint64_t *pfns;
    uint8_t *rights;
};

/*
 * Each buffer belongs to one slot of the table, so slots may run side by side.
 * Several threads may use the libraries' handles.
 */
struct xen_hypervisor {
    struct xlm_hypervisor base; /* first */
    xentoollog_logger *logger;
    xc_interface *xc;
    xencall_handle *call;
    xenforeignmemory_handle *memory;
    struct xen_pfn_buffer types;
    struct xen_pfn_buffer populate;
    struct xen_pfn_buffer depopulate;
    void *dirty_bitmap; /* grown to the largest guest seen */
    size_t dirty_octets;
    struct xen_contents contents[XLM_CONTENTS_BUFFERS];
    struct xen_pager pager;
    struct xen_access set_access; /* pfns and rights, and one op */
    struct xen_access get_access; /* entries and ops */
};

static inline struct xen_hypervisor *xen_of(struct xlm_hypervisor *hv)
{
    return (struct xen_hypervisor *)hv;
}

/* ---- hypervisor/xen_call.c ---- */

/* Log what failed, and errno, as an error.  Keeps errno. */
void xen_log_failure(struct xen_hypervisor *xen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same; the value is -1, as in xlm_fail(). */
#define xen_failed(...) \
    (__extension__({ \
        xen_log_failure(__VA_ARGS__); \
        -1; \
    }))
void xen_debug(struct xen_hypervisor *xen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int xen_domain_info(struct xlm_hypervisor *hv, uint32_t domid,
                    struct xlm_domain_info *info);

/* Make a domctl; the hypervisor's output comes back in *op. */
int xen_make_domctl(struct xen_hypervisor *xen, uint32_t domid,
                    xen_domctl_t *op);

/* Set how the hypervisor treats the guest's accesses to this pfn: HVMMEM_*.
 * EAGAIN: the page is paged out or nominated; the call has asked for it. -1
 * with errno, not logged. */
int xen_set_mem_type(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn,
                     uint16_t type);

/* ---- hypervisor/xen_memory.c ---- */

int xen_memory_init(struct xen_hypervisor *xen);
void xen_memory_dispose(struct xen_hypervisor *xen);

int xen_page_types(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   const uint64_t *pfns, uint32_t *types);
void *xen_map(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
              size_t count, const uint64_t *pfns, int *errors);
void xen_unmap(struct xlm_hypervisor *hv, void *mapping, size_t count);
int xen_logdirty_enable(struct xlm_hypervisor *hv, uint32_t domid);
int xen_logdirty_disable(struct xlm_hypervisor *hv, uint32_t domid);
int xen_logdirty_read(struct xlm_hypervisor *hv, uint32_t domid, bool clean,
                      uint64_t nr_pfns, const unsigned long **bitmap);
int xen_set_max_pages(struct xlm_hypervisor *hv, uint32_t domid,
                      uint64_t pages);
int xen_populate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                 const uint64_t *pfns);
int xen_depopulate(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   const uint64_t *pfns);
int xen_claim(struct xlm_hypervisor *hv, uint32_t domid, uint64_t pages);

/* ---- hypervisor/xen_pager.c ---- */

/* More words than any release's featureset has. */
#define XEN_FEATURE_WORDS 64
/* What the host's processor has and the hypervisor uses; -1 with errno. */
int xen_host_features(struct xen_hypervisor *xen,
                      uint32_t features[XEN_FEATURE_WORDS]);

void xen_pager_init(struct xen_pager *pager);
/* Release the pager's resources in this process.  The hypervisor is not told:
 * for a guest with a page paged out, a pager that has gone is better than
 * none. */
void xen_pager_dispose(struct xen_hypervisor *xen);

int xen_paging_supported(struct xlm_hypervisor *hv);
bool xen_shadow_stacks(struct xlm_hypervisor *hv);
int xen_pager_enable(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_ring which, void **ring, int *event_fd,
                     uint32_t *port);
int xen_pager_take_over(struct xlm_hypervisor *hv, uint32_t domid,
                        enum xlm_ring which, uint32_t port, void **ring,
                        int *event_fd);
int xen_pager_disable(struct xlm_hypervisor *hv, uint32_t domid);
int xen_pager_accept(struct xlm_hypervisor *hv);
int xen_pager_notify(struct xlm_hypervisor *hv);

/* ---- hypervisor/xen_paging.c ---- */

/* ENODEV: this handle is not that domain's pager. */
int xen_pager_check(struct xen_hypervisor *xen, uint32_t domid);

/* Allocate buffers for `ops` ops; may be disposed of also after failure. */
int xen_batch_init(struct xen_hypervisor *xen, struct xen_paging_batch *batch,
                   size_t ops, bool contents);
void xen_batch_dispose(struct xen_hypervisor *xen,
                       struct xen_paging_batch *batch);

/* Page in a paged-out page with zeroes, so that it can be depopulated;
 * ENOENT: it is not paged out. */
int xen_bring_blank(struct xen_hypervisor *xen, uint32_t domid, uint64_t pfn);

int xen_evict(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
              struct xlm_eviction *pages);
int xen_page_in(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                struct xlm_page_in *pages);
void *xen_contents_alloc(struct xlm_hypervisor *hv, size_t pages);
void xen_contents_free(struct xlm_hypervisor *hv, void *contents,
                       size_t pages);

/* Nominate pages side by side, as many as fit into one multicall.  *refused
 * grows by those that are not nominated. */
int xen_nominate(struct xen_hypervisor *xen, uint32_t domid, uint64_t first,
                 size_t count, size_t *refused);

/* ---- hypervisor/xen_region.c ---- */

int xen_nominate_region(struct xlm_hypervisor *hv, uint32_t domid,
                        uint64_t first, size_t *refused);
int xen_move_pages(struct xlm_hypervisor *hv, uint32_t domid, uint64_t from,
                   uint64_t to, size_t count);
int xen_populate_region(struct xlm_hypervisor *hv, uint32_t domid,
                        uint64_t first);
int xen_is_granted(struct xlm_hypervisor *hv, uint32_t domid, uint64_t first,
                   bool *granted);
int xen_spare_region(struct xlm_hypervisor *hv, uint32_t domid,
                     uint64_t *first);
/* ---- hypervisor/xen_access.c ---- */

int xen_access_supported(struct xlm_hypervisor *hv);
/* Prepare a paused domain: without a listener it crashes, and the hypervisor
 * has room for its second-level tables. */
int xen_access_begin(struct xen_hypervisor *xen, uint32_t domid);
void xen_access_dispose(struct xen_hypervisor *xen);
int xen_set_access(struct xlm_hypervisor *hv, uint32_t domid, bool all,
                   size_t count, const uint64_t *pfns);
int xen_get_access(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                   const uint64_t *pfns, bool *none);

/* ---- hypervisor/xen_compat.c ---- */

/* In place of a domain: the most that this host gives an HVM or PVH guest. */
#define XEN_POLICY_OF_HOST DOMID_INVALID

/*
 * The CPU policy of a domain, or XEN_POLICY_OF_HOST, in arrays with the sizes
 * from xen_policy_size();
 * the counts become those of the entries that are there.
 */
int xen_policy_size(struct xen_hypervisor *xen, uint32_t *leaves,
                    uint32_t *msrs);
int xen_policy_read(struct xen_hypervisor *xen, uint32_t domid,
                    xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves,
                    xen_msr_entry_t *msrs, uint32_t *nr_msrs);

int xen_interface(struct xlm_hypervisor *hv, struct xlm_xen_interface *ours);

#endif
