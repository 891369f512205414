/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The guest's own time, in microseconds: it starts at 0, runs on wherever the
 * guest runs, never goes back, and does not count the time between
 * suspending and resuming.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

uint64_t clock_us(void);

/* Call this after a resume: the host's time may be another one. */
void clock_rebase(void);

/* Lets others use the CPU for about this time. */
void clock_sleep(uint64_t duration_us);

#endif
