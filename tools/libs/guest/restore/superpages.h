/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Superpages for a guest whose memory has come page by page.
 */
#ifndef XLM_RESTORE_SUPERPAGES_H
#define XLM_RESTORE_SUPERPAGES_H

#include "pager/kept.h"
#include "restore/restorer.h"

/*
 * All of a PVH guest is here, and the pager is still in place: give a frame of
 * 2 MiB to each region of its memory that nobody else holds or was granted.
 * The domain is paused for one region at a time, and runs for most of the
 * time; the call ends early when the guest does, when the host has no such
 * frames, or when another connection comes.
 */
void xlm_superpages_join(struct xlm_restorer *restorer);

/* Put back the region that a process which was killed has left elsewhere, and
 * let the domain run; does nothing where there is none. -1 with the reason in
 * the context: the domain is still paused, and the call may be made again. */
int xlm_superpages_mend(struct xlm_context *ctx, uint32_t domid,
                        struct xlm_kept_region *kept);

#endif
