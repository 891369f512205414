/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long a guest is expected to stand still.
 */
#include "stop_estimate.h"

/* As the parts of the stop were measured (docs/figures.md), roundly: the
 * suspending and its state; QEMU's, which is saved and started or loaded; the
 * context of each vCPU; a device's connecting; the list of what the
 * destination lacks, of each GiB. */
#define ANY_US 300000u
#define DEVICE_MODEL_US 500000u
#define VCPU_US 5000u
#define DEVICE_US 20000u
#define GIB_US 20000u
#define KB_PER_GIB (1024 * 1024)

uint64_t xl_stop_estimate(const struct xl_stop_facts *facts)
{
    if (facts->last_us) {
        return facts->last_us;
    }
    return ANY_US + (facts->has_device_model ? DEVICE_MODEL_US : 0) +
           (uint64_t)VCPU_US * facts->vcpus +
           (uint64_t)DEVICE_US * facts->devices +
           facts->memory_kb / KB_PER_GIB * GIB_US +
           facts->memory_kb % KB_PER_GIB * GIB_US / KB_PER_GIB;
}
