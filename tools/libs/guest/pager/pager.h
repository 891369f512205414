/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager of a domain that is being received: it makes the pages absent that
 * are still at the source, takes the faults on them, and brings each page in
 * when it arrives.  How is a matter of hypervisor/paging.h.
 *
 * Three threads meet here.  A thread of the pager's own takes faults and does
 * nothing slow: there is room for few of them, and a vCPU that finds none
 * sleeps inside the hypervisor.  A second one writes the requests to the
 * source.  The caller's thread makes absent and brings in; with a fault
 * channel another one brings in as well, and both may at the same time.
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
 * Become the pager of a paused domain whose pfns are below limit, by `ops`,
 * and start to take its faults.  NULL with errno, and a reason in the context.
 * The channel is where requests will go.  `kept` is xlm_kept_words(limit)
 * words, all 0, that are the caller's and outlive the pager; NULL: nobody else
 * wants to know.
 */
struct xlm_pager *xlm_pager_open(struct xlm_context *ctx,
                                 const struct xlm_paging_ops *ops,
                                 struct xlm_channel *channel, uint32_t domid,
                                 uint64_t limit, unsigned long *kept);

/* The same in place of a pager that has died, by what it has kept: with the
 * same vCPUs that wait, outstanding pages and requests, which are made
 * again. The domain may run. */
struct xlm_pager *xlm_pager_take_over(struct xlm_context *ctx,
                                      const struct xlm_paging_ops *ops,
                                      struct xlm_channel *channel,
                                      uint32_t domid, uint64_t limit,
                                      unsigned long *kept);

/*
 * Stop the threads, and stop being the pager.
 * With pages outstanding (the guest cannot live without its pager) the
 * registration is left in place: only the domain's end ends it.
 */
void xlm_pager_close(struct xlm_pager *pager);

/* Give the domain pages at `new_pfns`, and make count (at most
 * XLM_BATCH_PAGES) pages absent; those that are outstanding already are left
 * alone.  Those that refuse are put into `refused`, whose limit is the
 * pager's. */
int xlm_pager_make_absent(struct xlm_pager *pager, size_t nr_new,
                          const uint64_t *new_pfns, size_t count,
                          const uint64_t *pfns, struct xlm_pfn_set *refused);

/* Since when the vCPU waits that does so longest, by the monotonic clock in
 * microseconds; 0: none does. */
uint64_t xlm_pager_waiting_since(struct xlm_pager *pager);

/* A page did not come in since the domain is being destroyed. */
bool xlm_pager_guest_is_gone(struct xlm_pager *pager);
/* The guest is no more: nothing is outstanding, and nobody waits. */
void xlm_pager_forget_guest(struct xlm_pager *pager);

/* True for a page that is evicted and has not come in. */
bool xlm_pager_is_outstanding(struct xlm_pager *pager, uint64_t pfn);
uint64_t xlm_pager_outstanding(struct xlm_pager *pager);

/*
 * Bring in count (at most XLM_BATCH_PAGES) outstanding pages, and let run
 * who waits for them.  A page that the guest no longer wants is dropped.
 * Without host memory this waits for some, and a call that may succeed another
 * time is made again: once requests are open it never gives a page up.  Before
 * that it does after a few tries, as the guest is better off at the source.
 */
int xlm_pager_bring_in(struct xlm_pager *pager, size_t count,
                       struct xlm_page_in *pages);

/* The source has no such page: the guest gets a hole there as well. */
int xlm_pager_bring_hole(struct xlm_pager *pager, uint64_t pfn);

/* Before requests are open: pages that somebody other than the guest has asked
 * for, at most max, each once; the number of them. */
size_t xlm_pager_take_early(struct xlm_pager *pager, uint64_t *pfns,
                            size_t max);
/* Of these, one that has not come, or XLM_PFN_NONE. */
uint64_t xlm_pager_awaited(struct xlm_pager *pager);

/* Requests go to the source from here on; those that came before, first.
 * Cannot fail: nothing may once the guest is ours. */
void xlm_pager_open_requests(struct xlm_pager *pager);
/* The connection is lost, and stopped: none is written from here on, until
 * they are opened again; what was requested and has not come is asked for once
 * more then. */
void xlm_pager_close_requests(struct xlm_pager *pager);

/* Wait until all that was requested by now is written, where requests go over
 * this channel: for who is to write to it what they must not come after.
 * Returns at once while requests are closed. */
void xlm_pager_await_requests(struct xlm_pager *pager,
                              const struct xlm_channel *channel);

/* Pages that the guest has dropped, in ascending order, at most max and each
 * once, for the source to be told; the number of them. */
size_t xlm_pager_take_dropped(struct xlm_pager *pager, uint64_t *pfns,
                              size_t max);

/* Where requests go from now on; only while they are closed. */
void xlm_pager_use_channel(struct xlm_pager *pager,
                           struct xlm_channel *channel);

/* What is outstanding from pfn `from` on, in ascending order, at most max; the
 * number of them. */
size_t xlm_pager_list_outstanding(struct xlm_pager *pager, uint64_t from,
                                  uint64_t *pfns, size_t max);

/* The body of POSTCOPY_STATS: blocked_us is what follows, stats->nr_vcpus of
 * them. */
void xlm_pager_get_stats(struct xlm_pager *pager, struct xlm_wire_stats *stats,
                         uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS]);

/* Of the pages that back ends in dom0 wait for. */
void xlm_pager_get_outside(struct xlm_pager *pager,
                           struct xlm_outside_stats *stats);

#endif
