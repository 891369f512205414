/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate --postcopy: the source.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libxl_utils.h>

#include "commands.h"
#include "config.h"
#include "fault_channel.h"
#include "libxl_live_migrate.h"
#include "part_gate.h"
#include "preflight.h"
#include "progress.h"
#include "sender.h"
#include "standby.h"
#include "streams.h"
#include "transport.h"
#include "wishes.h"

struct xl_migrate {
    struct xl_sender sender;
    char *config;
    char *own_config; /* the domain's, of the same moment */
    struct xl_fault_channel channel;
    struct xl_streams streams;
};

/* ---- stages ---- */

static int find_domain(struct xl_migrate *migrate)
{
    if (libxl_domain_qualifier_to_domid(migrate->sender.xl->ctx,
                                        migrate->sender.options.domain,
                                        &migrate->sender.domid)) {
        fprintf(stderr, "xl: there is no domain '%s' here\n",
                migrate->sender.options.domain);
        return -1;
    }
    return xl_gate_move(migrate->sender.xl, migrate->sender.domid);
}

static int connect_receiver(struct xl_migrate *migrate)
{
    char *options = xl_options_for_receiver(&migrate->sender.options);
    int ret;

    if (!options) {
        perror("xl");
        return -1;
    }
    ret = xl_sender_connect(&migrate->sender, options);
    free(options);
    return ret;
}

/* By TLS the receiver gets no command line from this end. */
static int send_prologue(struct xl_migrate *migrate)
{
    struct xl_sender *sender = &migrate->sender;
    struct xl_wishes wishes;

    if (sender->options.tls) {
        xl_wishes_make(&wishes, &sender->options);
        if (xl_config_write_octets(sender->transport.send_fd, &wishes,
                                   sizeof(wishes))) {
            fprintf(stderr, "xl: the receiver does not accept its options\n");
            return -1;
        }
    }
    return xl_config_write(sender->transport.send_fd, migrate->config);
}

static void say_handed_over(struct xl_migrate *migrate)
{
    char *name =
        libxl_domid_to_name(migrate->sender.xl->ctx, migrate->sender.domid);

    fprintf(stderr,
            "xl: The guest was handed over: it may be running at the "
            "destination, until it\n"
            "xl: needs memory that has not come. It is kept here, suspended, "
            "as %s\n"
            "xl: (domain %u): do not resume it. When the destination can be "
            "reached again:\n",
            name ? name : "?", migrate->sender.domid);
    xl_sender_say_recovery(&migrate->sender);
    free(name);
}

/* Nothing goes on from here by itself, and nothing is destroyed. */
static void say_lost(const struct xl_migrate *migrate)
{
    fprintf(stderr,
            "xl: The guest was handed over, and can never be whole at the "
            "destination any more:\n"
            "xl: see xl list and xl migrate-status there. If domain %u is "
            "still here, it has the\n"
            "xl: guest's memory as it was at the stop; the disks have moved "
            "on since.\n",
            migrate->sender.domid);
}

/* -1: it runs here; or XL_EXIT_GONE. */
static int say_where_it_runs(struct xl_migrate *migrate, bool was_suspended)
{
    libxl_dominfo info;
    bool stopped;

    libxl_dominfo_init(&info);
    stopped = libxl_domain_info(migrate->sender.xl->ctx, &info,
                                migrate->sender.domid) ||
              info.shutdown || info.dying;
    libxl_dominfo_dispose(&info);
    fprintf(stderr, "xl: %s\n",
            stopped ? "The guest does not run here any more: see xl list."
                    : "The guest runs on here, as before.");
    /* The stock xl's daemon has taken the suspend for the end. */
    if (!stopped && was_suspended) {
        (void)xl_monitor_replace_ended(migrate->sender.domid);
    }
    return stopped ? XL_EXIT_GONE : -1;
}

/* Returns the exit status. */
static int report_failure(struct xl_migrate *migrate,
                          const libxl_live_migrate_result *result, int rc,
                          bool transitioned)
{
    int where;

    fprintf(stderr, "xl: Migration failed (%s, libxl error %d)",
            libxl_live_migrate_phase_to_string(result->phase), rc);
    xl_sender_say_why(&migrate->sender, result);
    if (result->lost) {
        say_lost(migrate);
        return XL_EXIT_GONE;
    }
    if (transitioned) {
        say_handed_over(migrate);
        return XL_EXIT_PAUSED;
    }
    where = say_where_it_runs(migrate, result->stats.suspend_us != 0);
    return where == -1 &&
                   result->phase <= LIBXL_LIVE_MIGRATE_PHASE_PREPARING &&
                   !xl_sender_has_given_up(&migrate->sender)
               ? XL_EXIT_REFUSED
               : where;
}

static libxl_live_migrate_state end_state(int rc, bool transitioned, bool lost)
{
    if (!rc) {
        return LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
    }
    if (lost) {
        return LIBXL_LIVE_MIGRATE_STATE_LOST;
    }
    return transitioned ? LIBXL_LIVE_MIGRATE_STATE_PAUSED
                        : LIBXL_LIVE_MIGRATE_STATE_FAILED;
}

/* For a program that finds the domain here when this process is gone. */
static void keep_recovery(struct xl_migrate *migrate, const char *name)
{
    char *line = xl_options_recovery(&migrate->sender.options, name);

    if (line) {
        xl_gate_keep_recovery(migrate->sender.xl, migrate->sender.domid, line,
                              migrate->sender.options.host);
    }
    free(line);
}

static int move_domain(struct xl_migrate *migrate)
{
    struct xl_sender *sender = &migrate->sender;
    char *name = libxl_domid_to_name(sender->xl->ctx, sender->domid);
    libxl_live_migrate_result result;
    bool transitioned;
    int rc;

    xl_sender_show(sender, name ? name : sender->options.domain);
    keep_recovery(migrate, name ? name : sender->options.domain);
    rc = libxl_domain_live_migrate_tuned(
        sender->xl->ctx, sender->domid, sender->transport.send_fd, 0,
        sender->transport.recv_fd, &sender->options.params, &result,
        &transitioned, NULL);
    xl_progress_end(&sender->progress,
                    end_state(rc, transitioned, result.lost), &result);
    free(name);
    xl_transport_end(&sender->transport);
    xl_fault_channel_end(&migrate->channel);
    xl_streams_end(&migrate->streams);
    if (rc) {
        return report_failure(migrate, &result, rc, transitioned);
    }
    if (result.phase < LIBXL_LIVE_MIGRATE_PHASE_COMPLETE) {
        fprintf(stderr, "xl: The guest has ended at the destination, before "
                        "all of its memory was there.\n");
    }
    return 0;
}

/* 0, -1 or one of XL_EXIT_*. */
static int migrate_domain(struct xl_migrate *migrate)
{
    struct xl_sender *sender = &migrate->sender;
    int ret;

    ret = find_domain(migrate);
    if (ret) {
        return ret;
    }
    if (sender->options.fault_channel) {
        ret = xl_fault_channel_want(&migrate->channel, sender);
        if (ret) {
            return ret;
        }
    }
    ret = xl_streams_want(&migrate->streams, sender);
    if (ret) {
        return ret;
    }
    migrate->own_config = xl_config_own(sender->xl, sender->domid);
    if (!migrate->own_config) {
        return -1;
    }
    sender->options.params.sent_config = migrate->own_config;
    migrate->config = xl_config_to_send(sender->xl, sender->domid,
                                        sender->options.config_file,
                                        sender->options.preserve_domid);
    if (!migrate->config) {
        return -1;
    }
    ret = xl_sender_take_signals(sender);
    if (ret) {
        return ret;
    }
    ret = connect_receiver(migrate);
    if (ret) {
        int where = say_where_it_runs(migrate, false);

        return where == -1 && ret == XL_TRANSPORT_NO_POSTCOPY ? XL_EXIT_REFUSED
                                                              : where;
    }
    ret = send_prologue(migrate);
    if (ret) {
        return say_where_it_runs(migrate, false);
    }
    if (sender->options.check) {
        return xl_preflight_show(sender->xl, sender->domid,
                                 sender->transport.recv_fd);
    }
    ret = move_domain(migrate);
    if (ret) {
        return ret;
    }
    return xl_sender_destroy_source(sender);
}

int xl_main_migrate(struct xl_context *xl, int argc, char **argv)
{
    struct xl_migrate migrate = {
        .channel = XL_FAULT_CHANNEL_NONE,
        .streams = XL_STREAMS_NONE,
    };
    int status;

    if (!xl_sender_read(&migrate.sender, xl, XL_COMMAND_MIGRATE, argc, argv,
                        &status)) {
        return status;
    }
    if (xl_sender_open(&migrate.sender)) {
        return EXIT_FAILURE;
    }
    status = migrate_domain(&migrate);
    xl_sender_close(&migrate.sender);
    xl_fault_channel_end(&migrate.channel);
    xl_streams_end(&migrate.streams);
    free(migrate.config);
    free(migrate.own_config);
    return status < 0 ? EXIT_FAILURE : status;
}
