/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The device model of a domain: libxl's QEMU, in dom0.
 */
#ifndef LM_DEVICE_MODEL_H
#define LM_DEVICE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxl.h>

#include "qemu_version.h"
#include "xlm.h"

/* A device model's whole state, as it puts it in words; free() the octets. */
struct lm_device_state {
    void *octets;
    size_t length;
};

/* Has a domain of this configuration one? */
bool lm_has_device_model(const libxl_domain_config *config);

/* Where in the guest's memory such a device model has pages mapped. */
void lm_device_ranges(const libxl_domain_config *config,
                      struct xlm_pfn_range ranges[XLM_DEVICE_RANGES]);

/* These return 0, or -1 with the reason in the context. */

/* Log what it writes to the guest's memory, or do not. */
int lm_device_model_log(struct xlm_context *xlm, uint32_t domid, bool enable);
/* Nothing of it keeps it from being moved.  Before all else. */
int lm_device_model_check(struct xlm_context *xlm, uint32_t domid);
/* *uses: the guest can write to a disk through an emulated controller.  (One
 * with drivers for Xen's has them taken out.) */
int lm_device_model_has_disks(struct xlm_context *xlm, uint32_t domid,
                              bool *has);
/* *sleeps: its guest does (S3), and it will not be told to go on until that
 * wakes up. */
int lm_device_model_sleeps(struct xlm_context *xlm, uint32_t domid,
                           bool *sleeps);
/* As it runs, which may be another than was expected. */
int lm_device_model_version(struct xlm_context *xlm, uint32_t domid,
                            struct lm_qemu_version *version);
/* The state as it is.  While it is read no device works: the guest must not
 * run.  It keeps its disks, whether it runs itself or not. */
int lm_device_model_save(struct xlm_context *xlm, uint32_t domid,
                         struct lm_device_state *state);
/* The state that libxl left when it suspended the domain, and no more. */
int lm_device_model_take_saved(struct xlm_context *xlm, uint32_t domid,
                               struct lm_device_state *state);
/* The state of one that libxl has stopped, which lets go of its disks: all is
 * written, and another may open them.  One that sleeps keeps its locks, since
 * nothing would give it its disks back.  lm_device_model_resume(), as libxl's
 * resuming of the domain, gives them back. */
int lm_device_model_release(struct xlm_context *xlm, uint32_t domid,
                            struct lm_device_state *state);
/* The same for the process that serves disks of a guest without a device model
 * of its own, if there is one. */
int lm_disk_server_release(struct xlm_context *xlm, uint32_t domid);
void lm_disk_server_resume(struct xlm_context *xlm, uint32_t domid);
/* No device works from here on, until libxl unpauses the domain. */
int lm_device_model_stop(struct xlm_context *xlm, uint32_t domid);
/* It must be stopped. */
int lm_device_model_load(struct xlm_context *xlm, uint32_t domid,
                         const struct lm_device_state *state);
/* Tell the network where the guest's emulated interfaces are. */
int lm_device_model_announce(struct xlm_context *xlm, uint32_t domid);

#endif
