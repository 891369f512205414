/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager of a domain that is being received.  It makes pages absent whose
 * contents are still at the source, takes the faults on them, and brings each
 * page in when it arrives. hypervisor/paging.h is the mechanism.
 *
 * Three threads meet here.  The pager's fault thread takes faults and does
 * nothing slow: there is room for few faults, and a vCPU without room sleeps
 * inside the hypervisor.  The pager's request thread writes requests to the
 * source.  The caller's thread makes pages absent and pages in; with a fault
 * channel or streams, other threads may page in at the same time.
 */
#ifndef XLM_PAGER_H
#define XLM_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "context.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/paging.h"
#include "policy/pfn_set.h"
#include "stats.h"
#include "wire/channel.h"
#include "wire/wire.h"

struct xlm_pager;

/*
 * Become the pager of a paused domain whose pfns are below limit, by the
 * mechanism `ops`, and start to take faults.  NULL with errno, and a reason in
 * the context.  Requests will go over the channel.  `kept` is
 * xlm_kept_words(limit) words, all 0, which stay the caller's and outlive the
 * pager; NULL: no process can take over.
 */
struct xlm_pager *xlm_pager_open(struct xlm_context *ctx,
                                 const struct xlm_paging_ops *ops,
                                 struct xlm_channel *channel, uint32_t domid,
                                 uint64_t limit, unsigned long *kept);

/* Take over from a pager whose process died, by what that pager kept: its
 * mechanism, the waiting vCPUs, the outstanding pages, and the requests, which
 * will be made again.  The domain may run.  EPROTO: it kept what cannot be. */
struct xlm_pager *xlm_pager_take_over(struct xlm_context *ctx,
                                      struct xlm_channel *channel,
                                      uint32_t domid, uint64_t limit,
                                      unsigned long *kept);

/*
 * Stop the threads, and stop being the pager.  With pages outstanding the
 * registration stays, because the guest cannot live without a pager: only the
 * end of the domain ends it.
 */
void xlm_pager_close(struct xlm_pager *pager);

/* Populate `new_pfns`, and make count pages (at most XLM_BATCH_PAGES) absent;
 * pages that are outstanding already are left alone.  Pages that could not be
 * made absent go into `refused`, whose limit must be the pager's. */
int xlm_pager_make_absent(struct xlm_pager *pager, size_t nr_new,
                          const uint64_t *new_pfns, size_t count,
                          const uint64_t *pfns, struct xlm_pfn_set *refused);

/* When the longest wait of a vCPU began, in microseconds of the monotonic
 * clock; 0: no vCPU waits. */
uint64_t xlm_pager_waiting_since(struct xlm_pager *pager);

/* Has a page failed to come in because the domain is being destroyed? */
bool xlm_pager_guest_is_gone(struct xlm_pager *pager);
/* The guest is gone: nothing is outstanding any more, and no vCPU waits. */
void xlm_pager_forget_guest(struct xlm_pager *pager);

/* Is the page evicted, and has not come in? */
bool xlm_pager_is_outstanding(struct xlm_pager *pager, uint64_t pfn);
uint64_t xlm_pager_outstanding(struct xlm_pager *pager);

/*
 * Page in count outstanding pages (at most XLM_BATCH_PAGES), and answer the
 * faults on them.  A page that the guest no longer wants is dropped.  If the
 * host is short of memory this waits, and repeats calls that may succeed
 * later.  Once requests are open it never gives a page up; before that it
 * gives up after a few tries, because the guest is better off at the source.
 */
int xlm_pager_bring_in(struct xlm_pager *pager, size_t count,
                       struct xlm_page_in *pages);

/* The source has no such pages: turn those that are outstanding, of at most
 * XLM_BATCH_PAGES, into holes.  A page that the guest has got there in the
 * meantime stays, and is outstanding no more. */
int xlm_pager_bring_holes(struct xlm_pager *pager, size_t count,
                          const uint64_t *pfns);

/* Before requests are open: put pages that something other than the guest has
 * accessed into pfns, at most max, each page once.  Returns how many. */
size_t xlm_pager_take_early(struct xlm_pager *pager, uint64_t *pfns,
                            size_t max);
/* Returns one of the pages from xlm_pager_take_early() that has not come, or
 * XLM_PFN_NONE. */
uint64_t xlm_pager_awaited(struct xlm_pager *pager);

/* Send requests to the source from now on; those that came before go first.
 * Cannot fail: nothing may fail once the guest is this host's. */
void xlm_pager_open_requests(struct xlm_pager *pager);
/* Call when the connection is lost: once this returns, no request is written
 * until requests are opened again.  Pages that were requested and have not
 * come are then requested once more. */
void xlm_pager_close_requests(struct xlm_pager *pager);

/* If requests go over this channel, wait until all requests made so far are
 * written.  Call before writing a record that pending requests must precede.
 * Returns at once while requests are closed. */
void xlm_pager_await_requests(struct xlm_pager *pager,
                              const struct xlm_channel *channel);

/* Pages that the guest has dropped, in ascending order, at most max, each one
 * once.  The caller must tell the source.  Returns how many. */
size_t xlm_pager_take_dropped(struct xlm_pager *pager, uint64_t *pfns,
                              size_t max);

/* Send requests over another channel; only while requests are closed. */
void xlm_pager_use_channel(struct xlm_pager *pager,
                           struct xlm_channel *channel);

/* The outstanding pfns from `from` on, in ascending order, at most max.
 * Returns how many. */
size_t xlm_pager_list_outstanding(struct xlm_pager *pager, uint64_t from,
                                  uint64_t *pfns, size_t max);

/* Fill in the body of POSTCOPY_STATS; stats->nr_vcpus values of blocked_us
 * follow it. */
void xlm_pager_get_stats(struct xlm_pager *pager, struct xlm_wire_stats *stats,
                         uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS]);

/* Waits of back ends in dom0 for pages. */
void xlm_pager_get_outside(struct xlm_pager *pager,
                           struct xlm_outside_stats *stats);

#endif
