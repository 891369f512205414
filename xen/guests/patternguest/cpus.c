/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "apic.h"
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "cpus.h"
#include "exception.h"
#include "pacer.h"
#include "pattern.h"

#define RESET_US 10000u
#define START_TRY_US 100000u
#define START_TRIES 100u

#define NAP_US 20000u /* an interrupt is dear where all is emulated */
#define US_PER_S 1000000u

/* For entry.S, which numbers the vCPUs as they come. */
extern const char start_code[], start_code_end[];
extern uint32_t vcpus_started;
extern uint32_t cpus_pae; /* the number of the one in 32-bit mode; 0: none */
extern uint32_t cpus_pae_turns;
void vcpu_main(unsigned int number);

struct vcpu {
    unsigned int number;
    uint64_t until_nap; /* pages */
    /* Counted in the walk under way. */
    uint64_t together;
    uint64_t met;
    uint64_t apart;
    uint64_t errors;
};

static struct {
    struct workload *work;
    unsigned int count;     /* of vCPUs, with the first */
    uint64_t pages_per_nap; /* 0: no naps */
    uint64_t nap_us;
    uint32_t restarts; /* asked for */
    uint32_t restarts_done;
    uint32_t walk;
    uint32_t arrived; /* vCPUs at the end of the walk */
    bool stop;
} all;

static uint32_t load(const uint32_t *value)
{
    return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static void halt_if_stopped(void)
{
    while (__atomic_load_n(&all.stop, __ATOMIC_ACQUIRE)) {
        cpu_halt();
    }
}

static bool given_up(void)
{
    return load(&all.restarts) != load(&all.restarts_done);
}

static void keep_to_the_rate(struct vcpu *vcpu)
{
    if (all.pages_per_nap != 0 && --vcpu->until_nap == 0) {
        vcpu->until_nap = all.pages_per_nap;
        apic_nap(all.nap_us);
    }
}

/* Checks the positions from `first` to `end`; *met is how often another vCPU
 * was at the same page. */
static void check(struct vcpu *vcpu, uint64_t first, uint64_t end,
                  uint64_t *checked, uint64_t *met)
{
    uint64_t position;
    bool in_company;

    for (position = first; position < end && !given_up(); position++) {
        halt_if_stopped();
        vcpu->errors +=
            !workload_check_one(all.work, vcpu->number, position, &in_company);
        *met += in_company;
        (*checked)++;
        keep_to_the_rate(vcpu);
    }
}

static void walk(struct vcpu *vcpu, uint32_t number)
{
    uint64_t half = all.work->pages / 2;
    uint64_t parts = all.count - 1;
    uint64_t part = vcpu->number - 1;
    uint64_t begin[2] = {0, half};
    uint64_t size[2] = {half, all.work->pages - half};
    unsigned int first = number % 2, second = 1 - first;
    uint64_t unused = 0;

    vcpu->together = vcpu->apart = vcpu->met = vcpu->errors = 0;
    check(vcpu, begin[first], begin[first] + size[first], &vcpu->together,
          &vcpu->met);
    check(vcpu, begin[second] + size[second] * part / parts,
          begin[second] + size[second] * (part + 1) / parts, &vcpu->apart,
          &unused);
    if (!given_up()) {
        print("vcpu %u walk %u done, errors %lu, together %lu, met %lu, "
              "apart %lu",
              vcpu->number, number, vcpu->errors, vcpu->together, vcpu->met,
              vcpu->apart);
    }
}

/* The last to come opens the next walk: after a restart an even one, which
 * has the first half first. */
static void await_others(uint32_t walk)
{
    uint32_t restarts;

    if (__atomic_add_fetch(&all.arrived, 1, __ATOMIC_ACQ_REL) <
        all.count - 1) {
        while (load(&all.walk) == walk) {
            halt_if_stopped();
            apic_nap(NAP_US);
        }
        return;
    }
    restarts = load(&all.restarts);
    if (restarts != all.restarts_done) {
        walk |= 1;
        __atomic_store_n(&all.restarts_done, restarts, __ATOMIC_RELEASE);
    }
    all.arrived = 0;
    __atomic_store_n(&all.walk, walk + 1, __ATOMIC_RELEASE);
}

/* Called from entry.S on a stack of its own. */
void vcpu_main(unsigned int number)
{
    struct vcpu vcpu = {.number = number, .until_nap = all.pages_per_nap};
    uint32_t walk_number;

    while (number >= all.count) {
        cpu_halt(); /* the guest has not started this vCPU */
    }
    exceptions_catch();
    apic_enable();
    for (;;) {
        walk_number = load(&all.walk);
        walk(&vcpu, walk_number);
        await_others(walk_number);
    }
}

/* A nap is short and has whole pages before it. */
static void set_rate(uint64_t rate)
{
    if (rate == PACER_UNLIMITED || rate == 0) {
        return;
    }
    all.pages_per_nap = rate * NAP_US / US_PER_S + 1;
    all.nap_us = all.pages_per_nap * US_PER_S / rate;
}

static void wait_us(uint64_t duration_us)
{
    uint64_t until_us = clock_us() + duration_us;

    while (clock_us() < until_us) {
        cpu_pause();
    }
}

static void copy_start_code(void)
{
    char *to = (char *)(uintptr_t)(CPUS_START_FRAME * PAGE_SIZE);
    const char *from;

    for (from = start_code; from < start_code_end; from++) {
        *to++ = *from;
    }
}

bool cpus_start(struct workload *work, unsigned int count, uint64_t rate,
                bool pae)
{
    unsigned int tries;

    all.work = work;
    all.count = count;
    set_rate(rate);
    if ((count == 1 || rate == 0) && !pae) {
        return true;
    }
    cpus_pae = pae ? count : 0;
    copy_start_code();
    apic_reset_others();
    wait_us(RESET_US);
    for (tries = 0; tries < START_TRIES; tries++) {
        apic_start_others(CPUS_START_FRAME);
        wait_us(START_TRY_US);
        if (load(&vcpus_started) >= count - 1 + pae) {
            return true;
        }
    }
    return false;
}

uint32_t cpus_turns_of_pae(void)
{
    return load(&cpus_pae_turns);
}

void cpus_restart_walk(void)
{
    __atomic_add_fetch(&all.restarts, 1, __ATOMIC_RELEASE);
}

void cpus_stop(void)
{
    __atomic_store_n(&all.stop, true, __ATOMIC_RELEASE);
}
