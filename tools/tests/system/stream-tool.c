/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Streams in files, for the tests: the library's calls without a descriptor
 * for the way back.
 *
 *   stream-tool save DOMAIN FILE    as xl save, by libxl_domain_live_migrate()
 *   stream-tool restore FILE        as xl restore -e, by
 *                                   libxl_domain_live_migrate_receive()
 *
 * The files are those of xl: its header, the configuration, a libxl stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "config.h"
#include "libxl_live_migrate.h"
#include "xl_context.h"

static const libxl_childproc_hooks child_hooks = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

static int open_context(struct xl_context *xl)
{
    xl->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_WARN, XTL_STDIOSTREAM_HIDE_PROGRESS);
    if (!xl->logger ||
        libxl_ctx_alloc(&xl->ctx, LIBXL_VERSION, 0, xl->logger)) {
        fprintf(stderr, "stream-tool: cannot open libxl\n");
        return -1;
    }
    libxl_childproc_setmode(xl->ctx, &child_hooks, NULL);
    return 0;
}

static void close_context(struct xl_context *xl)
{
    libxl_ctx_free(xl->ctx);
    xtl_logger_destroy(xl->logger);
}

static int report(const libxl_live_migrate_result *result, int rc)
{
    if (rc) {
        fprintf(stderr, "stream-tool: failed (%s, libxl error %d): %s\n",
                libxl_live_migrate_phase_to_string(result->phase), rc,
                result->reason);
        return -1;
    }
    printf("pages: %llu in precopy, %llu in the stop\n",
           (unsigned long long)result->stats.precopy_pages,
           (unsigned long long)result->stats.stop_pages);
    return 0;
}

static int save_stream(struct xl_context *xl, uint32_t domid, int fd)
{
    libxl_live_migrate_params params;
    libxl_live_migrate_result result;
    bool transitioned;
    int rc;

    libxl_live_migrate_params_init(&params);
    /* More than one round, so that the file has some pages more than once. */
    params.precopy_iterations = 2;
    rc = libxl_domain_live_migrate_tuned(xl->ctx, domid, fd, 0, -1, &params,
                                         &result, &transitioned, NULL);
    libxl_live_migrate_params_dispose(&params);
    if (report(&result, rc)) {
        return -1;
    }
    if (transitioned) {
        fprintf(stderr, "stream-tool: an image has handed over the domain\n");
        return -1;
    }
    return libxl_domain_destroy(xl->ctx, domid, NULL);
}

static int save(struct xl_context *xl, const char *name, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *config = NULL;
    uint32_t domid;
    int ret = -1;

    if (fd < 0 || libxl_domain_qualifier_to_domid(xl->ctx, name, &domid)) {
        fprintf(stderr, "stream-tool: no %s, or no domain %s\n", path, name);
        goto out;
    }
    config = xl_config_to_send(xl, domid, NULL, false);
    if (!config || xl_config_write(fd, config)) {
        goto out;
    }
    ret = save_stream(xl, domid, fd);

out:
    free(config);
    if (fd >= 0) {
        close(fd);
    }
    return ret;
}

static int restore(struct xl_context *xl, const char *path)
{
    libxl_live_migrate_receive_params params;
    libxl_live_migrate_result result;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    libxl_domain_config config;
    bool resumed;
    uint32_t domid;
    int ret = -1;
    int rc;

    libxl_domain_config_init(&config);
    if (fd < 0 || xl_config_read(xl, fd, &config)) {
        fprintf(stderr, "stream-tool: %s cannot be read\n", path);
        goto out;
    }
    libxl_live_migrate_receive_params_init(&params);
    rc = libxl_domain_live_migrate_receive(xl->ctx, &config, &domid, fd, -1,
                                           &params, &result, &resumed, NULL);
    libxl_live_migrate_receive_params_dispose(&params);
    ret = report(&result, rc);

out:
    libxl_domain_config_dispose(&config);
    if (fd >= 0) {
        close(fd);
    }
    return ret;
}

int main(int argc, char **argv)
{
    struct xl_context xl = {.argc = argc, .argv = argv};
    int ret;

    if (argc == 4 && !strcmp(argv[1], "save")) {
        ret = open_context(&xl) || save(&xl, argv[2], argv[3]);
    } else if (argc == 3 && !strcmp(argv[1], "restore")) {
        ret = open_context(&xl) || restore(&xl, argv[2]);
    } else {
        fprintf(stderr, "usage: stream-tool save DOMAIN FILE\n"
                        "       stream-tool restore FILE\n");
        return EXIT_FAILURE;
    }
    close_context(&xl);
    return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
