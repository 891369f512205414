/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The lock on making domains, between processes.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "creation_lock.h"
#include "watchdog.h"

#define NOBODY (-1)

struct rig {
    char path[64];
    pid_t other; /* 0: no process holds it */
};

/* Lock it as the stock xl does, in another process, until that process is
 * killed. */
static void lock_elsewhere(struct rig *rig)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int ends[2];
    char octet;

    assert_int_equal(pipe(ends), 0);
    rig->other = fork();
    if (!rig->other) {
        int fd = open(rig->path, O_WRONLY | O_CREAT, 0200);

        if (fd >= 0 && !fcntl(fd, F_SETLKW, &whole) &&
            write(ends[1], "x", 1) == 1) {
            for (;;) {
                pause();
            }
        }
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &octet, 1), 1);
    close(ends[0]);
}

static void end_other(struct rig *rig)
{
    if (rig->other > 0) {
        kill(rig->other, SIGKILL);
        waitpid(rig->other, NULL, 0);
    }
    rig->other = 0;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int fd;

    alarm(WATCHDOG_SECONDS);
    strcpy(rig->path, "/tmp/test_creation_lock.XXXXXX");
    fd = mkstemp(rig->path);
    close(fd);
    unlink(rig->path); /* the first lock makes it */
    *state = rig;
    return fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    end_other(rig);
    unlink(rig->path);
    free(rig);
    return 0;
}

static bool is_locked(const struct rig *rig)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = fork();
    int status;

    if (!pid) {
        int fd = open(rig->path, O_WRONLY);

        _exit(fd >= 0 && !fcntl(fd, F_SETLK, &whole) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void is_held_until_it_is_released(void **state)
{
    struct rig *rig = *state;
    struct xl_creation_lock lock = XL_CREATION_UNLOCKED;

    assert_int_equal(xl_creation_lock_take(&lock, rig->path, 0, NOBODY), 0);
    assert_true(is_locked(rig));
    xl_creation_lock_release(&lock);
    assert_false(is_locked(rig));
    xl_creation_lock_release(&lock); /* harmless */
}

static void another_xl_is_waited_for(void **state)
{
    struct rig *rig = *state;
    struct xl_creation_lock lock = XL_CREATION_UNLOCKED;
    pid_t killer;

    lock_elsewhere(rig);
    assert_int_equal(xl_creation_lock_take(&lock, rig->path, 0, NOBODY), -1);
    assert_int_equal(lock.fd, -1);
    killer = fork();
    if (!killer) {
        kill(rig->other, SIGKILL);
        _exit(0);
    }
    assert_int_equal(
        xl_creation_lock_take(&lock, rig->path, WATCHDOG_SECONDS, NOBODY), 0);
    waitpid(killer, NULL, 0);
    xl_creation_lock_release(&lock);
}

/* A domain whose source is gone is not waited for. */
static void a_source_that_goes_ends_the_wait(void **state)
{
    struct rig *rig = *state;
    struct xl_creation_lock lock = XL_CREATION_UNLOCKED;
    int ends[2];

    lock_elsewhere(rig);
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    assert_int_equal(
        xl_creation_lock_take(&lock, rig->path, WATCHDOG_SECONDS, ends[0]),
        -1);
    close(ends[0]);
}

static void a_file_that_cannot_be(void **state)
{
    struct xl_creation_lock lock = XL_CREATION_UNLOCKED;

    (void)state;
    assert_int_equal(
        xl_creation_lock_take(&lock, "/nowhere/lock/xl", 0, NOBODY), -1);
    assert_int_equal(lock.fd, -1);
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_held_until_it_is_released),
        TEST(another_xl_is_waited_for),
        TEST(a_source_that_goes_ends_the_wait),
        TEST(a_file_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
