/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination from the go on.
 */
#ifndef XLM_RESTORE_POSTCOPY_H
#define XLM_RESTORE_POSTCOPY_H

#include "restore/restorer.h"

/* POSTCOPY_GO: the guest is this host's, and runs. */
int xlm_restore_take_go(struct xlm_restorer *restorer);
/* The part of xlm_restore_take_go() that lets the guest run. */
void xlm_restore_run(struct xlm_restorer *restorer);
/* POSTCOPY_PAGE_DATA, POSTCOPY_ZERO_PAGES: page in the pages, and tell the
 * source what is due. */
int xlm_restore_take_late_pages(struct xlm_restorer *restorer);
/* END: every page is here. */
int xlm_restore_complete(struct xlm_restorer *restorer);

#endif
