/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local APIC: each call is about the vCPU that makes it. */
#ifndef APIC_H
#define APIC_H

#include <stdint.h>

/* Call this on each vCPU before the other functions. */
void apic_enable(void);

/* Halts for about this time. */
void apic_nap(uint64_t duration_us);

/* An interrupt of the timer's in about that long, once they are on.  It is in
 * service until its end is told, by this call or in another way; until then
 * none follows. */
void apic_keep_interrupt(uint64_t duration_us);
void apic_end_interrupt(void);
/* How many such interrupts have come. */
extern volatile uint64_t interrupts_kept;

/* To all other vCPUs: stop, and await the next call. */
void apic_reset_others(void);

/* To those that await it: start at this page, in real mode. */
void apic_start_others(uint8_t page);

#endif
