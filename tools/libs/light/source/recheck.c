/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Has the domain's configuration changed since the destination was told about
 * it?
 */
#include "source/recheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the JSON that libxl writes: the beginning of a line at the outermost
 * level. */
#define TOP "    \""
#define TOP_LENGTH (sizeof(TOP) - 1)
#define NAME_SIZE 32

/* ---- what must not change ---- */

/* The destination chooses its own number, and its own target, because the
 * guest may balloon at any time.  The share of the processors is no part of
 * the configuration. */
static void leave_out(libxl_domain_config *config)
{
    libxl_domain_sched_params *sched = &config->b_info.sched_params;

    config->c_info.domid = 0;
    config->b_info.target_memkb = LIBXL_MEMKB_DEFAULT;
    sched->weight = LIBXL_DOMAIN_SCHED_PARAM_WEIGHT_DEFAULT;
    sched->cap = LIBXL_DOMAIN_SCHED_PARAM_CAP_DEFAULT;
}

char *lm_config_told_json(libxl_ctx *ctx, const char *json,
                          struct xlm_context *xlm)
{
    libxl_domain_config config;
    char *told = NULL;

    libxl_domain_config_init(&config);
    if (!libxl_domain_config_from_json(ctx, &config, json)) {
        leave_out(&config);
        told = libxl_domain_config_to_json(ctx, &config);
    }
    if (!told) {
        xlm_fail(xlm, "what is told of the domain's configuration cannot be "
                      "read as one");
    }
    libxl_domain_config_dispose(&config);
    return told;
}

/* Convert it to JSON and back first: so equal configurations are equal text,
 * however they were made. */
char *lm_config_told(libxl_ctx *ctx, libxl_domain_config *config,
                     struct xlm_context *xlm)
{
    char *json = libxl_domain_config_to_json(ctx, config);
    char *told = NULL;

    if (json) {
        told = lm_config_told_json(ctx, json, xlm);
    } else {
        xlm_fail(xlm, "the domain's configuration cannot be written as JSON");
    }
    free(json);
    return told;
}

/* ---- what has changed ---- */

static size_t line_length(const char *text)
{
    return strcspn(text, "\n");
}

/* The NAME of a line at the outermost level; on other lines name stays. */
static void take_name(const char *line, char name[NAME_SIZE])
{
    size_t length = 0;

    if (strncmp(line, TOP, TOP_LENGTH) || line[TOP_LENGTH] == ' ') {
        return;
    }
    length = strcspn(line + TOP_LENGTH, "\"\n");
    if (length >= NAME_SIZE) {
        length = NAME_SIZE - 1;
    }
    memcpy(name, line + TOP_LENGTH, length);
    name[length] = '\0';
}

/* The outermost name below which the first difference is.  A name that the
 * other text does not have at all has come or gone. */
static void find_change(const char *told, const char *now,
                        char name[NAME_SIZE])
{
    char theirs[NAME_SIZE], quoted[NAME_SIZE + 8];
    size_t length = line_length(told);

    strcpy(name, "?");
    while (*told && length == line_length(now) && !memcmp(told, now, length)) {
        take_name(told, name);
        told += length + (told[length] == '\n');
        now += length + (now[length] == '\n');
        length = line_length(told);
    }
    strcpy(theirs, name);
    take_name(told, name);
    take_name(now, theirs);
    snprintf(quoted, sizeof(quoted), "\n" TOP "%s\"", theirs);
    if (!strstr(told, quoted)) {
        strcpy(name, theirs);
    }
}

int lm_recheck_config(libxl_ctx *ctx, uint32_t domid, const char *told,
                      struct xlm_context *xlm)
{
    libxl_domain_config config;
    char name[NAME_SIZE];
    char *now = NULL;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(ctx, domid, &config, NULL);
    if (rc) {
        xlm_fail(xlm,
                 "the configuration of the stopped domain could not be read "
                 "(libxl error %d)",
                 rc);
        goto out;
    }
    now = lm_config_told(ctx, &config, xlm);
    if (!now) {
        rc = ERROR_FAIL;
    } else if (strcmp(told, now)) {
        find_change(told, now, name);
        xlm_fail(xlm,
                 "the guest's configuration has changed since the destination "
                 "was told of it (%s: attached, detached or changed): migrate "
                 "it again",
                 name);
        rc = ERROR_FAIL;
    }

out:
    free(now);
    libxl_domain_config_dispose(&config);
    return rc;
}
