/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The parts of our xl: the sending and the receiving side of a migration with
 * postcopy.  Everything else is the stock xl's.
 */
#ifndef XL_H
#define XL_H

#include <stdbool.h>

#include <libxl.h>
#include <xentoollog.h>

#include "exit_status.h"

#define XL_INCOMING_SUFFIX "--incoming"

/* What main() makes and all commands use. */
struct xl_context {
    xentoollog_logger *logger;
    libxl_ctx *ctx;
    int verbosity; /* how many -v there were */
    int argc;      /* of the whole command line */
    char **argv;
};

/* Whether this host and this user can do anything at all: 0, or what to exit
 * with after having said what is wrong. */
int xl_check_host(void);

/* Open xl->ctx, set up for a process that reaps its own children.  0, or -1
 * after having said why. */
int xl_context_open(struct xl_context *xl);
void xl_context_close(struct xl_context *xl);

/* The commands, after their options (argv[0] is the command's name); they
 * return an exit status. */
int xl_main_migrate(struct xl_context *xl, int argc, char **argv);
int xl_main_migrate_recover(struct xl_context *xl, int argc, char **argv);
int xl_main_migrate_receive(struct xl_context *xl, int argc, char **argv);
int xl_main_migrate_status(struct xl_context *xl, int argc, char **argv);
int xl_main_migrate_wait(struct xl_context *xl, int argc, char **argv);
int xl_main_migrate_start_postcopy(struct xl_context *xl, int argc,
                                   char **argv);
int xl_main_migrate_abort(struct xl_context *xl, int argc, char **argv);
int xl_main_migrate_set_rate(struct xl_context *xl, int argc, char **argv);

#endif
