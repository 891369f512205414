/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The device model of a domain: libxl's QEMU, in dom0.
 */
#ifndef LM_DEVICE_MODEL_H
#define LM_DEVICE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxl.h>

#include "devices/qemu_version.h"
#include "xlm.h"

/* The whole state of a device model, in its own format; free() the octets. */
struct lm_device_state {
    void *octets;
    size_t length;
};

/* Has a domain with this configuration a device model? */
bool lm_has_device_model(const libxl_domain_config *config);

/* Which ranges of the guest's memory such a device model maps. */
void lm_device_ranges(const libxl_domain_config *config,
                      struct xlm_pfn_range ranges[XLM_DEVICE_RANGES]);

/* These return 0, or -1 with the reason in the context. */

/* Start or stop logging what the device model writes to the guest's memory. */
int lm_device_model_log(struct xlm_context *xlm, uint32_t domid, bool enable);
/* Does the device model refuse to be migrated?  Asked first of all. */
int lm_device_model_check(struct xlm_context *xlm, uint32_t domid);
/* *uses: the guest can write to a disk through an emulated controller. (A
 * guest with drivers for Xen's disks has those controllers unplugged.) */
int lm_device_model_has_disks(struct xlm_context *xlm, uint32_t domid,
                              bool *has);
/* *sleeps: the guest sleeps (S3), and the device model will not take "cont"
 * until the guest wakes up. */
int lm_device_model_sleeps(struct xlm_context *xlm, uint32_t domid,
                           bool *sleeps);
/* The version that runs, which may differ from the expected one. */
int lm_device_model_version(struct xlm_context *xlm, uint32_t domid,
                            struct lm_qemu_version *version);
/* Read the state as it is.  No device works meanwhile: the guest must not run.
 * The device model keeps its disks and goes on as before, running or not. */
int lm_device_model_save(struct xlm_context *xlm, uint32_t domid,
                         struct lm_device_state *state);
/* Read the state that libxl saved when it suspended the domain. */
int lm_device_model_take_saved(struct xlm_context *xlm, uint32_t domid,
                               struct lm_device_state *state);
/* Read the state of a device model that libxl has stopped, and make it release
 * its disks: all is written, and another process may open them.  One whose
 * guest sleeps keeps its locks, because nothing would give it the disks back.
 * lm_device_model_resume(), or libxl's resuming of the domain, gives the disks
 * back. */
int lm_device_model_release(struct xlm_context *xlm, uint32_t domid,
                            struct lm_device_state *state);
/* The same for the process that serves the disks of a guest without a device
 * model, if there is one. */
int lm_disk_server_release(struct xlm_context *xlm, uint32_t domid);
void lm_disk_server_resume(struct xlm_context *xlm, uint32_t domid);
/* Stop all devices until libxl unpauses the domain. */
int lm_device_model_stop(struct xlm_context *xlm, uint32_t domid);
/* Load a state; the device model must be stopped. */
int lm_device_model_load(struct xlm_context *xlm, uint32_t domid,
                         const struct lm_device_state *state);
/* Tell the network where the guest's emulated interfaces are. */
int lm_device_model_announce(struct xlm_context *xlm, uint32_t domid);

#endif
