/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Building the domain at the destination.
 */
#ifndef XLM_RESTORE_BUILD_H
#define XLM_RESTORE_BUILD_H

#include "restore/restorer.h"

/* These octets of the stream are for the toolstack. */
int xlm_restore_feed(struct xlm_restorer *restorer, const void *bytes,
                     size_t length);
/* CPUID_POLICY, MSR_POLICY. */
int xlm_restore_take_static(struct xlm_restorer *restorer);
/* STATIC_DATA_END: from here on the domain is there. */
int xlm_restore_take_static_end(struct xlm_restorer *restorer);
/* POSTCOPY_DEVICES: what the toolstack starts the devices with. */
int xlm_restore_take_devices(struct xlm_restorer *restorer);
/* The domain is built, with its devices, before the guest is stopped. */
int xlm_restore_build_early(struct xlm_restorer *restorer);
/* The end of an ordinary stream: the domain is built. */
int xlm_restore_build_ordinary(struct xlm_restorer *restorer);
/* The libxl records with the state of the devices come next. */
int xlm_restore_read_device_state(struct xlm_restorer *restorer);
/* The libxc records that the toolstack needs to build a domain without memory,
 * but for END, once the platform state is complete; and END. */
int xlm_restore_feed_early(struct xlm_restorer *restorer);
int xlm_restore_feed_end(struct xlm_restorer *restorer);
/* The toolstack has failed: always -1. */
int xlm_restore_fail_to_build(struct xlm_restorer *restorer);
/* Add to the reason why the domain could not be built what the source's
 * release has to do with it, if anything: always -1. */
int xlm_restore_explain_build(struct xlm_restorer *restorer);
/* The host keeps memory for all of the guest's pages that it has not yet. */
int xlm_restore_claim(struct xlm_restorer *restorer);

#endif
