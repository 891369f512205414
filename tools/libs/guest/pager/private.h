/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the parts of the pager share; private to its room.
 *
 * open.c      becoming the pager and ceasing to be it; what it knows
 * faults.c    the guest's faults, and their answers
 * requests.c  what the pager asks of the source and tells it
 * pages.c     making pages absent, and paging them in
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
    uint64_t pushed; /* pushed pages that had come by then */
};

/* The pager's own threads; used by the thread that opens and closes it. */
struct xlm_pager_threads {
    int stop_fd; /* tells the fault thread to end */
    pthread_t fault_thread;
    bool fault_thread_runs;
    pthread_t request_thread;
    bool request_thread_runs;
};

/* The guest's pages, as the pager knows them. */
struct xlm_pager_sets {
    struct xlm_pfn_set outstanding;
    struct xlm_pfn_set requested; /* by the fault thread, of the source */
    /* requested, but the request is not written */
    struct xlm_unsent unsent;
    /* by the guest; the source may still send them */
    struct xlm_pfn_set dropped;
    struct xlm_pfn_set arrived; /* paged in, and not evicted again since */
};

/* Faults that wait for pages. */
struct xlm_pager_waiting {
    struct xlm_waiter *waiters; /* at most one a vCPU */
    size_t nr_waiters;
    struct xlm_outside_waits outside; /* other accesses */
};

/* Between the request thread and all other threads. */
struct xlm_pager_asking {
    pthread_cond_t wake; /* wakes the request thread */
    pthread_cond_t idle; /* no thread writes requests any more */
    bool requests_open;  /* the source accepts requests: it has said GO */
    bool ours;           /* true from the first opening on */
    bool writing;        /* a thread is writing requests to the channel */
    bool stopping;
};

struct xlm_pager_counts {
    struct xlm_histogram waits;  /* waits of vCPUs, in microseconds */
    struct xlm_histogram behind; /* pushed pages that came in each of them */
    uint64_t *blocked_us;        /* one sum a vCPU; max_waiters of them */
    uint64_t duplicates;
    uint64_t pages_requested;
    uint64_t pages_pushed;
    uint64_t pages_dropped;
    uint32_t pages_written_unseen; /* tries to page in such pages */
};

struct xlm_pager {
    /* Constant from before the threads start until they have ended: */
    struct xlm_context *ctx;
    uint32_t domid;
    struct xlm_paging *paging; /* NULL: not started, or stopped */
    size_t max_waiters;
    struct xlm_pager_threads threads;

    /* May change only while requests are closed; while the request thread
     * writes, the channel is that thread's. */
    struct xlm_channel *channel;

    pthread_mutex_t entry; /* held while pages are paged in */

    pthread_mutex_t lock; /* guards all that follows */
    bool gone;            /* the domain is being destroyed */
    struct xlm_pager_sets sets;
    struct xlm_pager_waiting waiting;
    struct xlm_pager_asking asking;
    struct xlm_pager_counts counts;
};

/* pager/faults.c; all but the thread with the lock held */

/* Answer the faults on a page that is not outstanding any more; true: the
 * caller must call xlm_pager_notify(). */
bool xlm_pager_answer_page(struct xlm_pager *pager, uint64_t pfn);
/* The page must be requested from the source, unless it was already: the
 * caller must call xlm_pager_ask_at_once() after it has released the lock. */
void xlm_pager_ask_for(struct xlm_pager *pager, uint64_t pfn);
/* Tell the hypervisor of the answers.  With or without the lock. */
void xlm_pager_notify(struct xlm_pager *pager);
/* Before the thread runs: take over faults that have waited since another
 * pager was killed. */
void xlm_pager_resume_faults(struct xlm_pager *pager,
                             const struct xlm_fault *held, size_t nr_held);
/* The thread that takes faults; data is the pager. */
void *xlm_pager_run_faults(void *data);

/* pager/requests.c */

/* The thread that writes requests to the source when that has to wait; data is
 * the pager. */
void *xlm_pager_run_requests(void *data);
/* Write the pending requests, as long as that waits for nothing; otherwise
 * the request thread does.  Without the lock. */
void xlm_pager_ask_at_once(struct xlm_pager *pager);

#endif
