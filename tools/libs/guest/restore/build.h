/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Building the domain at the destination.
 */
#ifndef XLM_RESTORE_BUILD_H
#define XLM_RESTORE_BUILD_H

#include "restore/restorer.h"

/* Pass these octets of the stream on to the toolstack. */
int xlm_restore_feed(struct xlm_restorer *restorer, const void *bytes,
                     size_t length);
/* CPUID_POLICY, MSR_POLICY. */
int xlm_restore_take_static(struct xlm_restorer *restorer);
/* STATIC_DATA_END: the domain exists from here on. */
int xlm_restore_take_static_end(struct xlm_restorer *restorer);
/* POSTCOPY_DEVICES: what the toolstack needs to start the devices. */
int xlm_restore_take_devices(struct xlm_restorer *restorer);
/* Have the domain built, with its devices, before the guest is stopped. */
int xlm_restore_build_early(struct xlm_restorer *restorer);
/* The end of an ordinary stream: have the domain built. */
int xlm_restore_build_ordinary(struct xlm_restorer *restorer);
/* Read the libxl records with the state of the devices. */
int xlm_restore_read_device_state(struct xlm_restorer *restorer);
/* Feed the toolstack what it needs to build a domain without memory: the libxc
 * records but END, once the platform state is complete; and END. */
int xlm_restore_feed_early(struct xlm_restorer *restorer);
int xlm_restore_feed_end(struct xlm_restorer *restorer);
/* Report that the toolstack has failed: always -1. */
int xlm_restore_fail_to_build(struct xlm_restorer *restorer);
/* Add to the reason of the failure what the source's release has to do with
 * it, if anything: always -1. */
int xlm_restore_explain_build(struct xlm_restorer *restorer);
/* Claim host memory for all pages that the guest has not got yet. */
int xlm_restore_claim(struct xlm_restorer *restorer);

#endif
