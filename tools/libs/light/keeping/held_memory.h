/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How much memory a guest may have, and is told to have, while it moves.
 *
 * At the source the guest gets no page (see save/hold.c), and its target
 * (memory/target in xenstore) is what it has.  At the destination it has no
 * target until all of its memory is there: a guest cannot balloon out an
 * absent page, and Linux does not cope with a refusal.  Without memory/target
 * libxl refuses to set a domain's memory.
 *
 * The former values are kept below /libxl/DOMID, so that any process can
 * restore them.
 */
#ifndef LM_HELD_MEMORY_H
#define LM_HELD_MEMORY_H

#include <stdint.h>

#include <xentoollog.h>

#include "hypervisor/hypervisor.h"

/* Without xenstore these functions warn, and the migration goes on. */

/*
 * The source: note what the domain may have, and tell it to stop giving pages
 * back or wanting more.  If a killed process has left the domain held, *pages
 * becomes what that process noted.  May be called again.
 */
void lm_memory_hold(struct xlm_hypervisor *hv, uint32_t domid, uint64_t *pages,
                    xentoollog_logger *logger);
/* The guest runs on here, or is about to: restore target and limit, unless
 * another program has set others since. */
void lm_memory_release(struct xlm_hypervisor *hv, uint32_t domid,
                       xentoollog_logger *logger);

/* The destination, before the guest runs there.  May be called again. */
void lm_target_withhold(uint32_t domid, xentoollog_logger *logger);
/* The guest's memory is complete: give the target back.  Harmless when nothing
 * was withheld, and when the domain is gone. */
void lm_target_give_back(uint32_t domid, xentoollog_logger *logger);

#endif
