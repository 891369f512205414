/* SPDX-License-Identifier: LGPL-2.1-or-later
 * See the Hypervisor Top Level Functional Specification for what the registers
 * and the pages are.
 */
#include "viridian.h"

#include <stddef.h>
#include <stdint.h>

#include "apic.h"
#include "console.h"
#include "cpu.h"
#include "exception.h"
#include "frames.h"
#include "pattern.h"
#include "xen.h"

#define LEAF_VENDOR 0x40000000u
#define LEAF_INTERFACE 0x40000001u
#define INTERFACE 0x31237648u /* "Hv#1" */

#define MSR_GUEST_OS_ID 0x40000000u
#define MSR_HYPERCALL 0x40000001u
#define MSR_TIME_REF_COUNT 0x40000020u
#define MSR_REFERENCE_TSC 0x40000021u
#define MSR_VP_ASSIST_PAGE 0x40000073u
#define MSR_SCONTROL 0x40000080u
#define MSR_SIEFP 0x40000082u
#define MSR_SIMP 0x40000083u
#define MSR_EOM 0x40000084u
#define MSR_SINT0 0x40000090u
#define MSR_STIMER0_CONFIG 0x400000b0u
#define MSR_STIMER0_COUNT 0x400000b1u

#define OUR_OS_ID \
    0x8100000000000001u /* an open source system without a
#vendor */
#define ENABLED 1u
#define PERIODIC 2u
#define MESSAGE_SOURCE 2u
#define SOURCE_MASKED 0x10000u
#define SOURCE_VECTOR 0x50u
#define TIMER_PERIOD 100000u /* of 100 ns */

#define MESSAGE_NONE 0u
#define MESSAGE_TIMER 0x80000010u
#define MORE_MESSAGES 1u

#define NO_EOI_NEEDED 1u
#define MARK 0x6d61726b6d61726bu
#define PAGE_WORDS (PAGE_SIZE / 8)
#define REFERENCE_WORDS 3

#define INTERRUPT_US 1000u
/* Looks until something that has not come is lost; a look takes 4 ms at least,
 * unless there is work. */
#define LOOKS_MOST 5000u

struct reference_tsc {
    uint32_t sequence; /* 0: do not use it */
    uint32_t reserved;
    uint64_t scale;
    int64_t offset;
};

struct message {
    uint32_t type;
    uint8_t size;
    uint8_t flags;
    uint16_t reserved;
    uint64_t origin;
    uint32_t timer_index;
    uint32_t timer_reserved;
    uint64_t expiration;
    uint64_t delivery;
    uint8_t rest[256 - 40];
};

/* Each a page. */
static union {
    volatile uint64_t words[PAGE_WORDS];
    volatile struct reference_tsc reference;
    volatile struct message messages[PAGE_SIZE / sizeof(struct message)];
} hypercalls __attribute__((aligned(4096))),
    reference __attribute__((aligned(4096))),
    assist __attribute__((aligned(4096))),
    messages __attribute__((aligned(4096))),
    events __attribute__((aligned(4096)));

static enum viridian_use in_use;
static uint64_t last_count;
static uint64_t last_delivery;
static uint64_t seen_messages;
static uint64_t seen_interrupts;
static unsigned int errors;
static bool interrupted; /* in the service of an interrupt */

/* After a resume. */
static bool watching;
static unsigned int looks;
static uint64_t messages_before;

static void complain(const char *what, uint64_t one, uint64_t other)
{
    if (errors++ < 8) {
        print("BAD viridian %s: %lx, %lx", what, one, other);
    }
}

static uint64_t address_of(const volatile void *page)
{
    return (uintptr_t)page;
}

static bool has_tsc(void)
{
    return in_use == VIRIDIAN_ALL;
}

/* ---- turning it on ---- */

static bool find(void)
{
    uint32_t vendor[4], interface[4];

    cpu_id(LEAF_VENDOR, vendor);
    cpu_id(LEAF_INTERFACE, interface);
    return vendor[0] >= LEAF_INTERFACE && interface[0] == INTERFACE;
}

static void start_timer(void)
{
    cpu_write_msr(MSR_SCONTROL, ENABLED);
    cpu_write_msr(MSR_SIEFP, address_of(&events) | ENABLED);
    cpu_write_msr(MSR_SIMP, address_of(&messages) | ENABLED);
    cpu_write_msr(MSR_SINT0 + MESSAGE_SOURCE, SOURCE_VECTOR | SOURCE_MASKED);
    cpu_write_msr(MSR_STIMER0_COUNT, TIMER_PERIOD);
    cpu_write_msr(MSR_STIMER0_CONFIG,
                  MESSAGE_SOURCE << 16 | PERIODIC | ENABLED);
}

/* The hypervisor has them mapped, and goes on writing there. */
static void give_pages_back(void)
{
    xen_give_back(address_of(&reference) / PAGE_SIZE);
    xen_give_back(address_of(&messages) / PAGE_SIZE);
    xen_give_back(address_of(&assist) / PAGE_SIZE);
}

bool viridian_start(enum viridian_use use)
{
    if (use == VIRIDIAN_NONE) {
        return true;
    }
    if (!xen_present() || !find()) {
        return false;
    }
    cpu_write_msr(MSR_GUEST_OS_ID, OUR_OS_ID);
    cpu_write_msr(MSR_HYPERCALL, address_of(&hypercalls) | ENABLED);
    cpu_write_msr(MSR_VP_ASSIST_PAGE, address_of(&assist) | ENABLED);
    if (use != VIRIDIAN_ASSIST) {
        cpu_write_msr(MSR_REFERENCE_TSC, address_of(&reference) | ENABLED);
        start_timer();
    }
    if (use == VIRIDIAN_LOST) {
        give_pages_back();
    }
    in_use = use;
    print("viridian on");
    return true;
}

/* ---- time ---- */

/* False: the page says that it is not to be used. */
static bool page_count(uint64_t *count)
{
    const volatile struct reference_tsc *page = &reference.reference;
    uint32_t sequence;

    do {
        sequence = page->sequence;
        if (sequence == 0) {
            return false;
        }
        *count = (uint64_t)((unsigned __int128)cpu_tsc() * page->scale >> 64) +
                 (uint64_t)page->offset;
    } while (sequence != page->sequence);
    return true;
}

/* The page and the register tell the same time, which goes on only. */
static void look_at_time(void)
{
    uint64_t before = cpu_read_msr(MSR_TIME_REF_COUNT);
    uint64_t by_page;
    bool valid = has_tsc() && page_count(&by_page);
    uint64_t after = cpu_read_msr(MSR_TIME_REF_COUNT);

    if (before < last_count || after < before) {
        complain("time went back", last_count, before);
    }
    if (valid && (by_page < before || by_page > after)) {
        complain("the page has another time", before, by_page);
    }
    last_count = after;
}

/* ---- messages ---- */

static void look_at_messages(void)
{
    volatile struct message *message = &messages.messages[MESSAGE_SOURCE];

    if (message->type == MESSAGE_NONE) {
        return;
    }
    if (message->type != MESSAGE_TIMER || message->timer_index != 0) {
        complain("message", message->type, message->timer_index);
    }
    if (message->delivery < last_delivery) {
        complain("a message before the last", last_delivery,
                 message->delivery);
    }
    last_delivery = message->delivery;
    seen_messages++;
    message->type = MESSAGE_NONE;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (message->flags & MORE_MESSAGES) {
        cpu_write_msr(MSR_EOM, 0);
    }
}

/* ---- interrupts ---- */

/* The hypervisor need not be told when the page says so. */
static void end_interrupt(void)
{
    uint64_t left_out = 0;

    interrupted = false;
    if (in_use != VIRIDIAN_LOST) {
        left_out = __atomic_fetch_and((uint32_t *)address_of(&assist),
                                      ~NO_EOI_NEEDED, __ATOMIC_ACQ_REL);
    }
    if (!(left_out & NO_EOI_NEEDED)) {
        apic_end_interrupt();
    }
}

/* One of our timer's, whose end is not told; false: it has not come yet. */
static bool take_interrupt(void)
{
    if (!interrupted) {
        apic_keep_interrupt(INTERRUPT_US);
        interrupted = true;
    }
    xen_forget_events();
    cpu_take_interrupts();
    if (interrupts_kept == seen_interrupts) {
        return false;
    }
    seen_interrupts = interrupts_kept;
    return true;
}

/* ---- from host to host ---- */

void viridian_mark(void)
{
    unsigned int i;

    if (in_use == VIRIDIAN_NONE) {
        return;
    }
    for (i = 0; i < LOOKS_MOST && !take_interrupt(); i++) {
        xen_sleep_until(xen_time_ns() + 1000000);
    }
    if (i == LOOKS_MOST) {
        complain("no interrupt", seen_interrupts, 0);
    }
    print("viridian leaves an interrupt, %s", in_use == VIRIDIAN_LOST ? "blind"
                                              : assist.words[0] & NO_EOI_NEEDED
                                                  ? "its end not wanted"
                                                  : "its end wanted");
    if (has_tsc()) {
        look_at_time();
        for (i = 0; i < PAGE_WORDS; i++) {
            reference.words[i] = MARK;
        }
    }
}

/* This host must have cleared the page, and written only to its beginning. */
static void look_for_marks(void)
{
    unsigned int i;

    for (i = REFERENCE_WORDS; i < PAGE_WORDS; i++) {
        if (reference.words[i] != 0) {
            complain("the reference TSC page is not this host's", i,
                     reference.words[i]);
            return;
        }
    }
    if (reference.reference.scale == MARK) {
        complain("the reference TSC page is not this host's", 1, MARK);
    }
}

static void clear_marks(void)
{
    unsigned int i;

    for (i = 0; i < PAGE_WORDS; i++) {
        reference.words[i] = 0;
    }
}

void viridian_resume(bool cancelled)
{
    if (in_use == VIRIDIAN_NONE) {
        return;
    }
    if (has_tsc()) {
        cancelled ? clear_marks() : look_for_marks();
        print("viridian sequence %u", reference.reference.sequence);
    }
    end_interrupt();
    messages_before = seen_messages;
    watching = true;
    looks = 0;
}

/* Waits, look by look, for a message and an interrupt, whose end is told. */
static void watch(void)
{
    bool got = !has_tsc() || seen_messages > messages_before;

    if (!take_interrupt()) {
        got = false;
    } else {
        end_interrupt();
    }
    if (got) {
        print("viridian well, messages %lu", seen_messages);
        watching = false;
    } else if (++looks == LOOKS_MOST) {
        complain("no message or no interrupt", seen_messages, seen_interrupts);
        watching = false;
    }
}

void viridian_look(void)
{
    if (in_use == VIRIDIAN_NONE) {
        return;
    }
    look_at_time();
    if (has_tsc()) {
        look_at_messages();
    }
    if (watching) {
        watch();
    }
}
