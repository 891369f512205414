/* SPDX-License-Identifier: LGPL-2.1-or-later
 * An HVM context, record by record: what the hypervisor saves of a guest's
 * vCPUs and of the devices that are its own.
 *
 * Its records are the hypervisor's business, but for three kinds.  Loading
 * these makes Xen look for pages of the guest, without asking a pager, and
 * what comes of a page that is absent reaches from a guest that has crashed to
 * a host that has: docs/designs/hvm-context.pandoc has the table.
 *
 * A context may come from a peer who lies.  What follows a record that is cut
 * off is taken for nothing here, and left as it is: Xen reads records in the
 * same way, and fails there.
 */
#ifndef XLM_HVM_CONTEXT_H
#define XLM_HVM_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xlm_hvm_record {
    uint16_t type; /* HVM_SAVE_CODE() */
    uint8_t *body; /* as const as the context; aligned to nothing */
    uint32_t length;
};

/*
 * The record that begins at offset *at; *at moves on to the next one.  False
 * behind the last record, and at what is no record: *at stays there.
 */
bool xlm_hvm_context_next(const void *context, size_t length, size_t *at,
                          struct xlm_hvm_record *record);

/*
 * Make a context into one for a domain without memory, in place: the records
 * of vCPUs' registers and of what is Viridian's are left out.  Xen keeps a
 * vCPU down that has no record, whoever unpauses the domain.  Returns the
 * length that is left.
 */
size_t xlm_hvm_context_strip(void *context, size_t length);

/*
 * Called with a page that loading the context looks for.  `msr` is where the
 * context has the MSR that names it and turns its use on (bit 0), for
 * xlm_hvm_context_turn_off(); NULL: it is where a vCPU's CR3 points.  Anything
 * but 0 ends the walk.
 */
typedef int xlm_hvm_page_fn(uint64_t pfn, uint8_t *msr, void *data);

/* Call `each` with every such page, as often as it is named; returns what the
 * last call returned, 0 without any. */
int xlm_hvm_context_pages(void *context, size_t length, xlm_hvm_page_fn *each,
                          void *data);

/* The page that this MSR names is not used. */
void xlm_hvm_context_turn_off(uint8_t *msr);

/*
 * Turn off each synthetic timer by which a guest can take down a host whose
 * Xen lacks the mends of 2025: one whose vCPU has no page for messages in use,
 * or that counts to 0.  Returns how many there were.
 */
unsigned int xlm_hvm_context_defuse_timers(void *context, size_t length);

#endif
