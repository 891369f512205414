/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl with postcopy: runs this project's commands and leaves all others to the
 * stock xl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "commands.h"
#include "defaults.h"
#include "evacuation/host_room.h"
#include "guard.h"
#include "help.h"
#include "monitor.h"
#include "part_gate.h"
#include "plain_migrate.h"
#include "rdma_carrier.h"
#include "start_gate.h"
#include "terminal.h"

struct xl_command {
    const char *name;
    int (*run)(struct xl_context *xl, int argc, char **argv);
    bool always; /* false: only when --postcopy is among its options */
};

#define ALWAYS true
#define WITH_POSTCOPY false

static const struct xl_command commands[] = {
#define COMMAND(id, name, when_ours, main, ...) {name, main, when_ours},
#include "options.def"
    /* only this program calls these */
    {"incoming-guard", xl_main_guard, false},
    {"domain-monitor", xl_main_monitor, false},
    {XL_HOST_ROOM, xl_main_host_room, false},
    {XL_RDMA_CARRIER, xl_main_rdma_carrier, false},
};

/* ---- dispatch ---- */

/* No option before the command has an argument. */
static int find_command_word(struct xl_context *xl)
{
    const char *letter;
    int i;

    for (i = 1; i < xl->argc && xl->argv[i][0] == '-'; i++) {
        for (letter = xl->argv[i] + 1; *letter; letter++) {
            xl->verbosity += *letter == 'v';
        }
    }
    return i;
}

/* Has it --check: a look, and nothing else? */
static bool can_look(const char *command)
{
    return !strcmp(command, "migrate") || !strcmp(command, "migrate-all");
}

/* Options before the command: the stock xl's are accepted, but not one with
 * which it would do nothing. */
static int check_options(const struct xl_context *xl, int word,
                         const char *command)
{
    static const char known[] = "vftT";
    const char *letter;

    for (int i = 1; i < word; i++) {
        for (letter = xl->argv[i] + 1; *letter; letter++) {
            if (*letter == 'N' && can_look(command)) {
                continue;
            }
            if (*letter == 'N') {
                fprintf(stderr,
                        "xl: %s knows no -N (dry run): nothing was done\n",
                        command);
                return -1;
            }
            if (!strchr(known, *letter)) {
                fprintf(stderr,
                        "xl: unknown option %s before %s: nothing was done\n",
                        xl->argv[i], command);
                return -1;
            }
        }
    }
    return 0;
}

static bool wants_postcopy(int argc, char **argv)
{
    static const char option[] = "--postcopy";
    const size_t length = sizeof(option) - 1;
    int i;

    for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
        /* Or --postcopy=WHEN, or =SOMETHING, which the option's parser
         * refuses. */
        if (!strncmp(argv[i], option, length) &&
            (argv[i][length] == '\0' || argv[i][length] == '=')) {
            return true;
        }
    }
    return false;
}

static const struct xl_command *find_command(int argc, char **argv)
{
    size_t i;

    for (i = 0; argc > 0 && i < sizeof(commands) / sizeof(*commands); i++) {
        if (!strcmp(argv[0], commands[i].name)) {
            return commands[i].always || wants_postcopy(argc, argv)
                       ? &commands[i]
                       : NULL;
        }
    }
    return NULL;
}

static bool is_dry_run(const struct xl_context *xl, int word)
{
    for (int i = 1; i < word; i++) {
        if (strchr(xl->argv[i], 'N')) {
            return true;
        }
    }
    return false;
}

/* As if --check were the first option; the memory is never freed. */
static char **with_check(int argc, char **argv)
{
    static char check[] = "--check";
    char **line = calloc(argc + 2, sizeof(*line));

    if (line) {
        line[0] = argv[0];
        line[1] = check;
        memcpy(line + 2, argv + 1, (argc - 1) * sizeof(*line));
    }
    return line;
}

static int run_command(struct xl_context *xl, const struct xl_command *command,
                       int word)
{
    int id = xl_options_command(command->name);
    int argc = xl->argc - word;
    char **argv = xl->argv + word;

    if (id >= 0 && xl_defaults_add(id, &argc, &argv)) {
        return EXIT_FAILURE;
    }
    if (is_dry_run(xl, word)) {
        argv = with_check(argc++, argv);
    }
    return argv ? command->run(xl, argc, argv) : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct xl_context xl = {.argc = argc, .argv = argv};
    int word = find_command_word(&xl);
    const struct xl_command *command = find_command(argc - word, argv + word);
    int status;

    /* Instead of the name that /proc/self/exe gave it. */
    prctl(PR_SET_NAME, "xl");
    if (xl_terminal_open()) {
        perror("xl");
        return EXIT_FAILURE;
    }
    if (!command && xl_plain_migrate(&xl, word, &status)) {
        return status;
    }
    if (!command && xl_help(argc - word, argv + word, &status)) {
        return status;
    }
    if (!command) {
        return xl_gate_start(&xl, word) ? EXIT_FAILURE
                                        : xl_gate_stock(&xl, word);
    }
    if (check_options(&xl, word, command->name)) {
        return EXIT_FAILURE;
    }
    status = run_command(&xl, command, word);
    xl_context_close(&xl);
    return status == XL_EXIT_REFUSED ? EXIT_FAILURE : status;
}
