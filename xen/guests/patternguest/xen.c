/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/arch-x86/cpuid.h>

#include "cpu.h"
#include "exception.h"
#include "xen.h"

/* A frame between RAM and the local APIC that no memory map gives away. */
#define SHARED_INFO_FRAME 0xfe700u
#define FRAME_SHIFT 12

#define CPUID_LEAVES_STEP 0x100u
#define CPUID_LEAVES_END 0x40010000u
#define HYPERCALL_STUB_SIZE 32u

/*
 * The toolstack takes a non-zero callback for "this guest has drivers that
 * answer", and only then tells it that a suspend was cancelled.  We look for
 * events without being told, and keep interrupts off but for moments.
 */
#define CALLBACK_BY_VECTOR ((uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56)

extern char hypercall_page[];

static bool present;
static volatile struct shared_info *const shared_info =
    (void *)((uintptr_t)SHARED_INFO_FRAME << FRAME_SHIFT);

static long hypercall(unsigned int number, uint64_t arg1, uint64_t arg2)
{
    const char *stub = hypercall_page + number * HYPERCALL_STUB_SIZE;
    long result;

    asm volatile("call *%[stub]"
                 : "=a"(result), "+D"(arg1), "+S"(arg2)
                 : [stub] "r"(stub)
                 : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory");
    return result;
}

/*
 * The argument of a hypercall must be resident when Xen reads it: each caller
 * below fills its own on the stack just before.
 */
static long hypercall_with(unsigned int number, unsigned int operation,
                           void *argument)
{
    return hypercall(number, operation, (uintptr_t)argument);
}

bool xen_find(void)
{
    uint32_t leaf, found[4], hypercalls[4];

    for (leaf = XEN_CPUID_FIRST_LEAF; leaf < CPUID_LEAVES_END;
         leaf += CPUID_LEAVES_STEP) {
        cpu_id(leaf, found);
        if (found[1] != XEN_CPUID_SIGNATURE_EBX ||
            found[2] != XEN_CPUID_SIGNATURE_ECX ||
            found[3] != XEN_CPUID_SIGNATURE_EDX) {
            continue;
        }
        cpu_id(leaf + 2, hypercalls);
        cpu_write_msr(hypercalls[1], (uintptr_t)hypercall_page);
        present = true;
        break;
    }
    return present;
}

bool xen_present(void)
{
    return present;
}

static void set_param(uint32_t index, uint64_t value)
{
    struct xen_hvm_param param = {
        .domid = DOMID_SELF, .index = index, .value = value};

    hypercall_with(__HYPERVISOR_hvm_op, HVMOP_set_param, &param);
}

uint64_t xen_get_param(uint32_t index)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = index};

    if (hypercall_with(__HYPERVISOR_hvm_op, HVMOP_get_param, &param) != 0) {
        return 0;
    }
    return param.value;
}

void xen_connect(void)
{
    struct xen_add_to_physmap map = {.domid = DOMID_SELF,
                                     .space = XENMAPSPACE_shared_info,
                                     .gpfn = SHARED_INFO_FRAME};

    hypercall_with(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &map);
    set_param(HVM_PARAM_CALLBACK_IRQ, CALLBACK_BY_VECTOR | VECTOR_EVENTS);
}

void xen_forget_events(void)
{
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
}

void xen_give_back(uint64_t frame)
{
    xen_pfn_t frames[1] = {frame};
    struct xen_memory_reservation back = {.nr_extents = 1,
                                          .domid = DOMID_SELF};

    set_xen_guest_handle(back.extent_start, frames);
    hypercall_with(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &back);
}

static uint64_t scale_ticks(uint64_t ticks, uint32_t multiplier, int8_t shift)
{
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (uint64_t)((unsigned __int128)ticks * multiplier >> 32);
}

uint64_t xen_time_ns(void)
{
    const volatile struct vcpu_time_info *info =
        &shared_info->vcpu_info[0].time;
    uint32_t version;
    uint64_t time_ns;

    do {
        version = __atomic_load_n(&info->version, __ATOMIC_ACQUIRE);
        time_ns = info->system_time +
                  scale_ticks(cpu_tsc() - info->tsc_timestamp,
                              info->tsc_to_system_mul, info->tsc_shift);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1) != 0 || version != info->version);
    return time_ns;
}

void xen_sleep_until(uint64_t time_ns)
{
    struct sched_poll poll = {.nr_ports = 0, .timeout = time_ns};

    hypercall_with(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
}

void xen_notify(uint32_t port)
{
    struct evtchn_send send = {.port = port};

    hypercall_with(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static long set_watchdog(uint32_t number, uint32_t seconds)
{
    struct sched_watchdog watchdog = {.id = number, .timeout = seconds};

    return hypercall_with(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog);
}

bool xen_watchdog(uint32_t seconds)
{
    static uint32_t number; /* 0: none yet */
    long made;

    /* That of another domain, before we were moved, is not known here. */
    if (number != 0 && set_watchdog(number, seconds) == 0) {
        return false;
    }
    made = set_watchdog(0, seconds);
    number = made > 0 ? (uint32_t)made : 0;
    return number != 0;
}

static bool change_reservation(unsigned int operation, uint64_t pfn)
{
    xen_pfn_t extent = pfn;
    struct xen_memory_reservation reservation = {.nr_extents = 1,
                                                 .domid = DOMID_SELF};

    set_xen_guest_handle(reservation.extent_start, &extent);
    return hypercall_with(__HYPERVISOR_memory_op, operation, &reservation) ==
           1;
}

bool xen_give_back_one(uint64_t pfn)
{
    return change_reservation(XENMEM_decrease_reservation, pfn);
}

bool xen_take(uint64_t pfn)
{
    return change_reservation(XENMEM_populate_physmap, pfn);
}

static long stop_with(unsigned int reason)
{
    struct sched_shutdown stop = {.reason = reason};

    return hypercall_with(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &stop);
}

bool xen_suspend(void)
{
    return stop_with(SHUTDOWN_suspend) == 1;
}

void xen_shutdown(unsigned int reason)
{
    for (;;) {
        stop_with(reason);
    }
}
