/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The vCPUs after the first.  They check pages, over and over, in walks that
 * all of them begin at the same time.  One half of the memory is walked by all
 * of them from its start, so that they come to the same pages at once; then of
 * the other half each walks a part of its own.  The next walk has the halves
 * the other way round.
 *
 * They know nothing of Xen, nor of a suspend: they go on where they were.
 */
#ifndef CPUS_H
#define CPUS_H

#include <stdbool.h>
#include <stdint.h>

#include "workload.h"

/* The page that they start at, in real mode; to be kept free for it. */
#define CPUS_START_FRAME 8u

/* Starts so many vCPUs that there are `count` with this one, each of which
 * checks so many pages a second; `pae`: and one more, which stays in 32-bit
 * mode with PAE and counts its turns.  False: they did not all come. */
bool cpus_start(struct workload *work, unsigned int count, uint64_t rate,
                bool pae);
uint32_t cpus_turns_of_pae(void);

/* Lets the walk under way be given up for a new one, which begins as this
 * vCPU's pass does: with the first page. */
void cpus_restart_walk(void);

/* Halts them for good. */
void cpus_stop(void);

#endif
