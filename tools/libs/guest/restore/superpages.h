/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Superpages for a guest whose memory has come page by page.
 */
#ifndef XLM_RESTORE_SUPERPAGES_H
#define XLM_RESTORE_SUPERPAGES_H

#include "pager/kept.h"
#include "restore/restorer.h"

/*
 * Call this when all of a PVH guest's memory is here, and the pager still in
 * place.  Gives a frame of 2 MiB to each region of the memory of which no page
 * is granted, or held by a back end, a program or Xen.  The domain is paused
 * for one region at a time, and runs for most of the time.  Returns early when
 * the guest ends, when the host has no such frames, or when another connection
 * comes.
 */
void xlm_superpages_join(struct xlm_restorer *restorer);

/* Call this after a process was killed in xlm_superpages_join().  Moves pages
 * that it has left in the spare region back, and unpauses the domain; does
 * nothing if the process was between two regions.  -1 with the reason in the
 * context: the domain is still paused, and the caller may try again. */
int xlm_superpages_mend(struct xlm_context *ctx, uint32_t domid,
                        struct xlm_kept_region *kept);

#endif
