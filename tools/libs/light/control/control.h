/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration under way that other programs can see and steer: its nodes in
 * xenstore.  See docs/specs/live-migrate-control.md.
 *
 * One thread does all that concerns xenstore, so no thread of the migration
 * ever waits for xenstore.
 */
#ifndef LM_CONTROL_H
#define LM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <xentoollog.h>

#include "libxl_live_migrate.h"
#include "xlm.h"

struct lm_control;

struct lm_control_setup {
    uint32_t domid;
    libxl_live_migrate_role role;
    const char *name;  /* the guest's */
    const uint8_t *id; /* of the migration, LM_ID_SIZE octets; NULL: none */
    bool may_switch;   /* to postcopy */
    /* What requests change: the source's engine; NULL at the destination. */
    struct xlm_control *engine;
    /* A request to abort makes this readable; see lm_abort_open(). */
    int abort_event_fd;
    xentoollog_logger *logger;
};

/*
 * Show a migration.  NULL with EBUSY: another process migrates this domain.
 * NULL with another errno: xenstore does not work, and the migration can go on
 * unseen.
 */
struct lm_control *lm_control_start(const struct lm_control_setup *setup);
/* Report how far the migration is.  Quick. */
void lm_control_observe(struct lm_control *control, enum xlm_phase phase,
                        const libxl_live_migrate_stats *stats,
                        const libxl_live_migrate_outside *outside);
/*
 * Report what is found out once and then stays true: when the guest's devices
 * start, and why so late; and how the source's domain was marked.  Quick.
 * Until one of these is reported, the nodes keep what an earlier process said
 * of the same migration.
 */
void lm_control_note_build(struct lm_control *control,
                           libxl_live_migrate_build build,
                           const char *late_reason);
void lm_control_note_mark(struct lm_control *control,
                          const struct xlm_mark *mark);
/* The connection is lost, for that reason, and the call waits for another one;
 * and: the other one is there. */
void lm_control_pause(struct lm_control *control, const char *reason);
void lm_control_go_on(struct lm_control *control);
/* Report how the migration ended, and answer all requests that still wait.
 * Frees the control; harmless on NULL. */
void lm_control_end(struct lm_control *control, libxl_live_migrate_state state,
                    const char *reason);
/* The same at the source, where no process is left when the migration is
 * paused: the reason says what to do. */
void lm_control_end_source(struct lm_control *control,
                           libxl_live_migrate_state state, const char *reason);

/*
 * One descriptor for two reasons to give up: the caller's abort_fd, and a
 * request.
 */
struct lm_abort {
    int event_fd; /* a request writes to it; -1: none */
    int poll_fd;  /* for the engine: readable when either reason is there */
    int own_fd;   /* poll_fd, if this must be closed; else -1 */
};

/* callers_fd may be -1.  When there are no descriptors left, requests cannot
 * abort, and the caller still can. */
void lm_abort_open(struct lm_abort *abort, int callers_fd);
void lm_abort_close(struct lm_abort *abort);

#endif
