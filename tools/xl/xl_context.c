/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What main() makes, and all commands use.
 */
#include "xl_context.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const libxl_childproc_hooks child_hooks = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

/* What libxl and libxc log by themselves is for people who look for a bug. */
static xentoollog_level log_level(int verbosity)
{
    switch (verbosity) {
    case 0:
        return XTL_WARN;
    case 1:
        return XTL_PROGRESS;
    case 2:
        return XTL_VERBOSE;
    default:
        return XTL_DEBUG;
    }
}

/* Where the hypervisor is called, and whether it obeys this domain. */
#define PRIVILEGED_CALLS "/dev/xen/privcmd"
#define CAPABILITIES "/proc/xen/capabilities"

static bool is_dom0(void)
{
    FILE *file = fopen(CAPABILITIES, "re");
    char line[64] = "";

    if (!file) { /* not mounted */
        return !access(PRIVILEGED_CALLS, F_OK);
    }
    if (!fgets(line, sizeof(line), file)) {
        line[0] = '\0';
    }
    fclose(file);
    return strstr(line, "control_d");
}

int xl_check_host(void)
{
    if (geteuid()) {
        fprintf(stderr, "xl: only root can do that\n");
        return XL_EXIT_NOT_ROOT;
    }
    if (!is_dom0()) {
        fprintf(stderr, "xl: this is no Xen dom0: was this host booted "
                        "without Xen?\n");
        return XL_EXIT_NO_DOM0;
    }
    return 0;
}

int xl_context_open(struct xl_context *xl)
{
    if (!xl->logger) {
        xl->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(
            stderr, log_level(xl->verbosity), XTL_STDIOSTREAM_HIDE_PROGRESS);
    }
    if (!xl->logger ||
        libxl_ctx_alloc(&xl->ctx, LIBXL_VERSION, 0, xl->logger)) {
        fprintf(stderr, "xl: cannot open libxl: is this a Xen dom0, and are "
                        "you root?\n");
        return -1;
    }
    libxl_childproc_setmode(xl->ctx, &child_hooks, NULL);
    return 0;
}

void xl_context_close(struct xl_context *xl)
{
    if (xl->ctx) {
        libxl_ctx_free(xl->ctx);
        xl->ctx = NULL;
    }
    if (xl->logger) {
        xtl_logger_destroy(xl->logger);
        xl->logger = NULL;
    }
}
