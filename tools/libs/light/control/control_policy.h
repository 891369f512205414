/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Requests to a migration from other programs, and the answers: pure.
 */
#ifndef LM_CONTROL_POLICY_H
#define LM_CONTROL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "xlm.h"

enum lm_request_kind {
    LM_REQUEST_BAD,
    LM_REQUEST_START_POSTCOPY,
    LM_REQUEST_ABORT,
    LM_REQUEST_SET_RATE,
};

struct lm_request {
    enum lm_request_kind kind;
    uint64_t rate; /* octets a second, or XLM_RATE_UNLIMITED */
};

/* Parse the text of a request, such as "set-rate 1048576". */
struct lm_request lm_request_parse(const char *text);

/* What an answer depends on. */
struct lm_control_state {
    enum xlm_phase phase;
    bool source;     /* false: the destination */
    bool may_switch; /* it was started with postcopy */
    bool may_abort;  /* the engine can be told to abort */
    bool evicted;    /* the source has chosen postcopy */
    bool switching;  /* a request to switch came in time */
    bool ended;
    bool transitioned; /* when ended: the guest is the destination's */
};

/* How answers begin. */
#define LM_ANSWER_OK "ok"
#define LM_ANSWER_ERROR "error "

/* The answer to a request in this state.  NULL: the migration acts on the
 * request, and a later state gives the answer. */
const char *lm_request_answer(const struct lm_request *request,
                              const struct lm_control_state *state);

#endif
