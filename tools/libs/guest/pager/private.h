/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the parts of the pager share; private to its room.
 *
 * open.c      becoming the pager and ceasing to be it; what it knows
 * faults.c    the guest's requests, and their answers
 * requests.c  what the source is asked for and told
 * pages.c     pages out and in
 */
#ifndef XLM_PAGER_PRIVATE_H
#define XLM_PAGER_PRIVATE_H

#include <pthread.h>

#include "hypervisor/paging.h"
#include "pager/kept.h"
#include "pager/pager.h"
#include "policy/histogram.h"
#include "policy/outside_waits.h"
#include "policy/unsent.h"

/* A vCPU that waits for a page. */
struct xlm_waiter {
    struct xlm_fault fault;
    uint64_t since_us;
    uint64_t pushed; /* pages that had come unasked by then */
};

/* The pager's own threads: of who opens and closes it. */
struct xlm_pager_threads {
    int stop_fd; /* the fault thread shall end */
    pthread_t fault_thread;
    bool fault_thread_runs;
    pthread_t request_thread;
    bool request_thread_runs;
};

/* The guest's pages, as the pager knows them. */
struct xlm_pager_sets {
    struct xlm_pfn_set outstanding;
    struct xlm_pfn_set requested; /* asked for, or about to be */
    struct xlm_unsent unsent;     /* requested, and not yet written */
    struct xlm_pfn_set dropped;   /* by the guest; the source may send them */
    struct xlm_pfn_set arrived;   /* and not evicted again since */
};

/* Who waits for a page. */
struct xlm_pager_waiting {
    struct xlm_waiter *waiters; /* one a vCPU at the most */
    size_t nr_waiters;
    struct xlm_outside_waits outside; /* for which no vCPU waits */
};

/* Between the request thread and all others. */
struct xlm_pager_asking {
    pthread_cond_t wake; /* of the request thread */
    pthread_cond_t idle; /* it has stopped writing */
    bool requests_open;  /* the source takes them: it has said GO */
    bool ours;           /* the same, once and for all */
    bool writing;        /* the request thread is using the channel */
    bool stopping;
};

struct xlm_pager_counts {
    struct xlm_histogram waits;  /* of vCPUs, in us ... */
    struct xlm_histogram behind; /* ... and what came unasked meanwhile */
    uint64_t *blocked_us;        /* by vCPU; max_waiters of them */
    uint64_t duplicates;
    uint64_t pages_requested;
    uint64_t pages_pushed;
    uint64_t pages_dropped;
};

struct xlm_pager {
    /* The same from before the threads start until they have ended. */
    struct xlm_context *ctx;
    uint32_t domid;
    struct xlm_paging *paging; /* NULL: not begun, or ended */
    size_t max_waiters;
    struct xlm_pager_threads threads;

    /* Changed while requests are closed; the request thread's while it writes.
     */
    struct xlm_channel *channel;

    pthread_mutex_t entry; /* one thread at a time brings pages in */

    pthread_mutex_t lock; /* of all below */
    bool gone;            /* the domain is being destroyed */
    struct xlm_pager_sets sets;
    struct xlm_pager_waiting waiting;
    struct xlm_pager_asking asking;
    struct xlm_pager_counts counts;
};

/* pager/faults.c; all but the thread with the lock held */

/* A page is outstanding no more; true when there is somebody to notify. */
bool xlm_pager_settle(struct xlm_pager *pager, uint64_t pfn);
/* The source is asked for this page, unless it has been. */
void xlm_pager_ask_for(struct xlm_pager *pager, uint64_t pfn);
/* The hypervisor is to look for answers.  With the lock or without. */
void xlm_pager_notify(struct xlm_pager *pager);
/* Before the thread runs: these wait since another pager was killed. */
void xlm_pager_resume_faults(struct xlm_pager *pager,
                             const struct xlm_fault *held, size_t nr_held);
/* The thread that takes faults; data is the pager. */
void *xlm_pager_run_faults(void *data);

/* pager/requests.c */

/* The thread that writes requests to the source; data is the pager. */
void *xlm_pager_run_requests(void *data);

#endif
