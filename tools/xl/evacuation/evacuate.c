/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-all, and xl migrate-recover --all: many guests at a time.
 */
#include "evacuate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "commands.h"
#include "conductor.h"
#include "evacuation.h"
#include "gather.h"
#include "libxl_live_migrate.h"
#include "signals.h"
#include "transport_command.h"
#include "xen_directories.h"

/* There is one evacuation of a host at a time. */
#define LOCK XEN_LOCK_DIR "/xl-migrate-all"
#define PROGRAM "/proc/self/exe"

/* ---- stages ---- */

static int check_hosts(const struct xl_options *options)
{
    if (options->rdma && options->rdma[0] && options->nr_hosts > 1) {
        fprintf(stderr, "xl: each host has an address of its own for RDMA: "
                        "--rdma without an ADDRESS takes those of the "
                        "HOSTs\n");
        return -1;
    }
    for (size_t i = 0; i < options->nr_hosts; i++) {
        if ((options->tls || options->ssh_command[0]) &&
            !xl_transport_host_is_plain(options->hosts[i])) {
            fprintf(stderr,
                    "xl: the host has characters that no host's name has; to "
                    "give a command in place of a host, use -s ''\n");
            return -1;
        }
        for (size_t j = 0; j < i; j++) {
            if (!strcmp(options->hosts[i], options->hosts[j])) {
                fprintf(stderr, "xl: %s is named twice\n", options->hosts[i]);
                return -1;
            }
        }
    }
    return 0;
}

static int open_host(struct xl_context *xl)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX] = "out of memory";

    if (xl_check_host() || xl_context_open(xl)) {
        return -1;
    }
    if (libxl_live_migrate_check_host(reason)) {
        fprintf(stderr, "xl: %s\n", reason);
        return -1;
    }
    return 0;
}

/* Lock *fd, until that is closed; -1: another evacuation has the lock.  On a
 * host where the file cannot be made there is no lock. */
static int lock_host(int *fd)
{
    *fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        fprintf(stderr, "xl: another xl migrate-all is at work on this "
                        "host\n");
        return -1;
    }
    return 0;
}

static int conduct(struct xl_context *xl, const struct xl_options *options,
                   struct xl_evacuation *evacuation)
{
    struct xl_conductor conductor = {
        .evacuation = evacuation,
        .ops = &xl_conductor_library,
        .options = options,
        .program = PROGRAM,
        .verbosity = xl->verbosity,
        .signal_fd = xl_take_signals(),
    };
    int status;

    if (conductor.signal_fd < 0) {
        return EXIT_FAILURE;
    }
    status = xl_conduct(&conductor);
    close(conductor.signal_fd);
    return status;
}

/* ---- the commands ---- */

static int migrate_all(struct xl_context *xl, const struct xl_options *options,
                       struct xl_evacuation *evacuation)
{
    struct xl_candidates candidates = {.count = 0};
    int status = EXIT_FAILURE, lock = -1;
    bool missing = false;

    if (check_hosts(options) || open_host(xl) || lock_host(&lock) ||
        xl_gather(xl, &candidates) ||
        xl_select(evacuation, options, &candidates, &missing)) {
        goto out;
    }
    if (!evacuation->nr_guests && !missing) {
        fprintf(stderr, "xl: there is no guest here to be moved\n");
    }
    status = conduct(xl, options, evacuation);
    if (status == EXIT_SUCCESS && missing) {
        status = EXIT_FAILURE;
    }

out:
    xl_gather_free(&candidates);
    if (lock >= 0) {
        close(lock);
    }
    return status;
}

int xl_main_migrate_all(struct xl_context *xl, int argc, char **argv)
{
    struct xl_evacuation evacuation;
    struct xl_options options;
    int status;

    if (xl_options_read(&options, XL_COMMAND_MIGRATE_ALL, argc, argv,
                        &status)) {
        xl_evacuation_init(&evacuation, &options);
        status = migrate_all(xl, &options, &evacuation);
        xl_evacuation_free(&evacuation);
    }
    xl_options_free(&options);
    return status;
}

int xl_recover_all(struct xl_context *xl, const struct xl_options *options)
{
    struct xl_candidates candidates = {.count = 0};
    struct xl_evacuation evacuation;
    int status = EXIT_FAILURE;

    xl_evacuation_init(&evacuation, options);
    evacuation.recovers = true;
    if (!check_hosts(options) && !open_host(xl) &&
        !xl_gather(xl, &candidates) &&
        !xl_select_paused(&evacuation, &candidates)) {
        if (!evacuation.nr_guests) {
            fprintf(stderr, "xl: no guest is paused on its way to %s\n",
                    options->host);
        }
        status = conduct(xl, options, &evacuation);
    }
    xl_gather_free(&candidates);
    xl_evacuation_free(&evacuation);
    return status;
}
