/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The seam of faults: how pages of a domain are made absent, and how it is
 * heard who wants one of them.  Xen's memory paging is one way, paging_xen.c;
 * another one is another table, and a row in paging.c.
 *
 * Faults are read, kept and answered by one thread at a time, and so are pages
 * made absent, and brought in.  Every slot is filled.
 */
#ifndef XLM_PAGING_H
#define XLM_PAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context.h"
#include "hypervisor/hypervisor.h"
#include "wire/wire.h"

/* Faults that can wait at the same time, at the most. */
#define XLM_PAGING_FAULTS 8
/* Words that outlive the process, all 0 at first, for the table alone. */
#define XLM_PAGING_KEPT_WORDS 33

/* Somebody has come upon an absent page. */
struct xlm_fault {
    uint64_t pfn;
    uint32_t vcpu;
    bool vcpu_waits; /* until it is answered; else it was not the guest, and
                        tries again by itself */
    bool dropped;    /* no fault: the guest has given the page up */
    /* The table's own. */
    uint32_t own[2];
    void *kept;
};

/* A guest whose pages are to be absent, whether its domain is there or not. */
struct xlm_paged_guest {
    bool hap;
    unsigned int vcpus;
};

struct xlm_paging;

struct xlm_paging_ops {
    /* Of the host, beside the guest's. */
    uint64_t pages;
    /*
     * Can this guest's pages be absent on this host?  -1 with the reason in
     * the context, and *refusal what the source is told.  Nothing is changed.
     */
    int (*check)(struct xlm_context *ctx, const struct xlm_paged_guest *guest,
                 enum xlm_refusal *refusal);
    /* vCPUs that such a guest may have on this host; 0: as many as there can
     * be. */
    unsigned int (*most_vcpus)(struct xlm_context *ctx);
    /* Be told of the faults of a paused domain.  `kept` is for who takes over.
     * NULL with errno: ENODEV, the domain cannot have it; and the reason in
     * the context. */
    struct xlm_paging *(*start)(struct xlm_context *ctx, uint32_t domid,
                                unsigned long *kept);
    /* The same in place of a process that has died, by what it has kept: the
     * faults that it had read and not answered, of vCPUs that wait, become
     * held[], *nr_held of them, `most` at the most.  The domain may run. */
    struct xlm_paging *(*take_over)(struct xlm_context *ctx, uint32_t domid,
                                    unsigned long *kept, size_t most,
                                    struct xlm_fault held[XLM_PAGING_FAULTS],
                                    size_t *nr_held);
    /* Be told no more, with no page absent.  Frees the paging, also when it
     * fails. */
    int (*stop)(struct xlm_paging *paging);
    /* The guest lacks pages: it keeps what makes it wait for them, for who
     * takes over.  Frees the paging. */
    void (*leave)(struct xlm_paging *paging);

    /* Give the domain pages where it has none, `nr_new` of `new_pfns`, and
     * make `count` pages absent, some of these among them; the fate of each is
     * in its error.  -1 with the reason in the context: of not one. */
    int (*make_absent)(struct xlm_paging *paging, size_t nr_new,
                       const uint64_t *new_pfns, size_t count,
                       struct xlm_eviction *pages);
    /* Bring in absent pages with their contents; the fate of each is in its
     * error.  -1 with errno: not one came. */
    int (*bring_in)(struct xlm_paging *paging, size_t count,
                    struct xlm_page_in *pages);
    /* In place of an absent page the domain gets a hole. */
    int (*make_hole)(struct xlm_paging *paging, uint64_t pfn);

    /* `fd` is readable: ready for the next time. */
    int (*accept)(struct xlm_paging *paging);
    /* The next fault; false: there is none.  Each has to be kept or answered
     * before the next. */
    bool (*next_fault)(struct xlm_paging *paging, struct xlm_fault *fault);
    /* Its vCPU is to wait: who takes over will find it. */
    void (*keep)(struct xlm_paging *paging, struct xlm_fault *fault);
    /* The page is there, or nobody wants it: who waits goes on, and tries
     * again, once tell() was called. */
    void (*answer)(struct xlm_paging *paging, const struct xlm_fault *fault);
    /* From any thread. */
    int (*tell)(struct xlm_paging *paging);
};

/* What an implementation embeds as its first member. */
struct xlm_paging {
    const struct xlm_paging_ops *ops;
    int fd; /* polls readable when there may be faults */
};

/* Xen's memory paging. */
extern const struct xlm_paging_ops xlm_paging_xen;

/* The first that can be had here for this guest; NULL: none can, with the
 * reason of the first. */
const struct xlm_paging_ops *xlm_choose_paging(
    struct xlm_context *ctx, const struct xlm_paged_guest *guest,
    enum xlm_refusal *refusal);
/* The same for a domain that is there. */
const struct xlm_paging_ops *xlm_choose_paging_of(struct xlm_context *ctx,
                                                  uint32_t domid,
                                                  enum xlm_refusal *refusal);

#endif
