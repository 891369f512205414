/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What our commands are told on their command lines.  The list of options is
 * options.def; an option that is no parameter of the library has its field in
 * struct xl_options as well.
 */
#ifndef XL_OPTIONS_H
#define XL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "libxl_live_migrate.h"

enum xl_command_id {
#define COMMAND(id, ...) XL_COMMAND_##id,
#include "options.def"
    XL_NR_COMMANDS,
};

enum {
    XL_NR_OPTIONS = 0
#define OPTION(...) +1
#include "options.def"
};

struct xl_options {
    enum xl_command_id command;
    bool help; /* the usage is wanted, and nothing else */
    /* The arguments; NULL: there is none. */
    const char *domain;
    union {
        const char *host;
        const char *rate; /* of migrate-set-rate */
    };
    /* Of the library; link_timeout is the receiver's as well. */
    libxl_live_migrate_params params;
    const char *trace; /* of both sides */
    /* Of the sending side. */
    const char *ssh_command;
    const char *config_file;
    const char *fault_channel; /* NULL: none; "": connected as the first one */
    bool preserve_domid;
    bool json;
    /* Of the receiving side. */
    bool no_monitor;
    bool foreground;
    bool leave_paused;
    bool debug;
    bool check; /* both sides: look, and do nothing */
    bool recover;
    const char *policy; /* NULL: by who is at the other end */
    /* Of those that look. */
    bool watch;
    bool completed;
    bool commands;
    uint64_t limit; /* seconds; 0: for ever */
    bool then_abort;
    /* By row of the list: the argument as it was given, "" for an option
     * without one; NULL: not given. */
    const char *given[XL_NR_OPTIONS];
};

/* Room for what is wrong with an option's argument. */
#define XL_OPTION_WRONG_MAX 128

/*
 * Read the command line of a command (argv[0] is its name), by getopt_long():
 * by one thread at a time.  True: go on.  False: the usage was shown, or what
 * is wrong with the command line was said; exit with *status.  The options
 * point into argv, which must stay and whose order may change.
 */
bool xl_options_read(struct xl_options *options, enum xl_command_id command,
                     int argc, char **argv, int *status);

/* What a command has before any option was read. */
void xl_options_init(struct xl_options *options, enum xl_command_id command);

/* The row of the command's option by its long name, or of one letter; -1: it
 * has none. */
int xl_option_find(enum xl_command_id command, const char *name);

/* Take an option by its row, with this argument (NULL: without), which must
 * stay.  0, or -1 with a phrase in wrong that says why it cannot be. */
int xl_option_take(struct xl_options *options, int row, const char *text,
                   char wrong[XL_OPTION_WRONG_MAX]);

/* Room for what a file of defaults calls an option. */
#define XL_OPTION_KEY_MAX 64

bool xl_option_is_of(enum xl_command_id command, int row);

/* That name; false: it has none, or says what to do and not how. */
bool xl_option_key(int row, char key[XL_OPTION_KEY_MAX]);

/* The word of a command line that gives a row this value, malloc'ed; NULL: 0
 * for an option without an argument.  0, or -1 with a phrase in wrong. */
int xl_option_default(int row, const char *value, char **word,
                      char wrong[XL_OPTION_WRONG_MAX]);

/* What goes on to the receiver, as a shell wants it, each option with a blank
 * before it; malloc'ed, NULL: no memory. */
char *xl_options_for_receiver(const struct xl_options *options);

/* The file for this end's trace, "source" or "destination"; malloc'ed.  True:
 * *path is it, or NULL when none is wanted; false: no memory. */
bool xl_options_trace(const struct xl_options *options, const char *end,
                      char **path);

/* The command that goes on with a migration as it was begun, after its
 * connection was lost: a line for a shell.  The domain is that name or number.
 * malloc'ed, NULL: no memory. */
char *xl_options_recovery(const struct xl_options *options,
                          const char *domain);

/* The command of that name; -1: it is none of ours. */
int xl_options_command(const char *name);

/* Whether it is ours only with --postcopy, and else the stock xl's. */
bool xl_options_needs_postcopy(enum xl_command_id command);

/* A line for each command, as the stock xl's help has them. */
void xl_options_list(FILE *to);

/* The text that --help shows. */
void xl_options_usage(enum xl_command_id command, FILE *to);

#endif
