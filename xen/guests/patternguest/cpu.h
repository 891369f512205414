/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single instructions. */
#ifndef CPU_H
#define CPU_H

#include <stddef.h>
#include <stdint.h>

static inline void cpu_pause(void)
{
    asm volatile("pause" ::: "memory");
}

static inline void cpu_halt(void)
{
    asm volatile("hlt" ::: "memory");
}

/* In entry.S.  Halts until an interrupt comes, and takes it. */
void cpu_await_interrupt(void);

/* In entry.S.  Takes pending interrupts. */
void cpu_take_interrupts(void);

static inline uint64_t cpu_tsc(void)
{
    uint32_t low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static inline void cpu_id(uint32_t leaf, uint32_t registers[4])
{
    asm volatile("cpuid"
                 : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]),
                   "=d"(registers[3])
                 : "a"(leaf), "c"(0));
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value),
                 "d"((uint32_t)(value >> 32))
                 : "memory");
}

static inline uint64_t cpu_read_msr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t cpu_fault_address(void)
{
    uint64_t address;

    asm volatile("mov %%cr2, %0" : "=r"(address));
    return address;
}

static inline void cpu_out8(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void cpu_out32(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

/* One instruction, so in a virtual machine one exit for the whole text. */
static inline void cpu_out_text(uint16_t port, const char *text, size_t length)
{
    asm volatile("rep outsb"
                 : "+S"(text), "+c"(length)
                 : "d"(port)
                 : "memory");
}

#endif
