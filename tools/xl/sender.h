/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What xl migrate and xl migrate-recover have in common: options, the
 * connection to the other host, and what is said when it fails.
 */
#ifndef XL_SENDER_H
#define XL_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "libxl_live_migrate.h"
#include "options.h"
#include "progress.h"
#include "transport.h"
#include "xl_context.h"

struct xl_sender {
    struct xl_context *xl;
    struct xl_options options; /* as given */
    /* Made of these. */
    uint32_t domid;
    char *command;
    char *trace_path; /* NULL: there is no trace */
    int abort_fd;
    struct xl_transport transport;
    struct xl_progress progress;
};

/* Begin, with the command line of one of the two.  True: go on; false: exit
 * with *status. */
bool xl_sender_read(struct xl_sender *sender, struct xl_context *xl,
                    enum xl_command_id command, int argc, char **argv,
                    int *status);

/* ---- the connection ---- */

/* These return 0, or -1 having said why. */

/* libxl, and a hypervisor that the library can be used with. */
int xl_sender_open(struct xl_sender *sender);
/* Ctrl-C, SIGTERM and SIGHUP become something that can be waited for, as they
 * stop a migration only as long as that is safe. */
int xl_sender_take_signals(struct xl_sender *sender);
/* A receiver on the host, with these options (each with a blank before it), is
 * there and has said so; also XL_TRANSPORT_NO_POSTCOPY. */
int xl_sender_connect(struct xl_sender *sender, const char *receive_options);
/* Somebody has asked for the end of it. */
bool xl_sender_has_given_up(const struct xl_sender *sender);
/* Have the library show the progress of this guest; the name must stay. */
void xl_sender_show(struct xl_sender *sender, const char *name);
/* Everything is at the destination, which has said so. */
int xl_sender_destroy_source(struct xl_sender *sender);

/* Ends a line that says what has failed with why, as the library and then the
 * connection, which has ended, have it. */
void xl_sender_say_why(const struct xl_sender *sender,
                       const libxl_live_migrate_result *result);

/* A line for people that has the command which recovers this guest, and one
 * about the other end where this is not for ssh to start. */
void xl_sender_say_recovery(const struct xl_sender *sender);

/* Harmless at any time after xl_sender_read(). */
void xl_sender_close(struct xl_sender *sender);

#endif
