/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A plain xl migrate: by postcopy if both ends can, else the stock xl's.
 */
#include "plain_migrate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "defaults.h"
#include "options.h"
#include "transport_command.h"
#include "xen_directories.h"

#define OPTION "--postcopy="

/* Why the command line must go to the stock xl; NULL: it need not. ssh can
 * connect a second time; another transport, which a user has set up for one
 * connection, perhaps cannot. */
static const char *why_stock(int argc, char **argv)
{
    char **copy = calloc(argc + 1, sizeof(*copy)); /* getopt may sort it */
    const char *why = NULL;
    struct xl_options options;

    if (!copy) {
        return "out of memory";
    }
    memcpy(copy, argv, argc * sizeof(*copy));
    if (!xl_options_try(&options, XL_COMMAND_MIGRATE, argc, copy)) {
        why = "the command line has something that only the stock xl may know";
    } else if (!xl_transport_is_ssh(options.ssh_command)) {
        why = "-s names something other than ssh";
    }
    free(copy);
    return why;
}

/* Does the stock xl move a guest for this line?  Not for a dry run, or
 * help. */
static bool asks_for_a_move(struct xl_context *xl, int word)
{
    for (int i = 1; i < word; i++) {
        if (strchr(xl->argv[i], 'N')) {
            return false;
        }
    }
    for (int i = word + 1; i < xl->argc; i++) {
        if (!strcmp(xl->argv[i], "-h") || !strcmp(xl->argv[i], "--help")) {
            return false;
        }
    }
    return xl->argc - word >= 3;
}

/* As they were for this process, for the stock xl. */
static void restore_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

/* xl migrate --postcopy=WHEN, with all other words of the line. */
static int migrate(struct xl_context *xl, int word, const char *when)
{
    int argc = xl->argc - word;
    char **argv = calloc(argc + 2, sizeof(*argv));
    char *option;
    int status;

    if (!argv || asprintf(&option, OPTION "%s", when) < 0) {
        free(argv);
        fprintf(stderr, "xl: out of memory\n");
        return XL_EXIT_REFUSED;
    }
    argv[0] = xl->argv[word];
    argv[1] = option;
    memcpy(argv + 2, xl->argv + word + 1, (argc - 1) * sizeof(*argv));
    fprintf(stderr, "xl: with postcopy (%s), by " XL_DEFAULTS_FILE "\n", when);
    argc++;
    status = xl_defaults_add(XL_COMMAND_MIGRATE, &argc, &argv)
                 ? XL_EXIT_REFUSED
                 : xl_main_migrate(xl, argc, argv);
    xl_context_close(xl);
    return status;
}

bool xl_plain_migrate(struct xl_context *xl, int word, int *status)
{
    const char *why;
    char *when;

    if (word >= xl->argc || strcmp(xl->argv[word], "migrate") ||
        !asks_for_a_move(xl, word)) {
        return false;
    }
    when = xl_defaults_plain_migrate();
    if (!when) {
        return false;
    }
    why = why_stock(xl->argc - word, xl->argv + word);
    if (why) {
        fprintf(stderr, "xl: without postcopy, as %s\n", why);
        free(when);
        return false;
    }
    *status = migrate(xl, word, when);
    free(when);
    if (*status != XL_EXIT_REFUSED) {
        return true;
    }
    fprintf(stderr, "xl: postcopy cannot be used here (see above): without "
                    "it, then\n");
    restore_signals();
    return false;
}
