/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl migrate-all with processes: a program stands in for xl, and the test
 * checks what the conductor shows.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "evacuation/conductor.h"
#include "evacuation/room.h"
#include "evacuation/stop_estimate.h"
#include "evacuation/view.h"
#include "exit_status.h"

/* The program notes its arguments, and then runs a file that is named after
 * the host or the guest: it says what room a host has, or how the job of a
 * guest ends. */
static const char stand_in[] =
    "#!/bin/sh\n"
    "cd \"${0%/*}\"\n"
    "echo \"$*\" >> started\n"
    "what=$1\n"
    "[ \"$what\" = -v ] && what=$2\n"
    "while [ $# -gt 2 ]; do shift; done\n"
    "case $what in host-room) . \"./host-$2\";; *) . \"./guest-$1\";; esac\n";

struct rig {
    char directory[64];
    char program[96];
    char *hosts[3];
    struct xl_options options;
    struct xl_evacuation evacuation;
    char said[16384];    /* on stderr */
    char objects[65536]; /* on stdout */
    char started[4096];
};

/* What the library shows in this test, and which requests it got. */
static libxl_live_migrate_status shown[4], ended[4];
static int nr_shown, nr_ended;
static char requests[512];
/* After a request for the first guest its migration is complete; NULL: never.
 */
static const char *completes_at;

static int copy_list(const libxl_live_migrate_status *from, int nr,
                     libxl_live_migrate_status **list, int *count)
{
    *list = calloc(nr + 1, sizeof(**list));
    assert_non_null(*list);
    memcpy(*list, from, nr * sizeof(**list));
    *count = nr;
    return 0;
}

static int list(libxl_live_migrate_status **list, int *count)
{
    if (completes_at && strstr(requests, completes_at)) {
        shown[0].state = LIBXL_LIVE_MIGRATE_STATE_COMPLETE;
    }
    return copy_list(shown, nr_shown, list, count);
}

static int list_completed(libxl_live_migrate_status **list, int *count)
{
    return copy_list(ended, nr_ended, list, count);
}

static int request(uint32_t domid, libxl_live_migrate_command command,
                   uint64_t rate, int timeout_ms, char *reason)
{
    size_t length = strlen(requests);

    (void)timeout_ms;
    (void)reason;
    assert_int_equal(command, LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE);
    snprintf(requests + length, sizeof(requests) - length, "%u %lu\n", domid,
             (unsigned long)rate);
    return 0;
}

static const struct xl_conductor_ops ops = {
    .list = list,
    .list_completed = list_completed,
    .list_free = libxl_live_migrate_status_list_free,
    .request = request,
};

/* ---- the rig ---- */

static void write_file(const struct rig *rig, const char *name,
                       const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", rig->directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void read_file(const struct rig *rig, const char *name, char *text,
                      size_t room)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", rig->directory, name);
    file = fopen(path, "r");
    text[file ? fread(text, 1, room - 1, file) : 0] = '\0';
    if (file) {
        fclose(file);
    }
}

static int set_up(void **state)
{
    static char one[] = "one", two[] = "two";
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    strcpy(rig->directory, "/tmp/test_conductor.XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    write_file(rig, "xl", stand_in);
    snprintf(rig->program, sizeof(rig->program), "%s/xl", rig->directory);
    assert_int_equal(chmod(rig->program, 0755), 0);
    write_file(rig, "host-one",
               "echo 'ok\troom\t1000000 KiB free, 0 KiB more'");
    write_file(rig, "host-two",
               "echo 'ok\troom\t1000000 KiB free, 0 KiB more'");
    rig->hosts[0] = one;
    rig->hosts[1] = two;
    xl_options_init(&rig->options, XL_COMMAND_MIGRATE_ALL);
    rig->options.hosts = rig->hosts;
    rig->options.nr_hosts = 1;
    nr_shown = nr_ended = 0;
    requests[0] = '\0';
    completes_at = NULL;
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", rig->directory);
    assert_int_equal(system(command), 0);
    xl_evacuation_free(&rig->evacuation);
    free(rig);
    return 0;
}

static void begin(struct rig *rig)
{
    xl_evacuation_init(&rig->evacuation, &rig->options);
}

/* With the shell's words for how its job ends. */
static struct xl_guest *add(struct rig *rig, const char *name, enum xl_job job,
                            const char *does)
{
    uint32_t domid = rig->evacuation.nr_guests + 1;
    char file[300];

    snprintf(file, sizeof(file), "guest-%u", domid);
    write_file(rig, file, does);
    return xl_evacuation_add(&rig->evacuation, domid, name, job);
}

/* As the library shows the guest of that number, moved by that process. */
static libxl_live_migrate_status status_of(uint32_t domid, int pid,
                                           libxl_live_migrate_state state)
{
    return (libxl_live_migrate_status){
        .domid = domid,
        .pid = pid,
        .name = "g",
        .role = LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
        .state = state,
        .phase = LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY,
        .background_rate = XL_UNLIMITED,
    };
}

static int redirect(const struct rig *rig, int fd, const char *name)
{
    char path[PATH_MAX];
    int kept = dup(fd), file;

    fflush(NULL);
    snprintf(path, sizeof(path), "%s/%s", rig->directory, name);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && file >= 0 && dup2(file, fd) >= 0);
    close(file);
    return kept;
}

static void restore(int fd, int kept)
{
    fflush(NULL);
    assert_true(dup2(kept, fd) >= 0);
    close(kept);
}

static int conduct_until(struct rig *rig, int signal_fd)
{
    struct xl_conductor conductor = {
        .evacuation = &rig->evacuation,
        .ops = &ops,
        .options = &rig->options,
        .program = rig->program,
        .signal_fd = signal_fd,
    };
    int out = redirect(rig, STDOUT_FILENO, "objects");
    int err = redirect(rig, STDERR_FILENO, "said");
    int status = xl_conduct(&conductor);

    restore(STDOUT_FILENO, out);
    restore(STDERR_FILENO, err);
    read_file(rig, "said", rig->said, sizeof(rig->said));
    read_file(rig, "objects", rig->objects, sizeof(rig->objects));
    read_file(rig, "started", rig->started, sizeof(rig->started));
    return status;
}

static int conduct(struct rig *rig)
{
    return conduct_until(rig, -1);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("no '%s' in:\n%s", part, text);
    }
}

/* ---- processes ---- */

static void each_guest_has_a_process(void **state)
{
    struct rig *rig = *state;

    rig->options.nr_hosts = 2;
    begin(rig);
    add(rig, "web", XL_JOB_MOVE, "exit 0");
    add(rig, "--mail", XL_JOB_MOVE, "exit 0");
    assert_int_equal(conduct(rig), EXIT_SUCCESS);
    assert_has(rig->started, "host-room --postcopy --  one\n");
    assert_has(rig->started, "host-room --postcopy --  two\n");
    assert_has(rig->started,
               "migrate --postcopy --quiet --share=unlimited -- 1 one\n");
    assert_has(rig->started,
               "migrate --postcopy --quiet --share=unlimited -- 2 two\n");
    assert_has(rig->said, "2 guests: 2 gone\n");
    assert_string_equal(rig->objects, "");
}

static void what_was_said_goes_on_to_each(void **state)
{
    char *argv[] = {(char[]){"migrate-all"},
                    (char[]){"--postcopy=auto"},
                    (char[]){"--background-rate=10M"},
                    (char[]){"--link-timeout=7"},
                    (char[]){"-s"},
                    (char[]){"ssh -p 2222"},
                    (char[]){"-e"},
                    (char[]){"--parallel=1"},
                    (char[]){"one"},
                    NULL};
    struct rig *rig = *state;
    int status;

    assert_true(xl_options_read(&rig->options, XL_COMMAND_MIGRATE_ALL, 9, argv,
                                &status));
    begin(rig);
    add(rig, "moved", XL_JOB_MOVE, "exit 0");
    add(rig, "paused", XL_JOB_RECOVER, "exit 3")->host = 0;
    write_file(rig, "guest-paused", "exit 3");
    assert_int_equal(conduct(rig), XL_EXIT_PAUSED);
    assert_has(rig->started,
               "migrate --postcopy --postcopy=auto --link-timeout=7 "
               "--ssh-command=ssh -p 2222 --no-monitor --quiet "
               "--share=10485760 -- 1 one\n");
    assert_has(rig->started,
               "migrate-recover --link-timeout=7 --ssh-command=ssh -p 2222 "
               "--quiet --share=10485760 -- paused one\n");
    assert_has(rig->started, "host-room --postcopy --postcopy=auto ");
    assert_has(rig->said, "xl:     xl migrate-recover --background-rate 10M "
                          "--link-timeout 7 -s 'ssh -p 2222' --all one\n");
}

static void how_each_ends_is_said(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    rig->evacuation.parallel = 8;
    add(rig, "good", XL_JOB_MOVE, "exit 0");
    add(rig, "refused", XL_JOB_MOVE,
        "echo 'xl: Migration failed (start, libxl error -5): it is a PV "
        "guest.'; echo 'xl: The guest runs on here, as before.'; exit 1");
    add(rig, "paused", XL_JOB_MOVE, "echo 'xl: the link is gone'; exit 3");
    add(rig, "lost", XL_JOB_MOVE, "echo 'xl: oh'; exit 6");
    add(rig, "silent", XL_JOB_MOVE, "exit 1");
    add(rig, "killed", XL_JOB_MOVE, "kill -9 $$");
    assert_int_equal(conduct(rig), XL_EXIT_GONE);
    assert_has(rig->said, "\nrefused: xl: The guest runs on here, as before.");
    assert_has(rig->said, "stays here: it is a PV guest.\n");
    assert_has(rig->said, "paused: the link is gone\n");
    assert_has(rig->said, "runs nowhere: oh\n");
    assert_has(rig->said, "its process has ended without a reason\n");
    assert_has(rig->said, "6 guests: 1 gone, 3 staying here, 1 paused, 1 "
                          "running nowhere\n");
    assert_has(rig->said, "xl migrate-recover --all one\n");
}

static void hosts_that_take_nobody(void **state)
{
    static const struct {
        const char *host, *why;
    } cases[] = {
        {"echo 'no\tpaging\tbuilt without memory paging'; echo end",
         "no host takes guests now: built without memory paging"},
        {"echo 'xl: one cannot be reached'; exit 1",
         "no host takes guests now: one cannot be reached"},
        {"echo 'ok\troom\t5 KiB free, 7 KiB more'; echo end",
         "it needs 1 MiB, and the most that is left is 0 MiB"},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(rig, "host-one", cases[i].host);
        begin(rig);
        add(rig, "web", XL_JOB_MOVE, "exit 0")->needed_kb = 1000;
        assert_int_equal(conduct(rig), EXIT_FAILURE);
        assert_has(rig->said, cases[i].why);
        assert_null(strstr(rig->started, "migrate "));
        xl_evacuation_free(&rig->evacuation);
    }
    assert_has(rig->started, "host-room");
}

static void a_host_that_says_nothing_may_take_all(void **state)
{
    struct rig *rig = *state;

    write_file(rig, "host-one", "echo 'xl: another word'; exit 0");
    begin(rig);
    add(rig, "web", XL_JOB_MOVE, "exit 0");
    assert_int_equal(conduct(rig), EXIT_SUCCESS);
}

static void nothing_that_is_said_reaches_a_terminal_as_it_is(void **state)
{
    struct rig *rig = *state;

    write_file(rig, "host-one",
               "printf 'xl: \\033[2J\\nok\\troom\\t9 KiB free, 9 KiB more'");
    begin(rig);
    add(rig, "we\033[2Jb\n", XL_JOB_MOVE,
        "printf 'xl: \\033]0;x\\007 \\302\\233\\n'; exit 1");
    assert_int_equal(conduct(rig), EXIT_FAILURE);
    assert_null(strchr(rig->said, '\033'));
    assert_null(strchr(rig->said, '\007'));
    assert_null(strstr(rig->said, "\302\233"));
    assert_has(rig->said, "we?[2Jb?");
}

/* ---- what the library shows ---- */

static void the_last_status_is_of_its_own_process(void **state)
{
    struct rig *rig = *state;
    struct xl_guest *guest;

    begin(rig);
    guest = add(rig, "g", XL_JOB_FOLLOW, "");
    shown[0] = status_of(1, 7, LIBXL_LIVE_MIGRATE_STATE_PAUSED);
    snprintf(shown[0].reason, sizeof(shown[0].reason), "the link is gone");
    nr_shown = 1;
    assert_int_equal(conduct(rig), XL_EXIT_PAUSED);
    assert_string_equal(guest->why, "the link is gone");
    assert_string_equal(rig->started, "");
}

static void one_that_is_followed_and_gone(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    add(rig, "g", XL_JOB_FOLLOW, "");
    add(rig, "unknown", XL_JOB_FOLLOW, "");
    ended[0] = status_of(1, 7, LIBXL_LIVE_MIGRATE_STATE_COMPLETE);
    ended[0].stats.suspend_us = 1000;
    ended[0].stats.running_us = 413000;
    nr_ended = 1;
    assert_int_equal(conduct(rig), XL_EXIT_PAUSED);
    assert_has(rig->said, "stopped for 0.412 s");
    assert_has(rig->said, "how its migration ended is not known");
}

/* The guest stays here after all, so this command moves it. */
static void one_that_is_followed_and_stays_is_moved(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    add(rig, "g", XL_JOB_FOLLOW, "exit 0");
    shown[0] = status_of(1, 7, LIBXL_LIVE_MIGRATE_STATE_FAILED);
    nr_shown = 1;
    assert_int_equal(conduct(rig), EXIT_SUCCESS);
    assert_has(rig->started, "migrate --postcopy --quiet");
}

static void one_that_is_followed_gives_way(void **state)
{
    struct rig *rig = *state;

    rig->options.params.background_rate = 1000;
    begin(rig);
    add(rig, "followed", XL_JOB_FOLLOW, "");
    add(rig, "moved", XL_JOB_MOVE, "exit 0");
    shown[0] = status_of(1, 7, LIBXL_LIVE_MIGRATE_STATE_RUNNING);
    nr_shown = 1;
    completes_at = "1 1000\n";
    assert_int_equal(conduct(rig), EXIT_SUCCESS);
    assert_has(requests, "1 500\n");
    assert_has(rig->started, "--share=500 -- 2 one\n");
    /* The guest has all of the link again. */
    assert_has(requests, "1 500\n1 1000\n");
}

/* ---- the end is asked for ---- */

static void a_signal_ends_what_it_can(void **state)
{
    struct rig *rig = *state;
    sigset_t signals;
    int fd;

    rig->evacuation.parallel = 1;
    rig->options.parallel = 1;
    begin(rig);
    add(rig, "first", XL_JOB_MOVE, "kill -USR1 $PPID; exec sleep 1000");
    add(rig, "second", XL_JOB_MOVE, "exit 0");
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    fd = signalfd(-1, &signals, SFD_CLOEXEC);
    assert_int_equal(conduct_until(rig, fd), EXIT_FAILURE);
    close(fd);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    assert_has(rig->said, "xl: giving up: no more guests are started");
    assert_has(rig->said, "2 guests: 2 staying here\n");
    assert_has(rig->said, "given up before its turn");
    assert_null(strstr(rig->started, "-- 2 "));
}

/* ---- what is shown ---- */

static void keep_json(const char *objects)
{
    const char *directory = getenv("KEEP_JSON");
    char path[PATH_MAX];
    FILE *file;

    if (!directory) {
        return;
    }
    snprintf(path, sizeof(path), "%s/all", directory);
    file = fopen(path, "a");
    assert_non_null(file);
    fputs(objects, file);
    assert_int_equal(fclose(file), 0);
}

static void objects_for_machines(void **state)
{
    struct rig *rig = *state;

    rig->options.json = true;
    begin(rig);
    rig->evacuation.parallel = 9;
    add(rig, "good \"\x1b\xff", XL_JOB_MOVE, "exit 0");
    add(rig, "refused", XL_JOB_MOVE, "echo 'xl: why'; exit 1");
    add(rig, "shell", XL_JOB_MOVE, "exit 5");
    add(rig, "lost", XL_JOB_MOVE, "exit 6");
    add(rig, "followed", XL_JOB_FOLLOW, "");
    add(rig, "paused", XL_JOB_RECOVER, "")->host = 0;
    write_file(rig, "guest-paused", "exit 3");
    shown[0] = status_of(5, 7, LIBXL_LIVE_MIGRATE_STATE_PAUSED);
    nr_shown = 1;
    assert_int_equal(conduct(rig), XL_EXIT_GONE);
    assert_has(rig->objects, "{\"guest\": \"good \\\"\\u001b\\ufffd\", ");
    assert_has(rig->objects, "\"state\": \"stays\", \"host\": \"one\", "
                             "\"reason\": \"why\"");
    assert_has(rig->objects, "{\"end\": true, ");
    assert_has(rig->objects, "\"gone\": 1, \"gone-shell-left\": 1, "
                             "\"stays\": 1, \"paused\": 2, \"lost\": 1");
    assert_null(strstr(rig->said, "guests:"));
    keep_json(rig->objects);
    for (enum xl_fate fate = 0; fate < XL_FATES; fate++) {
        char *text = NULL;
        size_t length;
        FILE *to = open_memstream(&text, &length);

        rig->evacuation.guests[0].fate = fate;
        xl_evacuation_put_guest(to, &rig->evacuation,
                                &rig->evacuation.guests[0]);
        fclose(to);
        keep_json(text);
        free(text);
    }
}

static void the_table_fits_the_terminal(void **state)
{
    struct rig *rig = *state;
    char *text = NULL, name[16];
    size_t length, lines = 0;
    FILE *to = open_memstream(&text, &length);

    begin(rig);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "g%d", i);
        snprintf(add(rig, name, XL_JOB_MOVE, "")->why, XL_WHY_MAX, "%0200d",
                 7);
        rig->evacuation.guests[i].fate =
            i == 29 ? XL_FATE_UNDER_WAY : XL_FATE_STAYS;
    }
    xl_evacuation_table(to, 60, 10, &rig->evacuation);
    fclose(to);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        assert_true(strcspn(line, "\n") < 60);
        lines++;
    }
    assert_int_equal(lines, 10);
    assert_has(text, "30 guests: 1 under way, 29 staying here\ng29 ");
    free(text);
}

/* A terminal of 12 lines, from which nothing is read meanwhile: it holds 4
 * KiB. */
static void a_table_that_is_alive(void **state)
{
    const struct winsize size = {.ws_row = 12, .ws_col = 70};
    struct rig *rig = *state;
    int master = posix_openpt(O_RDWR | O_NOCTTY), terminal, kept;
    size_t length = 0;
    ssize_t got;

    assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
    begin(rig);
    add(rig, "we\033[2Jb", XL_JOB_MOVE, "exit 0");
    kept = dup(STDERR_FILENO);
    assert_true(dup2(terminal, STDERR_FILENO) >= 0);
    {
        struct xl_conductor conductor = {
            .evacuation = &rig->evacuation,
            .ops = &ops,
            .options = &rig->options,
            .program = rig->program,
            .signal_fd = -1,
        };

        assert_int_equal(xl_conduct(&conductor), EXIT_SUCCESS);
    }
    restore(STDERR_FILENO, kept);
    fcntl(master, F_SETFL, O_NONBLOCK);
    while ((got = read(master, rig->said + length,
                       sizeof(rig->said) - 1 - length)) > 0) {
        length += got;
    }
    rig->said[length] = '\0';
    close(terminal);
    close(master);
    assert_has(rig->said, "1 guests: 1 waiting\r\n");
    assert_has(rig->said, "\033[2A\r\033[J");
    assert_has(rig->said, "we?[2Jb");
    assert_null(strstr(rig->said, "\033[2J"));
    assert_has(rig->said, "1 guests: 1 gone\r\n");
}

/* ---- the question between hosts, and the estimate ---- */

static void a_room_that_travels(void **state)
{
    const struct xl_room sent = {.free_kb = 123456789, .more_kb = 42};
    struct xl_save_header header;
    struct xl_finding finding;
    struct xl_room got;
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    (void)state;
    xl_room_put(to, &sent);
    fclose(to);
    assert_true(xl_finding_read(text, &finding));
    assert_true(xl_room_read(&finding, &got));
    assert_int_equal(got.free_kb, sent.free_kb);
    assert_int_equal(got.more_kb, sent.more_kb);
    free(text);
    xl_room_ask(&header);
    assert_true(xl_room_is_asked(&header));
    assert_non_null(xl_save_header_check(&header));
    header.data_length = 1;
    assert_false(xl_room_is_asked(&header));
}

static void rooms_that_are_none(void **state)
{
    static const char *const lines[] = {
        "ok\troom\t1 KiB free",
        "ok\troom\t1 KiB free, 2 KiB more and",
        "ok\troom\t123456789012345678901234 KiB free, 2 KiB more",
        "no\troom\t1 KiB free, 2 KiB more",
        "ok\tmemory\t1 KiB free, 2 KiB more",
    };
    struct xl_finding finding;
    struct xl_room room;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_true(xl_finding_read(lines[i], &finding));
        assert_false(xl_room_read(&finding, &room));
    }
}

static void the_stop_is_estimated(void **state)
{
    struct xl_stop_facts small = {.vcpus = 1, .memory_kb = 65536};
    struct xl_stop_facts large = {.vcpus = 1, .memory_kb = UINT64_C(1) << 30};
    struct xl_stop_facts hvm = {.vcpus = 1, .has_device_model = true};
    struct xl_stop_facts known = {.vcpus = 64, .last_us = 17};

    (void)state;
    assert_true(xl_stop_estimate(&small) < xl_stop_estimate(&large));
    assert_true(xl_stop_estimate(&small) < xl_stop_estimate(&hvm));
    assert_int_equal(xl_stop_estimate(&known), 17);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_guest_has_a_process),
        TEST(what_was_said_goes_on_to_each),
        TEST(how_each_ends_is_said),
        TEST(hosts_that_take_nobody),
        TEST(a_host_that_says_nothing_may_take_all),
        TEST(nothing_that_is_said_reaches_a_terminal_as_it_is),
        TEST(the_last_status_is_of_its_own_process),
        TEST(one_that_is_followed_and_gone),
        TEST(one_that_is_followed_and_stays_is_moved),
        TEST(one_that_is_followed_gives_way),
        TEST(a_signal_ends_what_it_can),
        TEST(objects_for_machines),
        TEST(the_table_fits_the_terminal),
        TEST(a_table_that_is_alive),
        cmocka_unit_test(a_room_that_travels),
        cmocka_unit_test(rooms_that_are_none),
        cmocka_unit_test(the_stop_is_estimated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
