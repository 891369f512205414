/*
 * The device model of a domain: libxl's QEMU, in dom0.
 */
#ifndef LM_DEVICE_MODEL_H
#define LM_DEVICE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxl.h>

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
/* The state as it is.  While it is read no device works: the guest must not
 * run. */
int lm_device_model_save(struct xlm_context *xlm, uint32_t domid,
                         struct lm_device_state *state);
/* The state that libxl left when it suspended the domain, and no more. */
int lm_device_model_take_saved(struct xlm_context *xlm, uint32_t domid,
                               struct lm_device_state *state);
/* No device works from here on, until libxl unpauses the domain. */
int lm_device_model_stop(struct xlm_context *xlm, uint32_t domid);
/* It must be stopped. */
int lm_device_model_load(struct xlm_context *xlm, uint32_t domid,
                         const struct lm_device_state *state);

#endif
