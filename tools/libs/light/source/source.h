/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A domain that is moved out, as the files of the source share it.
 */
#ifndef LM_SOURCE_H
#define LM_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "call/operation.h"
#include "keeping/memo.h"
#include "libxl_live_migrate.h"
#include "source/forecast.h"
#include "source/precopy_policy.h"
#include "xlm.h"

enum lm_source_state {
    LM_SOURCE_RUNNING,
    LM_SOURCE_SUSPENDED,
    LM_SOURCE_AWAY, /* handed over: suspended for good, renamed */
};

struct lm_source {
    struct lm_operation op;
    uint32_t domid;
    int send_fd;
    int recv_fd;
    libxl_live_migrate_params params; /* a copy */
    bool *transitioned;
    uint8_t id[LM_ID_SIZE]; /* of this migration and no other */
    struct lm_precopy_limits limits;
    struct lm_forecaster forecaster;
    enum lm_source_state state;
    bool suspend_timed_out;
    bool device_model;
    enum xlm_build build; /* what the source asks of the destination */
    struct xlm_pfn_range device_ranges[XLM_DEVICE_RANGES];
    char *name;
    char *away_name;
    char *sent_config; /* the caller's configuration; NULL: none */
    char *told;        /* the configuration that the destination builds from */
    struct xlm_control steering; /* what requests change */
};

typedef int lm_source_stage(struct lm_source *source);

/* Call the stages, up to a NULL, until one fails: its libxl error. */
int lm_source_pass(struct lm_source *source, lm_source_stage *const *stages);

/*
 * May this domain be moved, and how?  Finds out name, device_model,
 * device_ranges, build, and told unless the caller has set it.  A libxl error,
 * with the reason in op.xlm, which names what to do; nothing has begun then.
 */
int lm_source_check(struct lm_source *source);

/*
 * Move the domain out.  On success it is at the destination, and what is left
 * here is the caller's to destroy.  A libxl error, with the reason in op.xlm:
 * if *transitioned is false the guest runs here again, under its name, or
 * op.xlm's log says why it does not.
 */
int lm_source_move(struct lm_source *source);

#endif
