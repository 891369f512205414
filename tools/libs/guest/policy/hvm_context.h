/* SPDX-License-Identifier: LGPL-2.1-or-later
 * An HVM context, record by record: what the hypervisor saves of a guest's
 * vCPUs and of the devices that it emulates itself.
 *
 * Only three kinds of record matter here.  When Xen loads these, it looks for
 * pages of the guest without asking a pager.  If such a page is absent, the
 * guest may crash, or even the host: docs/designs/hvm-context.pandoc has the
 * table.
 *
 * A context may come from a lying peer.  All that follows a record which is
 * cut off is left unread and as it is: Xen reads records in the same way, and
 * fails there.
 */
#ifndef XLM_HVM_CONTEXT_H
#define XLM_HVM_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xlm_hvm_record {
    uint16_t type; /* HVM_SAVE_CODE() */
    uint8_t *body; /* as const as the context; not aligned */
    uint32_t length;
};

/*
 * The record at offset *at; *at moves on to the next one.  False behind the
 * last record, and at octets that are no record: *at stays there.
 */
bool xlm_hvm_context_next(const void *context, size_t length, size_t *at,
                          struct xlm_hvm_record *record);

/*
 * Convert a context, in place, into one for a domain without memory: leave out
 * the vCPUs' registers and the Viridian records.  Xen keeps a vCPU without
 * such a record down, even if a program unpauses the domain.  Returns the new
 * length.
 */
size_t xlm_hvm_context_strip(void *context, size_t length);

/*
 * Called with a page that Xen looks for when it loads the context.  `msr`
 * points to the MSR in the context that names the page and enables its use
 * (bit 0), for xlm_hvm_context_turn_off(); NULL: a vCPU's CR3 names the page.
 * Any value but 0 ends the walk.
 */
typedef int xlm_hvm_page_fn(uint64_t pfn, uint8_t *msr, void *data);

/* Call `each` for every such page, as often as the context names it.  Returns
 * the value of the last call, or 0. */
int xlm_hvm_context_pages(void *context, size_t length, xlm_hvm_page_fn *each,
                          void *data);

/* Disable the use of the page that this MSR names. */
void xlm_hvm_context_turn_off(uint8_t *msr);

/*
 * Disable each synthetic timer by which a guest can crash a host whose Xen
 * lacks the fixes of 2025: a timer whose vCPU has no message page enabled, or
 * that counts to 0.  Returns how many there were.
 */
unsigned int xlm_hvm_context_defuse_timers(void *context, size_t length);

#endif
