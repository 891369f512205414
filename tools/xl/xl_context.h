/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What main() makes, and all commands use.
 */
#ifndef XL_CONTEXT_H
#define XL_CONTEXT_H

#include <stdbool.h>

#include <libxl.h>
#include <xentoollog.h>

#include "exit_status.h"

#define XL_INCOMING_SUFFIX "--incoming"

struct xl_context {
    xentoollog_logger *logger;
    libxl_ctx *ctx;
    int verbosity; /* how many -v there were */
    int argc;      /* of the whole command line */
    char **argv;
};

/* Can this user run commands on this host at all?  0, or the exit status after
 * a message on stderr. */
int xl_check_host(void);

/* Open xl->ctx, for a process that reaps its own children.  0, or -1 with a
 * message on stderr. */
int xl_context_open(struct xl_context *xl);
void xl_context_close(struct xl_context *xl);

#endif
