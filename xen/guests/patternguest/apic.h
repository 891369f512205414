/* The local APIC: each call is about the vCPU that makes it. */
#ifndef APIC_H
#define APIC_H

#include <stdint.h>

/* Before the other calls, on each vCPU. */
void apic_enable(void);

/* Halts for about that long. */
void apic_nap(uint64_t duration_us);

/* To all other vCPUs: stop, and await the next call. */
void apic_reset_others(void);

/* To those that await it: start at this page, in real mode. */
void apic_start_others(uint8_t page);

#endif
