/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination of a migration: what is common to the call that receives it
 * and the call that takes the place of a killed receiver.
 */
#ifndef LM_DESTINATION_H
#define LM_DESTINATION_H

#include "call/operation.h"
#include "destination/reconnect.h"
#include "devices/announce.h"
#include "keeping/kept.h"
#include "libxl_live_migrate.h"
#include "stream/builder.h"

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
    /* of the trace, if this call takes the place of a killed receiver; NULL:
     * none */
    char *successor_trace;
    bool *resumed; /* the caller's, or that of the call that took over */
    bool resumed_here;
    enum lm_destination_state state;
    bool no_memory;
    struct lm_qemu_version qemu; /* the one that libxl starts, if any */
    bool late;                   /* the devices start in the stop, and why */
    char late_reason[XLM_LATE_REASON_MAX];
    struct lm_announcer announcer;
    struct lm_builder builder; /* if this call builds the domain */
    uint32_t local_domid;
    /* The migration has an id, and another connection can continue it, if
     * `reconnect` is open. */
    struct xlm_identity identity;
    struct lm_reconnect *reconnect;
    struct xlm_relink relink;
    struct lm_kept kept; /* for a process that takes over */
    bool paused;         /* the guest runs here, and has lost its source */
    bool back_end_waits; /* ... and a back end waits, as the log says */
    bool exposed;        /* the log says that back ends need absent pages */
};

/* Allocates an operation for run(), and copies params.  NULL: no memory. */
struct lm_destination *lm_destination_new(
    libxl_ctx *ctx, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, int (*run)(struct lm_operation *op));

/* Listen for other connections of this migration. -1 with errno. */
int lm_destination_listen(struct lm_destination *destination);

/* Show the migration in xenstore, once the domain exists ... */
void lm_destination_show(struct lm_destination *destination);
/* ... and how it ended. */
void lm_destination_show_end(struct lm_destination *destination, int rc);

/* Is the name that the guest will get free, or the guest's own, at a source on
 * this very host? -1 with a reason. */
int lm_destination_check_name(struct lm_destination *destination);
/* Give the domain its final name. */
void lm_destination_take_name(struct lm_destination *destination,
                              const char *built);

/* Note how the migration ended.  From now on the note answers a source, or the
 * process that takes over does. */
void lm_destination_note_end(struct lm_destination *destination,
                             enum xlm_guest_state state);
/* How a guest ended that is, or was, this host's. */
enum xlm_guest_state lm_destination_outcome(
    const struct lm_destination *destination, int rc);

/* The guest layer's progress callback. */
void lm_destination_progress(enum xlm_phase phase,
                             const struct xlm_stats *stats, void *data);

#endif
