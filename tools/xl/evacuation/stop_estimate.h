/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long a guest is expected to stand still, for the order in which guests
 * go.  Pure.
 */
#ifndef XL_STOP_ESTIMATE_H
#define XL_STOP_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

struct xl_stop_facts {
    bool has_device_model; /* an HVM guest, by QEMU */
    uint32_t vcpus;
    uint32_t devices; /* disks and network interfaces */
    uint64_t memory_kb;
    uint64_t last_us; /* how long it stood still the last time; 0: not known */
};

/* In microseconds.  Only the order of two such numbers means something. */
uint64_t xl_stop_estimate(const struct xl_stop_facts *facts);

#endif
