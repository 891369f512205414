/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many guests at a time look to a person, and to a machine.  Pure: text.
 */
#ifndef XL_EVACUATION_VIEW_H
#define XL_EVACUATION_VIEW_H

#include <stddef.h>
#include <stdio.h>

#include "evacuation.h"
#include "migrate_view.h"

/* ---- for people ---- */

/* A line of the table for a guest, no longer than `columns`. */
void xl_evacuation_row(char line[XL_VIEW_MAX], size_t columns,
                       const struct xl_evacuation *evacuation,
                       const struct xl_guest *guest);

/* How many guests are in which state, in one line. */
void xl_evacuation_counts(char line[XL_VIEW_MAX],
                          const struct xl_evacuation *evacuation);

/* The table: the counts, and rows until there are `rows` lines in all, those
 * first that change or that need a person. */
void xl_evacuation_table(FILE *to, size_t columns, size_t rows,
                         const struct xl_evacuation *evacuation);

/* A sentence about a guest as it is now, with its name before it. */
void xl_evacuation_sentence(char line[XL_VIEW_MAX],
                            const struct xl_evacuation *evacuation,
                            const struct xl_guest *guest);

/*
 * The end: each guest that has not gone with its reason, the counts, and what
 * to do about those that are paused.  `options` are those of the command.
 */
void xl_evacuation_summary(FILE *to, const struct xl_evacuation *evacuation,
                           const struct xl_options *options);

/* ---- for machines: docs/specs/live-migrate-all.schema.json ---- */

/* One guest, or the end, on a line each. */
void xl_evacuation_put_guest(FILE *to, const struct xl_evacuation *evacuation,
                             const struct xl_guest *guest);
void xl_evacuation_put_end(FILE *to, const struct xl_evacuation *evacuation);

#endif
