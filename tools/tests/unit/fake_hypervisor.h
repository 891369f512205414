/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A hypervisor made of plain memory: the other side of
 * hypervisor/hypervisor.h.
 *
 * A fake host has domains, each with a p2m of page states, guest memory, dirty
 * logging and a paging ring.  It behaves as the real one was seen to behave.
 * If the engine breaks a rule of the seam the host records a violation: a test
 * must end with fake_host_check().  Any thread may call any function.
 */
#ifndef FAKE_HYPERVISOR_H
#define FAKE_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

#define FAKE_OPS(X) \
    X(domain_info) \
    X(domain_by_handle) \
    X(nr_pfns) \
    X(host_cpuid) \
    X(get_state) \
    X(set_state) \
    X(get_param) \
    X(set_param) \
    X(cancel_suspend) \
    X(pause) \
    X(unpause) \
    X(page_types) \
    X(map) \
    X(logdirty_enable) \
    X(logdirty_disable) \
    X(logdirty_read) \
    X(set_max_pages) \
    X(populate) \
    X(depopulate) \
    X(claim) \
    X(paging_supported) \
    X(access_supported) \
    X(pager_enable) \
    X(pager_take_over) \
    X(pager_disable) \
    X(pager_accept) \
    X(pager_notify) \
    X(evict) \
    X(page_in) \
    X(nominate_region) \
    X(move_pages) \
    X(populate_region) \
    X(is_granted) \
    X(spare_region) \
    X(set_access) \
    X(get_access) \
    X(contents_alloc)

#define FAKE_OP_ENUM(name) FAKE_OP_##name,
enum fake_op { FAKE_OPS(FAKE_OP_ENUM) FAKE_OP_COUNT };
#undef FAKE_OP_ENUM

extern const char *const fake_op_names[FAKE_OP_COUNT];

enum fake_page {
    FAKE_HOLE,
    FAKE_RAM,
    FAKE_PAGED,     /* absent, by whichever mechanism */
    FAKE_PAGING_IN, /* paged, and a request for it is in the ring or read */
    FAKE_BROKEN,
    FAKE_NOMINATED, /* it has its frame, which no access reaches */
};

struct fake_host;
struct fake_domain;

/* ---- hosts ---- */

struct fake_host *fake_host_new(uint64_t free_pages);
/* Also frees the host's domains; no handle may be open. */
void fake_host_free(struct fake_host *host);

/* A handle for the engine; its close slot frees it. */
struct xlm_hypervisor *fake_open(struct fake_host *host);

/* Make the nth call of an op from now on (1: the next) fail with this errno.
 * Each op can have one such order at a time; nth 0 cancels the order. */
void fake_fail(struct fake_host *host, enum fake_op op, unsigned int nth,
               int error);
/* Calls of an op so far. */
unsigned int fake_calls(struct fake_host *host, enum fake_op op);
/* Has an ordered failure happened? */
bool fake_failed(struct fake_host *host);
/* Pages brought in from memory other than contents_alloc()'s. */
uint64_t fake_copied(struct fake_host *host);

/* Called at the start of every op, from its thread, without locks held. */
typedef void fake_hook(enum fake_op op, void *data);
void fake_host_hook(struct fake_host *host, fake_hook *hook, void *data);

/* The Xen release for which the fakes and the tested library were built. */
#define FAKE_XEN_MINOR 14
#define FAKE_XEN_INTERFACE ((struct xlm_xen_interface){0x12, 0x13})
/* The host runs Xen 4.minor from now on, with that release's interface.  The
 * host refuses a library with another interface all calls but those for
 * memory, mappings and events. */
void fake_host_release(struct fake_host *host, uint32_t minor,
                       struct xlm_xen_interface interface);
/* Paging ops return ENOSYS from now on. */
void fake_host_no_paging(struct fake_host *host);
/* The host has no access rights from now on: a processor without VMX (ENODEV),
 * or a build without them (ENOSYS). */
void fake_host_no_access(struct fake_host *host, int error);
/* The mechanism of tests that work with either: memory paging, or access
 * rights if the environment variable FAKE_PAGER is "access". */
enum xlm_mechanism fake_pager(void);
/* Skip a test of what only memory paging does, unless that is the mechanism.
 * Prints `otherwise`: what access rights do instead. */
void fake_only_paging(const char *otherwise);
/* The call with which that mechanism begins to page in, and the call by which
 * it makes pages absent. */
enum fake_op fake_op_in(void);
enum fake_op fake_op_out(void);
/* The host runs on shadow stacks from now on.  As a real one does it panics,
 * which counts as a violation, when a vCPU finds the ring full. */
void fake_host_shadow_stacks(struct fake_host *host);
/* Mapping costs next to nothing from now on, and is not checked: call before
 * the host is used. */
void fake_host_all_mapped(struct fake_host *host);
/* The next count pages to bring in get ENOMEM. */
void fake_host_enomem(struct fake_host *host, unsigned int count);

/* All calls that need the host's memory get ENOMEM from now on.  There is
 * memory again once the guest has run and the host has refused this number of
 * its pages. */
void fake_host_out_of_memory(struct fake_host *host, unsigned int patience);

/* The host has no 2 MiB of memory in one piece, as long as this is true. */
void fake_host_fragmented(struct fake_host *host, bool fragmented);

/* The process with this handle dies: all later calls fail without any effect.
 * `copy` gets what the process had kept at that moment. */
void fake_kill(struct xlm_hypervisor *hv, const void *kept, void *copy,
               size_t octets);

/* Rules broken so far. */
unsigned int fake_violations(struct fake_host *host);
/* Fails the cmocka test when there was a violation. */
void fake_host_check(struct fake_host *host);

/* ---- domains ---- */

/* A paused HVM domain with HAP and nothing in it. */
struct fake_domain *fake_domain_new(struct fake_host *host, uint64_t nr_pfns,
                                    uint64_t max_pages, unsigned int vcpus);
uint32_t fake_domain_id(const struct fake_domain *domain);
/* Destroy the domain: all processes that still use it get ESRCH, and its pages
 * go back to the host. */
void fake_domain_destroy(struct fake_domain *domain);
/* Xen has only begun to destroy the domain: the domain looks as before, but a
 * process that has not mapped its pages before finds none. */
void fake_domain_begin_dying(struct fake_domain *domain);
void fake_domain_set_handle(struct fake_domain *domain,
                            const uint8_t handle[16]);
void fake_domain_set_hap(struct fake_domain *domain, bool hap);
/* The domain gets the devices of a device model. */
void fake_domain_set_emulated_devices(struct fake_domain *domain);
/* Another program has its monitor ring. */
void fake_domain_set_monitored(struct fake_domain *domain);

void fake_domain_run(struct fake_domain *domain);
void fake_domain_pause(struct fake_domain *domain);
/* Shut down with reason suspend, and back. */
void fake_domain_suspend(struct fake_domain *domain);
void fake_domain_resume(struct fake_domain *domain);
/* Has the domain been told, since its suspend, that the suspend was cancelled?
 */
bool fake_domain_suspend_cancelled(struct fake_domain *domain);
bool fake_domain_running(struct fake_domain *domain);
/* Was the domain ever unpaused? */
bool fake_domain_ran(struct fake_domain *domain);
bool fake_domain_crashed(struct fake_domain *domain);
/* Crash the domain, as the hypervisor does with a guest that it cannot run. */
void fake_domain_crash(struct fake_domain *domain);
bool fake_domain_pager_enabled(struct fake_domain *domain);
bool fake_domain_logdirty(struct fake_domain *domain);
/* All waiting vCPUs stop waiting, and all later accesses return at once. */
void fake_domain_stop(struct fake_domain *domain);

/* The guest never signals the end of an interrupt, as a guest may, so the
 * hypervisor never learns of that end. */
bool fake_domain_eoi_lost(struct fake_domain *domain);

/* Load an HVM context, as the toolstack does. */
void fake_domain_load_context(struct fake_domain *domain, const void *context,
                              size_t length);

/* The CPUID features that this host can give a guest; none at first. */
void fake_host_put_cpuid(struct fake_host *host, const void *data,
                         size_t length);
/* Platform state and parameters, set and read by the test. */
void fake_domain_put_state(struct fake_domain *domain,
                           enum xlm_platform_state which, const void *data,
                           size_t length);
/* Valid until the state is set again; NULL when never set. */
const void *fake_domain_peek_state(struct fake_domain *domain,
                                   enum xlm_platform_state which,
                                   size_t *length);
void fake_domain_put_param(struct fake_domain *domain, uint32_t index,
                           uint64_t value);
uint64_t fake_domain_peek_param(struct fake_domain *domain, uint32_t index);

/* Set how much memory the domain may have, as other programs do. */
void fake_domain_set_max_pages(struct fake_domain *domain, uint64_t pages);
uint64_t fake_domain_max_pages(struct fake_domain *domain);
/* The domain has more pfns from now on, all of them holes.  No thread may
 * access the domain's memory meanwhile. */
void fake_domain_grow(struct fake_domain *domain, uint64_t nr_pfns);

/* ---- pages ---- */

/* Put a zeroed page there (or a hole, or a broken one). */
void fake_page_set(struct fake_domain *domain, uint64_t pfn,
                   enum fake_page state);
enum fake_page fake_page_get(struct fake_domain *domain, uint64_t pfn);
/* The page refuses to be evicted, like one that a device model maps. */
void fake_page_busy(struct fake_domain *domain, uint64_t pfn, bool busy);
/* Does the page refuse to be evicted, because of the call above or because the
 * hypervisor maps it? */
bool fake_page_held(struct fake_domain *domain, uint64_t pfn);
/* The guest has granted it: back ends may come for it. */
void fake_page_grant(struct fake_domain *domain, uint64_t pfn, bool granted);
/* Is its region mapped as one? */
bool fake_page_large(struct fake_domain *domain, uint64_t pfn);
/* The region of holes that the hypervisor has for moving pages; it must be
 * empty whenever the domain runs. */
void fake_domain_set_spare(struct fake_domain *domain, uint64_t first);
/* Grants of a version that the other end cannot read. */
void fake_domain_new_grants(struct fake_domain *domain);
/* The next mapping of the page, or the next time that it is moved, fails with
 * this errno, although it exists. */
void fake_page_map_error(struct fake_domain *domain, uint64_t pfn, int error);
/* The memory itself, whatever the page's state. */
void *fake_page_memory(struct fake_domain *domain, uint64_t pfn);
/* Pages that are paged or being paged in. */
uint64_t fake_domain_paged(struct fake_domain *domain);
uint64_t fake_domain_resident(struct fake_domain *domain);
bool fake_page_dirty(struct fake_domain *domain, uint64_t pfn);

/* ---- what guests do ---- */

enum fake_access {
    FAKE_ACCESS_DONE,
    FAKE_ACCESS_NO_PAGE, /* a hole: the guest reads all ones */
    FAKE_ACCESS_NOT_RUNNING,
    FAKE_ACCESS_STOPPED,
    FAKE_ACCESS_CRASHED,
};

/* Called with the page in place; calls of one host never overlap. */
typedef void fake_access_fn(void *page, uint64_t pfn, void *data);

/* A vCPU reads or writes a page.  If the page is paged, ask the pager and wait
 * for the answer, as the vCPU would. */
enum fake_access fake_vcpu_access(struct fake_domain *domain,
                                  unsigned int vcpu, uint64_t pfn, bool write,
                                  fake_access_fn *fn, void *data);
/* A back end accesses a page by a grant, or the hypervisor accesses it for
 * itself.  Access rights do not stop that; a write is in the log if `logged`.
 * False: the page is a hole; or it is paged, and a request for it was made. */
bool fake_unseen_access(struct fake_domain *domain, uint64_t pfn, bool write,
                        bool logged, fake_access_fn *fn, void *data);
/* The guest gives a page back.  False: there was none, or it is paged. */
bool fake_guest_balloon(struct fake_domain *domain, uint64_t pfn);
/* From now on the guest can also give back a paged page, and the pager is told
 * of that, as in Xen 4.14 before 4.14.3.  The guest waits while the ring is
 * full. */
void fake_host_drops_paged(struct fake_host *host);
/* The guest gets a page there, zeroed.  The log does not have the page, nor
 * any write to it before the log is cleared the next time.  False: the guest
 * may have no more. */
bool fake_guest_unballoon(struct fake_domain *domain, uint64_t pfn);

/* Wait until this many guest vCPUs wait for the pager, or until the domain is
 * stopped or crashes. */
void fake_await_waiting(struct fake_domain *domain, unsigned int vcpus);
/* Wait until the pager has read every request. */
void fake_await_taken(struct fake_domain *domain);
/* How often a vCPU found the ring full. */
unsigned int fake_ring_full(struct fake_domain *domain);
/* Another process overwrites the ring's page, and signals.  No vCPU may touch
 * a paged page after that. */
void fake_ring_scribble(struct fake_domain *domain, unsigned int seed);
/* From now on vCPUs that access the same page all look at the page before the
 * first of them requests it, so that all of them request it. */
void fake_fault_at_once(struct fake_domain *domain);
/* How often a vCPU accessed a page that was already requested: the hypervisor
 * does not report that to the pager. */
unsigned int fake_spins(struct fake_domain *domain);
/* Requests put in the ring and not answered yet. */
unsigned int fake_unanswered(struct fake_domain *domain);

#endif
