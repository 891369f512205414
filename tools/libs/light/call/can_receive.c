/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Could this host receive a guest by postcopy?  The same functions check the
 * guest when it comes; here they run before anything has begun.
 */
#include <stdio.h>
#include <string.h>

#include "common/common.h"
#include "common/memory.h"

struct question {
    libxl_ctx *ctx;
    libxl_domain_config *config; /* NULL: about the host alone */
    bool autoballoon;
    libxl_live_migrate_readiness *answer;
    struct xlm_context xlm;
};

/* ---- stages ---- */

static int reach_hypervisor(struct question *question)
{
    return lm_open_hypervisor(&question->xlm);
}

static int check_type(struct question *question)
{
    if (question->config &&
        question->config->c_info.type == LIBXL_DOMAIN_TYPE_PV) {
        xlm_fail(&question->xlm,
                 "the guest is a PV guest, which can only be moved by the "
                 "stock migration: leave out postcopy");
        return ERROR_NI;
    }
    return 0;
}

/* For the host: check_paging() looks at the guest's own. */
static int check_hap(struct question *question)
{
    libxl_physinfo info;
    int rc;

    libxl_physinfo_init(&info);
    rc = libxl_get_physinfo(question->ctx, &info);
    if (rc) {
        xlm_fail(&question->xlm,
                 "libxl cannot tell what this host can do (error %d)", rc);
    } else if (!info.cap_hap) {
        xlm_fail(&question->xlm,
                 "this host has no hardware assisted paging, which postcopy "
                 "needs: its processors lack it, or its firmware or hap=0 on "
                 "the hypervisor's command line keeps it off; turn it on, or "
                 "choose another host");
        rc = ERROR_NI;
    }
    libxl_physinfo_dispose(&info);
    return rc;
}

static bool wants_hap(const libxl_domain_config *config)
{
    return libxl_defbool_is_default(config->c_info.hap) ||
           libxl_defbool_val(config->c_info.hap);
}

static libxl_live_migrate_obstacle obstacle_of(enum xlm_refusal refusal)
{
    switch (refusal) {
    case XLM_REFUSED_NO_PAGING:
        return LIBXL_LIVE_MIGRATE_OBSTACLE_PAGING;
    case XLM_REFUSED_NO_HAP:
        return LIBXL_LIVE_MIGRATE_OBSTACLE_HAP;
    default:
        return LIBXL_LIVE_MIGRATE_OBSTACLE_VCPUS;
    }
}

static int check_paging(struct question *question)
{
    const libxl_domain_config *config = question->config;
    enum xlm_refusal refusal = XLM_REFUSED_OTHER;
    unsigned int most = 0;
    int rc = xlm_check_restore(
        &question->xlm, XLM_MECHANISM_PAGING, !config || wants_hap(config),
        config ? config->b_info.max_vcpus : 1, &refusal, &most);

    question->answer->vcpus_max = most;
    if (rc) {
        question->answer->obstacle = obstacle_of(refusal);
        return ERROR_NI;
    }
    return 0;
}

/* Passed-through devices access memory directly: they would find no page where
 * one is absent, and nothing makes them wait. */
static int check_devices(struct question *question)
{
    const libxl_domain_config *config = question->config;

    if (config && (config->num_pcidevs || config->num_dtdevs ||
                   config->c_info.passthrough > LIBXL_PASSTHROUGH_DISABLED)) {
        xlm_fail(&question->xlm,
                 "the guest has passed-through devices, or may get some "
                 "(passthrough): detach them, or leave out postcopy");
        return ERROR_NI;
    }
    return 0;
}

static int check_memory(struct question *question)
{
    libxl_live_migrate_readiness *answer = question->answer;
    struct lm_room room;
    int rc;

    if (!question->config) {
        return 0;
    }
    rc = lm_look_for_room(question->ctx, question->config, &question->xlm,
                          &room);
    if (rc) {
        return rc;
    }
    answer->free_memkb = room.free_kb;
    answer->needed_memkb = room.needed_kb;
    return question->autoballoon ? 0 : lm_check_room(&room, &question->xlm);
}

/* The stages, and the obstacle when one fails, unless the stage sets
 * another. */
static const struct {
    int (*pass)(struct question *question);
    libxl_live_migrate_obstacle obstacle;
} stages[] = {
    {reach_hypervisor, LIBXL_LIVE_MIGRATE_OBSTACLE_HYPERVISOR},
    {check_type, LIBXL_LIVE_MIGRATE_OBSTACLE_TYPE},
    {check_hap, LIBXL_LIVE_MIGRATE_OBSTACLE_HAP},
    {check_paging, LIBXL_LIVE_MIGRATE_OBSTACLE_PAGING},
    {check_devices, LIBXL_LIVE_MIGRATE_OBSTACLE_DEVICES},
    {check_memory, LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY},
};

static int ask(struct question *question)
{
    libxl_live_migrate_readiness *answer = question->answer;
    int rc = 0;

    for (size_t i = 0; !rc && i < sizeof(stages) / sizeof(stages[0]); i++) {
        answer->obstacle = stages[i].obstacle;
        rc = stages[i].pass(question);
    }
    if (!rc) {
        answer->obstacle = LIBXL_LIVE_MIGRATE_OBSTACLE_NONE;
    }
    snprintf(answer->reason, sizeof(answer->reason), "%s",
             question->xlm.reason);
    return rc;
}

int libxl_live_migrate_can_receive(
    libxl_ctx *ctx, libxl_domain_config *config,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_readiness *readiness)
{
    struct question question = {
        .ctx = ctx,
        .config = config,
        .autoballoon = params && params->autoballoon,
        .answer = readiness,
        .xlm = XLM_CONTEXT_INIT,
    };
    xentoollog_logger *own = NULL;
    int rc = ERROR_NOMEM;

    memset(readiness, 0, sizeof(*readiness));
    question.xlm.logger = lm_logger(params ? params->logger : NULL, &own);
    if (question.xlm.logger) {
        rc = ask(&question);
    }
    xlm_hypervisor_close(question.xlm.hypervisor);
    xtl_logger_destroy(own);
    return rc;
}
