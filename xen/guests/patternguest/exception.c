#include <stdint.h>

#include <xen/sched.h>

#include "console.h"
#include "cpu.h"
#include "exception.h"
#include "xen.h"

#define VECTORS 32
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

extern char exception_stubs[];
void report_exception(const struct exception_frame *frame);

static struct gate gates[VECTORS];

void exceptions_catch(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } idt = { sizeof(gates) - 1, (uintptr_t)gates };
    unsigned int vector;

    for (vector = 0; vector < VECTORS; vector++) {
        uintptr_t stub = (uintptr_t)exception_stubs + vector * STUB_SIZE;

        gates[vector].offset_low = (uint16_t)stub;
        gates[vector].offset_middle = (uint16_t)(stub >> 16);
        gates[vector].offset_high = (uint32_t)(stub >> 32);
        gates[vector].selector = CODE_SELECTOR;
        gates[vector].flags = PRESENT_INTERRUPT_GATE;
    }
    asm volatile("lidt %0" :: "m"(idt));
}

/* Called from entry.S, which halts if this returns. */
void report_exception(const struct exception_frame *frame)
{
    print("FATAL exception=%lu error=%lx rip=%lx rsp=%lx address=%lx",
          frame->vector, frame->error_code, frame->rip, frame->rsp,
          cpu_fault_address());
    if (xen_present()) {
        xen_shutdown(SHUTDOWN_crash);
    }
}
