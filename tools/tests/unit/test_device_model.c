/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Questions to a device model, against a fake that answers wrong commands as
 * the real one does.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/device_model.h"
#include "fake_log.h"
#include "fake_qemu.h"
#include "watchdog.h"

#define NVME "0000:00:04.0/nvme"
#define VPC \
    "The vpc format used by node '#block1' does not support live migration"
#define DISK(ro) "{\"device\": \"ide0-hd0\", \"inserted\": {\"ro\": " ro "}}"
#define EMPTY_DRIVE "{\"device\": \"ide0-cd1\", \"removable\": true}"

static uint32_t domid;

static struct xlm_context new_context(void)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;

    alarm(WATCHDOG_SECONDS);
    xlm.logger = fake_logger();
    return xlm;
}

static struct fake_qemu running(unsigned int major)
{
    return (struct fake_qemu){
        .major = major, .running = true, .guest_runs = true};
}

static void start(struct fake_qemu *qemu)
{
    fake_qemu_start(qemu, domid);
}

/* ---- before anything begins ---- */

static void check(struct fake_qemu qemu, const char *why)
{
    struct xlm_context xlm = new_context();
    int rc;

    start(&qemu);
    rc = lm_device_model_check(&xlm, domid);
    fake_qemu_end(&qemu);
    assert_false(qemu.dead);
    assert_int_equal(rc, why ? -1 : 0);
    if (why && !strstr(xlm.reason, why)) {
        fail_msg("the reason is %s", xlm.reason);
    }
}

/* Saving such a device ends the device model. */
static void blocked(void **state)
{
    static const unsigned int versions[] = {5, 7, 10};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct fake_qemu qemu = running(versions[i]);

        check(qemu, NULL);
        qemu.blocked = NVME;
        check(qemu, NVME);
        /* Only one process at a time may open such an image. */
        qemu.blocked = NULL;
        qemu.format = VPC;
        check(qemu, NULL);
    }
}

static void nobody_to_ask(void **state)
{
    struct xlm_context xlm = new_context();

    (void)state;
    assert_int_equal(lm_device_model_check(&xlm, domid), -1);
    assert_non_null(strstr(xlm.reason, "cannot be reached"));
}

static void version(void **state)
{
    struct xlm_context xlm = new_context();
    struct fake_qemu qemu = running(7);
    struct lm_qemu_version found;

    (void)state;
    start(&qemu);
    assert_int_equal(lm_device_model_version(&xlm, domid, &found), 0);
    fake_qemu_end(&qemu);
    assert_true(found.known);
    assert_int_equal(found.major, 7);
    assert_int_equal(found.minor, 2);
}

static void disks(void **state)
{
    static const struct {
        const char *disks;
        bool has;
    } cases[] = {
        {NULL, false},
        {EMPTY_DRIVE, false},
        {DISK("true"), false},
        {DISK("false"), true},
        {EMPTY_DRIVE ", " DISK("true") ", " DISK("false"), true},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xlm_context xlm = new_context();
        struct fake_qemu qemu = running(5);
        bool has = !cases[i].has;

        qemu.disks = cases[i].disks;
        start(&qemu);
        assert_int_equal(lm_device_model_has_disks(&xlm, domid, &has), 0);
        fake_qemu_end(&qemu);
        assert_int_equal(has, cases[i].has);
    }
}

/* ---- saving ---- */

/* A device model that does not run (its guest sleeps, its disk is full) must
 * keep its disks: otherwise QEMU aborts at its next write. */
static void saved_and_goes_on(void **state)
{
    int runs;

    (void)state;
    for (runs = 0; runs < 2; runs++) {
        struct xlm_context xlm = new_context();
        struct fake_qemu qemu = running(5);
        struct lm_device_state saved;

        qemu.running = runs;
        start(&qemu);
        assert_int_equal(lm_device_model_save(&xlm, domid, &saved), 0);
        fake_qemu_end(&qemu);
        free(saved.octets);
        assert_false(qemu.let_go);
        assert_int_equal(qemu.running, runs);
        assert_int_equal(qemu.saves, 1);
    }
}

/* The last time the device model must not write to its disks any more. */
static void released(void **state)
{
    struct xlm_context xlm = new_context();
    struct fake_qemu qemu = {.major = 5};
    struct lm_device_state saved;

    (void)state;
    start(&qemu);
    assert_int_equal(lm_device_model_release(&xlm, domid, &saved), 0);
    fake_qemu_end(&qemu);
    free(saved.octets);
    assert_true(qemu.let_go);
}

/* libxl does not stop such a process, so the library stops it first. */
static void disk_server(void **state)
{
    struct xlm_context xlm = new_context();
    struct fake_qemu qemu = running(5);

    (void)state;
    assert_int_equal(lm_disk_server_release(&xlm, domid), 0);
    lm_disk_server_resume(&xlm, domid);
    start(&qemu);
    assert_int_equal(lm_disk_server_release(&xlm, domid), 0);
    assert_true(qemu.let_go);
    assert_false(qemu.running);
    lm_disk_server_resume(&xlm, domid);
    fake_qemu_end(&qemu);
    assert_false(qemu.let_go);
    assert_true(qemu.running);
}

/* ---- loading ---- */

static int load(struct fake_qemu *qemu, struct xlm_context *xlm)
{
    char octets[] = "a state";
    const struct lm_device_state loaded = {octets, sizeof(octets)};
    int rc;

    start(qemu);
    rc = lm_device_model_load(xlm, domid, &loaded);
    fake_qemu_end(qemu);
    return rc;
}

static void loaded_twice(void **state)
{
    struct xlm_context xlm = new_context();
    struct fake_qemu old = {.major = 5, .incoming = true};
    struct fake_qemu new = {.major = 7, .incoming = true};

    (void)state;
    assert_int_equal(load(&old, &xlm), 0);
    assert_int_equal(old.loads, 1);
    assert_int_equal(load(&new, &xlm), -1);
    assert_true(new.dead);
    assert_non_null(strstr(xlm.reason, "the device model (QEMU)"));
}

static void announced(void **state)
{
    struct xlm_context xlm = new_context();
    struct fake_qemu qemu = running(5);

    (void)state;
    start(&qemu);
    assert_int_equal(lm_device_model_announce(&xlm, domid), 0);
    fake_qemu_end(&qemu);
    assert_int_equal(qemu.announced, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocked),           cmocka_unit_test(nobody_to_ask),
        cmocka_unit_test(version),           cmocka_unit_test(disks),
        cmocka_unit_test(saved_and_goes_on), cmocka_unit_test(released),
        cmocka_unit_test(disk_server),       cmocka_unit_test(loaded_twice),
        cmocka_unit_test(announced),
    };

    signal(SIGPIPE, SIG_IGN);
    domid = (uint32_t)getpid(); /* no other test's */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
