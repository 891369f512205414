/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The test guest: see README.md.  guest_main() is the whole story; what it
 * calls stands above it.
 */
#include <stddef.h>
#include <stdint.h>

#include <xen/hvm/params.h>
#include <xen/sched.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "apic.h"
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "cpus.h"
#include "exception.h"
#include "frames.h"
#include "multiboot.h"
#include "options.h"
#include "pacer.h"
#include "pattern.h"
#include "trade.h"
#include "viridian.h"
#include "workload.h"
#include "xen.h"
#include "xenstore.h"

#define MAPPED_FRAMES (0x100000000u / PAGE_SIZE)
#define PAGES_PER_MIB (0x100000u / PAGE_SIZE)
#define COMMAND_LINE_SIZE 512

/*
 * Pages between two looks at the clock.  A look can cost as much as several
 * pages, but pages that still have to come from another host take longer
 * than a heartbeat may wait: a slow batch is followed by the smallest one.
 */
#define LARGEST_BATCH 8u
/* The same for jumps, of which a page has room for many. */
#define JUMPS_OF_BATCH 1024u
#define SLOW_BATCH_US 4000u

#define NAP_US 4000u

#define RING_HEARTBEAT_US 1000000u

/* Where QEMU's isa-debug-exit listens, if it is there. */
#define QEMU_EXIT_PORT 0xf4

extern const char image_start[], image_end[];
void guest_main(const struct hvm_start_info *start_info);

struct guest {
    struct options options;
    struct workload work;
    struct trade trade;
    struct pacer writer;
    struct pacer checker;
    unsigned int batch;
    uint64_t heartbeat_due_us;
    uint64_t ring_heartbeat_due_us;
    uint64_t heartbeats;
    uint32_t pae_turns; /* by the last resume */
    bool awaits_pae;
};

static struct guest guest;
static char command_line[COMMAND_LINE_SIZE];

/* Returns what was not understood, or NULL. */
static const char *read_options(struct options *options,
                                const struct hvm_start_info *start_info)
{
    const char *given = (const char *)(uintptr_t)start_info->cmdline_paddr;
    const char *not_understood;
    unsigned int i;

    for (i = 0; given != NULL && given[i] != '\0' && i < COMMAND_LINE_SIZE - 1;
         i++) {
        command_line[i] = given[i];
    }
    options_default(options);
    not_understood = options_parse(options, command_line);
    console_select((options->to_port ? CONSOLE_PORT : 0) |
                   (options->to_ring ? CONSOLE_RING : 0));
    console_mark(options->id);
    return not_understood;
}

static void announce(const char *not_understood)
{
    print("patternguest %s", command_line);
    if (not_understood != NULL) {
        print("option not understood: %s", not_understood);
    }
}

/* RAM below 4 GiB without ourselves. */
static void find_memory(struct frames *frames,
                        const struct hvm_start_info *start_info)
{
    const struct hvm_memmap_table_entry *entry =
        (const void *)(uintptr_t)start_info->memmap_paddr;
    uint64_t image_first = (uintptr_t)image_start / PAGE_SIZE;
    uint64_t image_last = (uintptr_t)image_end / PAGE_SIZE;
    unsigned int i;

    for (i = 0; start_info->version > 0 && i < start_info->memmap_entries;
         i++, entry++) {
        uint64_t first = (entry->addr + PAGE_SIZE - 1) / PAGE_SIZE;
        uint64_t end = (entry->addr + entry->size) / PAGE_SIZE;

        if (end > MAPPED_FRAMES) {
            end = MAPPED_FRAMES;
        }
        if (entry->type == XEN_HVM_MEMMAP_TYPE_RAM && first < end) {
            frames_add(frames, first, end - first);
        }
    }
    frames_remove(frames, image_first, image_last - image_first);
    frames_remove(frames, 0, 1); /* so that no page is at NULL */
    frames_remove(frames, CPUS_START_FRAME, 1);
}

static uint64_t pages_of_mib(uint64_t mib, uint64_t most)
{
    return mib > most / PAGES_PER_MIB ? most : mib * PAGES_PER_MIB;
}

static bool prepare_work(struct workload *work, const struct options *options)
{
    uint64_t all = frames_total(&work->frames);
    uint64_t record_pages =
        (all * sizeof(*work->generation) + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t record = frames_take(&work->frames, record_pages);

    if (record == 0) {
        print("FATAL no memory to test");
        return false;
    }
    work->generation = (uint32_t *)(uintptr_t)(record * PAGE_SIZE);
    work->pages = pages_of_mib(options->memory_mib, all - record_pages);
    work->working_set = pages_of_mib(options->working_set_mib, work->pages);
    work->random_order = options->random_order;
    print("memory pages=%lu working-set=%lu record-pfn=%lx record-pages=%lu",
          work->pages, work->working_set, record, record_pages);
    return work->pages > 0;
}

/* True if the rings are new ones. */
static bool connect_rings(void)
{
    uint64_t store = xen_get_param(HVM_PARAM_STORE_PFN);
    uint64_t console = xen_get_param(HVM_PARAM_CONSOLE_PFN);

    if (console != 0) {
        console_connect_ring(
            (void *)(uintptr_t)(console * PAGE_SIZE),
            (uint32_t)xen_get_param(HVM_PARAM_CONSOLE_EVTCHN));
    }
    return xenstore_connect((void *)(uintptr_t)(store * PAGE_SIZE),
                            (uint32_t)xen_get_param(HVM_PARAM_STORE_EVTCHN));
}

/*
 * The other vCPUs run on until Xen stops them all, wherever they are, and go
 * on there.  They must not be printing then: the ring may be another one.
 *
 * A toolstack may call off a suspend without telling: libxl 4.14 does, of PVH
 * guests.  The hypercall then returns as in a new domain, but the rings are
 * the old ones.
 */
static void suspend(void)
{
    bool cancelled;

    viridian_mark();
    print("suspending");
    console_hold();
    cancelled = xen_suspend();
    if (!cancelled) {
        xen_connect();
        cancelled = !connect_rings();
    }
    console_release();
    clock_rebase();
    cpus_restart_walk();
    print(cancelled ? "resume cancelled" : "resumed");
    viridian_resume(cancelled);
    guest.pae_turns = cpus_turns_of_pae();
    guest.awaits_pae = guest.options.pae;
    guest.batch = 1;
    workload_restart_pass(&guest.work);
}

static void power_off(unsigned int reason)
{
    print("stopped, errors %lu", guest.work.errors);
    if (xen_present()) {
        xen_shutdown(reason);
    }
    cpus_stop();
    cpu_out32(QEMU_EXIT_PORT, guest.work.errors != 0);
    for (;;) {
        cpu_halt();
    }
}

static void obey(enum order order)
{
    switch (order) {
    case ORDER_SUSPEND:
        suspend();
        break;
    case ORDER_POWEROFF:
        power_off(SHUTDOWN_poweroff);
        break;
    case ORDER_REBOOT:
        power_off(SHUTDOWN_reboot);
        break;
    case ORDER_NONE:
        break;
    }
}

/* The vCPU in 32-bit mode goes on. */
static void look_at_pae(void)
{
    if (guest.awaits_pae && cpus_turns_of_pae() != guest.pae_turns) {
        print("pae goes on, turns %u", cpus_turns_of_pae());
        guest.awaits_pae = false;
    }
}

static void beat(uint64_t now_us)
{
    unsigned int ways = CONSOLE_PORT;

    if (now_us < guest.heartbeat_due_us) {
        return;
    }
    if (now_us >= guest.ring_heartbeat_due_us) {
        ways |= CONSOLE_RING;
        guest.ring_heartbeat_due_us = now_us + RING_HEARTBEAT_US;
        if (guest.options.jumps) {
            print("jumps %lu t=%lu", guest.work.jumps, now_us);
        }
        if (guest.options.watchdog_s > 0 && xen_present() &&
            xen_watchdog((uint32_t)guest.options.watchdog_s)) {
            print("watchdog set");
        }
    }
    guest.heartbeat_due_us += guest.options.heartbeat_us;
    if (guest.heartbeat_due_us <= now_us) {
        guest.heartbeat_due_us = now_us + guest.options.heartbeat_us;
    }
    guest.heartbeats++;
    viridian_look();
    look_at_pae();
    print_on(ways, "hb %lu t=%lu w=%lu c=%lu e=%lu", guest.heartbeats, now_us,
             guest.work.written, guest.work.checked, guest.work.errors);
}

/* Writes and checks what is due; false if nothing is. */
static bool work_a_batch(uint64_t now_us)
{
    unsigned int to_write, to_check;

    if (guest.options.jumps) {
        workload_jump(&guest.work, JUMPS_OF_BATCH);
        return true;
    }
    to_write = pacer_take(&guest.writer, now_us, guest.batch);
    to_check = pacer_take(&guest.checker, now_us, guest.batch);
    workload_write(&guest.work, to_write);
    workload_check(&guest.work, to_check);
    return (to_write > 0 && guest.work.working_set > 0) || to_check > 0;
}

static void nap(uint64_t now_us)
{
    uint64_t until_heartbeat =
        guest.heartbeat_due_us > now_us ? guest.heartbeat_due_us - now_us : 0;

    clock_sleep(until_heartbeat < NAP_US ? until_heartbeat : NAP_US);
}

/* Works or naps, and returns the time after that. */
static uint64_t spend_time(uint64_t now_us)
{
    bool worked = work_a_batch(now_us);
    uint64_t after_us;

    if (!worked) {
        nap(now_us);
    }
    after_us = clock_us();
    if (worked && after_us - now_us > SLOW_BATCH_US) {
        guest.batch = 1;
    } else if (guest.batch < LARGEST_BATCH) {
        guest.batch++;
    }
    return after_us;
}

/* Every fault that the checks must notice, once a first pass found none. */
static void corrupt_if_asked(void)
{
    if (guest.options.corrupt && guest.work.passes == 1) {
        guest.options.corrupt = false;
        workload_corrupt(&guest.work);
    }
}

static void run(void)
{
    uint64_t now_us = clock_us();
    uint64_t start_us = now_us;

    guest.batch = 1;
    pacer_start(&guest.writer, guest.options.write_rate, now_us);
    pacer_start(&guest.checker, guest.options.check_rate, now_us);
    while (guest.options.run_us == 0 ||
           now_us - start_us < guest.options.run_us) {
        beat(now_us);
        if (xen_present()) {
            obey(xenstore_poll());
        }
        corrupt_if_asked();
        trade_do(&guest.trade, now_us, &guest.work.errors);
        now_us = spend_time(now_us);
    }
}

static void start_vcpus(void)
{
    unsigned int vcpus = (unsigned int)guest.options.vcpus;

    if (!cpus_start(&guest.work, vcpus, guest.options.check_rate,
                    guest.options.pae)) {
        print("FATAL not all of %u vcpus are there", vcpus);
        power_off(SHUTDOWN_crash);
    }
    print("vcpus %u", vcpus);
    guest.awaits_pae = guest.options.pae;
}

void guest_main(const struct hvm_start_info *start_info)
{
    const char *not_understood;

    exceptions_prepare();
    exceptions_catch();
    apic_enable();
    if (start_info->magic != XEN_HVM_START_MAGIC_VALUE) {
        start_info = multiboot_start_info(start_info);
    }
    not_understood = read_options(&guest.options, start_info);
    if (guest.options.drivers && xen_find()) {
        xen_connect();
        connect_rings();
    }
    announce(not_understood);
    if (!viridian_start(guest.options.viridian)) {
        print("FATAL no Viridian here");
    }
    find_memory(&guest.work.frames, start_info);
    if (!trade_prepare(&guest.trade, &guest.work.frames, &guest.options)) {
        print("FATAL no pages to trade with");
        power_off(SHUTDOWN_crash);
    }
    if (prepare_work(&guest.work, &guest.options)) {
        workload_fill(&guest.work);
        print("filled t=%lu", clock_us());
        start_vcpus();
        run();
    }
    power_off(SHUTDOWN_poweroff);
}
