/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl help, xl help COMMAND, and --help of commands that the stock xl has as
 * well.
 */
#include "help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "stock.h"

static bool is_help(const char *word)
{
    return !strcmp(word, "-h") || !strcmp(word, "--help");
}

/* The command that the help is about, "" for all of them; NULL: not about
 * help. */
static const char *asked_about(int argc, char **argv)
{
    if (argc >= 1 && !strcmp(argv[0], "help")) {
        return argc == 1 ? "" : argv[1];
    }
    return argc >= 2 && is_help(argv[1]) ? argv[0] : NULL;
}

/* What the stock xl prints; nothing if there is no stock xl, which it reports
 * itself. */
static void show_stock(const char *about)
{
    char help[] = "help", *name = strdup(about);
    char *arguments[] = {NULL, help, about[0] ? name : NULL, NULL};
    char *text = name ? xl_stock_output(arguments) : NULL;

    fputs(text ? text : "", stdout);
    free(text);
    free(name);
}

bool xl_help(int argc, char **argv, int *status)
{
    const char *about = asked_about(argc, argv);
    int command = about && about[0] ? xl_options_command(about) : -1;

    if (!about || (about[0] && command < 0)) {
        return false;
    }
    *status = EXIT_SUCCESS;
    if (!about[0]) {
        show_stock(about);
        fputs("\nOf migrations with postcopy (see xl help COMMAND, and "
              "xl-migrate-postcopy(1)):\n\n",
              stdout);
        xl_options_list(stdout);
        return true;
    }
    if (xl_options_needs_postcopy(command)) {
        show_stock(about);
        fputs("\nAnd with postcopy:\n\n", stdout);
    }
    xl_options_usage(command, stdout);
    return true;
}
