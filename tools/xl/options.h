/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The command lines of this project's commands. options.def lists the options;
 * an option that is no parameter of the library also has a field in struct
 * xl_options.
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
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a term of a sum */
#define OPTION(...) +1
#include "options.def"
};

/* Most arguments of a command that takes hosts. */
#define XL_HOSTS_MAX 64

/* What the arguments of an option are that may be given again and again. */
struct xl_texts {
    const char **texts; /* malloc'ed, each of the command line's */
    size_t count;
};

/* Which of many guests goes first: in the words of --order. */
enum xl_order {
    XL_ORDER_STOP, /* which is expected to stand still for the shortest time */
    XL_ORDER_GIVEN,
};

struct xl_options {
    enum xl_command_id command;
    bool help; /* show the usage, and do nothing else */
    /* The arguments; NULL: not given. */
    const char *domain;
    union {
        const char *host;
        const char *rate; /* of migrate-set-rate */
    };
    /* All of them, for a command that takes hosts alone. */
    char **hosts;
    size_t nr_hosts;
    /* The library's; the receiver uses link_timeout as well. */
    libxl_live_migrate_params params;
    const char *trace; /* of both sides */
    /* Directory of the certificates; NULL: no TLS; "": the default one. */
    const char *tls;
    const char *tls_hostname; /* NULL: that of the host */
    bool no_ktls;
    /* Address for RDMA; NULL: no RDMA; "": that of the host. */
    const char *rdma;
    /* For the sending side. */
    const char *ssh_command;
    const char *config_file;
    /* NULL: none; "": connected like the first one */
    const char *fault_channel;
    bool preserve_domid;
    bool json;
    bool quiet;
    /* For the commands about many guests. */
    struct xl_texts only, except;
    uint32_t parallel; /* 0: as the command sees fit */
    enum xl_order order;
    bool all;
    /* For the receiving side. */
    libxl_live_migrate_pager pager;
    bool no_monitor;
    bool foreground;
    bool leave_paused;
    bool superpages;
    bool debug;
    bool check; /* both sides: only check whether it would work */
    bool recover;
    bool by_rdma;       /* the source begins with a request for RDMA */
    const char *policy; /* NULL: depends on the process at the other end */
    const char *peers;  /* NULL: those of the policy */
    uint64_t max_connections;
    bool stock;   /* migrate-listen: the stock xl receives */
    bool pass_fd; /* migrate-connect: stdout is a socket for the descriptor */
    /* For the commands that show migrations. */
    bool watch;
    bool completed;
    bool commands;
    uint64_t wait_limit; /* seconds; 0: for ever */
    bool then_abort;
    /* For each row of the list: the argument as given, "" for an option
     * without one; NULL: not given. */
    const char *given[XL_NR_OPTIONS];
};

/* Room for what is wrong with an option. */
#define XL_OPTION_WRONG_MAX 128

/*
 * Read the command line of a command (argv[0] is its name) with getopt_long():
 * by one thread at a time.  True: go on.  False: the usage was shown, or an
 * error was printed; exit with *status.  The options point into argv, which
 * must stay and whose order may change.
 */
bool xl_options_read(struct xl_options *options, enum xl_command_id command,
                     int argc, char **argv, int *status);

/* The same for a command line that may be the stock xl's, which then says
 * what is wrong with it: prints nothing.  False: the command line is not ours.
 */
bool xl_options_try(struct xl_options *options, enum xl_command_id command,
                    int argc, char **argv);

/* The state before any option is read. */
void xl_options_init(struct xl_options *options, enum xl_command_id command);

/* The row of a command's option with this long name or single letter; -1: the
 * command has no such option. */
int xl_option_find(enum xl_command_id command, const char *name);

/* Apply an option by its row, with this argument (NULL: none), which must
 * stay.  0, or -1 with a phrase in `wrong` that says why not. */
int xl_option_take(struct xl_options *options, int row, const char *text,
                   char wrong[XL_OPTION_WRONG_MAX]);

/* Room for an option's name in the file of defaults. */
#define XL_OPTION_KEY_MAX 64

bool xl_option_is_of(enum xl_command_id command, int row);

/* That name; false: the option cannot be in the file, because it says what to
 * do and not how. */
bool xl_option_key(int row, char key[XL_OPTION_KEY_MAX]);

/* The word of a command line that gives a row this value, which the caller
 * must free; NULL with 0: the option has no argument.  0, or -1 with a phrase
 * in `wrong`. */
int xl_option_default(int row, const char *value, char **word,
                      char wrong[XL_OPTION_WRONG_MAX]);

/* The options for the receiver, quoted for a shell, each with a blank before
 * it; the caller must free them; NULL: no memory. */
char *xl_options_for_receiver(const struct xl_options *options);

/* The same for xl migrate-connect. */
char *xl_options_for_connector(const struct xl_options *options);

/* The path of this end's trace; `end` is "source" or "destination".  True: the
 * caller must free *path, which is NULL if no trace is wanted; false: no
 * memory. */
bool xl_options_trace(const struct xl_options *options, const char *end,
                      char **path);

/* The command that goes on with a migration whose connection was lost, with
 * the options that the migration began with, as a line for a shell.  `domain`
 * is a name or a number; NULL: all domains that were on their way to the host.
 * The caller must free the line; NULL: no memory. */
char *xl_options_recovery(const struct xl_options *options,
                          const char *domain);

/* The options that go on to such a command for one guest: words as
 * getopt_long() takes them, and NULL at the end.  The caller must free them
 * with xl_words_free().  NULL: no memory. */
char **xl_options_for_each(const struct xl_options *options,
                           enum xl_command_id command);
void xl_words_free(char **words);

/* Frees what xl_options_read() has allocated. */
void xl_options_free(struct xl_options *options);

/* The command of this name; -1: it is none of this project's. */
int xl_options_command(const char *name);

/* Does the command without --postcopy belong to the stock xl? */
bool xl_options_needs_postcopy(enum xl_command_id command);

/* Print a line for each command, like the stock xl's help. */
void xl_options_list(FILE *to);

/* Print the text of --help. */
void xl_options_usage(enum xl_command_id command, FILE *to);

#endif
