/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A receiver of one connection: what xl migrate-receive is, and each process
 * of xl migrate-listen.
 */
#ifndef XL_RECEIVE_H
#define XL_RECEIVE_H

#include "options.h"
#include "xl_context.h"

/*
 * Serve the other end of stdin and stdout until all of its guest is here, with
 * options of xl migrate-receive.  For a process that has one thread and has
 * not used libxl yet; an exit status.
 */
int xl_receive(struct xl_context *xl, const struct xl_options *options);

#endif
