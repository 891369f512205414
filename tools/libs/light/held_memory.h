/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a guest may have of memory, and is told to have, while it is moved.
 *
 * At the source it gets no page (see save/hold.c), and what it is told to have
 * (memory/target in xenstore) is what it has.  At the destination it is told
 * nothing until all of its memory is there: a page that is absent cannot be
 * ballooned out, and Linux does not bear to be refused.  Without memory/target
 * libxl refuses to set a domain's memory.
 *
 * What was before is kept below /libxl/DOMID, so that any process can give it
 * back.
 */
#ifndef LM_HELD_MEMORY_H
#define LM_HELD_MEMORY_H

#include <stdint.h>

#include <xentoollog.h>

#include "hypervisor/hypervisor.h"

/* Without xenstore these warn, and all goes on without them. */

/*
 * The source: note what the domain may have, and have it stop giving pages
 * back or wanting more.  *pages is replaced by what an earlier note says when
 * a process that was killed has left the domain held.  May be called again.
 */
void lm_memory_hold(struct xlm_hypervisor *hv, uint32_t domid, uint64_t *pages,
                    xentoollog_logger *logger);
/* The guest runs on here, or is about to: it is told and may have what it was
 * and might before, unless somebody has set something else since. */
void lm_memory_release(struct xlm_hypervisor *hv, uint32_t domid,
                       xentoollog_logger *logger);

/* The destination, before the guest runs there, again and again if need be. */
void lm_target_withhold(uint32_t domid, xentoollog_logger *logger);
/* Its memory is whole; harmless when nothing was withheld, or it is gone. */
void lm_target_give_back(uint32_t domid, xentoollog_logger *logger);

#endif
