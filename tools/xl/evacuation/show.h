/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The progress of many guests at a time: a table that is redrawn on a
 * terminal, a line for each change elsewhere, objects for machines.
 */
#ifndef XL_SHOW_H
#define XL_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "evacuation.h"
#include "options.h"

struct xl_shown; /* of a guest, what was shown last */

struct xl_show {
    const struct xl_options *options;
    bool terminal;
    size_t drawn; /* lines of the table that are drawn over */
    uint64_t drawn_us;
    struct xl_shown *shown;
};

/* 0, or -1: no memory. */
int xl_show_begin(struct xl_show *show, const struct xl_options *options,
                  size_t nr_guests);

/* Show what has changed, and what is due. */
void xl_show_update(struct xl_show *show,
                    const struct xl_evacuation *evacuation);

/* Print the lines of a process above the table, each with the name of its
 * guest or host before it. */
void xl_show_said(struct xl_show *show, const char *name,
                  const struct xl_child *child);
void xl_show_text(struct xl_show *show, const char *text);

/* Show the summary, or the last object.  No other call may follow. */
void xl_show_end(struct xl_show *show, const struct xl_evacuation *evacuation);

#endif
