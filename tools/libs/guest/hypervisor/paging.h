/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The seam of faults: how pages of a domain are made absent, and how the pager
 * learns of accesses to them.  Xen's memory paging (paging_xen.c) is one
 * mechanism, access rights (paging_access.c) are another; a further one is
 * another table in a file of its own, and a name in XLM_PAGING_MECHANISMS.
 *
 * Only one thread at a time may read, keep and answer faults; the same holds
 * for making pages absent, and for paging them in.  Every slot is filled.
 */
#ifndef XLM_PAGING_H
#define XLM_PAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context.h"
#include "hypervisor/hypervisor.h"
#include "wire/wire.h"

/* Most faults that can wait at the same time. */
#define XLM_PAGING_FAULTS 8
/* Words, all 0 at first, that only the mechanism uses and that outlive the
 * process. */
#define XLM_PAGING_KEPT_WORDS 34

/* An access to an absent page. */
struct xlm_fault {
    uint64_t pfn;
    uint32_t vcpu;
    /* until the answer; false: no vCPU of the guest, and the access is tried
     * again */
    bool vcpu_waits;
    bool dropped; /* no access: the guest has given the page up */
    /* The mechanism's own. */
    uint32_t own[2];
    void *kept;
};

/* A guest whose pages will be absent.  Its domain need not exist yet. */
struct xlm_paged_guest {
    bool hap;
    unsigned int vcpus;
    /* beyond the local APIC that each vCPU has */
    bool emulated_devices;
};

struct xlm_paging;

struct xlm_paging_ops {
    /* How many pages of the host's the mechanism uses, beside the guest's. */
    uint64_t pages;
    /*
     * Can this guest's pages be absent on this host? -1 with the reason in the
     * context, and in *refusal what the source is told.  Changes nothing.
     */
    int (*check)(struct xlm_context *ctx, const struct xlm_paged_guest *guest,
                 enum xlm_refusal *refusal);
    /* Most vCPUs that such a guest may have on this host; 0: no limit. */
    unsigned int (*most_vcpus)(struct xlm_context *ctx);
    /* Start to receive faults of a paused domain.  `kept` is for a process
     * that takes over.  NULL with the reason in the context, and errno:
     * ENODEV, the domain cannot have this mechanism. */
    struct xlm_paging *(*start)(struct xlm_context *ctx, uint32_t domid,
                                unsigned long *kept);
    /* Take over from a process that died, by the words that it kept.  Faults
     * that it had read and not answered, and on which vCPUs wait, go to
     * held[]: *nr_held of them, at most `most`.  The domain may run. */
    struct xlm_paging *(*take_over)(struct xlm_context *ctx, uint32_t domid,
                                    unsigned long *kept, size_t most,
                                    struct xlm_fault held[XLM_PAGING_FAULTS],
                                    size_t *nr_held);
    /* Stop receiving faults; no page may be absent.  Frees the paging, also on
     * failure. */
    int (*stop)(struct xlm_paging *paging);
    /* Leave a guest that lacks pages to a process that takes over: vCPUs go on
     * waiting for these pages.  Frees the paging. */
    void (*leave)(struct xlm_paging *paging);

    /* Populate `nr_new` holes at `new_pfns`, and make `count` pages absent,
     * some of which may be these; each page's error says what became of it. -1
     * with the reason in the context: no page is absent. */
    int (*make_absent)(struct xlm_paging *paging, size_t nr_new,
                       const uint64_t *new_pfns, size_t count,
                       struct xlm_eviction *pages);
    /* Page in absent pages with their contents; each page's error says what
     * became of it. -1 with errno: no page came. */
    int (*bring_in)(struct xlm_paging *paging, size_t count,
                    struct xlm_page_in *pages);
    /* Turn up to XLM_BATCH_PAGES absent pages into holes.  Where the guest has
     * put a page in the meantime, as its balloon driver may, that page stays.
     * -1 with errno: some may be holes. */
    int (*make_holes)(struct xlm_paging *paging, size_t count,
                      const uint64_t *pfns);

    /* Call when `fd` is readable; fd is then ready for the next fault. */
    int (*accept)(struct xlm_paging *paging);
    /* Read the next fault; false: there is none.  The caller must keep or
     * answer each fault before it reads another. */
    bool (*next_fault)(struct xlm_paging *paging, struct xlm_fault *fault);
    /* Let the fault's vCPU wait; a process that takes over finds the fault. */
    void (*keep)(struct xlm_paging *paging, struct xlm_fault *fault);
    /* Answer a fault: the page is there, or is not needed any more.  After
     * tell() what waits goes on, and tries its access again. */
    void (*answer)(struct xlm_paging *paging, const struct xlm_fault *fault);
    /* Tell the hypervisor of the answers.  From any thread. */
    int (*tell)(struct xlm_paging *paging);
};

/* An implementation embeds this as its first member. */
struct xlm_paging {
    const struct xlm_paging_ops *ops;
    int fd; /* readable when there may be faults */
};

/* The one list of mechanisms, the best first: X(name, number, pager) has the
 * table xlm_paging_name, in paging_name.c.  By the number, which never
 * changes, a process that takes over finds the mechanism of the process that
 * died; `pager` is how a caller asks for it. */
#define XLM_PAGING_MECHANISMS(X) \
    X(xen, 1, XLM_MECHANISM_PAGING)    /* Xen's memory paging */ \
    X(access, 2, XLM_MECHANISM_ACCESS) /* access rights: experimental */

#define XLM_PAGING_TABLE_(name, number, pager) \
    extern const struct xlm_paging_ops xlm_paging_##name;
XLM_PAGING_MECHANISMS(XLM_PAGING_TABLE_)

/* The number of a mechanism, and the mechanism of a number; 0 or NULL: it is
 * not in the list. */
unsigned long xlm_paging_number(const struct xlm_paging_ops *ops);
const struct xlm_paging_ops *xlm_paging_of_number(unsigned long number);

/* Returns the mechanism `wanted`, if this host has it for this guest; with
 * XLM_MECHANISM_ANY, the first of the list that it has.  NULL: there is none,
 * and the context has the reason why not the first one. */
const struct xlm_paging_ops *xlm_choose_paging(
    struct xlm_context *ctx, enum xlm_mechanism wanted,
    const struct xlm_paged_guest *guest, enum xlm_refusal *refusal);
/* The same for a domain that exists. */
const struct xlm_paging_ops *xlm_choose_paging_of(struct xlm_context *ctx,
                                                  enum xlm_mechanism wanted,
                                                  uint32_t domid,
                                                  enum xlm_refusal *refusal);

#endif
