/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What other programs ask of a migration under way, and the answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "control/control_internal.h"
#include "control/control_store.h"

/* A request that is read again has the same effect again, so none in sum. */
static void heed(struct lm_control *control, const struct lm_request *request)
{
    struct xlm_control *engine = control->setup.engine;

    switch (request->kind) {
    case LM_REQUEST_START_POSTCOPY:
        atomic_store(&engine->switch_now, true);
        pthread_mutex_lock(&control->lock);
        control->state.switching = true;
        pthread_mutex_unlock(&control->lock);
        break;
    case LM_REQUEST_ABORT:
        eventfd_write(control->setup.abort_event_fd, 1);
        break;
    case LM_REQUEST_SET_RATE:
        atomic_store(&engine->background_rate, request->rate);
        break;
    case LM_REQUEST_BAD:
        break;
    }
}

/* A program that has given up has removed its request, and takes no answer:
 * the answer would stay for ever. */
static bool put_answer(struct lm_control *control, xs_transaction_t t)
{
    char node[LM_STORE_PATH_MAX - 40], path[LM_STORE_PATH_MAX];
    char *text;

    snprintf(node, sizeof(node), "request/%s", control->asked);
    text = lm_control_is_ours(control, t)
               ? lm_store_read(control->xs, t, control->setup.domid, node)
               : NULL;
    if (!text) {
        return false;
    }
    free(text);
    lm_store_path(path, control->setup.domid, node);
    snprintf(node, sizeof(node), "answer/%s", control->asked);
    return xs_rm(control->xs, t, path) &&
           lm_control_write(control, t, node, control->answer);
}

static void take_request(struct lm_control *control, const char *id)
{
    char node[LM_STORE_PATH_MAX - 40];
    struct lm_control_state state;
    struct lm_request request;
    const char *answer;
    char *text;

    snprintf(node, sizeof(node), "request/%s", id);
    text = lm_store_read(control->xs, XBT_NULL, control->setup.domid, node);
    if (!text) {
        return;
    }
    request = lm_request_parse(text);
    free(text);

    pthread_mutex_lock(&control->lock);
    state = control->state;
    pthread_mutex_unlock(&control->lock);
    answer = lm_request_answer(&request, &state);
    if (!answer || (request.kind == LM_REQUEST_SET_RATE &&
                    !strcmp(answer, LM_ANSWER_OK))) {
        heed(control, &request);
    }
    if (answer) {
        control->asked = id;
        control->answer = answer;
        lm_control_transact(control, put_answer);
    }
}

void lm_control_take_requests(struct lm_control *control)
{
    char path[LM_STORE_PATH_MAX];
    unsigned int count = 0;
    char **ids;

    lm_store_path(path, control->setup.domid, "request");
    ids = xs_directory(control->xs, XBT_NULL, path, &count);
    for (unsigned int i = 0; ids && i < count; i++) {
        /* Longer ids would not be found again. */
        if (strlen(ids[i]) <= 64) {
            take_request(control, ids[i]);
        }
    }
    free(ids);
}
