/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination of a migration: what the call that receives it and the one
 * that takes the place of a receiver that was killed have in common.
 */
#ifndef LM_DESTINATION_H
#define LM_DESTINATION_H

#include "announce.h"
#include "builder.h"
#include "kept.h"
#include "libxl_live_migrate.h"
#include "operation.h"
#include "reconnect.h"

enum lm_destination_state {
    LM_DESTINATION_WAITING, /* nothing of the domain has come */
    LM_DESTINATION_BUILDING,
    LM_DESTINATION_BUILT,
    LM_DESTINATION_OURS,
};

struct lm_destination {
    struct lm_operation op;
    libxl_domain_config *config;
    uint32_t *domid; /* the caller's */
    int recv_fd;
    int send_fd;
    libxl_live_migrate_receive_params params; /* a copy */
    char *final_name;
    bool *resumed; /* the caller's, or the next */
    bool resumed_here;
    enum lm_destination_state state;
    bool no_memory;
    struct lm_qemu_version qemu; /* that libxl starts, if it starts one */
    bool late;                   /* the devices start in the stop, and why */
    char late_reason[XLM_LATE_REASON_MAX];
    struct lm_announcer announcer;
    struct lm_builder builder; /* when it is built here */
    uint32_t local_domid;
    /* The migration is known, and can be gone on with over another connection,
     * when the latter is there. */
    struct xlm_identity identity;
    struct lm_reconnect *reconnect;
    struct xlm_relink relink;
    struct lm_kept kept; /* what is left to who takes over */
    bool paused;         /* the guest runs here, and has lost its source */
    bool back_end_waits; /* ... and so much was said of it */
    bool exposed;        /* its back ends want what has not come: was said */
};

/* For run(), with a copy of the params.  NULL: no memory. */
struct lm_destination *lm_destination_new(
    libxl_ctx *ctx, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, int (*run)(struct lm_operation *op));

/* Open the way for other connections, by the identity.  -1 with errno. */
int lm_destination_listen(struct lm_destination *destination);

/* The domain exists: show its migration in xenstore ... */
void lm_destination_show(struct lm_destination *destination);
/* ... and how it ended. */
void lm_destination_show_end(struct lm_destination *destination, int rc);

/* The name that the guest is to have is free, or the guest has it itself, at
 * the source on this very host.  -1 with a reason. */
int lm_destination_check_name(struct lm_destination *destination);
/* Give the domain its final name in place of that one. */
void lm_destination_take_name(struct lm_destination *destination,
                              const char *built);

/* What a source may ask for from now on is answered from what is noted here,
 * or by who takes over. */
void lm_destination_note_end(struct lm_destination *destination,
                             enum xlm_guest_state state);
/* How a guest ended that is, or was, ours. */
enum xlm_guest_state lm_destination_outcome(
    const struct lm_destination *destination, int rc);

/* A callback of the guest layer. */
void lm_destination_progress(enum xlm_phase phase,
                             const struct xlm_stats *stats, void *data);

#endif
