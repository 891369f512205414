/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The vCPUs after the first.  They check pages, over and over, in walks that
 * all of them begin at the same time.  In a walk each of them first checks one
 * half of the memory from its start, so that they come to the same pages at
 * once, and then a part of its own of the other half.  The next walk exchanges
 * the halves.
 *
 * These vCPUs know nothing of Xen or of a suspend: they go on where they were.
 */
#ifndef CPUS_H
#define CPUS_H

#include <stdbool.h>
#include <stdint.h>

#include "workload.h"

/* The page at which they start, in real mode: it must be kept free for
 * that. */
#define CPUS_START_FRAME 8u

/* Starts vCPUs until `count` run, this one included; each checks `rate` pages
 * a second.  With `pae` one more starts, which stays in 32-bit mode with PAE
 * and counts its turns.  False: not all of them came. */
bool cpus_start(struct workload *work, unsigned int count, uint64_t rate,
                bool pae);
uint32_t cpus_turns_of_pae(void);

/* Makes all of them give up the walk under way and begin a new one, as this
 * vCPU's pass does: with the first page. */
void cpus_restart_walk(void);

/* Halts all of them for good. */
void cpus_stop(void);

#endif
