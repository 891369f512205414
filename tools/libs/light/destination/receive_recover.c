/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination: passes another connection to the call that waits for it; or
 * answers for a migration that has ended; or takes the place of a killed
 * receiver.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/common.h"
#include "destination/destination.h"
#include "destination/orphan.h"
#include "keeping/memo.h"

/* ---- stages ---- */

static int answer(struct lm_destination *visit, enum xlm_guest_state state,
                  const char *text)
{
    return xlm_answer_recover(&visit->op.xlm, visit->send_fd, state, text)
               ? ERROR_FAIL
               : 0;
}

static int answer_unknown(struct lm_destination *visit)
{
    static const char text[] =
        "this host knows nothing of that migration, or not any more: is it "
        "the right one, and has it been started anew since? See xl list and "
        "xl migrate-status there";
    int rc = answer(visit, XLM_GUEST_UNKNOWN, text);

    xlm_fail(&visit->op.xlm,
             "the source asks for a migration that is not known here");
    return rc ? rc : ERROR_NOTFOUND;
}

/* No process here receives it, and there is no note of its end. */
static int serve_orphan(struct lm_destination *visit)
{
    enum xlm_guest_state state = lm_orphan_find(visit);
    int rc;

    if (state == XLM_GUEST_UNKNOWN && !visit->op.xlm.reason[0]) {
        return answer_unknown(visit);
    }
    if (state != XLM_GUEST_RUNS) {
        rc = answer(visit, state, visit->op.xlm.reason);
        return state == XLM_GUEST_UNKNOWN ? ERROR_FAIL : rc;
    }
    rc = lm_orphan_take_over(visit);
    if (rc && !*visit->resumed) {
        (void)answer(visit, XLM_GUEST_UNKNOWN, visit->op.xlm.reason);
    }
    return rc;
}

static int hand_over(struct lm_destination *visit,
                     const struct xlm_errand *errand)
{
    return lm_reconnect_hand_over(&visit->identity, errand, visit->recv_fd,
                                  visit->send_fd);
}

/* The fault channel may end at any time without the migration. */
static int serve_further(struct lm_destination *visit,
                         const struct xlm_errand *errand)
{
    const char *text =
        errand->purpose == XLM_FOR_STREAM
            ? "no guest is received here with this id, or it has a stream of "
              "this number already"
            : "no guest that has not been let run yet is received here with "
              "this id, or it has a fault channel already";
    int taken = hand_over(visit, errand);
    int rc = xlm_answer_channel(&visit->op.xlm, visit->send_fd,
                                taken < 0 ? text : NULL);

    if (taken < 0) {
        xlm_fail(&visit->op.xlm, "%s", text);
        return ERROR_NOTFOUND;
    }
    if (!rc) {
        lm_reconnect_await_end(taken);
        return 0;
    }
    close(taken);
    return ERROR_FAIL;
}

/* What is known beyond the state itself. */
static const char *text_for(enum xlm_guest_state state)
{
    return state == XLM_GUEST_LOST
               ? "the guest can never be whole here any more: it was saved or "
                 "moved away by another program before its memory had come, "
                 "or its source had lost that; see xl list and the log there. "
                 "What the source keeps is the guest as it was when it was "
                 "handed over"
               : "";
}

static int serve_recovery(struct lm_destination *visit,
                          const struct xlm_errand *errand)
{
    int taken = hand_over(visit, errand);
    enum xlm_guest_state state;

    if (taken >= 0) {
        lm_reconnect_await_end(taken);
        if (lm_memo_get(visit->identity.id) != XLM_GUEST_UNKNOWN) {
            return 0;
        }
        xlm_fail(&visit->op.xlm, "the connection was lost again");
        return ERROR_FAIL;
    }
    /* Only now: a call that was still receiving has ended. */
    state = lm_memo_get(visit->identity.id);
    return state == XLM_GUEST_UNKNOWN ? serve_orphan(visit)
                                      : answer(visit, state, text_for(state));
}

static int serve(struct lm_operation *op)
{
    struct lm_destination *visit = (struct lm_destination *)op;
    struct xlm_errand errand;

    op->observer.phase = XLM_PHASE_GO;
    if (xlm_read_recover(&visit->op.xlm, visit->recv_fd, &visit->identity,
                         &errand)) {
        return lm_aborted(visit->op.xlm.abort_fd) ? ERROR_ABORTED : ERROR_FAIL;
    }
    return errand.purpose == XLM_FOR_RECOVERY ? serve_recovery(visit, &errand)
                                              : serve_further(visit, &errand);
}

/* ---- entry points ---- */

int libxl_domain_live_migrate_receive_recover(
    libxl_ctx *ctx, int recv_fd, int send_fd,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, const libxl_asyncop_how *ao_how)
{
    struct lm_destination *visit;

    if (lm_check_how(ao_how, result, params->logger)) {
        return ERROR_NI;
    }
    visit = lm_destination_new(ctx, params, result, serve);
    if (!visit) {
        return lm_refuse(ERROR_NOMEM, result, params->logger, "out of memory");
    }
    if (params->trace) {
        visit->successor_trace = strdup(params->trace);
        if (!visit->successor_trace) {
            visit->op.free(&visit->op);
            return lm_refuse(ERROR_NOMEM, result, params->logger,
                             "out of memory");
        }
    }
    visit->recv_fd = recv_fd;
    visit->send_fd = send_fd;
    return lm_operation_start(&visit->op, ao_how);
}
