/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the source and the destination of the light layer have in common.
 */
#include "common/common.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "utf8.h"

xentoollog_logger *lm_logger(xentoollog_logger *callers,
                             xentoollog_logger **own)
{
    if (callers) {
        return callers;
    }
    *own = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_WARN, XTL_STDIOSTREAM_HIDE_PROGRESS);
    return *own;
}

void lm_sigpipe_block(struct lm_sigpipe *guard)
{
    sigset_t sigpipe, pending;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    sigpending(&pending);
    guard->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe, &guard->saved_mask);
}

void lm_sigpipe_restore(const struct lm_sigpipe *guard)
{
    const struct timespec at_once = {0};
    sigset_t sigpipe;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    /* Take this library's SIGPIPE; one that was pending before stays. */
    if (!guard->was_pending) {
        while (sigtimedwait(&sigpipe, NULL, &at_once) == SIGPIPE) {
            continue;
        }
    }
    pthread_sigmask(SIG_SETMASK, &guard->saved_mask, NULL);
}

/* Otherwise the hypervisor would refuse one call after the other with
 * EACCES. */
static int check_interface(struct xlm_context *xlm)
{
    struct xlm_hypervisor *hv = xlm->hypervisor;
    struct xlm_xen_interface ours;
    struct xlm_xen_found found = {0};
    char text[XLM_XEN_TEXT_MAX];

    found.refuses = hv->ops->interface(hv, &ours) && errno == EACCES;
    hv->ops->xen_version(hv, &found.major, &found.minor);
    if (xlm_xen_explain(&ours, &found, text)) {
        errno = EACCES;
        xlm_fail(xlm, "%s", text);
        return ERROR_FAIL;
    }
    return 0;
}

int lm_open_hypervisor(struct xlm_context *xlm)
{
    xlm->hypervisor = xlm_hypervisor_open(xlm->logger);
    if (!xlm->hypervisor) {
        xlm_fail(xlm, "cannot reach the hypervisor: %s", strerror(errno));
        return ERROR_FAIL;
    }
    return check_interface(xlm);
}

int lm_brief_open(struct lm_brief_call *call)
{
    *call = (struct lm_brief_call){.xlm = XLM_CONTEXT_INIT};
    call->xlm.logger = lm_logger(NULL, &call->own_logger);
    return call->xlm.logger ? lm_open_hypervisor(&call->xlm) : ERROR_NOMEM;
}

void lm_brief_close(struct lm_brief_call *call)
{
    xlm_hypervisor_close(call->xlm.hypervisor);
    xtl_logger_destroy(call->own_logger);
}

int libxl_live_migrate_check_host(char *reason)
{
    struct lm_brief_call call;
    int rc = lm_brief_open(&call);

    if (rc && reason) {
        snprintf(reason, LIBXL_LIVE_MIGRATE_REASON_MAX, "%s", call.xlm.reason);
    }
    lm_brief_close(&call);
    return rc;
}

bool lm_aborted(int abort_fd)
{
    struct pollfd poller = {.fd = abort_fd, .events = POLLIN};

    return abort_fd >= 0 && poll(&poller, 1, 0) > 0;
}

_Static_assert(LIBXL_LIVE_MIGRATE_WAIT_BUCKETS == XLM_WAIT_BUCKETS, "buckets");
_Static_assert(LIBXL_LIVE_MIGRATE_WAIT_VCPUS == XLM_WAIT_VCPUS, "vCPUs");

static void export_waits(libxl_live_migrate_waits *out,
                         const struct xlm_waits *waits)
{
    memcpy(out->histogram, waits->histogram, sizeof(out->histogram));
    out->nr_vcpus = waits->nr_vcpus;
    memcpy(out->blocked_us, waits->blocked_us, sizeof(out->blocked_us));
}

void lm_export_stats(libxl_live_migrate_stats *out,
                     const struct xlm_stats *stats)
{
#define EXPORT_SOURCE(field) out->field = stats->field;
#define EXPORT_DESTINATION(field) out->field = stats->field;
#define EXPORT_SHOWN(field) /* lm_observe() computes it */
#define EXPORT(end, field, ...) EXPORT_##end(field)
    *out = (libxl_live_migrate_stats){0};
    LIBXL_LIVE_MIGRATE_COUNTERS(EXPORT)
    export_waits(&out->waits, &stats->waits);
}

uint64_t lm_downtime_us(const struct xlm_stats *stats)
{
    return stats->suspend_us && stats->running_us > stats->suspend_us
               ? stats->running_us - stats->suspend_us
               : 0;
}

void lm_export_result(libxl_live_migrate_result *result, enum xlm_phase phase,
                      const struct xlm_stats *stats, const char *reason)
{
    if (!result) {
        return;
    }
    memset(result, 0, sizeof(*result));
    result->phase = (libxl_live_migrate_phase)phase;
    lm_export_stats(&result->stats, stats);
    result->stats.downtime_us = lm_downtime_us(stats);
    lm_utf8_show(result->reason, sizeof(result->reason), reason);
    result->build = (libxl_live_migrate_build)stats->devices.build;
    lm_utf8_show(result->late_reason, sizeof(result->late_reason),
                 stats->devices.late_reason);
}

_Static_assert((int)LIBXL_LIVE_MIGRATE_BUILD_EARLY == (int)XLM_BUILD_EARLY &&
                   (int)LIBXL_LIVE_MIGRATE_BUILD_LATE == (int)XLM_BUILD_LATE &&
                   LIBXL_LIVE_MIGRATE_LATE_REASON_MAX == XLM_LATE_REASON_MAX,
               "the public ways of building are those of the guest layer");

void lm_log_reason(xentoollog_logger *logger, const char *reason)
{
    xtl_log(logger, XTL_ERROR, -1, "light", "%s", reason);
}

int lm_refuse(int rc, libxl_live_migrate_result *result,
              xentoollog_logger *logger, const char *reason)
{
    const struct xlm_stats none = {0};
    xentoollog_logger *own = NULL;

    lm_export_result(result, XLM_PHASE_START, &none, reason);
    if (!result) {
        logger = lm_logger(logger, &own);
        if (logger) {
            lm_log_reason(logger, reason);
        }
        xtl_logger_destroy(own);
    }
    return rc;
}

int lm_check_how(const libxl_asyncop_how *ao_how,
                 libxl_live_migrate_result *result, xentoollog_logger *logger)
{
    if (!ao_how || ao_how->callback) {
        return 0;
    }
    return lm_refuse(
        ERROR_NI, result, logger,
        "libxl does not let another library post an event: give a callback");
}

/* ---- what programs were built with ---- */

/* New fields take the place of reserved ones: none of these sizes may
 * change. */
_Static_assert(sizeof(libxl_live_migrate_stats) == 2056, "interface");
_Static_assert(sizeof(libxl_live_migrate_result) == 2704, "interface");
_Static_assert(sizeof(libxl_live_migrate_params) == 184, "interface");
_Static_assert(sizeof(libxl_live_migrate_receive_params) == 168, "interface");
_Static_assert(sizeof(libxl_live_migrate_status) == 3032, "interface");
_Static_assert(sizeof(libxl_live_migrate_waits) == 1288, "interface");
_Static_assert(sizeof(libxl_live_migrate_inspection) == 928, "interface");
_Static_assert(sizeof(libxl_live_migrate_readiness) == 664, "interface");
_Static_assert(sizeof(libxl_live_migrate_fit) == 1160, "interface");
