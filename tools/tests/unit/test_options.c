/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The command lines of this package's commands, by the list of options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"
#include "transport_command.h"

#define WORDS_MAX 16

/* Read a command line of these words, up to a NULL; messages about it are
 * dropped. */
static bool read_words(struct xl_options *options, enum xl_command_id command,
                       const char *const *words, int *status)
{
    char name[] = "xl", *argv[WORDS_MAX + 1] = {name};
    int argc = 1;
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    bool goes_on;

    while (words[argc - 1]) {
        argv[argc] = (char *)words[argc - 1];
        argc++;
    }
    assert_non_null(freopen("/dev/null", "w", stdout));
    assert_non_null(freopen("/dev/null", "w", stderr));
    goes_on = xl_options_read(options, command, argc, argv, status);
    fflush(stdout);
    fflush(stderr);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    return goes_on;
}

#define READ(options, command, ...) \
    read_words(options, command, (const char *const[]){__VA_ARGS__, NULL}, \
               &(int){0})

/* ---- what is taken ---- */

static void a_command_line_in_full(void **state)
{
    struct xl_options options;
    const libxl_live_migrate_params *params = &options.params;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--postcopy=after:7",
                     "--precopy-dirty-threshold", "9", "--max-downtime=250",
                     "--background-rate", "10M", "web", "--no-background",
                     "--push-order", "ascending", "--allow-exposed-backends",
                     "--late-build", "-epD", "-s", "", "host"));
    assert_string_equal(options.domain, "web");
    assert_string_equal(options.host, "host");
    assert_int_equal(params->strategy, LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY);
    assert_int_equal(params->postcopy_after, 7);
    assert_int_equal(params->precopy_dirty_threshold, 9);
    assert_int_equal(params->max_downtime_ms, 250);
    assert_int_equal(params->background_rate, 10 << 20);
    assert_true(params->no_background_push);
    assert_int_equal(params->push_order,
                     LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING);
    assert_true(params->allow_exposed_backends);
    assert_int_equal(params->build, LIBXL_LIVE_MIGRATE_BUILD_LATE);
    assert_true(options.no_monitor && options.leave_paused &&
                options.preserve_domid);
    assert_false(options.debug || options.json || options.recover);
    assert_string_equal(options.ssh_command, "");
    assert_null(options.config_file);
    assert_null(options.fault_channel);
}

static void what_is_not_given_is_as_the_library_has_it(void **state)
{
    libxl_live_migrate_params params;
    struct xl_options options;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_RECOVER, "web", "host"));
    libxl_live_migrate_params_init(&params);
    assert_memory_equal(&options.params, &params, sizeof(params));
    assert_string_equal(options.ssh_command, "ssh");
    for (int i = 0; i < XL_NR_OPTIONS; i++) {
        assert_null(options.given[i]);
    }
}

static void zero_means_none_and_not_the_default(void **state)
{
    struct xl_options options;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--neighbours-below", "0",
                     "--neighbours-above=5", "--hot-pages", "0", "web",
                     "host"));
    assert_int_equal(options.params.neighbours_below, UINT32_MAX);
    assert_int_equal(options.params.neighbours_above, 5);
    assert_true(options.params.hot_pages_max ==
                LIBXL_LIVE_MIGRATE_NO_HOT_PAGES);
}

static void streams_within_limits(void **state)
{
    struct xl_options options;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "web", "host"));
    assert_int_equal(options.params.streams, 0);
    assert_true(
        READ(&options, XL_COMMAND_MIGRATE, "--streams", "16", "web", "host"));
    assert_int_equal(options.params.streams, 16);
    assert_false(
        READ(&options, XL_COMMAND_MIGRATE, "--streams", "17", "web", "host"));
    assert_false(
        READ(&options, XL_COMMAND_MIGRATE, "--streams", "0", "web", "host"));
    assert_true(
        READ(&options, XL_COMMAND_RECOVER, "--streams", "2", "web", "host"));
    assert_int_equal(options.params.streams, 2);
}

/* One process of ssh uses one processor; other connections are not slowed
 * down so. */
static void streams_by_itself(void **state)
{
    static const struct {
        const char *ssh_command;
        long processors;
        unsigned int streams;
    } table[] = {
        {"ssh", -1, 1},
        {"ssh", 1, 1},
        {"ssh", 2, 1},
        {"ssh", 3, 1},
        {"ssh", 4, 2},
        {"ssh", 6, 3},
        {"/usr/bin/ssh -4", 8, 4},
        {"ssh", 256, 4},
        {"connect", 8, 1},
        {"", 8, 1},
        {NULL, 8, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(
            xl_transport_streams(table[i].ssh_command, table[i].processors),
            table[i].streams);
    }
}

static void a_fault_channel_of_two_kinds(void **state)
{
    struct xl_options options;

    (void)state;
    assert_true(
        READ(&options, XL_COMMAND_MIGRATE, "--fault-channel", "web", "host"));
    assert_string_equal(options.fault_channel, "");
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--fault-channel=nc b 1",
                     "web", "host"));
    assert_string_equal(options.fault_channel, "nc b 1");
}

static void options_of_other_commands(void **state)
{
    struct xl_options options;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_RECEIVE, "--postcopy", "-F", "-d",
                     "--link-timeout", "30", "--recover"));
    assert_true(options.foreground && options.debug && options.recover);
    assert_int_equal(options.params.link_timeout, 30);
    assert_null(options.domain);
    assert_true(READ(&options, XL_COMMAND_STATUS, "--json", "--watch"));
    assert_true(options.json && options.watch && !options.commands);
    assert_true(READ(&options, XL_COMMAND_WAIT, "--limit", "600",
                     "--then-abort", "web"));
    assert_int_equal(options.wait_limit, 600);
    assert_true(options.then_abort);
    assert_string_equal(options.domain, "web");
    assert_true(READ(&options, XL_COMMAND_SET_RATE, "web", "5M"));
    assert_string_equal(options.rate, "5M");
}

/* ---- of those that manage hosts ---- */

/* What each cluster manager calls, word by word: the words after xl migrate.
 * This package's command is made of them with a --postcopy in front. */
static const struct {
    const char *manager;
    const char *words[8];
    bool ssh; /* unchanged, so that it can make a second connection */
} managers[] = {
    {"Pacemaker, ocf:heartbeat:Xen", {"web", "node2"}, true},
    {"Ganeti, hv_xen",
     {"-s", "socat -b524288 - TCP:192.0.2.7:8082 #", "-C", "/etc/xen/web",
      "web", "192.0.2.7"},
     false},
    {"OpenNebula, vmm xen4",
     {"-s", "su - oneadmin -c 'ssh node2 sudo /usr/sbin/xl migrate-receive'",
      "one-17", "node2"},
     false},
    {"xendomains", {"--live", "web", "node2"}, true},
    {"a QEMU that is chosen anew", {"-C", "web.cfg", "web", "node2"}, true},
    {"scripts with keys of their own",
     {"-s", "ssh -i /root/.ssh/move -o BatchMode=yes", "web", "root@node2"},
     true},
    {"options behind the guest", {"web", "node2", "-p", "--debug"}, true},
    {"letters in one word", {"-epDs", "/usr/bin/ssh", "web", "node2"}, true},
};

static void command_lines_of_managers(void **state)
{
    struct xl_options options;

    (void)state;
    for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++) {
        const char *words[WORDS_MAX] = {"--postcopy=auto"};
        char *argv[WORDS_MAX] = {(char *)"migrate"};
        int argc = 1;

        print_message("%s\n", managers[i].manager);
        for (int k = 0; managers[i].words[k]; k++) {
            words[k + 1] = managers[i].words[k];
            argv[argc++] = (char *)managers[i].words[k];
        }
        assert_true(
            read_words(&options, XL_COMMAND_MIGRATE, words, &(int){0}));
        assert_true(xl_options_try(&options, XL_COMMAND_MIGRATE, argc, argv));
        assert_int_equal(xl_transport_is_ssh(options.ssh_command),
                         managers[i].ssh);
        assert_non_null(options.domain);
        assert_non_null(options.host);
    }
}

/* The stock xl must report what is wrong with these. */
static void command_lines_for_the_stock_xl(void **state)
{
    static const char *const lines[][4] = {
        {"-F", "web", "node2"},    {"--unheard-of", "web", "node2"}, {"web"},
        {"web", "node2", "node3"}, {"web", "node2", "-s"},
    };
    struct xl_options options;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char *argv[WORDS_MAX] = {(char *)"migrate"};
        int argc = 1;

        for (int k = 0; k < 4 && lines[i][k]; k++) {
            argv[argc++] = (char *)lines[i][k];
        }
        assert_false(xl_options_try(&options, XL_COMMAND_MIGRATE, argc, argv));
    }
}

static void commands_for_many_guests(void **state)
{
    struct xl_options options;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE_ALL, "--except", "web",
                     "--parallel", "3", "--except=5", "--only", "mail",
                     "--order", "given", "one", "two", "three"));
    assert_int_equal(options.except.count, 2);
    assert_string_equal(options.except.texts[0], "web");
    assert_string_equal(options.except.texts[1], "5");
    assert_int_equal(options.only.count, 1);
    assert_int_equal(options.parallel, 3);
    assert_int_equal(options.order, XL_ORDER_GIVEN);
    assert_null(options.domain);
    assert_int_equal(options.nr_hosts, 3);
    assert_string_equal(options.hosts[2], "three");
    xl_options_free(&options);
    assert_true(READ(&options, XL_COMMAND_RECOVER, "--all", "host"));
    assert_true(options.all);
    assert_null(options.domain);
    assert_string_equal(options.host, "host");
    assert_int_equal(options.nr_hosts, 1);
    assert_true(READ(&options, XL_COMMAND_RECOVER, "-q", "web", "host"));
    assert_true(options.quiet && !options.all);
    assert_string_equal(options.domain, "web");
    assert_string_equal(options.host, "host");
}

/* ---- what is refused ---- */

static void command_lines_that_are_wrong(void **state)
{
    static const struct {
        enum xl_command_id command;
        const char *words[4];
    } cases[] = {
        {XL_COMMAND_MIGRATE, {"web"}},
        {XL_COMMAND_MIGRATE, {"web", "host", "more"}},
        {XL_COMMAND_MIGRATE, {"--watch", "web", "host"}},
        {XL_COMMAND_MIGRATE, {"--max-downtime", "5s", "web", "host"}},
        {XL_COMMAND_MIGRATE, {"-F", "web", "host"}},
        {XL_COMMAND_RECEIVE, {"web"}},
        {XL_COMMAND_RECEIVE, {"-C", "file"}},
        {XL_COMMAND_RECOVER, {"--max-downtime", "5", "web", "host"}},
        {XL_COMMAND_RECOVER, {"--all", "web", "host"}},
        {XL_COMMAND_RECOVER, {"--all"}},
        {XL_COMMAND_MIGRATE_ALL, {"--parallel", "0", "host"}},
        {XL_COMMAND_MIGRATE_ALL, {NULL}},
        {XL_COMMAND_STATUS, {"web", "mail"}},
        {XL_COMMAND_STATUS, {"--no-such"}},
        {XL_COMMAND_WAIT, {"--limit"}},
        {XL_COMMAND_ABORT, {NULL}},
        {XL_COMMAND_ABORT, {"--json", "web"}},
        {XL_COMMAND_SET_RATE, {"web"}},
    };
    struct xl_options options;
    int status;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(
            read_words(&options, cases[i].command, cases[i].words, &status));
        assert_int_equal(status, EXIT_FAILURE);
    }
}

static void arguments_that_are_wrong(void **state)
{
    static const struct {
        const char *option, *text, *wrong;
    } cases[] = {
        {"precopy-iterations", "", "a number from 0 to 4294967295"},
        {"precopy-iterations", "-1", "a number from 0 to 4294967295"},
        {"precopy-iterations", "4294967296", "a number from 0 to 4294967295"},
        {"precopy-dirty-threshold", "x", "a number, 0 or more"},
        {"neighbours-above", "4294967295", "a number from 0 to 4294967294"},
        {"link-timeout", "-1", "a number, 0 or more"},
        {"link-timeout", "18446744073709551616", "a number, 0 or more"},
        {"background-rate", "0", "nothing would ever be sent"},
        {"background-rate", "5X", ""},
        {"push-order", "recen", "recent ascending"},
        {"push-order", "recent ", "recent ascending"},
        {"push-order", "", "recent ascending"},
        {"postcopy", "soon", "after-rounds:N"},
    };
    struct xl_options options;
    char wrong[XL_OPTION_WRONG_MAX];

    (void)state;
    xl_options_init(&options, XL_COMMAND_MIGRATE);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int row = xl_option_find(XL_COMMAND_MIGRATE, cases[i].option);

        assert_true(row >= 0);
        assert_int_equal(xl_option_take(&options, row, cases[i].text, wrong),
                         -1);
        assert_non_null(strstr(wrong, cases[i].wrong));
        assert_null(options.given[row]);
    }
}

/* ---- the list ---- */

static void names_of_one_command_are_of_one_row(void **state)
{
    (void)state;
    assert_true(xl_option_find(XL_COMMAND_MIGRATE, "json") !=
                xl_option_find(XL_COMMAND_STATUS, "json"));
    assert_int_equal(xl_option_find(XL_COMMAND_MIGRATE, "link-timeout"),
                     xl_option_find(XL_COMMAND_RECEIVE, "link-timeout"));
    assert_int_equal(xl_option_find(XL_COMMAND_RECEIVE, "d"),
                     xl_option_find(XL_COMMAND_RECEIVE, "debug"));
    assert_int_equal(xl_option_find(XL_COMMAND_MIGRATE, "d"), -1);
    assert_int_equal(xl_option_find(XL_COMMAND_MIGRATE, ""), -1);
}

static char *usage_of(enum xl_command_id command)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    assert_non_null(to);
    xl_options_usage(command, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void the_usage_fits_a_terminal(void **state)
{
    (void)state;
    for (int command = 0; command < XL_NR_COMMANDS; command++) {
        char *text = usage_of(command);

        assert_memory_equal(text, "usage: xl migrate", 17);
        for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
            assert_true(strcspn(line, "\n") < 80);
        }
        free(text);
    }
}

static void the_usage_has_what_a_user_is_told_of(void **state)
{
    char *text = usage_of(XL_COMMAND_MIGRATE);

    (void)state;
    assert_non_null(strstr(text, "xl migrate --postcopy [options] DOMAIN "));
    assert_non_null(strstr(text, "\n  --postcopy[=WHEN]             when "));
    assert_non_null(strstr(text, "\n  --precopy-dirty-threshold N   no "));
    assert_non_null(strstr(text, "\n  -C FILE                       send "));
    assert_non_null(
        strstr(text, "\n  -h, --help                    show this help\n"));
    assert_null(strstr(text, "hot-pages"));
    assert_null(strstr(text, "--watch"));
    free(text);
}

static void the_usage_when_it_is_asked_for(void **state)
{
    struct xl_options options;
    int status = -1;

    (void)state;
    assert_false(read_words(&options, XL_COMMAND_MIGRATE,
                            (const char *const[]){"-h", "--no-such", NULL},
                            &status));
    assert_int_equal(status, EXIT_SUCCESS);
}

/* An option that may stand without its argument then asks for its default. */
static void a_directory_of_tls(void **state)
{
    struct xl_options options;
    char *text;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--tls", "web", "xen-b"));
    assert_string_equal(options.tls, "");
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--tls=/files", "--tls",
                     "web", "xen-b"));
    assert_string_equal(options.tls, "/files");
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--tls=/files",
                     "--tls=none", "web", "xen-b"));
    assert_null(options.tls);
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--tls=/it's", "--no-ktls",
                     "-p", "web", "xen-b"));
    text = xl_options_for_connector(&options);
    assert_string_equal(text, " '--tls=/it'\\''s' --no-ktls");
    free(text);
    text = xl_options_for_receiver(&options);
    assert_string_equal(text, " -p");
    free(text);
}

/* ---- what goes on ---- */

static void what_the_receiver_is_told(void **state)
{
    struct xl_options options;
    char *text;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--debug", "-e", "-p", "-D",
                     "--json", "--link-timeout", "30", "--max-downtime", "7",
                     "web", "host"));
    text = xl_options_for_receiver(&options);
    assert_string_equal(text, " --link-timeout 30 -e -p --debug");
    free(text);
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "web", "host"));
    text = xl_options_for_receiver(&options);
    assert_string_equal(text, "");
    free(text);
}

/* The command accepts every option that it may get from another one, whatever
 * its own list says. */
static void the_receiver_takes_what_it_is_told(void **state)
{
    const char *words[WORDS_MAX] = {"--postcopy"};
    struct xl_options options;
    char *text, *rest, *word;
    int count = 1, status;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--debug", "-e", "-p",
                     "--link-timeout", "30", "web", "host"));
    text = xl_options_for_receiver(&options);
    for (word = strtok_r(text, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        words[count++] = word;
    }
    assert_true(read_words(&options, XL_COMMAND_RECEIVE, words, &status));
    assert_true(options.debug && options.no_monitor && options.leave_paused);
    assert_int_equal(options.params.link_timeout, 30);
    free(text);
}

/* How a shell splits the line: it prints a word a line in place of xl. */
static void assert_pasted(const struct xl_options *options, const char *domain,
                          const char *words)
{
    char said[512] = "", program[1024];
    char *line = xl_options_recovery(options, domain);
    FILE *shell;

    assert_non_null(line);
    snprintf(program, sizeof(program), "xl() { printf '%%s\\n' \"$@\"; }; %s",
             line);
    free(line);
    shell = popen(program, "r");
    assert_non_null(shell);
    said[fread(said, 1, sizeof(said) - 1, shell)] = '\0';
    assert_int_equal(pclose(shell), 0);
    assert_string_equal(said, words);
}

static void a_recovery_that_is_pasted(void **state)
{
    struct xl_options options;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--max-downtime", "7", "-e",
                     "web", "xen-b"));
    assert_pasted(&options, "5", "migrate-recover\n5\nxen-b\n");
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "-s",
                     "ssh -p 2222 -i '/root/my key'", "--background-rate",
                     "10M", "--link-timeout", "30", "--json", "web", "xen-b"));
    assert_pasted(&options, "it's $(id) web",
                  "migrate-recover\n--background-rate\n10M\n"
                  "--link-timeout\n30\n--json\n-s\nssh -p 2222 -i "
                  "'/root/my key'\nit's $(id) web\nxen-b\n");
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--tls", "--tls-hostname=b",
                     "--streams=3", "web", "10.0.0.2:9"));
    assert_pasted(&options, "5",
                  "migrate-recover\n--streams\n3\n--tls\n"
                  "--tls-hostname\nb\n5\n"
                  "10.0.0.2:9\n");
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--tls=/my $files",
                     "--no-ktls", "web", "xen-b"));
    assert_pasted(&options, "5",
                  "migrate-recover\n--tls=/my $files\n--no-ktls\n5\nxen-b\n");
    assert_true(READ(&options, XL_COMMAND_RECOVER, "-s", "", "web",
                     "echo $$ > f; exec nc b 1"));
    assert_pasted(&options, "5",
                  "migrate-recover\n-s\n\n5\necho $$ > f; exec nc b 1\n");
    assert_true(READ(&options, XL_COMMAND_MIGRATE_ALL, "--background-rate",
                     "9M", "--max-downtime", "7", "xen-b", "xen-c"));
    assert_pasted(&options, NULL,
                  "migrate-recover\n--background-rate\n9M\n--all\nxen-b\n");
    /* The share of one guest has no meaning when that guest goes on alone. */
    assert_true(READ(&options, XL_COMMAND_MIGRATE, "--share", "9M", "--quiet",
                     "web", "xen-b"));
    assert_pasted(&options, "5", "migrate-recover\n5\nxen-b\n");
}

/* Options that the command for one guest does not have are not passed on, and
 * no text can be read as another option. */
static void what_each_of_many_is_told(void **state)
{
    struct xl_options options;
    char **words;

    (void)state;
    assert_true(READ(&options, XL_COMMAND_MIGRATE_ALL, "--postcopy", "--json",
                     "--fault-channel", "-s", "", "--max-downtime", "7",
                     "--background-rate", "5M", "-e", "--parallel=9", "host"));
    words = xl_options_for_each(&options, XL_COMMAND_MIGRATE);
    assert_string_equal(words[0], "--postcopy");
    assert_string_equal(words[1], "--max-downtime=7");
    assert_string_equal(words[2], "--fault-channel");
    assert_string_equal(words[3], "--ssh-command=");
    assert_string_equal(words[4], "--no-monitor");
    assert_null(words[5]);
    xl_words_free(words);
    words = xl_options_for_each(&options, XL_COMMAND_RECOVER);
    assert_string_equal(words[0], "--ssh-command=");
    assert_null(words[1]);
    xl_words_free(words);
}

static void commands_by_name(void **state)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    (void)state;
    assert_int_equal(xl_options_command("migrate"), XL_COMMAND_MIGRATE);
    assert_int_equal(xl_options_command("migrate-status"), XL_COMMAND_STATUS);
    assert_int_equal(xl_options_command("list"), -1);
    assert_int_equal(xl_options_command(""), -1);
    assert_true(xl_options_needs_postcopy(XL_COMMAND_RECEIVE));
    assert_false(xl_options_needs_postcopy(XL_COMMAND_RECOVER));
    xl_options_list(to);
    fclose(to);
    assert_non_null(strstr(text, "\n migrate-abort "));
    assert_non_null(strstr(text, " migrate --postcopy  "));
    free(text);
}

static int row_of(const char *name)
{
    int row = xl_option_find(XL_COMMAND_MIGRATE, name);

    return row >= 0 ? row : xl_option_find(XL_COMMAND_RECEIVE, name);
}

static void what_a_file_calls_options(void **state)
{
    static const struct {
        const char *name;
        const char *key; /* NULL: it is no default */
    } table[] = {
        {"link-timeout", "link_timeout"},
        {"s", "ssh_command"},
        {"e", "no_monitor"},
        {"help", NULL},
        {"recover", NULL},
        {"C", NULL},
        {"live", NULL},
        {"policy", "policy"},
        {"share", NULL},
    };
    char key[XL_OPTION_KEY_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        bool has_key = xl_option_key(row_of(table[i].name), key);

        assert_int_equal(has_key, table[i].key != NULL);
        if (has_key) {
            assert_string_equal(key, table[i].key);
        }
    }
}

static void words_of_defaults(void **state)
{
    static const struct {
        const char *name, *value;
        int rc;
        const char *word;
    } table[] = {
        {"link-timeout", "30", 0, "--link-timeout=30"},
        {"link-timeout", "0", 0, "--link-timeout=0"},
        {"s", "ssh -p 2222", 0, "--ssh-command=ssh -p 2222"},
        {"e", "1", 0, "--no-monitor"},
        {"e", "0", 0, NULL},
        {"e", "yes", -1, NULL},
        {"e", "", -1, NULL},
        {"fault-channel", "1", 0, "--fault-channel"},
        {"fault-channel", "", 0, "--fault-channel"},
        {"fault-channel", "0", 0, NULL},
        {"fault-channel", "nc b 1", 0, "--fault-channel=nc b 1"},
        {"postcopy", "auto", 0, "--postcopy=auto"},
    };
    char wrong[XL_OPTION_WRONG_MAX], *word;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(xl_option_default(row_of(table[i].name),
                                           table[i].value, &word, wrong),
                         table[i].rc);
        if (table[i].word) {
            assert_string_equal(word, table[i].word);
        } else {
            assert_null(word);
        }
        free(word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_in_full),
        cmocka_unit_test(what_is_not_given_is_as_the_library_has_it),
        cmocka_unit_test(zero_means_none_and_not_the_default),
        cmocka_unit_test(streams_within_limits),
        cmocka_unit_test(streams_by_itself),
        cmocka_unit_test(a_fault_channel_of_two_kinds),
        cmocka_unit_test(options_of_other_commands),
        cmocka_unit_test(command_lines_of_managers),
        cmocka_unit_test(command_lines_for_the_stock_xl),
        cmocka_unit_test(commands_for_many_guests),
        cmocka_unit_test(command_lines_that_are_wrong),
        cmocka_unit_test(arguments_that_are_wrong),
        cmocka_unit_test(names_of_one_command_are_of_one_row),
        cmocka_unit_test(the_usage_fits_a_terminal),
        cmocka_unit_test(the_usage_has_what_a_user_is_told_of),
        cmocka_unit_test(the_usage_when_it_is_asked_for),
        cmocka_unit_test(a_directory_of_tls),
        cmocka_unit_test(what_the_receiver_is_told),
        cmocka_unit_test(the_receiver_takes_what_it_is_told),
        cmocka_unit_test(a_recovery_that_is_pasted),
        cmocka_unit_test(what_each_of_many_is_told),
        cmocka_unit_test(commands_by_name),
        cmocka_unit_test(what_a_file_calls_options),
        cmocka_unit_test(words_of_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
