/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest that moves has a domain at either host, and for a while neither of
 * the two is a whole guest.  One table says what each command of the stock xl
 * would do to such a part, and whether it may; the manual has a copy of it.
 * Pure.
 */
#ifndef XL_PART_COMMANDS_H
#define XL_PART_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libxl_live_migrate.h"

/* Which part of a moving guest a domain is. */
enum xl_part {
    XL_PART_MOVING, /* the whole guest, at the source, before the go */
    XL_PART_SHELL,  /* the source's domain from the go on */
    /* the domain that the destination builds, before the go */
    XL_PART_INCOMING,
    XL_PART_ARRIVING, /* the guest runs here, and lacks memory */
    XL_PARTS,
    XL_PART_NONE = XL_PARTS, /* an ordinary domain */
};

enum xl_verdict {
    XL_ALLOWED,
    XL_FORCED, /* only with --force */
    XL_REFUSED,
};

struct xl_part_command {
    const char *name;
    /* Its options of one letter that have an argument. */
    const char *with_argument;
    /* -a or --all may replace the domain. */
    bool takes_all;
    enum xl_verdict verdicts[XL_PARTS];
    /* Why not, for a guest that still runs at its source ... */
    const char *while_moving;
    /* ... and for the other three parts. */
    const char *of_a_part;
};

extern const struct xl_part_command xl_part_commands[];
extern const size_t xl_nr_part_commands;

/* Does a word of the command line name this command, in full or shortened as
 * the stock xl allows? */
bool xl_names_command(const char *word, const struct xl_part_command *command);

/* What a command line refers to. */
struct xl_part_line {
    const char *domain; /* a name or a number; NULL: none */
    bool all;
    bool force; /* --force, which the stock xl does not have */
    bool help;
};

/* argv[0] is the command's name. */
struct xl_part_line xl_part_line_parse(const struct xl_part_command *command,
                                       int argc, char **argv);
/* Remove --force from a command line for the stock xl; returns the new
 * argc. */
int xl_part_line_strip(const struct xl_part_command *command, int argc,
                       char **argv);

/* ---- the domain in question ---- */

struct xl_part_domain {
    enum xl_part part;
    const char *called;  /* the domain's present name */
    const char *recover; /* command that recovers the guest; NULL: not known */
    const libxl_live_migrate_status *status;
};

/* From the status alone: a domain that was resumed meanwhile is no part. */
enum xl_part xl_part_of(const libxl_live_migrate_status *status);
/* From what the library has found out about the domain. */
enum xl_part xl_part_of_half(libxl_live_migrate_half half);
/* Does no process work on it?  Its connection or its process is lost. */
bool xl_part_is_left(const libxl_live_migrate_status *status);

/* The verdict on the command: a part that is not needed any more may be
 * destroyed. */
enum xl_verdict xl_part_verdict(const struct xl_part_command *command,
                                const struct xl_part_domain *domain);

/* The message in place of the command or, with force, before it: lines that
 * the caller must free; NULL: no memory. */
char *xl_part_explain(const struct xl_part_command *command,
                      const struct xl_part_domain *domain, bool force);
/* What the domain is, and for how long: one line. */
char *xl_part_describe(const struct xl_part_domain *domain);

/* The table in the manual's format. */
char *xl_part_table(void);

#endif
