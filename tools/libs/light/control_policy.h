/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What is asked of a migration from outside, and the answers: pure.
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

/* What is written as a request, such as "set-rate 1048576". */
struct lm_request lm_request_parse(const char *text);

/* What an answer depends on. */
struct lm_control_state {
    enum xlm_phase phase;
    bool source;     /* not the destination */
    bool may_switch; /* it was started with postcopy */
    bool may_abort;  /* there is a way to tell the engine */
    bool evicted;    /* it has chosen postcopy */
    bool switching;  /* it was asked to switch, in time */
    bool ended;
    bool transitioned; /* the guest is the destination's; when it has ended */
};

/* The beginnings of answers. */
#define LM_ANSWER_OK "ok"
#define LM_ANSWER_ERROR "error "

/* The answer to a request as things are; NULL: it is heeded, and the answer
 * comes with a later state. */
const char *lm_request_answer(const struct lm_request *request,
                              const struct lm_control_state *state);

#endif
