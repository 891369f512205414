/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Locks on images, as a QEMU in another process holds them.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_lock.h"
#include "watchdog.h"

struct rig {
    char path[64];
    pid_t qemu;
};

/* A QEMU reads (100) and, unless it is read-only, writes (101).  It lets no
 * other process write (201) unless it shares the image. */
static void start_qemu(struct rig *rig, const int *octets)
{
    int ends[2];
    char octet;

    assert_int_equal(pipe(ends), 0);
    rig->qemu = fork();
    if (!rig->qemu) {
        int fd = open(rig->path, O_RDWR);

        for (; *octets; octets++) {
            struct flock lock = {
                .l_type = F_RDLCK,
                .l_whence = SEEK_SET,
                .l_start = *octets,
                .l_len = 1,
            };

            if (fcntl(fd, F_OFD_SETLK, &lock)) {
                _exit(1);
            }
        }
        if (write(ends[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &octet, 1), 1);
    close(ends[0]);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int fd;

    alarm(WATCHDOG_SECONDS);
    strcpy(rig->path, "/tmp/test_image_lock.XXXXXX");
    fd = mkstemp(rig->path);
    close(fd);
    *state = rig;
    return fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    if (rig->qemu > 0) {
        kill(rig->qemu, SIGKILL);
        waitpid(rig->qemu, NULL, 0);
    }
    unlink(rig->path);
    free(rig);
    return 0;
}

static enum xl_image_lock_state look(const struct rig *rig)
{
    return xl_image_lock_look(rig->path, "/proc").state;
}

static void a_qemu_that_writes(void **state)
{
    struct rig *rig = *state;
    struct xl_image_lock found;

    assert_int_equal(look(rig), XL_IMAGE_FREE);
    start_qemu(rig, (const int[]){100, 101, 201, 203, 0});
    found = xl_image_lock_look(rig->path, "/proc");
    assert_int_equal(found.state, XL_IMAGE_LOCKED_HERE);
    assert_int_equal(found.pid, rig->qemu);
    assert_string_equal(found.name, "test_image_lock");
    /* Checking takes no lock, and releases none. */
    assert_int_equal(look(rig), XL_IMAGE_LOCKED_HERE);
}

/* The kernel shows a lock of another NFS client in this way. */
static void a_qemu_of_another_host(void **state)
{
    struct rig *rig = *state;

    start_qemu(rig, (const int[]){101, 0});
    assert_int_equal(xl_image_lock_look(rig->path, "/nowhere").state,
                     XL_IMAGE_LOCKED_ELSEWHERE);
}

static void a_qemu_that_only_reads(void **state)
{
    struct rig *rig = *state;

    start_qemu(rig, (const int[]){100, 0});
    assert_int_equal(look(rig), XL_IMAGE_FREE);
}

/* A reader that wants the image to stay unchanged. */
static void a_qemu_that_lets_nobody_write(void **state)
{
    struct rig *rig = *state;

    start_qemu(rig, (const int[]){100, 201, 0});
    assert_int_equal(look(rig), XL_IMAGE_LOCKED_HERE);
}

static void what_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(xl_image_lock_look("/nowhere/disk", "/proc").state,
                     XL_IMAGE_UNKNOWN);
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_qemu_that_writes),     TEST(a_qemu_of_another_host),
        TEST(a_qemu_that_only_reads), TEST(a_qemu_that_lets_nobody_write),
        TEST(what_is_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
