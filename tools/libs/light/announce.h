/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The network learns where a guest is once it runs there, and not before.
 *
 * A guest's own drivers for Xen's interfaces announce themselves.  For those
 * that QEMU emulates QEMU does, with packets in the guest's name: by itself as
 * soon as it has loaded a state, when the guest may still run at the source,
 * or go back there.
 */
#ifndef LM_ANNOUNCE_H
#define LM_ANNOUNCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

#include "qemu_version.h"
#include "xlm.h"

/* The QEMU that libxl starts for this configuration says nothing by itself;
 * nothing is done for one that may not know how.  0, or -1: no memory. */
int lm_announce_keep_quiet(libxl_domain_config *config,
                           struct lm_qemu_version qemu);
/* It has been started: the configuration is again as it was, and so is what
 * libxl keeps of it, if there is a domain. */
void lm_announce_restore_config(libxl_domain_config *config);
void lm_announce_restore_kept(libxl_ctx *ctx, uint32_t domid);

/* Announcing from a thread of its own, since a QEMU may itself wait for a page
 * that the caller's thread is to bring in. */
struct lm_announcer {
    xentoollog_logger *logger;
    uint32_t domid;
    pthread_t thread;
    bool runs;
};

/* The guest runs here.  Failures go to the log. */
void lm_announcer_start(struct lm_announcer *announcer,
                        xentoollog_logger *logger, uint32_t domid);
/* The same, if the domain is one with a device model. */
void lm_announcer_start_if_hvm(struct lm_announcer *announcer, libxl_ctx *ctx,
                               xentoollog_logger *logger, uint32_t domid);
/* Wait until it is done; harmless when it was not started. */
void lm_announcer_end(struct lm_announcer *announcer);

/* A guest has been resumed where it was: the network is told at once. */
void lm_taken_back(libxl_ctx *ctx, xentoollog_logger *logger, uint32_t domid);

#endif
