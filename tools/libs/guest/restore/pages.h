/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages at the destination: before the guest runs, and after.
 */
#ifndef XLM_RESTORE_PAGES_H
#define XLM_RESTORE_PAGES_H

#include "restore/restorer.h"

/* Make room in the sets for pfns below this one. */
int xlm_restore_reserve(struct xlm_restorer *restorer, uint64_t pfns);

/* Populate the holes among these pfns. */
int xlm_restore_populate(struct xlm_restorer *restorer, size_t count,
                         const uint64_t *pfns);
/* PAGE_DATA, and the records that may stand for it: contents of resident
 * pages. */
int xlm_restore_take_pages(struct xlm_restorer *restorer);
/* POSTCOPY_PFNS: pages that come after the go. */
int xlm_restore_take_outstanding(struct xlm_restorer *restorer);
/* POSTCOPY_PFNS_END: answer with the pages that could not be evicted. */
int xlm_restore_answer_evicted(struct xlm_restorer *restorer);
/* The same without credit, from any connection.  Threads may call this at
 * the same time, each with its own record, expander and context.  *pages: how
 * many. */
int xlm_restore_bring_in(struct xlm_restorer *restorer,
                         struct xlm_context *ctx,
                         const struct xlm_record *record,
                         struct xlm_expander *expander, uint32_t *pages);
/* POSTCOPY_PAGE_DATA, and the records that may stand for it: pages for a guest
 * that runs. */
int xlm_restore_take_postcopy_pages(struct xlm_restorer *restorer);
/* How much credit may be held back when the last record brought this many
 * pages. */
uint32_t xlm_restore_credit_most(uint32_t pages);
/* Send the source the credit that is due ... */
int xlm_restore_pay_credit(struct xlm_restorer *restorer);
/* ... and from now on each time before waiting for more. */
void xlm_restore_pay_before_waits(struct xlm_restorer *restorer);
/* Read this record into memory from which contents can be paged in without a
 * copy.  Without memory for that they are copied. */
void xlm_restore_lend_contents(struct xlm_context *ctx,
                               struct xlm_record *record);
void xlm_restore_dispose_record(struct xlm_context *ctx,
                                struct xlm_record *record);
/* The same for contents that are expanded; dispose releases the expander and
 * what was lent to it. */
void xlm_restore_lend_expanded(struct xlm_context *ctx,
                               struct xlm_expander *expander);
void xlm_restore_dispose_expander(struct xlm_context *ctx,
                                  struct xlm_expander *expander);
/* The same for the restorer's own record; and page zeroes in from one page. */
void xlm_restore_lend(struct xlm_restorer *restorer);
void xlm_restore_dispose_lent(struct xlm_restorer *restorer);

#endif
