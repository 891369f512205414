/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Text for people: rates, --postcopy=WHEN, progress and tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exit_status.h"
#include "migrate_view.h"
#include "policy_option.h"
#include "rate.h"
#include "transport_command.h"
#include "watcher.h"

#define WRONG 12345

static void rates(void **state)
{
    static const struct {
        const char *text;
        uint64_t rate;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"1000000", 1000000},
        {"4K", 4096},
        {"10M", 10485760},
        {"2G", UINT64_C(2147483648)},
        {"unlimited", UINT64_MAX},
        {"17179869183G", UINT64_C(17179869183) << 30},
        {"", WRONG},
        {"M", WRONG},
        {"-1", WRONG},
        {" 1", WRONG},
        {"1 M", WRONG},
        {"1T", WRONG},
        {"1MB", WRONG},
        {"1.5M", WRONG},
        {"unlimite", WRONG},
        {"17179869184G", WRONG},
        {"18446744073709551615", WRONG},
        {"99999999999999999999", WRONG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t rate = WRONG;
        const char *wrong = xl_parse_rate(cases[i].text, &rate);

        if (rate != cases[i].rate || !wrong != (rate != WRONG)) {
            fail_msg("'%s' is %lu", cases[i].text, (unsigned long)rate);
        }
    }
}

static void policies(void **state)
{
    static const struct {
        const char *text;
        bool good;
        struct xl_policy policy;
    } cases[] = {
        {NULL, true, {false, false, 0, 0}},
        {"now", true, {false, true, 0, 0}},
        {"auto", true, {true, false, 0, 0}},
        {"after:30", true, {false, false, 0, 30}},
        {"after-rounds:2", true, {false, true, 2, 0}},
        {"after-rounds:0", true, {false, true, 0, 0}},
        {"", false, {0}},
        {"Now", false, {0}},
        {"after", false, {0}},
        {"after:", false, {0}},
        {"after:0", false, {0}},
        {"after:-1", false, {0}},
        {"after:3s", false, {0}},
        {"after:4294967296", false, {0}},
        {"after-rounds:", false, {0}},
        {"after-rounds:x", false, {0}},
        {"automatic", false, {0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct xl_policy *wanted = &cases[i].policy;
        struct xl_policy policy = {false, false, 0, 0};

        if (xl_parse_policy(cases[i].text, &policy) != cases[i].good ||
            policy.automatic != wanted->automatic ||
            policy.has_rounds != wanted->has_rounds ||
            policy.rounds != wanted->rounds || policy.after != wanted->after) {
            fail_msg("'%s' is read otherwise",
                     cases[i].text ? cases[i].text : "(none)");
        }
    }
}

static void check(libxl_live_migrate_phase phase, size_t columns,
                  const libxl_live_migrate_stats *stats, const char *wanted)
{
    char line[XL_VIEW_MAX];

    xl_view_progress(line, columns, phase, stats);
    assert_string_equal(line, wanted);
}

static void progress(void **state)
{
    libxl_live_migrate_stats stats = {
        .guest_pages = 65536,
        .dirty_pages = 16384,
        .rate = 3 * 1024 * 1024 + 600 * 1024,
        .time_left_us = 61000001,
        .iterations = 1,
    };

    (void)state;
    check(LIBXL_LIVE_MIGRATE_PHASE_START, 80, &stats, "start    ");
    check(LIBXL_LIVE_MIGRATE_PHASE_PRECOPY, 100, &stats,
          "precopy   [###############.....]  75% 3.5 MiB/s, 64 MiB left, "
          "round 2, 1:02");
    check(LIBXL_LIVE_MIGRATE_PHASE_PRECOPY, 20, &stats, "precopy   [########");
    stats.total_left_us = 125 * 1000000; /* with the rounds to come */
    check(LIBXL_LIVE_MIGRATE_PHASE_PRECOPY, 100, &stats,
          "precopy   [###############.....]  75% 3.5 MiB/s, 64 MiB left, "
          "round 2, 2:05");
    stats.total_left_us = 0;
    stats.dirty_pages = 0;
    stats.outstanding = 65536;
    stats.faults = 12;
    stats.time_left_us = 0;
    check(LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY, 0, &stats,
          "postcopy  [....................]   0% 3.5 MiB/s, 256 MiB left, "
          "12 faults, -");
    stats.outstanding = 1;
    stats.time_left_us = 1;
    check(LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY, 0, &stats,
          "postcopy  [###################.]  99% 3.5 MiB/s, 1 MiB left, "
          "12 faults, 0:01");
    stats.evicted_pages = 32768;
    check(LIBXL_LIVE_MIGRATE_PHASE_EVICTING, 0, &stats,
          "evicting  128 MiB, -");
    stats.evict_left_us = 61000001;
    check(LIBXL_LIVE_MIGRATE_PHASE_EVICTING, 0, &stats,
          "evicting  128 MiB, 1:02");
    /* No figure is known. */
    stats = (libxl_live_migrate_stats){.guest_pages = 0};
    check(LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY, 0, &stats,
          "postcopy  [####################]   0% 0.0 MiB/s, 0 MiB left, "
          "0 faults, -");
    /* More pages are written than there are: progress must not show nonsense.
 */
    stats.guest_pages = 10;
    stats.dirty_pages = 20;
    stats.time_left_us = UINT64_MAX / 2;
    stats.rate = UINT64_MAX;
    xl_view_progress((char[XL_VIEW_MAX]){0}, 0,
                     LIBXL_LIVE_MIGRATE_PHASE_PRECOPY, &stats);
}

static void table(void **state)
{
    libxl_live_migrate_status status = {
        .domid = 3,
        .name = "guest",
        .phase = LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY,
    };
    char heading[XL_VIEW_MAX], row[XL_VIEW_MAX];

    (void)state;
    status.stats.outstanding = 512;
    status.stats.bytes_sent = 100 << 20;
    status.stats.rate = 5 << 20;
    status.stats.faults = 7;
    status.stats.time_left_us = 400000;
    xl_view_heading(heading);
    xl_view_row(row, &status);
    assert_string_equal(row,
                        "guest                        3 source      postcopy  "
                        "      0      100        2       7      5.0 0:01");
    assert_int_equal(strstr(heading, "Role") - heading,
                     strstr(row, "source") - row);
    status.state = LIBXL_LIVE_MIGRATE_STATE_KILLED;
    status.role = LIBXL_LIVE_MIGRATE_ROLE_DESTINATION;
    memset(status.name, 'n', sizeof(status.name) - 1);
    xl_view_row(row, &status);
    assert_non_null(strstr(row, " killed "));
    assert_non_null(strstr(row, " destination "));
}

/* The lines below a row of the table, only where there is something to say. */
static void faults(void **state)
{
    libxl_live_migrate_stats stats = {
        .faults = 7,
        .outside = 2,
        .crossed_requests = 3,
        .queue_depth = 1,
        .queue_most = 4,
        .fault_median_us = 1500,
        .fault_p99_us = 20000,
        .fault_max_us = 30001,
        .behind_median = 16,
        .behind_most = 900,
    };
    char *text;

    (void)state;
    stats.waits.histogram[10] = 6;
    stats.waits.histogram[14] = 1;
    stats.waits.nr_vcpus = 3;
    stats.waits.blocked_us[0] = 12000;
    stats.waits.blocked_us[2] = 2500000;
    text = xl_view_faults(&stats);
    assert_string_equal(
        text, "    faults of vCPUs: 7, of back ends: 2; requests that "
              "crossed their page: 3\n"
              "    waiting now: 1, at most: 4; pages that came twice: 0\n"
              "    waits: median 1.500 ms, 99 of 100 below 20.000 ms, longest "
              "30.001 ms\n"
              "    pushed pages that came before: median 16, at most 900\n"
              "    waits below 2.048 ms: 6, 32.768 ms: 1\n"
              "    waited vCPU 0: 0.012 s, vCPU 2: 2.500 s\n");
    free(text);
    stats = (libxl_live_migrate_stats){.outside = 1};
    text = xl_view_faults(&stats);
    assert_string_equal(
        text, "    faults of vCPUs: 0, of back ends: 1; requests that "
              "crossed their page: 0\n"
              "    waiting now: 0, at most: 0; pages that came twice: 0\n");
    free(text);
    stats.outside = 0;
    assert_null(xl_view_faults(&stats));
}

static void when_devices_start(void **state)
{
    libxl_live_migrate_status status = {.build = LIBXL_LIVE_MIGRATE_BUILD_LATE,
                                        .late_reason = "as asked for"};
    char line[XL_VIEW_MAX];

    (void)state;
    assert_true(xl_view_build(line, &status));
    assert_string_equal(line,
                        "    its devices start in the stop: as asked for");
    status.build = LIBXL_LIVE_MIGRATE_BUILD_EARLY;
    assert_true(xl_view_build(line, &status));
    assert_string_equal(line, "    its devices start before the stop");
    status.build = LIBXL_LIVE_MIGRATE_BUILD_ANY;
    assert_false(xl_view_build(line, &status));
}

static void how_long_the_stop_is(void **state)
{
    libxl_live_migrate_status status = {
        .state = LIBXL_LIVE_MIGRATE_STATE_RUNNING,
        .phase = LIBXL_LIVE_MIGRATE_PHASE_PRECOPY,
    };
    char line[XL_VIEW_MAX];

    (void)state;
    assert_false(xl_view_stop(line, &status));
    status.stats.expected_downtime_us = 42000;
    assert_true(xl_view_stop(line, &status));
    assert_string_equal(line,
                        "    will be stopped for 0.042 s to send pages, and "
                        "what the suspend and the devices take");
    status.phase = LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED;
    status.stats.downtime_us = 250000;
    assert_true(xl_view_stop(line, &status));
    assert_string_equal(line, "    is stopped for 0.250 s");
    status.phase = LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY;
    assert_true(xl_view_stop(line, &status));
    assert_string_equal(line, "    was stopped for 0.250 s");
    status.state = LIBXL_LIVE_MIGRATE_STATE_PAUSED;
    assert_false(xl_view_stop(line, &status));
    /* Migrations that have ended: xl_view_ended() shows them. */
    status.ended_at = 1;
    status.elapsed_us = 3000000;
    assert_true(xl_view_ended(line, &status));
    assert_non_null(strstr(line, "after 3.000 s, stopped for 0.250 s"));
    status.stats.downtime_us = 0;
    assert_true(xl_view_ended(line, &status));
    assert_null(strstr(line, "stopped"));
}

static void back_ends(void **state)
{
    const libxl_live_migrate_outside waits = {
        .waiting = 2, .wait_us = 5250000, .most_us = 8000000};
    const libxl_live_migrate_outside none = {.waiting = 0};
    char line[XL_VIEW_MAX];

    (void)state;
    assert_true(xl_view_back_ends(line, &waits));
    assert_string_equal(line, "    pages that back ends wait for: 2, for "
                              "5.250 s; the longest such wait: 8.000 s");
    assert_false(xl_view_back_ends(line, &none));
}

/* The stock xl and this one write such lines. */
static void who_watches_by_a_log(void **state)
{
    static const char log[] =
        "Waiting for domain web (domid 5) to die [pid 812]\n"
        "Domain 5 has shut down, reason code 1 0x1\n"
        "Waiting for domain web (domid 6) to die [pid 812]\n"
        "2026-01-01T00:00:00Z Waiting for domain a (domid 7) (domid 6) to die "
        "[pid 900]\n"
        "Waiting for domain web (domid 66) to die [pid 1]\n"
        "Waiting for domain web (domid 6) to die [pid ";

    (void)state;
    assert_int_equal(xl_watcher_in_log(log, 5), 812);
    assert_int_equal(xl_watcher_in_log(log, 6), 900);
    assert_int_equal(xl_watcher_in_log(log, 66), 1);
    assert_int_equal(xl_watcher_in_log(log, 7), 0);
    assert_int_equal(xl_watcher_in_log("", 5), 0);
}

#define OURS \
    " -o ServerAliveInterval=5 -o ServerAliveCountMax=6 -o ControlPath=none " \
    "-T"

static void commands_of_transports(void **state)
{
    static const struct {
        const char *ssh_command, *command;
    } cases[] = {
        {xl_ssh_default, "exec ssh" OURS " 'h' xl -v migrate-receive "
                         "--postcopy --recover"},
        {"ssh -p 2222", "exec ssh -p 2222" OURS " 'h' xl -v migrate-receive "
                        "--postcopy --recover"},
        {"/usr/bin/ssh", "exec /usr/bin/ssh" OURS " 'h' xl -v migrate-receive "
                         "--postcopy --recover"},
        {"sshpass -e ssh", "exec sshpass -e ssh 'h' xl -v migrate-receive "
                           "--postcopy --recover"},
        {"rsh", "exec rsh 'h' xl -v migrate-receive --postcopy --recover"},
        {"", "h"},
    };
    char *command;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        command =
            xl_transport_command(cases[i].ssh_command, "h", 1, " --recover");
        assert_string_equal(command, cases[i].command);
        free(command);
    }
}

/* The running program, even if its file has been moved. */
static void the_command_of_tls(void **state)
{
    char *command = xl_transport_tls_command("h:9", 2, " --tls=/d");
    char expected[128];

    (void)state;
    snprintf(expected, sizeof(expected),
             "exec /proc/%d/exe -v -v migrate-connect --pass-fd --tls=/d "
             "-- 'h:9'",
             (int)getpid());
    assert_string_equal(command, expected);
    free(command);
}

static void hosts_that_a_shell_reads_as_they_are(void **state)
{
    static const char *const good[] = {
        "xen-b",
        "10.0.0.2",
        "root@xen-b",
        "[fe80::1%eth0]",
        "h.example.org",
        "my_host",
        "ssh://root@xen-b:2222",
    };
    static const char *const bad[] = {
        "",       "-oProxyCommand=id",
        "a b",    "a;id",
        "a$(id)", "a`id`",
        "a'",     "a\"",
        "a|b",    "a&",
        "a>f",    "a\nb",
        "a*",     "\302\233",
        "~root",  "a\\",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(xl_transport_host_is_plain(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(xl_transport_host_is_plain(bad[i]));
    }
}

static void the_host_alone(void **state)
{
    static const struct {
        const char *host, *alone;
    } cases[] = {
        {"xen-b", "xen-b"},
        {"root@xen-b", "xen-b"},
        {"ssh://xen-b", "xen-b"},
        {"ssh://root@xen-b:2222", "xen-b"},
        {"ssh://root@[fd00::2]:2222", "fd00::2"},
        {"[fd00::2]", "fd00::2"},
        {"fd00::2", "fd00::2"},
        {"10.0.0.2", "10.0.0.2"},
    };
    char *alone;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        alone = xl_transport_host_alone(cases[i].host);
        assert_string_equal(alone, cases[i].alone);
        free(alone);
    }
}

static void statuses_to_exit_with(void **state)
{
    static const struct {
        libxl_live_migrate_state state;
        libxl_live_migrate_phase phase;
        int status;
    } table[] = {
        {LIBXL_LIVE_MIGRATE_STATE_COMPLETE, LIBXL_LIVE_MIGRATE_PHASE_COMPLETE,
         0},
        {LIBXL_LIVE_MIGRATE_STATE_FAILED, LIBXL_LIVE_MIGRATE_PHASE_READY, 1},
        {LIBXL_LIVE_MIGRATE_STATE_PAUSED, LIBXL_LIVE_MIGRATE_PHASE_GO, 3},
        {LIBXL_LIVE_MIGRATE_STATE_LOST, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY, 6},
        {LIBXL_LIVE_MIGRATE_STATE_KILLED, LIBXL_LIVE_MIGRATE_PHASE_PRECOPY, 1},
        {LIBXL_LIVE_MIGRATE_STATE_KILLED, LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED,
         3},
        {LIBXL_LIVE_MIGRATE_STATE_KILLED, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY,
         3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const libxl_live_migrate_status status = {.state = table[i].state,
                                                  .phase = table[i].phase};

        assert_int_equal(xl_exit_of_status(&status), table[i].status);
    }
}

static void when_it_ended(void **state)
{
    libxl_live_migrate_status status = {.elapsed_us = 12345678};
    char line[XL_VIEW_MAX];

    (void)state;
    assert_false(xl_view_ended(line, &status));
    setenv("TZ", "UTC", 1);
    status.ended_at = 1700000000;
    assert_true(xl_view_ended(line, &status));
    assert_string_equal(line, "    ended 2023-11-14 22:13:20, after 12.346 s");
    status.stats.downtime_us = 480000;
    assert_true(xl_view_ended(line, &status));
    assert_non_null(strstr(line, "12.346 s, stopped for 0.480 s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test(policies),
        cmocka_unit_test(progress),
        cmocka_unit_test(table),
        cmocka_unit_test(faults),
        cmocka_unit_test(when_devices_start),
        cmocka_unit_test(how_long_the_stop_is),
        cmocka_unit_test(back_ends),
        cmocka_unit_test(statuses_to_exit_with),
        cmocka_unit_test(when_it_ended),
        cmocka_unit_test(who_watches_by_a_log),
        cmocka_unit_test(commands_of_transports),
        cmocka_unit_test(the_command_of_tls),
        cmocka_unit_test(hosts_that_a_shell_reads_as_they_are),
        cmocka_unit_test(the_host_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
