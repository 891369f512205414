/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "xen.h"

/* Without Xen the guest does not know how fast the TSC runs, and nothing
 * depends on that. */
#define ASSUMED_TSC_MHZ 2500u

static uint64_t own_us;
static uint64_t last_source_us;
static int started;

static uint64_t source_us(void)
{
    return xen_present() ? xen_time_ns() / 1000 : cpu_tsc() / ASSUMED_TSC_MHZ;
}

void clock_rebase(void)
{
    last_source_us = source_us();
    started = 1;
}

uint64_t clock_us(void)
{
    uint64_t now_us = source_us();

    if (!started) {
        clock_rebase();
    } else if (now_us > last_source_us) {
        own_us += now_us - last_source_us;
        last_source_us = now_us;
    }
    return own_us;
}

void clock_sleep(uint64_t duration_us)
{
    if (xen_present()) {
        xen_sleep_until(xen_time_ns() + duration_us * 1000);
    } else {
        apic_nap(duration_us);
    }
}
