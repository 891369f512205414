/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A guest that moves is a domain at either host, and for a while neither of
 * the two is a whole guest.  What each command of the stock xl would do to
 * such a part, and whether it may: one table, of which the manual's is a copy.
 * Pure.
 */
#ifndef XL_PART_COMMANDS_H
#define XL_PART_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libxl_live_migrate.h"

/* What a domain is of a guest that moves. */
enum xl_part {
    XL_PART_MOVING,   /* all of it, at the source, before the go */
    XL_PART_SHELL,    /* what the source keeps from the go on */
    XL_PART_INCOMING, /* what the destination builds, before the go */
    XL_PART_ARRIVING, /* it runs here, and lacks memory */
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
    /* Its options of one letter that take an argument. */
    const char *with_argument;
    /* -a or --all takes the place of a domain. */
    bool takes_all;
    enum xl_verdict verdicts[XL_PARTS];
    /* Why not, of a guest that still runs at its source ... */
    const char *while_moving;
    /* ... and of the other three parts. */
    const char *of_a_part;
};

extern const struct xl_part_command xl_part_commands[];
extern const size_t xl_nr_part_commands;

/* A word of the command line names this command: in full, or shortened as the
 * stock xl allows. */
bool xl_names_command(const char *word, const struct xl_part_command *command);

/* What a command line is about. */
struct xl_part_line {
    const char *domain; /* a name or a number; NULL: none */
    bool all;
    bool force; /* --force, which is not the stock xl's */
    bool help;
};

/* argv[0] is the command's name. */
struct xl_part_line xl_part_line_parse(const struct xl_part_command *command,
                                       int argc, char **argv);
/* Take --force out of a command line, for the stock xl; the new argc. */
int xl_part_line_strip(const struct xl_part_command *command, int argc,
                       char **argv);

/* ---- the domain in question ---- */

struct xl_part_domain {
    enum xl_part part;
    const char *called;  /* what the domain is called at the moment */
    const char *recover; /* the command that recovers it; NULL: not known */
    const libxl_live_migrate_status *status;
};

/* By its status alone: a domain that was resumed meanwhile is none. */
enum xl_part xl_part_of(const libxl_live_migrate_status *status);
/* And by what the library has found out of the domain itself. */
enum xl_part xl_part_of_half(libxl_live_migrate_half half);
/* Nobody is at work on it: its connection or its process is lost. */
bool xl_part_is_left(const libxl_live_migrate_status *status);

/* What becomes of the command: a part that nobody needs any more may be
 * destroyed. */
enum xl_verdict xl_part_verdict(const struct xl_part_command *command,
                                const struct xl_part_domain *domain);

/* What is said instead of doing it, or, with force, before: lines that are
 * malloc'ed; NULL: no memory. */
char *xl_part_explain(const struct xl_part_command *command,
                      const struct xl_part_domain *domain, bool force);
/* What the domain is and how long that lasts, on a line of its own. */
char *xl_part_describe(const struct xl_part_domain *domain);

/* The table as the manual has it. */
char *xl_part_table(void);

#endif
