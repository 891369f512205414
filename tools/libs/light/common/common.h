/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the source and the destination of the light layer have in common.
 */
#ifndef LM_COMMON_H
#define LM_COMMON_H

#include <signal.h>
#include <stdbool.h>

#include <xentoollog.h>

#include "libxl_live_migrate.h"
#include "xlm.h"

/* Default of link_timeout: how many seconds a connection may stand still after
 * the go. */
#define LM_LINK_TIMEOUT 60

/* The caller's logger; or, if that is NULL, a new one that warns on stderr,
 * which is also stored in *own and must be destroyed.  NULL: no memory. */
xentoollog_logger *lm_logger(xentoollog_logger *callers,
                             xentoollog_logger **own);

/* Make a write to a peer that is gone an error instead of the end of the
 * process, whatever the caller has done about SIGPIPE. */
struct lm_sigpipe {
    sigset_t saved_mask;
    bool was_pending;
};
void lm_sigpipe_block(struct lm_sigpipe *guard);
void lm_sigpipe_restore(const struct lm_sigpipe *guard);

/* A call without a ctx that asks the hypervisor something, with a logger of
 * its own.  0, or a libxl error with a reason; must be closed in either
 * case. */
struct lm_brief_call {
    struct xlm_context xlm;
    xentoollog_logger *own_logger;
};
int lm_brief_open(struct lm_brief_call *call);
void lm_brief_close(struct lm_brief_call *call);

/* Open the hypervisor for one call; 0, or a libxl error with a reason. */
int lm_open_hypervisor(struct xlm_context *xlm);

/* Is the caller's abort_fd readable? */
bool lm_aborted(int abort_fd);

void lm_export_stats(libxl_live_migrate_stats *out,
                     const struct xlm_stats *stats);

/* How long the guest was stopped, from the beginning of its suspend until it
 * ran at the destination; 0: it has not run there, or this end does not know.
 */
uint64_t lm_downtime_us(const struct xlm_stats *stats);

/* Fill in the caller's result, which may be NULL. */
void lm_export_result(libxl_live_migrate_result *result, enum xlm_phase phase,
                      const struct xlm_stats *stats, const char *reason);

/* Log why the call has failed, for a caller that asks for no result. */
void lm_log_reason(xentoollog_logger *logger, const char *reason);

/*
 * Refuse a call before anything has happened: returns rc, with the reason in
 * the result or, if that is NULL, in the log.
 */
int lm_refuse(int rc, libxl_live_migrate_result *result,
              xentoollog_logger *logger, const char *reason);

/* Can the library report the end of a call in this way?  0, or refused. */
int lm_check_how(const libxl_asyncop_how *ao_how,
                 libxl_live_migrate_result *result, xentoollog_logger *logger);

#endif
