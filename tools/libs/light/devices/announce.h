/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Tell the network where a guest is, once the guest runs there and not before.
 *
 * A guest's own drivers for Xen's interfaces announce themselves.  QEMU
 * announces the interfaces that it emulates, with packets in the guest's name.
 * By itself it does so as soon as it has loaded a state, when the guest may
 * still run at the source, or go back there.
 */
#ifndef LM_ANNOUNCE_H
#define LM_ANNOUNCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

#include "devices/qemu_version.h"
#include "xlm.h"

/* Change the configuration so that the QEMU which libxl starts for it
 * announces nothing by itself.  A QEMU that may not know how is left as it is.
 * 0, or -1: no memory. */
int lm_announce_keep_quiet(libxl_domain_config *config,
                           struct lm_qemu_version qemu);
/* Undo that, once QEMU has been started: in the configuration, and in what
 * libxl keeps of the domain, if there is one. */
void lm_announce_restore_config(libxl_domain_config *config);
void lm_announce_restore_kept(libxl_ctx *ctx, uint32_t domid);

/* A thread that announces.  QEMU may itself wait for a page that the caller's
 * thread will page in. */
struct lm_announcer {
    xentoollog_logger *logger;
    uint32_t domid;
    pthread_t thread;
    bool runs;
};

/* Call when the guest runs here.  Failures go to the log. */
void lm_announcer_start(struct lm_announcer *announcer,
                        xentoollog_logger *logger, uint32_t domid);
/* The same, if the domain has a device model. */
void lm_announcer_start_if_hvm(struct lm_announcer *announcer, libxl_ctx *ctx,
                               xentoollog_logger *logger, uint32_t domid);
/* Wait until the thread is done; harmless when it was not started. */
void lm_announcer_end(struct lm_announcer *announcer);

/* Tell the network at once that a guest has been resumed where it was. */
void lm_taken_back(libxl_ctx *ctx, xentoollog_logger *logger, uint32_t domid);

#endif
