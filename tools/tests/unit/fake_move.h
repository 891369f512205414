/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A move as users of the library make it: public functions on two
 * toolstacks, over a connection that the test can cut, and the call that
 * recovers over another one.
 */
#ifndef FAKE_MOVE_H
#define FAKE_MOVE_H

#include <pthread.h>

#include "fake_libxl.h"
#include "fake_link.h"
#include "libxl_live_migrate.h"

struct fake_move {
    struct fake_migration *migration;
    libxl_ctx *ctxs[2];
    libxl_live_migrate_params params;
    libxl_live_migrate_receive_params receive_params;
    libxl_live_migrate_result results[2];
    libxl_domain_config config;
    uint32_t domid; /* at the destination */
    int rcs[2];
    pthread_t receiver;
    bool receives;
};

/* A PVH guest that moves by postcopy at once, from a domain called `name` to a
 * domain that is called `incoming` at first.  The move owns the migration from
 * then on. */
void fake_move_init(struct fake_move *move, struct fake_migration *migration,
                    const char *name, const char *incoming);
/* The connection will be cut at this point.  Both hosts share the fake
 * xenstore, which is empty, so no domain number may be used twice. */
void fake_move_cut(struct fake_move *move, struct fake_cut cut);
void fake_move_dispose(struct fake_move *move);
/* The same with memory of its own, and such a connection. */
struct fake_move *fake_move_new(struct fake_migration *migration,
                                const char *name, const char *incoming,
                                struct fake_cut cut);
void fake_move_free(struct fake_move *move);

/* Make both calls.  Returns when the sending call has ended, with its rc.  The
 * receiving call may go on until fake_move_await(), which is harmless if it
 * has ended. */
int fake_move_start(struct fake_move *move);
void fake_move_await(struct fake_move *move);
/* Wait until both calls have ended. */
void fake_move_run(struct fake_move *move);

/* Check that the move succeeded, and that the devices started in this way, for
 * a reason that contains `why`. */
void fake_move_check_build(const struct fake_move *move,
                           libxl_live_migrate_build build, const char *why);

/* The thread that accepts another connection at the destination. */
struct fake_visit {
    struct fake_move *move;
    struct fake_link *link;
    libxl_live_migrate_result result;
    int rc;
    pthread_t server;
};

/* Start such a visit; it lasts until fake_visit_await(). */
void fake_visit_start(struct fake_visit *visit);
void fake_visit_await(struct fake_visit *visit);

/* Recover over another connection, which will be cut at this point; returns
 * the rc of the source's call. */
int fake_move_recover(struct fake_move *move, struct fake_cut cut,
                      libxl_live_migrate_recovery *found);

#endif
