/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Shared by the parts of the fake hypervisor; tests must not include it.
 */
#ifndef FAKE_INTERNAL_H
#define FAKE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "fake_hypervisor.h"
#include "policy/page.h"

#define FAKE_STATES 4
#define FAKE_PARAMS 64
#define FAKE_VCPUS 64

struct fake_blob {
    void *data;
    size_t length;
};

struct fake_order {
    unsigned int nth; /* 0: none */
    int error;
};

struct fake_host {
    pthread_mutex_t gate; /* held by a thread that waits for the lock */
    pthread_mutex_t lock; /* guards all below, and all domains of the host */
    pthread_cond_t changed;
    uint64_t free_pages;
    uint32_t next_domid;
    struct fake_domain *domains;
    struct fake_order orders[FAKE_OP_COUNT];
    unsigned int calls[FAKE_OP_COUNT];
    bool failed;
    bool no_paging;
    int no_access;  /* errno; 0: there are access rights */
    uint32_t minor; /* of Xen 4 */
    struct xlm_xen_interface interface;
    bool shadow_stacks;
    struct fake_blob cpuid; /* the most that a guest gets */
    bool all_mapped;
    bool fragmented;
    bool drops_paged;
    unsigned int enomem;
    bool out_of_memory;
    uint64_t copied;
    unsigned int patience; /* page_in calls until there is memory again */
    unsigned int handles;
    fake_hook *hook;
    void *hook_data;
    unsigned int violations;
    char first_violation[256];
};

struct fake_handle {
    struct xlm_hypervisor hv; /* first */
    struct fake_host *host;
    struct fake_domain *pager_of;
    unsigned int mapped;  /* pages */
    unsigned long *dirty; /* the dirty log as the last call read it */
    struct {
        uint8_t *start; /* NULL: none */
        size_t octets;
    } contents[XLM_CONTENTS_BUFFERS];
    bool dead;
    atomic_bool busy[FAKE_OP_COUNT];
};

/* A page that a Viridian MSR gives the hypervisor to write to. */
struct fake_viridian_page {
    bool enabled;
    bool mapped;
    uint64_t pfn; /* when mapped */
};

struct fake_viridian_vcpu {
    struct fake_viridian_page assist;
    struct fake_viridian_page messages;
    bool eoi_pending;
    bool timers;  /* some are on */
    bool endless; /* of which one counts to 0 */
};

/* Beside the states that tests see: a frame that no vCPU has a right to. */
#define FAKE_HIDDEN (FAKE_NOMINATED + 1)

struct fake_domain {
    struct fake_host *host;
    struct fake_domain *next;
    uint32_t domid;
    uint8_t handle[16];
    bool hap;
    bool emulated_devices;
    bool monitored;      /* by another program */
    bool paused;         /* by the toolstack */
    unsigned int pauses; /* by handles: they nest */
    bool suspended;
    bool suspend_cancelled;
    bool dying; /* its pages are gone, but it still looks as before */
    bool dead;
    bool ring_mapped;
    bool ran;
    uint64_t cpu_ns; /* grows while the domain runs */
    bool crashed;
    bool stopped;
    uint64_t nr_pfns;
    uint64_t max_pages;
    uint64_t tot_pages;
    uint64_t paged_pages;  /* in the p2m; fake_page_move() counts */
    uint64_t hidden_pages; /* likewise */
    uint64_t claimed;
    unsigned int vcpus;

    int memfd;
    uint8_t *memory; /* all of it, side by side */
    uint8_t *p2m;    /* enum fake_page of each pfn */
    uint8_t *refs;   /* mappings of each pfn */
    bool *busy;
    bool *granted;
    bool *large;      /* of each pfn, by which its region begins */
    uint64_t spare;   /* 0: none */
    bool new_grants;  /* of version 2 */
    uint64_t bad_pfn; /* when bad_errno */
    int bad_errno;
    bool logdirty;
    bool *dirty;
    bool *unlogged; /* new since the log was cleared: writes are not seen */

    struct fake_blob states[FAKE_STATES];
    uint64_t params[FAKE_PARAMS];

    /* fake_context.c */
    struct fake_viridian_page reference_tsc;
    struct fake_viridian_vcpu viridian_vcpus[FAKE_VCPUS];
    bool eoi_lost;
    bool has_vcpu_state; /* the loaded context said which vCPUs are up */
    bool vcpu_up[FAKE_VCPUS];

    struct fake_paging *paging; /* NULL: no pager */
    struct fake_paging
        *buried; /* pagers whose process died and that still hold the ring */
    bool vcpu_waits[FAKE_VCPUS];
    bool vcpu_spins[FAKE_VCPUS];
    unsigned int spins;
    bool all_at_once;
    bool scribbled; /* on its ring */
    unsigned int ring_full;
    unsigned int sleepers; /* vCPUs that found it full, at the moment */
    unsigned int unanswered;
};

void fake_lock(struct fake_host *host);
void fake_unlock(struct fake_host *host);
void fake_wait(struct fake_host *host);
void fake_wake(struct fake_host *host);

/* All below must be called with the host locked. */

void fake_violation(struct fake_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Must the pager page in a page with this state, requested or not? */
static inline bool fake_is_held(const struct fake_domain *domain)
{
    return domain->paused || domain->pauses;
}

static inline bool fake_is_paged(unsigned int state)
{
    return state == FAKE_PAGED || state == FAKE_PAGING_IN;
}

/* Does a vCPU that touches such a page have to wait? */
static inline bool fake_is_absent(unsigned int state)
{
    return fake_is_paged(state) || state == FAKE_HIDDEN;
}

/* Can a back end, or a program that maps it, reach such a page? */
static inline bool fake_is_reachable(unsigned int state)
{
    return state == FAKE_RAM || state == FAKE_HIDDEN;
}

/* Has a page with this state a frame? */
static inline bool fake_has_frame(unsigned int state)
{
    return fake_is_reachable(state) || state == FAKE_NOMINATED;
}

static inline uint64_t fake_region_of(uint64_t pfn)
{
    return pfn / XLM_REGION_PAGES * XLM_REGION_PAGES;
}

/* The domain is about to run. */
void fake_region_check(struct fake_domain *domain);

/* Change a page's state and the counts; -1 with ENOMEM. */
int fake_page_move(struct fake_domain *domain, uint64_t pfn,
                   unsigned int state);

/* The effects of loading a context, and of running the domain with it, in
 * fake_context.c.  A context without a header is only stored. */
void fake_context_load(struct fake_domain *domain, const void *context,
                       size_t length);
void fake_context_run(struct fake_domain *domain);
/* Did the loaded context have the state of any vCPU? */
bool fake_context_can_run(const struct fake_domain *domain);

/* The pager's half of the table, in fake_paging.c. */
int fake_paging_enable(struct fake_domain *domain, enum xlm_ring which,
                       void **ring, int *event_fd, uint32_t *port);
/* Has the domain a pager with that ring? */
bool fake_paging_has(const struct fake_domain *domain, enum xlm_ring which);
void fake_paging_abandon(struct fake_domain *domain);
void fake_paging_copy_ring(struct fake_domain *domain);
int fake_paging_take_over(struct fake_domain *domain, enum xlm_ring which,
                          uint32_t port, void **ring, int *event_fd);
void fake_paging_disable(struct fake_domain *domain);
void fake_paging_dispose(struct fake_domain *domain);
int fake_paging_accept(struct fake_domain *domain);
void fake_paging_resume(struct fake_domain *domain);
void fake_paging_foreign(struct fake_domain *domain, uint64_t pfn);
/* The guest gives back a page, resident or paged; false: there is none. */
bool fake_paging_drop(struct fake_domain *domain, uint64_t pfn);

#endif
