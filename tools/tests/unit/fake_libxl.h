/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The few functions of libxl that the light layer uses, over fake hosts: so
 * the library runs as a whole, from its public functions down, without Xen.
 *
 * A ctx is one fake host's toolstack.  Any threads may use it.
 */
#ifndef FAKE_LIBXL_H
#define FAKE_LIBXL_H

#include <libxl.h>
#include <xentoollog.h>

#include "fake_migration.h"
#include "libxl_live_migrate.h"

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
/* Pass this logger with every call: it tells the hypervisor's handle which
 * host it is for.  A call without this logger is for the host of the ctx that
 * was made last. */
xentoollog_logger *fake_libxl_logger(libxl_ctx *ctx);

/* Calls without this logger are for this host from now on. */
void fake_libxl_be_here(libxl_ctx *ctx);

/* Make a migration's source a domain of this ctx, under that name. */
void fake_libxl_add(libxl_ctx *ctx, const char *name,
                    struct fake_migration *migration);
/* A domain built here under that name is the migration's destination. */
void fake_libxl_expect(libxl_ctx *ctx, const char *name,
                       struct fake_migration *migration);

/* Change what libxl tells a caller about the domains of this ctx. */
typedef void fake_libxl_change(libxl_domain_config *config);
void fake_libxl_config(libxl_ctx *ctx, fake_libxl_change *change);
/* The configuration of that domain has this number of disks from now on. */
void fake_libxl_set_disks(libxl_ctx *ctx, const char *name, int disks);
/* Start a domain of that name that belongs to no migration. */
uint32_t fake_libxl_start(libxl_ctx *ctx, const char *name);

/* Calls of this kind fail with that libxl error from now on; 0: no longer. */
void fake_libxl_fail(libxl_ctx *ctx, enum fake_libxl_call call, int rc);
/* Set the host's free memory, and whether it has hardware assisted paging. */
void fake_libxl_host(libxl_ctx *ctx, uint64_t free_kib, bool hap);
/* Calls so far of functions about domains. */
unsigned int fake_libxl_calls(libxl_ctx *ctx);
/* Domains that are not destroyed, and whether one of them has that name. */
unsigned int fake_libxl_domains(libxl_ctx *ctx);
bool fake_libxl_has(libxl_ctx *ctx, const char *name);

/* How pages are absent, as the library is told: see fake_pager(). */
libxl_live_migrate_pager fake_receive_pager(void);

#endif
