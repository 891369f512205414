/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What main() makes and all commands use.
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

/* Whether this host and this user can do anything at all: 0, or what to exit
 * with after having said what is wrong. */
int xl_check_host(void);

/* Open xl->ctx, set up for a process that reaps its own children.  0, or -1
 * after having said why. */
int xl_context_open(struct xl_context *xl);
void xl_context_close(struct xl_context *xl);

#endif
