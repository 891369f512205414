/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-recover: the source, once more, after the connection was lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "commands.h"
#include "evacuation/evacuate.h"
#include "libxl_live_migrate.h"
#include "progress.h"
#include "sender.h"
#include "standby.h"
#include "streams.h"
#include "transport.h"

struct xl_recover {
    struct xl_sender sender;
    struct xl_streams streams;
    char *name; /* the guest's own */
};

/* ---- stages ---- */

/* By the guest's own name before all others: in a move within one host that is
 * the name of the copy that runs. */
static int find_domain(struct xl_recover *recover)
{
    libxl_live_migrate_status *list;
    bool by_name = false;
    int count;

    if (libxl_domain_qualifier_to_domid(recover->sender.xl->ctx,
                                        recover->sender.options.domain,
                                        &recover->sender.domid)) {
        recover->sender.domid = INVALID_DOMID;
    }
    if (libxl_live_migrate_list(&list, &count)) {
        count = 0;
    }
    for (int i = 0; i < count; i++) {
        bool named = !strcmp(list[i].name, recover->sender.options.domain);

        if (list[i].role != LIBXL_LIVE_MIGRATE_ROLE_SOURCE || by_name ||
            (!named && list[i].domid != recover->sender.domid)) {
            continue;
        }
        by_name = named;
        recover->sender.domid = list[i].domid;
        free(recover->name);
        recover->name = strdup(list[i].name);
    }
    libxl_live_migrate_status_list_free(list, count);
    if (!recover->name) {
        fprintf(stderr,
                "xl: no migration of '%s' away from here is known: see xl "
                "migrate-status\n",
                recover->sender.options.domain);
        return -1;
    }
    return 0;
}

static void say_kept(const struct xl_recover *recover)
{
    fprintf(stderr,
            "xl: Nothing has changed: %s is kept here, suspended (domain %u). "
            "Try again:\n",
            recover->name, recover->sender.domid);
    xl_sender_say_recovery(&recover->sender);
}

static void say_lost(const struct xl_recover *recover)
{
    fprintf(
        stderr,
        "xl: %s can never be whole at the destination any more, and trying "
        "again is of no use. Nothing was destroyed: domain %u has its "
        "memory as it was at the stop; the disks have moved on since.\n",
        recover->name, recover->sender.domid);
}

static libxl_live_migrate_state end_state(libxl_live_migrate_recovery found,
                                          bool lost)
{
    if (lost) {
        return LIBXL_LIVE_MIGRATE_STATE_LOST;
    }
    switch (found) {
    case LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE:
    case LIBXL_LIVE_MIGRATE_RECOVERY_ENDED:
        return LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
    case LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK:
        return LIBXL_LIVE_MIGRATE_STATE_FAILED;
    case LIBXL_LIVE_MIGRATE_RECOVERY_NONE:
        break;
    }
    return LIBXL_LIVE_MIGRATE_STATE_PAUSED;
}

static int conclude(struct xl_recover *recover,
                    libxl_live_migrate_recovery found, bool lost)
{
    switch (found) {
    case LIBXL_LIVE_MIGRATE_RECOVERY_ENDED:
        fprintf(stderr, "xl: %s has ended at the destination.\n",
                recover->name);
        return xl_sender_destroy_source(&recover->sender);
    case LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE:
        return xl_sender_destroy_source(&recover->sender);
    case LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK:
        fprintf(stderr,
                "xl: %s never ran at the destination and never will: it runs "
                "on here, as before.\n",
                recover->name);
        (void)xl_monitor_replace_ended(recover->sender.domid);
        return XL_EXIT_TAKEN_BACK;
    case LIBXL_LIVE_MIGRATE_RECOVERY_NONE:
        break;
    }
    if (lost) {
        say_lost(recover);
        return XL_EXIT_GONE;
    }
    say_kept(recover);
    return XL_EXIT_PAUSED;
}

/* Only the destination's log and the guest know whether one of them gave
 * up. */
static void say_exposed(const struct xl_recover *recover,
                        const libxl_live_migrate_stats *stats)
{
    if (stats->outside) {
        fprintf(stderr,
                "xl: back ends at the destination wanted %" PRIu64
                " pages before they had come: if the connection was gone for "
                "more than half a minute, a disk of %s may have had I/O "
                "errors. See its log, and that of the destination.\n",
                stats->outside, recover->name);
    }
}

static int go_on(struct xl_recover *recover)
{
    struct xl_sender *sender = &recover->sender;
    libxl_live_migrate_recovery found;
    libxl_live_migrate_result result;
    int rc;

    xl_sender_show(sender, recover->name);
    rc = libxl_domain_live_migrate_recover(
        sender->xl->ctx, sender->domid, sender->transport.send_fd,
        sender->transport.recv_fd, &sender->options.params, &result, &found,
        NULL);
    xl_progress_end(&sender->progress, end_state(found, result.lost), &result);
    xl_transport_end(&sender->transport);
    xl_streams_end(&recover->streams);
    if (rc) {
        fprintf(stderr, "xl: Recovery failed (libxl error %d)", rc);
        xl_sender_say_why(sender, &result);
    }
    if (found == LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE) {
        say_exposed(recover, &result.stats);
    }
    return conclude(recover, found, result.lost);
}

/* The receiver needs its options if it takes the place of a killed one. */
static int connect_to_receiver(struct xl_recover *recover)
{
    char *passed_on = xl_options_for_receiver(&recover->sender.options);
    char *options;
    int ret = -1;

    if (passed_on && asprintf(&options, " --recover%s", passed_on) >= 0) {
        ret = xl_sender_connect(&recover->sender, options);
        free(options);
    } else {
        perror("xl");
    }
    free(passed_on);
    return ret;
}

static int recover_domain(struct xl_recover *recover)
{
    if (find_domain(recover) || xl_sender_take_signals(&recover->sender) ||
        xl_streams_want(&recover->streams, &recover->sender)) {
        return -1;
    }
    if (connect_to_receiver(recover)) {
        say_kept(recover);
        return XL_EXIT_PAUSED;
    }
    return go_on(recover);
}

int xl_main_migrate_recover(struct xl_context *xl, int argc, char **argv)
{
    struct xl_recover recover = {.streams = XL_STREAMS_NONE};
    int status;

    if (!xl_sender_read(&recover.sender, xl, XL_COMMAND_RECOVER, argc, argv,
                        &status)) {
        return status;
    }
    if (recover.sender.options.all) {
        return xl_recover_all(xl, &recover.sender.options);
    }
    if (xl_sender_open(&recover.sender)) {
        return EXIT_FAILURE;
    }
    status = recover_domain(&recover);
    xl_sender_close(&recover.sender);
    xl_streams_end(&recover.streams);
    free(recover.name);
    return status < 0 ? EXIT_FAILURE : status;
}
