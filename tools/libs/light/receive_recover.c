/*
 * The destination: brings another connection to the call that waits for it, or
 * answers in place of one that has ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "common.h"
#include "control.h"
#include "control_store.h"
#include "libxl_live_migrate.h"
#include "memo.h"
#include "operation.h"
#include "reconnect.h"

struct lm_visit {
    struct lm_operation op;
    int recv_fd;
    int send_fd;
    struct xlm_identity identity;
};

/* ---- stages ---- */

static int answer(struct lm_visit *visit, enum xlm_guest_state state,
                  const char *text)
{
    return xlm_answer_recover(&visit->op.xlm, visit->send_fd, state, text)
               ? ERROR_FAIL
               : 0;
}

static int answer_unknown(struct lm_visit *visit)
{
    static const char text[] =
        "this host knows nothing of that migration, or not any more: is it "
        "the "
        "right one, and has it been started anew since, or the receiver been "
        "killed? See xl list and xl migrate-status there";
    int rc = answer(visit, XLM_GUEST_UNKNOWN, text);

    xlm_fail(&visit->op.xlm,
             "the source asks for a migration that is not known "
             "here");
    return rc ? rc : ERROR_NOTFOUND;
}

static int serve(struct lm_operation *op)
{
    struct lm_visit *visit = (struct lm_visit *)op;
    enum xlm_guest_state state;

    if (xlm_read_recover(&visit->op.xlm, visit->recv_fd, &visit->identity)) {
        return lm_aborted(visit->op.xlm.abort_fd) ? ERROR_ABORTED : ERROR_FAIL;
    }
    if (!lm_reconnect_hand_over(&visit->identity, visit->recv_fd,
                                visit->send_fd)) {
        if (lm_memo_get(visit->identity.id) != XLM_GUEST_UNKNOWN) {
            return 0;
        }
        xlm_fail(&visit->op.xlm, "the connection was lost again");
        return ERROR_FAIL;
    }
    /* Only now: one that was still receiving has ended. */
    state = lm_memo_get(visit->identity.id);
    return state == XLM_GUEST_UNKNOWN ? answer_unknown(visit)
                                      : answer(visit, state, "");
}

static void free_visit(struct lm_operation *op)
{
    free(op);
}

/* ---- entry points ---- */

int libxl_domain_live_migrate_receive_recover(
    libxl_ctx *ctx, int recv_fd, int send_fd,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, const libxl_asyncop_how *ao_how)
{
    struct lm_visit *visit;

    if (lm_check_how(ao_how, result, params->logger)) {
        return ERROR_NI;
    }
    visit = malloc(sizeof(*visit));
    if (!visit) {
        return lm_refuse(ERROR_NOMEM, result, params->logger, "out of memory");
    }
    *visit = (struct lm_visit){
        .op =
            {
                .ctx = ctx,
                .run = serve,
                .free = free_visit,
                .logger = params->logger,
                .result = result,
                .abort_fd = params->abort_fd,
                .observer.phase = XLM_PHASE_GO,
            },
        .recv_fd = recv_fd,
        .send_fd = send_fd,
    };
    return lm_operation_start(&visit->op, ao_how);
}

/* ---- after a process that died ---- */

/* The id of the migration that it belongs to; -1: none is known. */
static int read_orphan(uint32_t domid, uint8_t id[LM_ID_SIZE])
{
    struct xs_handle *xs = xs_open(0);
    char *text;
    int rc = -1;

    if (!xs) {
        return -1;
    }
    text = lm_store_read(xs, XBT_NULL, domid, "id");
    if (text) {
        rc = lm_id_from_text(text, id);
    }
    free(text);
    xs_close(xs);
    return rc;
}

int libxl_domain_live_migrate_receive_clean_up(libxl_ctx *ctx, uint32_t domid)
{
    uint8_t id[LM_ID_SIZE];
    libxl_dominfo info;
    int known = read_orphan(domid, id);
    bool paused;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ctx, &info, domid);
    paused = info.paused;
    libxl_dominfo_dispose(&info);
    if (rc) {
        return rc;
    }
    if (!paused) {
        return ERROR_INVAL;
    }
    rc = libxl_domain_destroy(ctx, domid, NULL);
    if (!rc && !known && lm_memo_put(id, XLM_GUEST_NEVER_RAN)) {
        return ERROR_FAIL;
    }
    return rc;
}
