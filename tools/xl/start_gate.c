/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl create and xl restore of a guest that is at another host, or on its way
 * there.
 *
 * The guest's name is free here meanwhile, because its domain has another one:
 * out of habit, or from the list of guests that start with the host, it could
 * be started a second time on the same disks.
 */
#include "start_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "part_commands.h"
#include "part_gate.h"
#include "stock.h"

/* The stock xl has commands that begin like these; a shortened word can mean
 * them. */
static bool names(const char *word, const char *command, size_t least)
{
    size_t length = strlen(word);

    return length >= least && !strncmp(word, command, length);
}

/* ---- which guest it is about ---- */

/* As the stock xl reads it, with all that the command line adds. */
static int config_of_create(struct xl_context *xl, int word,
                            libxl_domain_config *config)
{
    static char quiet[] = "-q", dry_run[] = "-n", create[] = "create";
    char **argv = calloc(xl->argc + 4, sizeof(*argv));
    int argc = 0, rc = ERROR_FAIL;
    char *json = NULL;

    if (!argv) {
        return ERROR_NOMEM;
    }
    argc++; /* the program */
    argv[argc++] = create;
    argv[argc++] = quiet;
    argv[argc++] = dry_run;
    for (int i = word + 1; i < xl->argc; i++) {
        argv[argc++] = xl->argv[i];
    }
    json = xl_stock_output(argv);
    if (json) {
        rc = libxl_domain_config_from_json(xl->ctx, config, json);
    }
    free(json);
    free(argv);
    return rc;
}

/* The image is the last argument. */
static int config_of_image(struct xl_context *xl, libxl_domain_config *config)
{
    int fd = open(xl->argv[xl->argc - 1], O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0) {
        return ERROR_FAIL;
    }
    rc = xl_config_read(xl, fd, config);
    close(fd);
    return rc;
}

/* ---- what is known of it here ---- */

static bool refuses(struct xl_context *xl,
                    const libxl_live_migrate_status *status,
                    const char *command)
{
    struct xl_part_domain domain = {
        .part = xl_part_of(status),
        .called = status->name,
        .status = status,
    };
    char *recover, *lines;

    if (domain.part != XL_PART_SHELL && domain.part != XL_PART_INCOMING) {
        return false; /* libxl refuses a name that is taken */
    }
    if (status->state == LIBXL_LIVE_MIGRATE_STATE_COMPLETE ||
        (domain.part == XL_PART_INCOMING && xl_part_is_left(status))) {
        return false;
    }
    recover = xl_gate_recovery(xl, status->domid);
    domain.recover = recover;
    lines = xl_part_describe(&domain);
    fprintf(
        stderr,
        "%sxl: xl %s is refused: %s would run twice, on the same disks. If "
        "the other host is lost, xl destroy --force %u comes first.\n",
        lines ? lines : "", command, status->name, status->domid);
    free(lines);
    free(recover);
    return true;
}

static bool is_on_its_way(struct xl_context *xl, const char *name,
                          const char *command)
{
    libxl_live_migrate_status *list;
    bool refused = false;
    int count;

    if (!name || libxl_live_migrate_list(&list, &count)) {
        return false;
    }
    for (int i = 0; i < count && !refused; i++) {
        refused =
            !strcmp(list[i].name, name) && refuses(xl, &list[i], command);
    }
    libxl_live_migrate_status_list_free(list, count);
    return refused;
}

static bool any_on_its_way(void)
{
    libxl_live_migrate_status *list;
    int count;

    if (libxl_live_migrate_list(&list, &count)) {
        return false;
    }
    libxl_live_migrate_status_list_free(list, count);
    return count > 0;
}

bool xl_gate_start(struct xl_context *xl, int word)
{
    const char *name = word < xl->argc ? xl->argv[word] : "";
    bool create = names(name, "create", 2);
    bool restore = names(name, "restore", 4);
    libxl_domain_config config;
    bool refused = false;
    int rc;

    /* To ask the stock xl takes a moment: only while something is under
     * way. */
    if ((!create && !restore) || !any_on_its_way() || xl_context_open(xl)) {
        return false;
    }
    libxl_domain_config_init(&config);
    rc = create ? config_of_create(xl, word, &config)
                : config_of_image(xl, &config);
    if (!rc) {
        refused = is_on_its_way(xl, config.c_info.name,
                                create ? "create" : "restore");
    }
    libxl_domain_config_dispose(&config);
    xl_context_close(xl);
    return refused;
}
