/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What commands of the stock xl may do to a part of a guest: command lines,
 * the table, and the messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "part_commands.h"

#define WORDS 8

static const struct xl_part_command *command(const char *name)
{
    for (size_t i = 0; i < xl_nr_part_commands; i++) {
        if (!strcmp(xl_part_commands[i].name, name)) {
            return &xl_part_commands[i];
        }
    }
    fail_msg("no %s in the table", name);
    return NULL;
}

static int words_of(const char *const *line, char **argv)
{
    int argc = 0;

    while (argc < WORDS && line[argc]) {
        argv[argc] = (char *)line[argc];
        argc++;
    }
    argv[argc] = NULL;
    return argc;
}

/* ---- command lines ---- */

static void lines(void **state)
{
    static const struct {
        const char *line[WORDS];
        const char *domain;
        bool all, force, help;
    } cases[] = {
        {{"save", "guest", "file"}, "guest", false, false, false},
        {{"save", "-c", "guest", "file"}, "guest", false, false, false},
        {{"save", "guest", "-cp", "file"}, "guest", false, false, false},
        {{"save", "--", "-p", "file"}, "-p", false, false, false},
        {{"save", "-h"}, NULL, false, false, true},
        {{"save", "--help"}, NULL, false, false, true},
        {{"save"}, NULL, false, false, false},
        /* That command line is not for this domain. */
        {{"save", "--force", "guest", "f"}, "guest", false, false, false},
        {{"migrate", "-C", "file", "guest", "host"},
         "guest",
         false,
         false,
         false},
        {{"migrate", "-Cfile", "-s", "ssh -p 1", "5", "host"},
         "5",
         false,
         false,
         false},
        {{"migrate", "-eC", "file", "guest", "host"},
         "guest",
         false,
         false,
         false},
        {{"migrate", "--debug", "guest", "host"},
         "guest",
         false,
         false,
         false},
        {{"remus", "-i", "100", "-b", "guest", "host"},
         "guest",
         false,
         false,
         false},
        {{"destroy", "guest"}, "guest", false, false, false},
        {{"destroy", "-f", "guest"}, "guest", false, false, false},
        {{"destroy", "guest", "--force"}, "guest", false, true, false},
        {{"destroy", "--force", "guest"}, "guest", false, true, false},
        {{"destroy", "--", "--force"}, "--force", false, false, false},
        {{"shutdown", "-a"}, NULL, true, false, false},
        {{"shutdown", "-wa"}, NULL, true, false, false},
        {{"shutdown", "--all", "--wait"}, NULL, true, false, false},
        {{"shutdown", "--al"}, NULL, true, false, false},
        {{"shutdown", "-w", "guest"}, "guest", false, false, false},
        {{"reboot", "-aF"}, NULL, true, false, false},
        /* A command that has no form for all domains. */
        {{"vncviewer", "-a", "guest"}, "guest", false, false, false},
        {{"console", "-t", "pv", "-n", "1", "guest"},
         "guest",
         false,
         false,
         false},
        {{"trigger", "guest", "nmi", "0"}, "guest", false, false, false},
    };
    char *argv[WORDS + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int argc = words_of(cases[i].line, argv);
        struct xl_part_line line =
            xl_part_line_parse(command(argv[0]), argc, argv);

        if (!line.domain != !cases[i].domain ||
            (line.domain && strcmp(line.domain, cases[i].domain)) ||
            line.all != cases[i].all || line.force != cases[i].force ||
            line.help != cases[i].help) {
            fail_msg("case %zu: %s %s: domain %s, all %d, force %d, help %d",
                     i, argv[0], argv[1] ? argv[1] : "",
                     line.domain ? line.domain : "none", line.all, line.force,
                     line.help);
        }
    }
}

/* The stock xl does not know --force, except for commands that have a --force
 * of their own. */
static void force_is_ours(void **state)
{
    static const struct {
        const char *line[WORDS], *left[WORDS];
    } cases[] = {
        {{"destroy", "--force", "guest"}, {"destroy", "guest"}},
        {{"destroy", "guest", "--force"}, {"destroy", "guest"}},
        {{"destroy", "--", "--force"}, {"destroy", "--", "--force"}},
        {{"dump-core", "--force", "a", "b"}, {"dump-core", "a", "b"}},
        {{"vcpu-pin", "--force", "a"}, {"vcpu-pin", "--force", "a"}},
        {{"block-detach", "a", "b", "--force"},
         {"block-detach", "a", "b", "--force"}},
    };
    char *argv[WORDS + 1], *left[WORDS + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int argc = words_of(cases[i].line, argv);
        int wanted = words_of(cases[i].left, left);

        assert_int_equal(xl_part_line_strip(command(argv[0]), argc, argv),
                         wanted);
        for (int word = 0; word < wanted; word++) {
            assert_string_equal(argv[word], left[word]);
        }
        assert_null(argv[wanted]);
    }
}

/* The stock xl accepts a command that is shortened in this way. */
static void names(void **state)
{
    (void)state;
    assert_true(xl_names_command("save", command("save")));
    assert_true(xl_names_command("sa", command("save")));
    assert_true(xl_names_command("mig", command("migrate")));
    assert_false(xl_names_command("saved", command("save")));
    assert_false(xl_names_command("", command("save")));
    assert_false(xl_names_command("list", command("save")));
}

/* ---- parts ---- */

static libxl_live_migrate_status status(libxl_live_migrate_role role,
                                        libxl_live_migrate_state state,
                                        libxl_live_migrate_phase phase)
{
    libxl_live_migrate_status made = {
        .domid = 5,
        .name = "guest",
        .role = role,
        .state = state,
        .phase = phase,
    };

    made.stats.outstanding = 62 * 256;
    return made;
}

#define SOURCE LIBXL_LIVE_MIGRATE_ROLE_SOURCE
#define DESTINATION LIBXL_LIVE_MIGRATE_ROLE_DESTINATION
#define RUNNING LIBXL_LIVE_MIGRATE_STATE_RUNNING
#define COMPLETE LIBXL_LIVE_MIGRATE_STATE_COMPLETE
#define FAILED LIBXL_LIVE_MIGRATE_STATE_FAILED
#define PAUSED LIBXL_LIVE_MIGRATE_STATE_PAUSED
#define KILLED LIBXL_LIVE_MIGRATE_STATE_KILLED
#define PRECOPY LIBXL_LIVE_MIGRATE_PHASE_PRECOPY
#define SUSPENDED LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED
#define READY LIBXL_LIVE_MIGRATE_PHASE_READY
#define GO LIBXL_LIVE_MIGRATE_PHASE_GO
#define POSTCOPY LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY

static void parts(void **state)
{
    static const struct {
        libxl_live_migrate_role role;
        libxl_live_migrate_state state;
        libxl_live_migrate_phase phase;
        enum xl_part part;
    } cases[] = {
        {SOURCE, RUNNING, PRECOPY, XL_PART_MOVING},
        {SOURCE, RUNNING, READY, XL_PART_MOVING},
        {SOURCE, RUNNING, GO, XL_PART_SHELL},
        {SOURCE, RUNNING, POSTCOPY, XL_PART_SHELL},
        {SOURCE, PAUSED, POSTCOPY, XL_PART_SHELL},
        {SOURCE, COMPLETE, POSTCOPY, XL_PART_SHELL},
        {SOURCE, FAILED, PRECOPY, XL_PART_NONE},
        {SOURCE, FAILED, GO, XL_PART_NONE}, /* taken back */
        {SOURCE, KILLED, PRECOPY, XL_PART_NONE},
        {SOURCE, KILLED, SUSPENDED, XL_PART_SHELL},
        {SOURCE, KILLED, POSTCOPY, XL_PART_SHELL},
        {DESTINATION, RUNNING, PRECOPY, XL_PART_INCOMING},
        {DESTINATION, RUNNING, READY, XL_PART_INCOMING},
        {DESTINATION, KILLED, PRECOPY, XL_PART_INCOMING},
        {DESTINATION, RUNNING, GO, XL_PART_ARRIVING},
        {DESTINATION, PAUSED, POSTCOPY, XL_PART_ARRIVING},
        {DESTINATION, KILLED, POSTCOPY, XL_PART_ARRIVING},
        {DESTINATION, COMPLETE, POSTCOPY, XL_PART_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const libxl_live_migrate_status of =
            status(cases[i].role, cases[i].state, cases[i].phase);

        if (xl_part_of(&of) != cases[i].part) {
            fail_msg("case %zu is part %d", i, xl_part_of(&of));
        }
    }
}

/* A command that reads, moves or ends a part is never simply run; one that
 * only shows it is. */
static void nothing_is_lost_by_a_command(void **state)
{
    static const char *const bad[] = {"save",    "migrate",   "remus",
                                      "destroy", "dump-core", "suspend"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (int part = XL_PART_SHELL; part < XL_PARTS; part++) {
            assert_int_not_equal(command(bad[i])->verdicts[part], XL_ALLOWED);
        }
    }
    for (int part = XL_PART_SHELL; part <= XL_PART_INCOMING; part++) {
        assert_int_equal(command("unpause")->verdicts[part], XL_REFUSED);
        assert_int_equal(command("resume")->verdicts[part], XL_REFUSED);
    }
    for (size_t i = 0; i < xl_nr_part_commands; i++) {
        const struct xl_part_command *at = &xl_part_commands[i];

        /* A refusal has its reason. */
        if (at->verdicts[XL_PART_MOVING] != XL_ALLOWED) {
            assert_non_null(at->while_moving);
        }
        for (int part = XL_PART_SHELL; part < XL_PARTS; part++) {
            assert_true(at->verdicts[part] == XL_ALLOWED || at->of_a_part);
        }
    }
}

static struct xl_part_domain domain_of(const libxl_live_migrate_status *of,
                                       const char *called)
{
    return (struct xl_part_domain){
        .part = xl_part_of(of),
        .called = called,
        .status = of,
    };
}

static void verdicts(void **state)
{
    libxl_live_migrate_status of = status(SOURCE, RUNNING, POSTCOPY);
    struct xl_part_domain domain = domain_of(&of, "guest--migratedaway");

    (void)state;
    assert_int_equal(xl_part_verdict(command("destroy"), &domain), XL_FORCED);
    assert_int_equal(xl_part_verdict(command("save"), &domain), XL_REFUSED);
    of.state = COMPLETE;
    assert_int_equal(xl_part_verdict(command("destroy"), &domain), XL_ALLOWED);
    assert_int_equal(xl_part_verdict(command("save"), &domain), XL_REFUSED);
    of = status(DESTINATION, RUNNING, PRECOPY);
    domain = domain_of(&of, "guest--incoming");
    assert_int_equal(xl_part_verdict(command("destroy"), &domain), XL_FORCED);
    of.state = KILLED;
    assert_int_equal(xl_part_verdict(command("destroy"), &domain), XL_ALLOWED);
    assert_int_equal(xl_part_verdict(command("unpause"), &domain), XL_REFUSED);
    domain.part = XL_PART_NONE;
    assert_int_equal(xl_part_verdict(command("save"), &domain), XL_ALLOWED);
}

/* ---- words ---- */

static void assert_says(char *lines, const char *const *texts)
{
    assert_non_null(lines);
    for (; *texts; texts++) {
        if (!strstr(lines, *texts)) {
            fail_msg("no '%s' in:\n%s", *texts, lines);
        }
    }
    free(lines);
}

#define SAYS(lines, ...) \
    assert_says(lines, (const char *const[]){__VA_ARGS__, NULL})

static void what_is_said(void **state)
{
    libxl_live_migrate_status of = status(DESTINATION, RUNNING, POSTCOPY);
    struct xl_part_domain domain = domain_of(&of, "guest");

    (void)state;
    of.stats.rate = 2 * 1024 * 1024;
    of.stats.time_left_us = 31000000;
    SAYS(xl_part_explain(command("save"), &domain, false), "guest runs here",
         "62 MiB", "xl save is refused", "2.0 MiB/s", "another 31 s",
         "xl migrate-wait guest");
    SAYS(xl_part_explain(command("destroy"), &domain, false),
         "xl destroy is refused", "--force ends guest as a power failure");
    of.state = PAUSED;
    SAYS(xl_part_explain(command("migrate"), &domain, false),
         "connection between the hosts is lost", "at its source",
         "xl migrate-recover guest THIS-HOST");

    of = status(SOURCE, KILLED, POSTCOPY);
    domain = domain_of(&of, "guest--migratedaway");
    domain.recover = "xl migrate-recover -s 'ssh -p 22' guest otherhost";
    SAYS(xl_part_explain(command("save"), &domain, false),
         "guest--migratedaway is what is kept here of guest", "62 MiB",
         "process that moved it is dead",
         "xl:     xl migrate-recover -s 'ssh -p 22' guest otherhost\n");
    SAYS(xl_part_explain(command("destroy"), &domain, true),
         "xl destroy --force loses 62 MiB that are nowhere else");
    of.state = COMPLETE;
    SAYS(xl_part_explain(command("save"), &domain, false), "is whole at",
         "xl destroy guest--migratedaway");

    of = status(SOURCE, RUNNING, PRECOPY);
    domain = domain_of(&of, "guest");
    SAYS(xl_part_explain(command("block-attach"), &domain, false),
         "still runs here", "would not be true", "xl migrate-abort guest");
    of = status(DESTINATION, RUNNING, PRECOPY);
    domain = domain_of(&of, "guest--incoming");
    SAYS(xl_part_explain(command("unpause"), &domain, false),
         "still runs at its source", "memory that is not there",
         "xl migrate-abort guest--incoming");
    SAYS(xl_part_describe(&domain), "guest--incoming is made ready for guest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(force_is_ours),
        cmocka_unit_test(names),
        cmocka_unit_test(parts),
        cmocka_unit_test(nothing_is_lost_by_a_command),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(what_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
