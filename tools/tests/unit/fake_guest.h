/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest that moves between fake domains and knows the contents of its
 * memory.
 *
 * Every page holds a pattern made from its pfn and a generation, which each
 * write increases; the guest remembers the generations.  So it notices,
 * wherever it runs, a page that was lost, is stale, or belongs elsewhere.
 */
#ifndef FAKE_GUEST_H
#define FAKE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "fake_hypervisor.h"

struct fake_guest;

/* A guest whose memory is in `domain`; every page that is FAKE_RAM there gets
 * its first contents. */
struct fake_guest *fake_guest_new(struct fake_domain *domain, uint64_t nr_pfns,
                                  unsigned int vcpus);
/* Stops its vCPUs. */
void fake_guest_free(struct fake_guest *guest);

/* Start a thread for each vCPU: it touches pages at random, checks them and
 * writes to every second one, wherever the guest runs. */
void fake_guest_start(struct fake_guest *guest, unsigned int seed);
/* End the threads and wait for them; harmless when not started. */
void fake_guest_stop(struct fake_guest *guest);

/* The guest runs in this domain from now on; NULL: nowhere.  When a call with
 * NULL returns, no vCPU touches memory any more. */
void fake_guest_move(struct fake_guest *guest, struct fake_domain *domain);

/* One write by the caller in place of a vCPU, where the guest is now. */
enum fake_access fake_guest_write(struct fake_guest *guest, unsigned int vcpu,
                                  uint64_t pfn);
/* The guest gives a page back; the page stays a hole until the guest takes one
 * there again. */
void fake_guest_give_back(struct fake_guest *guest, uint64_t pfn);
/* The guest takes a page there again and writes to it.  False: the hypervisor
 * has no page for the guest, which then does without. */
bool fake_guest_take_page(struct fake_guest *guest, uint64_t pfn);
/* The same, but the guest does not write to the page. */
bool fake_guest_take_quietly(struct fake_guest *guest, uint64_t pfn);
/* The guest gets more pfns, without pages; its vCPUs must not run. */
void fake_guest_grow(struct fake_guest *guest, uint64_t nr_pfns);

/* The guest ignores the contents of this page from now on: the hypervisor may
 * write to it. */
void fake_guest_lend(struct fake_guest *guest, uint64_t pfn);

/* Pages found wrong so far. */
unsigned int fake_guest_errors(struct fake_guest *guest);
/* Compare all of a domain's memory, resident or not, with what the guest
 * knows: returns the number of pages that differ or are missing. */
unsigned int fake_guest_compare(struct fake_guest *guest,
                                struct fake_domain *domain);
/* Does this page of the domain hold what the guest knows? */
bool fake_guest_page_good(struct fake_guest *guest, struct fake_domain *domain,
                          uint64_t pfn);
/* Has the guest a page there? */
bool fake_guest_has(struct fake_guest *guest, uint64_t pfn);

#endif
