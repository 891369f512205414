/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "apic.h"
#include "cpu.h"
#include "exception.h"

#define REGISTERS 0xfee00000u  /* also in entry.S */
#define END_OF_INTERRUPT 0xb0u /* also in entry.S */
#define SPURIOUS_VECTOR 0xf0u
#define COMMAND 0x300u
#define TIMER_VECTOR 0x320u
#define TIMER_COUNT 0x380u
#define TIMER_DIVISOR 0x3e0u

/* The two old interrupt controllers' masks. */
#define FIRST_PIC_MASK 0x21
#define SECOND_PIC_MASK 0xa1

#define ENABLED 0x100u
#define NOT_DIVIDED 0xbu
#define ALL_BUT_SELF 0xc0000u
#define ASSERTED 0x4000u
#define MODE_INIT 0x500u
#define MODE_STARTUP 0x600u

/* In Xen.  Plain QEMU's timer ticks ten times as fast: naps are shorter there,
 * and nothing else changes. */
#define TICKS_PER_US 100u
#define LONGEST_NAP_US 1000000u

static void write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(REGISTERS + offset) = value;
}

void apic_enable(void)
{
    /* An HVM guest's firmware leaves its timer on. */
    cpu_out8(FIRST_PIC_MASK, 0xff);
    cpu_out8(SECOND_PIC_MASK, 0xff);
    write(SPURIOUS_VECTOR, ENABLED | VECTOR_SPURIOUS);
    write(TIMER_DIVISOR, NOT_DIVIDED);
    write(TIMER_VECTOR, VECTOR_TIMER);
}

void apic_nap(uint64_t duration_us)
{
    if (duration_us > LONGEST_NAP_US) {
        duration_us = LONGEST_NAP_US;
    }
    /* Not 0, which would stop the timer. */
    write(TIMER_VECTOR, VECTOR_TIMER);
    write(TIMER_COUNT, (uint32_t)duration_us * TICKS_PER_US + 1);
    cpu_await_interrupt();
}

void apic_keep_interrupt(uint64_t duration_us)
{
    write(TIMER_VECTOR, VECTOR_KEPT);
    write(TIMER_COUNT, (uint32_t)duration_us * TICKS_PER_US + 1);
}

void apic_end_interrupt(void)
{
    write(END_OF_INTERRUPT, 0);
}

void apic_reset_others(void)
{
    write(COMMAND, ALL_BUT_SELF | ASSERTED | MODE_INIT);
}

void apic_start_others(uint8_t page)
{
    write(COMMAND, ALL_BUT_SELF | ASSERTED | MODE_STARTUP | page);
}
