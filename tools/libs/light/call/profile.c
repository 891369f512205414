/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does a guest's state fit another host?  That host describes itself in a few
 * lines of text, its profile, which is compared where the guest runs:
 *
 *   cpuid LEAF SUBLEAF EAX EBX ECX EDX    in hexadecimal: the most that an
 *                                         HVM or PVH guest gets there
 *   qemu MAJOR MINOR                      which libxl starts there
 *
 * A line that begins with another word is of a later version.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "cpu_features.h"
#include "devices/device_model.h"
#include "devices/qemu_version.h"

_Static_assert(sizeof(struct lm_cpuid_leaf) == 24, "as the hypervisor has it");

/* A profile may have this number of leaves and octets. */
#define LEAVES_MAX 64
#define PROFILE_MAX 8192

/* ---- this host's ---- */

static int put_cpuid(struct xlm_context *xlm, FILE *to)
{
    struct xlm_hypervisor *hv = xlm->hypervisor;
    struct lm_cpuid_leaf *leaves;
    void *data;
    size_t length;

    if (hv->ops->host_cpuid(hv, &data, &length)) {
        return -1;
    }
    leaves = data;
    for (size_t i = 0; i < length / sizeof(*leaves); i++) {
        const struct lm_cpuid_leaf *leaf = &leaves[i];

        if (lm_cpuid_has_features(leaf)) {
            fprintf(to,
                    "cpuid %" PRIx32 " %" PRIx32 " %" PRIx32 " %" PRIx32
                    " %" PRIx32 " %" PRIx32 "\n",
                    leaf->leaf, leaf->subleaf, leaf->eax, leaf->ebx, leaf->ecx,
                    leaf->edx);
        }
    }
    free(data);
    return 0;
}

static void put_qemu(const libxl_domain_config *config, FILE *to)
{
    struct lm_qemu_version version;

    if (!config || !lm_has_device_model(config)) {
        return;
    }
    version = lm_qemu_version_here(config->b_info.device_model);
    if (version.known) {
        fprintf(to, "qemu %u %u\n", version.major, version.minor);
    }
}

int libxl_live_migrate_host_profile(const libxl_domain_config *config,
                                    char **profile)
{
    struct lm_brief_call call;
    char *text = NULL;
    size_t length;
    FILE *to = NULL;
    int rc = lm_brief_open(&call);

    *profile = NULL;
    if (rc) {
        goto out;
    }
    to = open_memstream(&text, &length);
    if (!to) {
        rc = ERROR_NOMEM;
        goto out;
    }
    rc = put_cpuid(&call.xlm, to) ? ERROR_FAIL : 0;
    put_qemu(config, to);
    if (fclose(to) && !rc) {
        rc = ERROR_NOMEM;
    }
    if (rc) {
        free(text);
    } else {
        *profile = text;
    }

out:
    lm_brief_close(&call);
    return rc;
}

/* ---- another host's ---- */

struct profile {
    struct lm_cpuid_leaf leaves[LEAVES_MAX];
    size_t count;
    struct lm_qemu_version qemu;
};

static void read_line(const char *line, struct profile *profile)
{
    struct lm_cpuid_leaf leaf;

    if (profile->count < LEAVES_MAX &&
        sscanf(line,
               "cpuid %" SCNx32 " %" SCNx32 " %" SCNx32 " %" SCNx32 " %" SCNx32
               " %" SCNx32,
               &leaf.leaf, &leaf.subleaf, &leaf.eax, &leaf.ebx, &leaf.ecx,
               &leaf.edx) == 6) {
        profile->leaves[profile->count++] = leaf;
    }
    if (sscanf(line, "qemu %u %u", &profile->qemu.major,
               &profile->qemu.minor) == 2) {
        profile->qemu.known = true;
    }
}

static void read_profile(const char *text, struct profile *profile)
{
    char line[128];

    while (*text) {
        size_t length = strcspn(text, "\n");

        snprintf(line, sizeof(line), "%.*s", (int)length, text);
        read_line(line, profile);
        text += length;
        text += *text == '\n';
    }
}

/* ---- the comparison ---- */

static int __attribute__((format(printf, 3, 4)))
say(char *reason, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reason, LIBXL_LIVE_MIGRATE_REASON_MAX, format, args);
    va_end(args);
    return rc;
}

static int compare_cpu(struct xlm_context *xlm, uint32_t domid,
                       const struct profile *profile, char *reason)
{
    struct xlm_hypervisor *hv = xlm->hypervisor;
    struct lm_cpuid there = {profile->leaves, profile->count};
    void *guest_data = NULL, *here_data = NULL;
    size_t guest_length = 0, here_length = 0;
    char words[300];
    unsigned int missing;
    int rc = 0;

    if (!profile->count) {
        return say(reason, ERROR_FAIL,
                   "the other host has not said what its processors offer");
    }
    if (hv->ops->get_state(hv, domid, XLM_STATE_CPUID_POLICY, &guest_data,
                           &guest_length) ||
        hv->ops->host_cpuid(hv, &here_data, &here_length)) {
        rc = say(reason, ERROR_FAIL, "the guest's CPU policy: %s",
                 strerror(errno));
        goto out;
    }
    missing = lm_cpuid_missing(
        &(struct lm_cpuid){guest_data,
                           guest_length / sizeof(struct lm_cpuid_leaf)},
        &(struct lm_cpuid){here_data,
                           here_length / sizeof(struct lm_cpuid_leaf)},
        &there, words, sizeof(words));
    if (missing) {
        rc = say(reason, ERROR_NI,
                 "the guest has %u CPU features that Xen there does not give: "
                 "CPUID %s (xen-cpuid explains); start it with cpuid= for the "
                 "older of the two hosts",
                 missing, words);
    }

out:
    free(guest_data);
    free(here_data);
    return rc;
}

static int compare_qemu(struct xlm_context *xlm, uint32_t domid,
                        const libxl_domain_config *config,
                        const struct profile *profile, char *reason)
{
    const struct lm_qemu_version *there = &profile->qemu;
    struct lm_qemu_version here;

    if (!lm_has_device_model(config)) {
        return 0;
    }
    if (lm_device_model_version(xlm, domid, &here)) {
        return say(reason, ERROR_FAIL, "%.*s", (int)sizeof(xlm->reason) - 1,
                   xlm->reason);
    }
    if (!there->known) {
        return say(reason, ERROR_FAIL,
                   "QEMU %u.%u here; which one the other host has is not "
                   "known",
                   here.major, here.minor);
    }
    if (there->major < here.major ||
        (there->major == here.major && there->minor < here.minor)) {
        return say(reason, ERROR_NI,
                   "QEMU %u.%u here, %u.%u there: an older one need not take "
                   "the state of a newer one",
                   here.major, here.minor, there->major, there->minor);
    }
    return say(reason, 0, "QEMU %u.%u here, %u.%u there", here.major,
               here.minor, there->major, there->minor);
}

int libxl_live_migrate_fits(libxl_ctx *ctx, uint32_t domid,
                            const char *profile, libxl_live_migrate_fit *fit)
{
    struct profile there = {.count = 0};
    struct lm_brief_call call;
    libxl_domain_config config;
    int rc = lm_brief_open(&call);

    memset(fit, 0, sizeof(*fit));
    fit->cpu = rc;
    fit->device_model = rc;
    libxl_domain_config_init(&config);
    if (rc) {
        snprintf(fit->cpu_reason, sizeof(fit->cpu_reason), "%s",
                 call.xlm.reason);
        goto out;
    }
    rc = libxl_retrieve_domain_configuration(ctx, domid, &config, NULL);
    if (rc) {
        fit->cpu = rc;
        fit->device_model = rc;
        goto out;
    }
    if (strnlen(profile, PROFILE_MAX) < PROFILE_MAX) {
        read_profile(profile, &there);
    }
    fit->cpu = compare_cpu(&call.xlm, domid, &there, fit->cpu_reason);
    fit->device_model = compare_qemu(&call.xlm, domid, &config, &there,
                                     fit->device_model_reason);

out:
    libxl_domain_config_dispose(&config);
    lm_brief_close(&call);
    return rc;
}
