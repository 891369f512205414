/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guests of this host have to be moved, recovered or followed.
 */
#include "gather.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "libxl_live_migrate.h"
#include "part_gate.h"
#include "stop_estimate.h"
#include "utf8.h"

struct gathering {
    struct xl_context *xl;
    const struct xl_options *options;
    struct xl_evacuation *evacuation;
    libxl_live_migrate_status *ended; /* the newest last */
    int nr_ended;
    bool *named; /* by place in --only, and then in --except: it was found */
};

/* A domain, as it is looked at. */
struct candidate {
    const libxl_dominfo *info;
    libxl_live_migrate_inspection part;
    int rc;         /* of looking at it: else `part` holds nothing */
    char name[256]; /* the guest's own */
};

/* ---- which are meant ---- */

static bool is_called(const struct candidate *candidate, const char *word)
{
    char number[16];

    snprintf(number, sizeof(number), "%" PRIu32, candidate->info->domid);
    return !strcmp(word, candidate->name) || !strcmp(word, number);
}

/* The candidate's place in the list, from 0 on; -1: it is not there. */
static int place_in(const struct xl_texts *list, bool *named,
                    const struct candidate *candidate)
{
    int place = -1;

    for (size_t i = 0; i < list->count; i++) {
        if (is_called(candidate, list->texts[i])) {
            named[i] = true;
            place = place < 0 ? (int)i : place;
        }
    }
    return place;
}

static bool is_no_guest(struct gathering *gathering,
                        const struct candidate *candidate)
{
    const libxl_dominfo *info = candidate->info;

    return info->dying || candidate->rc == ERROR_DOMAIN_NOTFOUND ||
           libxl_is_stubdom(gathering->xl->ctx, info->domid, NULL);
}

/* Nothing of it could be moved. */
static bool has_shut_down(const struct candidate *candidate)
{
    return candidate->info->shutdown &&
           candidate->part.half == LIBXL_LIVE_MIGRATE_HALF_NONE;
}

/* ---- what is known of one ---- */

static void look_at(struct gathering *gathering, const libxl_dominfo *info,
                    struct candidate *candidate)
{
    char *called = libxl_domid_to_name(gathering->xl->ctx, info->domid);

    *candidate = (struct candidate){.info = info};
    candidate->rc = libxl_live_migrate_inspect(info->domid, &candidate->part);
    if (candidate->rc) {
        candidate->part =
            (libxl_live_migrate_inspection){.domid = info->domid};
    }
    snprintf(candidate->name, sizeof(candidate->name), "%s",
             candidate->part.name[0] ? candidate->part.name
             : called                ? called
                                     : "");
    free(called);
}

static uint64_t last_stop(const struct gathering *gathering, const char *name)
{
    uint64_t last_us = 0;

    for (int i = 0; i < gathering->nr_ended; i++) {
        const libxl_live_migrate_status *ended = &gathering->ended[i];

        if (ended->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE &&
            ended->stats.running_us > ended->stats.suspend_us &&
            !strcmp(ended->name, name)) {
            last_us = ended->stats.running_us - ended->stats.suspend_us;
        }
    }
    return last_us;
}

/* Without a configuration the guest counts as needing no memory: its
 * destination checks that itself. */
static void measure(struct gathering *gathering, struct xl_guest *guest)
{
    libxl_ctx *ctx = gathering->xl->ctx;
    libxl_domain_config config;
    struct xl_stop_facts facts;

    libxl_domain_config_init(&config);
    if (!libxl_retrieve_domain_configuration(ctx, guest->domid, &config,
                                             NULL)) {
        facts = (struct xl_stop_facts){
            .has_device_model = config.c_info.type == LIBXL_DOMAIN_TYPE_HVM,
            .vcpus = config.b_info.max_vcpus,
            .devices = config.num_disks + config.num_nics,
            .memory_kb = config.b_info.target_memkb,
            .last_us = last_stop(gathering, guest->name),
        };
        guest->turn = xl_stop_estimate(&facts);
        (void)libxl_domain_need_memory(ctx, &config, INVALID_DOMID,
                                       &guest->needed_kb);
    }
    libxl_domain_config_dispose(&config);
}

/* Where it is on its way to.  A name that was not given stays with the
 * evacuation, until the process ends. */
static void find_host(struct gathering *gathering, struct xl_guest *guest)
{
    struct xl_evacuation *evacuation = gathering->evacuation;
    char *host = xl_gate_host(gathering->xl, guest->domid);

    if (host) {
        guest->host = xl_evacuation_host(evacuation, host);
    }
    guest->guesses = guest->job == XL_JOB_RECOVER && guest->host == XL_NO_HOST;
    if (guest->host == XL_NO_HOST ||
        evacuation->hosts[guest->host].name != host) {
        free(host);
    }
}

static enum xl_job job_of(const struct candidate *candidate)
{
    const libxl_live_migrate_inspection *part = &candidate->part;

    switch (part->half) {
    case LIBXL_LIVE_MIGRATE_HALF_LEFT:
        return part->attended ? XL_JOB_FOLLOW : XL_JOB_RECOVER;
    case LIBXL_LIVE_MIGRATE_HALF_LEAVING:
        return part->attended ? XL_JOB_FOLLOW : XL_JOB_MOVE;
    default:
        return XL_JOB_MOVE;
    }
}

/* A guest that is still on its way here cannot go on to another host. */
static void settle(struct gathering *gathering, struct xl_guest *guest,
                   const struct candidate *candidate)
{
    bool looks = gathering->evacuation->looks_only;

    if (candidate->rc) {
        guest->fate = XL_FATE_STAYS;
        snprintf(guest->why, sizeof(guest->why),
                 "whether it is a whole guest cannot be found out (libxl "
                 "error %d)",
                 candidate->rc);
    } else if (has_shut_down(candidate)) {
        guest->fate = XL_FATE_STAYS;
        snprintf(guest->why, sizeof(guest->why), "it has shut down");
    } else if (candidate->part.half >= LIBXL_LIVE_MIGRATE_HALF_ARRIVING) {
        guest->fate = XL_FATE_STAYS;
        snprintf(guest->why, sizeof(guest->why), "%s", candidate->part.text);
    } else if (looks && guest->job == XL_JOB_RECOVER) {
        guest->fate = XL_FATE_PAUSED;
        snprintf(guest->why, sizeof(guest->why), "it is recovered first");
    } else if (looks && guest->job == XL_JOB_FOLLOW) {
        guest->fate = XL_FATE_LEFT;
        snprintf(guest->why, sizeof(guest->why), "another process moves it");
    }
}

static int add(struct gathering *gathering, const struct candidate *candidate,
               int place)
{
    struct xl_guest *guest =
        xl_evacuation_add(gathering->evacuation, candidate->info->domid,
                          candidate->name, job_of(candidate));

    if (!guest) {
        fprintf(stderr, "xl: out of memory\n");
        return -1;
    }
    measure(gathering, guest);
    if (gathering->options->order == XL_ORDER_GIVEN) {
        guest->turn = place < 0 ? 0 : place;
    }
    settle(gathering, guest, candidate);
    if (guest->job != XL_JOB_MOVE) {
        find_host(gathering, guest);
    }
    return 0;
}

/* ---- what was named and is not here ---- */

static bool has_gone(const struct gathering *gathering, const char *name)
{
    for (int i = gathering->nr_ended - 1; i >= 0; i--) {
        const libxl_live_migrate_status *ended = &gathering->ended[i];

        if (ended->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE &&
            !strcmp(ended->name, name)) {
            return ended->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
        }
    }
    return false;
}

/* A name in --only that is not here is no reason to let the other guests wait.
 * A slip in --except would move a guest that is to stay. */
static int check_names(struct gathering *gathering, bool *missing)
{
    const struct xl_texts *only = &gathering->options->only;
    const struct xl_texts *except = &gathering->options->except;

    for (size_t i = 0; i < except->count; i++) {
        if (!gathering->named[only->count + i]) {
            fprintf(stderr,
                    "xl: there is no domain '%s' here that could be left: "
                    "nothing was done\n",
                    except->texts[i]);
            return -1;
        }
    }
    for (size_t i = 0; i < only->count; i++) {
        if (gathering->named[i]) {
            continue;
        }
        if (has_gone(gathering, only->texts[i])) {
            fprintf(stderr, "xl: '%s' has gone from here already\n",
                    only->texts[i]);
        } else {
            fprintf(stderr, "xl: there is no domain '%s' here\n",
                    only->texts[i]);
            *missing = true;
        }
    }
    return 0;
}

/* ---- all domains ---- */

static int add_if_meant(struct gathering *gathering, const libxl_dominfo *info)
{
    const struct xl_options *options = gathering->options;
    struct candidate candidate;
    int place;

    look_at(gathering, info, &candidate);
    if (is_no_guest(gathering, &candidate)) {
        return 0;
    }
    place = place_in(&options->only, gathering->named, &candidate);
    /* One that has shut down matters when it is named. */
    if ((place < 0 && (options->only.count || has_shut_down(&candidate))) ||
        place_in(&options->except, gathering->named + options->only.count,
                 &candidate) >= 0) {
        return 0;
    }
    return add(gathering, &candidate, place);
}

static int for_each_domain(struct gathering *gathering,
                           int (*take)(struct gathering *gathering,
                                       const libxl_dominfo *info))
{
    int count, ret = 0;
    libxl_dominfo *domains = libxl_list_domain(gathering->xl->ctx, &count);

    if (!domains) {
        fprintf(stderr, "xl: the domains of this host cannot be listed\n");
        return -1;
    }
    for (int i = 0; i < count && !ret; i++) {
        ret = domains[i].domid ? take(gathering, &domains[i]) : 0;
    }
    libxl_dominfo_list_free(domains, count);
    return ret;
}

int xl_gather_all(struct xl_context *xl, const struct xl_options *options,
                  struct xl_evacuation *evacuation, bool *missing)
{
    struct gathering gathering = {
        .xl = xl,
        .options = options,
        .evacuation = evacuation,
        .named = calloc(options->only.count + options->except.count + 1,
                        sizeof(bool)),
    };
    int ret = -1;

    if (gathering.named) {
        if (libxl_live_migrate_list_completed(&gathering.ended,
                                              &gathering.nr_ended)) {
            gathering.nr_ended = 0;
        }
        ret = for_each_domain(&gathering, add_if_meant) ||
                      check_names(&gathering, missing)
                  ? -1
                  : 0;
        libxl_live_migrate_status_list_free(gathering.ended,
                                            gathering.nr_ended);
    }
    free(gathering.named);
    xl_evacuation_sort(evacuation);
    return ret;
}

/* ---- those that are paused ---- */

static int add_if_paused(struct gathering *gathering,
                         const libxl_dominfo *info)
{
    struct candidate candidate;

    look_at(gathering, info, &candidate);
    if (candidate.rc || candidate.part.half != LIBXL_LIVE_MIGRATE_HALF_LEFT ||
        candidate.part.attended) {
        return 0;
    }
    return add(gathering, &candidate, -1);
}

/* When some guests are on their way to this host, only those: else the host
 * may have another name. */

static void keep_those_to(struct xl_evacuation *evacuation, int host)
{
    size_t kept = 0, there = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        there += evacuation->guests[i].host == host;
    }
    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        struct xl_guest *guest = &evacuation->guests[i];
        char shown[64];

        if (there && guest->host != host && !guest->guesses) {
            lm_utf8_show(shown, sizeof(shown), guest->name);
            fprintf(stderr, "xl: %s is on its way to another host, %s\n",
                    shown, evacuation->hosts[guest->host].name);
            continue;
        }
        guest->host = host;
        guest->guesses = false;
        evacuation->guests[kept++] = *guest;
    }
    evacuation->nr_guests = kept;
}

int xl_gather_paused(struct xl_context *xl, const struct xl_options *options,
                     struct xl_evacuation *evacuation)
{
    struct gathering gathering = {
        .xl = xl, .options = options, .evacuation = evacuation};

    if (for_each_domain(&gathering, add_if_paused)) {
        return -1;
    }
    keep_those_to(evacuation, 0);
    return 0;
}
