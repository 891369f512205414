/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration under way, to be seen and steered from outside: its nodes in
 * xenstore.  See docs/specs/live-migrate-control.md.
 *
 * All of xenstore is in a thread of its own: no thread of the migration ever
 * waits for it.
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
    /* What requests change; the source's, else NULL. */
    struct xlm_control *engine;
    /* A request to abort makes it readable; see lm_abort_open(). */
    int abort_event_fd;
    xentoollog_logger *logger;
};

/*
 * Show a migration.  NULL: with errno EBUSY another process has this domain
 * under migration; else xenstore does not work, and the migration can go on
 * unseen.
 */
struct lm_control *lm_control_start(const struct lm_control_setup *setup);
/* So far it is; quick. */
void lm_control_observe(struct lm_control *control, enum xlm_phase phase,
                        const libxl_live_migrate_stats *stats,
                        const libxl_live_migrate_outside *outside);
/*
 * What is known from some time on, and then stays; quick.  Until it is said,
 * what a process before this one has said of the same migration holds: when
 * the guest's devices start, and why so late; and how the source's domain was
 * left.
 */
void lm_control_note_build(struct lm_control *control,
                           libxl_live_migrate_build build,
                           const char *late_reason);
void lm_control_note_mark(struct lm_control *control,
                          const struct xlm_mark *mark);
/* The connection is lost, for that reason, and another one is waited for; and:
 * it is there. */
void lm_control_pause(struct lm_control *control, const char *reason);
void lm_control_go_on(struct lm_control *control);
/* It has ended, like that: answers all who still wait for one.  Frees the
 * control; harmless on NULL. */
void lm_control_end(struct lm_control *control, libxl_live_migrate_state state,
                    const char *reason);
/* The same at the source, where nobody waits when it is paused: the reason
 * says what to do. */
void lm_control_end_source(struct lm_control *control,
                           libxl_live_migrate_state state, const char *reason);

/*
 * Two reasons to give up in one descriptor: the caller's, and requests.
 */
struct lm_abort {
    int event_fd; /* written to by a request; -1: none */
    int poll_fd;  /* readable when one of both is, to be given to the engine */
    int own_fd;   /* the same, when it is ours to close; else -1 */
};

/* callers_fd may be -1.  When there are no more descriptors requests cannot
 * abort, and the caller still can. */
void lm_abort_open(struct lm_abort *abort, int callers_fd);
void lm_abort_close(struct lm_abort *abort);

#endif
