/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Checks before a migration, at both ends.
 */
#include "preflight.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "config.h"
#include "finding.h"
#include "global_config.h"
#include "image_lock.h"
#include "libxl_live_migrate.h"
#include "receive_policy_file.h"
#include "utf8.h"

/* dom0's weight by default: that of any guest. */
#define PLAIN_WEIGHT 256
#define LINES_MAX 1000

static void put(FILE *to, enum xl_verdict verdict, const char *what,
                const char *text)
{
    xl_finding_put(to, verdict, what, text);
}

/* ---- at the destination ---- */

static void look_at_name(struct xl_context *xl, FILE *to, const char *name)
{
    char text[XL_FINDING_TEXT_MAX], *incoming;
    uint32_t domid;

    if (!libxl_name_to_domid(xl->ctx, name, &domid)) {
        snprintf(text, sizeof(text), "domain %" PRIu32 " is called %s already",
                 domid, name);
        put(to, XL_VERDICT_NO, "name", text);
        return;
    }
    if (asprintf(&incoming, "%s" XL_INCOMING_SUFFIX, name) < 0) {
        return;
    }
    if (!libxl_name_to_domid(xl->ctx, incoming, &domid)) {
        snprintf(text, sizeof(text),
                 "domain %" PRIu32 ", %s, is in its way: see xl list", domid,
                 incoming);
        put(to, XL_VERDICT_NO, "name", text);
    } else {
        put(to, XL_VERDICT_OK, "name", name);
    }
    free(incoming);
}

/* The library checks in this order, and stops at the first obstacle. */
static void look_at_obstacles(struct xl_context *xl, FILE *to,
                              libxl_domain_config *config)
{
    libxl_live_migrate_receive_params params;
    libxl_live_migrate_readiness ready;

    libxl_live_migrate_receive_params_init(&params);
    params.autoballoon = xl_global_autoballoon(xl);
    params.logger = xl->logger;
    (void)libxl_live_migrate_can_receive(xl->ctx, config, &params, &ready);
    for (int i = LIBXL_LIVE_MIGRATE_OBSTACLE_HYPERVISOR;
         i <= LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY; i++) {
        bool none = ready.obstacle == LIBXL_LIVE_MIGRATE_OBSTACLE_NONE;
        enum xl_verdict verdict =
            none || i < (int)ready.obstacle ? XL_VERDICT_OK
            : i == (int)ready.obstacle      ? XL_VERDICT_NO
                                            : XL_VERDICT_UNKNOWN;

        put(to, verdict, libxl_live_migrate_obstacle_to_string(i),
            verdict == XL_VERDICT_NO ? ready.reason : "");
    }
}

static void look_at_bridges(FILE *to, const libxl_domain_config *config)
{
    char path[256];

    for (int i = 0; i < config->num_nics; i++) {
        const char *bridge = config->nics[i].bridge;

        if (bridge) {
            snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", bridge);
            put(to, access(path, F_OK) ? XL_VERDICT_NO : XL_VERDICT_OK,
                "bridge", bridge);
        }
    }
}

/* QEMU must be able to open what it emulates; and if another program writes to
 * a disk of this guest, one corrupts the other's data.  The guest itself may
 * have the disk open, at the source: on storage that shows that here. */
static void look_at_lock(FILE *to, const char *path)
{
    struct xl_image_lock lock = xl_image_lock_look(path, "/proc");
    char text[XL_FINDING_TEXT_MAX];

    switch (lock.state) {
    case XL_IMAGE_LOCKED_HERE:
        snprintf(text, sizeof(text), "%.300s: process %d (%s) has locked it",
                 path, (int)lock.pid, lock.name);
        put(to, XL_VERDICT_NO, "disk-lock", text);
        break;
    case XL_IMAGE_LOCKED_ELSEWHERE:
        snprintf(text, sizeof(text),
                 "%.300s: locked, at least by the source's device model",
                 path);
        put(to, XL_VERDICT_OK, "disk-lock", text);
        break;
    case XL_IMAGE_FREE:
    case XL_IMAGE_UNKNOWN:
        break;
    }
}

static void look_at_disk(FILE *to, const libxl_device_disk *disk)
{
    const char *format = libxl_disk_format_to_string(disk->format);
    const char *path = disk->pdev_path ? disk->pdev_path : "";
    char text[XL_FINDING_TEXT_MAX];
    bool missing =
        path[0] == '/' && access(path, R_OK | (disk->readwrite ? W_OK : 0));

    snprintf(text, sizeof(text), "%s (%s)%s%s", path, format ? format : "?",
             missing ? ": " : "", missing ? strerror(errno) : "");
    if (path[0] && path[0] != '/') {
        put(to, XL_VERDICT_UNKNOWN, "disk", text); /* not a file's name */
        return;
    }
    put(to, missing ? XL_VERDICT_NO : XL_VERDICT_OK, "disk", text);
    if (path[0] && !missing && disk->readwrite) {
        look_at_lock(to, path);
    }
}

static void look_at_processors(struct xl_context *xl, FILE *to,
                               libxl_domain_config *config)
{
    bool good = !xl_global_restrict_cpus(xl, config);

    put(to, good ? XL_VERDICT_OK : XL_VERDICT_NO, "cpumask",
        good ? "" : "the receiver says why");
}

/* For the source, which knows what its guest uses. */
static void describe_host(FILE *to, const libxl_domain_config *config)
{
    char *profile, *rest;

    if (libxl_live_migrate_host_profile(config, &profile)) {
        return;
    }
    rest = profile;
    for (char *line; (line = strsep(&rest, "\n")) && rest;) {
        fprintf(to, XL_FINDING_PROFILE "%s\n", line);
    }
    free(profile);
}

/* If more vCPUs than there are processors wait, they keep dom0 from bringing
 * their pages. */
static void look_at_weight(struct xl_context *xl, FILE *to,
                           const libxl_domain_config *config)
{
    libxl_domain_sched_params dom0;
    libxl_physinfo host;
    int weight = -1;
    bool many;

    libxl_domain_sched_params_init(&dom0);
    libxl_physinfo_init(&host);
    many = !libxl_get_physinfo(xl->ctx, &host) &&
           (uint32_t)config->b_info.max_vcpus > host.nr_cpus;
    if (!libxl_domain_sched_params_get(xl->ctx, 0, &dom0)) {
        weight = dom0.weight;
    }
    if (many && weight <= PLAIN_WEIGHT) {
        put(to, XL_VERDICT_WARNING, "dom0-weight",
            "the guest has more vCPUs than this host processors: xl "
            "sched-credit2 -d 0 -w 65535");
    } else {
        put(to, XL_VERDICT_OK, "dom0-weight", "");
    }
    libxl_physinfo_dispose(&host);
    libxl_domain_sched_params_dispose(&dom0);
}

int xl_preflight_answer(struct xl_context *xl, libxl_domain_config *config,
                        const char *policy, int fd)
{
    char *json = libxl_domain_config_to_json(xl->ctx, config);
    FILE *to = fdopen(dup(fd), "w");
    bool allowed;

    if (!to) {
        free(json);
        return -1;
    }
    allowed = json && !xl_receive_policy_check(policy, json);
    put(to, allowed ? XL_VERDICT_OK : XL_VERDICT_NO, "policy",
        allowed ? "" : "the receiver says why");
    look_at_name(xl, to, config->c_info.name);
    look_at_bridges(to, config);
    for (int i = 0; i < config->num_disks; i++) {
        look_at_disk(to, &config->disks[i]);
    }
    look_at_weight(xl, to, config);
    describe_host(to, config);
    look_at_processors(xl, to, config);
    /* Last, because it may fill in the configuration. */
    look_at_obstacles(xl, to, config);
    fputs(XL_FINDINGS_END, to);
    free(json);
    return fclose(to) ? -1 : 0;
}

/* ---- at the source ---- */

static bool show(const char *where, const struct xl_finding *finding)
{
    xl_finding_show(stdout, where, finding);
    return finding->verdict <= XL_VERDICT_WARNING;
}

/* Would the library refuse the domain, as far as can be seen from here? */
static bool look_here(struct xl_context *xl, uint32_t domid)
{
    struct xl_finding finding = {.verdict = XL_VERDICT_OK, .what = "guest"};
    libxl_dominfo info;

    libxl_dominfo_init(&info);
    if (libxl_domain_info(xl->ctx, &info, domid) || info.dying ||
        info.shutdown) {
        finding.verdict = XL_VERDICT_NO;
        snprintf(finding.text, sizeof(finding.text), "it does not run");
    } else if (info.paused) {
        finding.verdict = XL_VERDICT_NO;
        snprintf(finding.text, sizeof(finding.text),
                 "it is paused: xl unpause it");
    }
    libxl_dominfo_dispose(&info);
    return show("here", &finding);
}

static bool show_fit(const char *what, int rc, const char *reason)
{
    struct xl_finding finding = {
        .verdict = !rc              ? XL_VERDICT_OK
                   : rc == ERROR_NI ? XL_VERDICT_NO
                                    : XL_VERDICT_WARNING,
    };

    snprintf(finding.what, sizeof(finding.what), "%s", what);
    lm_utf8_show(finding.text, sizeof(finding.text), reason);
    return show("both", &finding);
}

/* Compare what the other host has said of itself with the guest. */
static bool compare(struct xl_context *xl, uint32_t domid, const char *profile)
{
    libxl_live_migrate_fit fit;
    bool good;

    (void)libxl_live_migrate_fits(xl->ctx, domid, profile, &fit);
    good = show_fit("cpu", fit.cpu, fit.cpu_reason);
    return show_fit("device-model", fit.device_model,
                    fit.device_model_reason) &&
           good;
}

/* False: the findings ended too early. */
static bool read_findings(FILE *from, FILE *profile, bool *good)
{
    const size_t prefix = sizeof(XL_FINDING_PROFILE) - 1;
    char line[2 * XL_FINDING_TEXT_MAX];
    struct xl_finding finding;

    for (int i = 0; i < LINES_MAX && fgets(line, sizeof(line), from); i++) {
        if (!strcmp(line, XL_FINDINGS_END)) {
            return true;
        }
        if (!strncmp(line, XL_FINDING_PROFILE, prefix)) {
            fputs(line + prefix, profile);
        } else if (xl_finding_read(line, &finding)) {
            *good &= show("there", &finding);
        }
    }
    return false;
}

int xl_preflight_show(struct xl_context *xl, uint32_t domid, int fd)
{
    FILE *from = fdopen(dup(fd), "r");
    bool good = look_here(xl, domid), whole = false;
    char *text = NULL;
    size_t length;
    FILE *profile = open_memstream(&text, &length);

    if (from && profile) {
        whole = read_findings(from, profile, &good);
    }
    if (from) {
        fclose(from);
    }
    if (profile && !fclose(profile) && whole) {
        good &= compare(xl, domid, text);
    }
    free(text);
    if (!whole) {
        fprintf(stderr, "xl: the answer of the destination is not complete\n");
    }
    return good && whole ? 0 : -1;
}
