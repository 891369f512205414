/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The few functions of libxl that the light layer uses, over fake hosts: so
 * the library runs as a whole, from its public functions down, without Xen.
 *
 * A ctx is one fake host's toolstack.  It may be used by any threads.
 */
#ifndef FAKE_LIBXL_H
#define FAKE_LIBXL_H

#include <libxl.h>
#include <xentoollog.h>

#include "fake_migration.h"

enum fake_libxl_call {
    FAKE_LIBXL_SUSPEND,
    FAKE_LIBXL_SAVE_DEVICES, /* of the guest, once that is suspended */
    FAKE_LIBXL_RENAME,
    FAKE_LIBXL_RESTORE, /* once it has made the domain */
    FAKE_LIBXL_UNPAUSE,
    FAKE_LIBXL_FREE_MEMORY, /* asking for it */
    FAKE_LIBXL_CALLS,
};

libxl_ctx *fake_libxl_new(struct fake_host *host);
void fake_libxl_free(libxl_ctx *ctx);
/* To be given with every call: it tells the hypervisor's handle its host.  A
 * call without is for the host of the ctx made last. */
xentoollog_logger *fake_libxl_logger(libxl_ctx *ctx);

/* A call without a logger, or with another, is for the host of this one. */
void fake_libxl_be_here(libxl_ctx *ctx);

/* The source of a migration is a domain of this ctx, under that name. */
void fake_libxl_add(libxl_ctx *ctx, const char *name,
                    struct fake_migration *migration);
/* What is built here under that name is the destination of a migration. */
void fake_libxl_expect(libxl_ctx *ctx, const char *name,
                       struct fake_migration *migration);

/* What libxl has of the domains of this ctx is changed so before it is told.
 */
typedef void fake_libxl_change(libxl_domain_config *config);
void fake_libxl_config(libxl_ctx *ctx, fake_libxl_change *change);
/* The configuration of that domain has so many disks from here on. */
void fake_libxl_set_disks(libxl_ctx *ctx, const char *name, int disks);
/* Somebody starts a domain of that name that is no migration's. */
uint32_t fake_libxl_start(libxl_ctx *ctx, const char *name);

/* Such calls fail with that libxl error from here on; 0: no more. */
void fake_libxl_fail(libxl_ctx *ctx, enum fake_libxl_call call, int rc);
/* What the host has free, and whether it has hardware assisted paging. */
void fake_libxl_host(libxl_ctx *ctx, uint64_t free_kib, bool hap);
/* Calls of any function that have to do with a domain, so far. */
unsigned int fake_libxl_calls(libxl_ctx *ctx);
/* Domains that are not destroyed, and whether one of them has that name. */
unsigned int fake_libxl_domains(libxl_ctx *ctx);
bool fake_libxl_has(libxl_ctx *ctx, const char *name);

#endif
