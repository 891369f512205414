/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A move with the library as its users have it: public functions on two
 * toolstacks, over a connection that can be cut, and the call that goes on
 * over another one.
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

/* A PVH guest that moves by postcopy at once, from a domain called `name`, to
 * one called `incoming` at first.  The migration becomes the move's. */
void fake_move_init(struct fake_move *move, struct fake_migration *migration,
                    const char *name, const char *incoming);
/* The connection will be cut there, and both hosts have the one fake xenstore,
 * which is empty: no number is used twice. */
void fake_move_cut(struct fake_move *move, struct fake_cut cut);
void fake_move_dispose(struct fake_move *move);

/* Both calls: returns when the one that sends has ended, with its rc; the one
 * that receives may go on until fake_move_await(), which is harmless without.
 */
int fake_move_start(struct fake_move *move);
void fake_move_await(struct fake_move *move);
/* Until both have ended. */
void fake_move_run(struct fake_move *move);

/* It went well, and the devices started in this way, for a reason that says
 * `why`. */
void fake_move_check_build(const struct fake_move *move,
                           libxl_live_migrate_build build, const char *why);

/* What accepts another connection at the destination. */
struct fake_visit {
    struct fake_move *move;
    struct fake_link *link;
    libxl_live_migrate_result result;
    int rc;
    pthread_t server;
};

/* It is on its way until fake_visit_await(). */
void fake_visit_start(struct fake_visit *visit);
void fake_visit_await(struct fake_visit *visit);

/* Recover over another connection, to be cut there; as the source's call. */
int fake_move_recover(struct fake_move *move, struct fake_cut cut,
                      libxl_live_migrate_recovery *found);

#endif
