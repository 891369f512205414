/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guests of this host have to be moved, recovered or followed.
 */
#ifndef XL_GATHER_H
#define XL_GATHER_H

#include "evacuation.h"
#include "xl_context.h"

/*
 * Add the guests that --only and --except ask for, in their order.  0; or -1
 * with a message on stderr: nothing may be done.  *missing: some that --only
 * names are not here and have not gone from here; a message was printed.
 */
int xl_gather_all(struct xl_context *xl, const struct xl_options *options,
                  struct xl_evacuation *evacuation, bool *missing);

/* Add the guests that are paused on their way to the only host.  Where that is
 * the name of no guest's host it may be another name of theirs: then all that
 * are paused. */
int xl_gather_paused(struct xl_context *xl, const struct xl_options *options,
                     struct xl_evacuation *evacuation);

#endif
