/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include <xen/sched.h>

#include "console.h"
#include "cpu.h"
#include "exception.h"
#include "xen.h"

#define EXCEPTIONS 32
#define VECTORS 256
#define STUB_SIZE 16
#define CODE_SELECTOR 0x08
#define PRESENT_INTERRUPT_GATE 0x8e00

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint16_t flags;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

/* As the stubs in entry.S and the CPU leave it on the stack. */
struct exception_frame {
    uint64_t vector;
    uint64_t error_code;
    uint64_t rip;
    uint64_t cs;
    uint64_t rflags;
    uint64_t rsp;
    uint64_t ss;
};

extern char exception_stubs[], timer_interrupt[], kept_interrupt[],
    spurious_interrupt[];
void report_exception(const struct exception_frame *frame);

static struct gate gates[VECTORS];

static void set_gate(unsigned int vector, const char *stub)
{
    uintptr_t address = (uintptr_t)stub;

    gates[vector].offset_low = (uint16_t)address;
    gates[vector].offset_middle = (uint16_t)(address >> 16);
    gates[vector].offset_high = (uint32_t)(address >> 32);
    gates[vector].selector = CODE_SELECTOR;
    gates[vector].flags = PRESENT_INTERRUPT_GATE;
}

void exceptions_prepare(void)
{
    unsigned int vector;

    for (vector = 0; vector < EXCEPTIONS; vector++) {
        set_gate(vector, exception_stubs + vector * STUB_SIZE);
    }
    set_gate(VECTOR_TIMER, timer_interrupt);
    set_gate(VECTOR_KEPT, kept_interrupt);
    set_gate(VECTOR_EVENTS, spurious_interrupt);
    set_gate(VECTOR_SPURIOUS, spurious_interrupt);
}

void exceptions_catch(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } idt = {sizeof(gates) - 1, (uintptr_t)gates};

    asm volatile("lidt %0" ::"m"(idt));
}

/* Called from entry.S, which halts if this returns. */
void report_exception(const struct exception_frame *frame)
{
    /* The exception may have come while this vCPU was printing. */
    console_release();
    print("FATAL exception=%lu error=%lx rip=%lx rsp=%lx address=%lx",
          frame->vector, frame->error_code, frame->rip, frame->rsp,
          cpu_fault_address());
    if (xen_present()) {
        xen_shutdown(SHUTDOWN_crash);
    }
}
