/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Collects what xl must know of the domains of this host before they go.
 */
#include "gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "part_gate.h"
#include "stop_estimate.h"

/* ---- one domain ---- */

static void look_at(struct xl_context *xl, const libxl_dominfo *info,
                    struct xl_candidate *candidate)
{
    char *called = libxl_domid_to_name(xl->ctx, info->domid);

    candidate->domid = info->domid;
    candidate->rc = libxl_live_migrate_inspect(info->domid, &candidate->part);
    if (candidate->rc) {
        candidate->part =
            (libxl_live_migrate_inspection){.domid = info->domid};
    }
    candidate->shut_down =
        info->shutdown && !candidate->rc &&
        candidate->part.half == LIBXL_LIVE_MIGRATE_HALF_NONE;
    snprintf(candidate->name, sizeof(candidate->name), "%s",
             candidate->part.name[0] ? candidate->part.name
             : called                ? called
                                     : "");
    free(called);
}

/* Without a configuration the guest counts as needing no memory: its
 * destination checks that itself. */
static void measure(struct xl_context *xl,
                    const struct xl_candidates *candidates,
                    struct xl_candidate *candidate)
{
    libxl_domain_config config;
    struct xl_stop_facts facts;

    libxl_domain_config_init(&config);
    if (!libxl_retrieve_domain_configuration(xl->ctx, candidate->domid,
                                             &config, NULL)) {
        facts = (struct xl_stop_facts){
            .has_device_model = config.c_info.type == LIBXL_DOMAIN_TYPE_HVM,
            .vcpus = config.b_info.max_vcpus,
            .devices = config.num_disks + config.num_nics,
            .memory_kb = config.b_info.target_memkb,
            .last_us = xl_last_stop(candidates, candidate->name),
        };
        candidate->stop_us = xl_stop_estimate(&facts);
        (void)libxl_domain_need_memory(xl->ctx, &config, INVALID_DOMID,
                                       &candidate->needed_kb);
    }
    libxl_domain_config_dispose(&config);
}

static void take(struct xl_context *xl, struct xl_candidates *candidates,
                 const libxl_dominfo *info)
{
    struct xl_candidate *candidate = &candidates->list[candidates->count];

    if (!info->domid || info->dying ||
        libxl_is_stubdom(xl->ctx, info->domid, NULL)) {
        return;
    }
    look_at(xl, info, candidate);
    if (candidate->rc == ERROR_DOMAIN_NOTFOUND) {
        return;
    }
    measure(xl, candidates, candidate);
    candidate->host = xl_gate_host(xl, info->domid);
    candidates->count++;
}

/* ---- all of them ---- */

int xl_gather(struct xl_context *xl, struct xl_candidates *candidates)
{
    libxl_dominfo *domains;
    int count = 0;

    *candidates = (struct xl_candidates){.count = 0};
    domains = libxl_list_domain(xl->ctx, &count);
    if (!domains) {
        fprintf(stderr, "xl: the domains of this host cannot be listed\n");
        return -1;
    }
    candidates->list = calloc(count + 1, sizeof(*candidates->list));
    if (!candidates->list) {
        fprintf(stderr, "xl: out of memory\n");
        libxl_dominfo_list_free(domains, count);
        return -1;
    }
    if (libxl_live_migrate_list_completed(&candidates->ended,
                                          &candidates->nr_ended)) {
        candidates->nr_ended = 0;
    }
    for (int i = 0; i < count; i++) {
        take(xl, candidates, &domains[i]);
    }
    libxl_dominfo_list_free(domains, count);
    return 0;
}

void xl_gather_free(struct xl_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        free(candidates->list[i].host);
    }
    free(candidates->list);
    libxl_live_migrate_status_list_free(candidates->ended,
                                        candidates->nr_ended);
    *candidates = (struct xl_candidates){.count = 0};
}
