/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Requests to a migration from other programs, and the answers.
 */
#include "control/control_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libxl_live_migrate.h"

/* The argument behind the name of a command. */
static const char *after(const char *name, const char *text)
{
    size_t length = strlen(name);

    return !strncmp(text, name, length) && text[length] == ' '
               ? text + length + 1
               : NULL;
}

static bool parse_rate(const char *text, uint64_t *rate)
{
    unsigned long long value;
    char *end;

    if (!strcmp(text, "unlimited")) {
        *rate = XLM_RATE_UNLIMITED;
        return true;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' ||
        value == XLM_RATE_UNLIMITED) {
        return false;
    }
    *rate = value;
    return true;
}

struct lm_request lm_request_parse(const char *text)
{
    struct lm_request request = {.kind = LM_REQUEST_BAD};
    const char *rate = after(libxl_live_migrate_command_to_string(
                                 LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE),
                             text);
    libxl_live_migrate_command command;

    if (rate) {
        if (parse_rate(rate, &request.rate)) {
            request.kind = LM_REQUEST_SET_RATE;
        }
    } else if (!libxl_live_migrate_command_from_string(text, &command)) {
        if (command == LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY) {
            request.kind = LM_REQUEST_START_POSTCOPY;
        } else if (command == LIBXL_LIVE_MIGRATE_COMMAND_ABORT) {
            request.kind = LM_REQUEST_ABORT;
        }
    }
    return request;
}

static const char *answer_start_postcopy(const struct lm_control_state *state)
{
    if (!state->may_switch) {
        return LM_ANSWER_ERROR "it was started without postcopy";
    }
    if (state->evicted) {
        return state->switching ? LM_ANSWER_OK
                                : LM_ANSWER_ERROR "it is in postcopy already";
    }
    if (state->phase > XLM_PHASE_EVICTING) {
        return LM_ANSWER_ERROR "too late: little was left, the guest is "
                               "stopped for that";
    }
    return state->ended ? LM_ANSWER_ERROR "it has failed" : NULL;
}

static const char *answer_abort(const struct lm_control_state *state)
{
    if (state->transitioned || state->phase >= XLM_PHASE_GO) {
        return LM_ANSWER_ERROR "too late: the guest has been handed over to "
                               "the destination";
    }
    if (!state->may_abort) {
        return LM_ANSWER_ERROR "only its own process can do that";
    }
    return state->ended ? LM_ANSWER_OK : NULL;
}

const char *lm_request_answer(const struct lm_request *request,
                              const struct lm_control_state *state)
{
    if (request->kind == LM_REQUEST_ABORT) {
        return answer_abort(state);
    }
    if (request->kind != LM_REQUEST_BAD && !state->source) {
        return LM_ANSWER_ERROR "only the source can do that";
    }
    switch (request->kind) {
    case LM_REQUEST_START_POSTCOPY:
        return answer_start_postcopy(state);
    case LM_REQUEST_SET_RATE:
        return state->ended ? LM_ANSWER_ERROR "it has ended" : LM_ANSWER_OK;
    default:
        return LM_ANSWER_ERROR "the request is not understood";
    }
}
