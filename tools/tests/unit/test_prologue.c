/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How long a receiver waits, and for what, before it has a guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "libxl_live_migrate.h"
#include "prologue.h"
#include "watchdog.h"
#include "wire/channel.h"

/* A deadline that is over already: no test waits for one. */
#define OVER 1

static int set_up(void **state)
{
    int *ends = calloc(2, sizeof(*ends));

    alarm(WATCHDOG_SECONDS);
    *state = ends;
    return ends && !pipe(ends) ? 0 : -1;
}

static int tear_down(void **state)
{
    int *ends = *state;

    close(ends[0]);
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    free(ends);
    return 0;
}

static void reads_what_is_there(void **state)
{
    int *ends = *state;
    char text[8] = "";

    assert_int_equal(write(ends[1], "hello", 5), 5);
    assert_int_equal(xl_read_until(ends[0], text, 2, OVER), 0);
    assert_int_equal(xl_read_until(ends[0], text + 2, 3, xl_deadline(60)), 0);
    assert_string_equal(text, "hello");
}

/* A peer that sends an octet now and then gets no more time. */
static void does_not_wait_longer(void **state)
{
    int *ends = *state;
    char text[8];

    assert_int_equal(xl_read_until(ends[0], text, 1, OVER), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(write(ends[1], "hell", 4), 4);
    assert_int_equal(xl_read_until(ends[0], text, 5, OVER), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static void notices_the_end(void **state)
{
    int *ends = *state;
    char text[8];

    assert_int_equal(write(ends[1], "hell", 4), 4);
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(xl_read_until(ends[0], text, 5, xl_deadline(60)), -1);
    assert_int_equal(errno, ECONNRESET);
}

/* The same for a channel, whatever silence it allows. */
static void a_channel_with_a_deadline(void **state)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int *ends = *state;
    char text[8];

    assert_int_equal(xlm_channel_open(&channel, ends[0], -1, -1), 0);
    channel.deadline_us = OVER;
    assert_int_equal(write(ends[1], "hello", 5), 5);
    assert_int_equal(xlm_channel_read(&channel, text, 5), 0);
    assert_int_equal(write(ends[1], "hell", 4), 4);
    assert_int_equal(xlm_channel_read(&channel, text, 5), -1);
    assert_int_equal(errno, ETIMEDOUT);
    /* The limit of silence ends the wait before a deadline that is far away.
 */
    channel.deadline_us = xlm_now_us() + UINT64_C(3600000000);
    channel.idle_ms = 1;
    assert_int_equal(xlm_channel_read(&channel, text, 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    xlm_channel_close(&channel);
}

/* A read that returns EIO counts as the end of the stream where the kernel
 * does TLS.  (Any file returns EIO at an address that has nothing.) */
static void a_channel_whose_kernel_says_the_end(void **state)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char octet;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &octet, 1), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(xlm_channel_open(&channel, fd, -1, -1), 0);
    assert_int_equal(xlm_channel_read(&channel, &octet, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    xlm_channel_close(&channel);
    close(fd);
}

/* After the go the call leaves a link that stands still, unless the caller
 * wants to wait for ever. */
static void links_that_stand_still(void **state)
{
    libxl_live_migrate_receive_params received;
    libxl_live_migrate_params sent;

    (void)state;
    libxl_live_migrate_params_init(&sent);
    libxl_live_migrate_receive_params_init(&received);
    assert_int_equal(sent.link_timeout, 60);
    assert_int_equal(received.link_timeout, 60);
}

#define PIPED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPED(reads_what_is_there),
        PIPED(does_not_wait_longer),
        PIPED(notices_the_end),
        PIPED(a_channel_with_a_deadline),
        cmocka_unit_test(a_channel_whose_kernel_says_the_end),
        cmocka_unit_test(links_that_stand_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
