/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What xl migrate and xl migrate-recover have in common: options, the
 * connection to the other host, and the messages when it fails.
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
    /* Made from the options: */
    uint32_t domid;
    char *command;
    char *rdma;       /* the address for RDMA; NULL: no RDMA */
    char *trace_path; /* NULL: there is no trace */
    int abort_fd;
    struct xl_transport transport;
    struct xl_progress progress;
};

/* Begin with the command line of either command.  True: go on; false: exit
 * with *status. */
bool xl_sender_read(struct xl_sender *sender, struct xl_context *xl,
                    enum xl_command_id command, int argc, char **argv,
                    int *status);

/* ---- the connection ---- */

/* These return 0, or -1 with a message on stderr. */

/* Open libxl, and a hypervisor that the library can be used with. */
int xl_sender_open(struct xl_sender *sender);
/* Turn Ctrl-C, SIGTERM and SIGHUP into a readable descriptor: they stop a
 * migration only while that is safe. */
int xl_sender_take_signals(struct xl_sender *sender);
/* The command that connects, which the caller must free (NULL: no memory); and
 * its kind. */
char *xl_sender_command(const struct xl_sender *sender,
                        const char *receive_options);
enum xl_transport_kind xl_sender_kind(const struct xl_sender *sender);
/* Connect with a receiver on the host that has these options (each with a
 * blank before it), and wait until it reports that it is there.  Also returns
 * XL_TRANSPORT_NO_POSTCOPY. */
int xl_sender_connect(struct xl_sender *sender, const char *receive_options);
/* The same for any further connection of this migration, of transport.h, until
 * abort_fd is readable. */
int xl_sender_open_transport(const struct xl_sender *sender,
                             struct xl_transport *transport,
                             const char *command, enum xl_transport_kind kind,
                             int abort_fd);
/* Has the user asked to give up? */
bool xl_sender_has_given_up(const struct xl_sender *sender);
/* Have the library show this guest's progress; the name must stay. */
void xl_sender_show(struct xl_sender *sender, const char *name);
/* Destroy the domain here, after the destination has reported that it has
 * everything. */
int xl_sender_destroy_source(struct xl_sender *sender);

/* Complete a line that says what has failed by the reasons of the library and
 * of the connection, which has ended. */
void xl_sender_say_why(const struct xl_sender *sender,
                       const libxl_live_migrate_result *result);

/* Print the command that recovers this guest, and a line about the other end
 * if ssh does not start the receiver there. */
void xl_sender_say_recovery(const struct xl_sender *sender);

/* Harmless at any time after xl_sender_read(). */
void xl_sender_close(struct xl_sender *sender);

#endif
