/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whether the devices start early, where that is safe, or late, and why.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/announce.h"
#include "devices/build_way.h"

#define BLOCK_DEVICE "/dev/loop0"
#define FILE_HERE "/proc/self/exe"

static const struct lm_qemu_version good = {true, 5, 2};

static libxl_device_disk phy(void)
{
    static char path[] = BLOCK_DEVICE;
    static char name[] = "xvda";

    return (libxl_device_disk){
        .pdev_path = path,
        .vdev = name,
        .format = LIBXL_DISK_FORMAT_RAW,
        .backend = LIBXL_DISK_BACKEND_PHY,
        .readwrite = 1,
    };
}

/* Why the devices start late with this disk; NULL: they start early. */
static const char *why_with(libxl_device_disk disk, libxl_domain_type type)
{
    static char why[XLM_LATE_REASON_MAX];
    libxl_domain_config config = {
        .c_info.type = type,
        .disks = &disk,
        .num_disks = 1,
    };
    const struct lm_build_case what = {.config = &config, .qemu = good};

    return lm_builds_late(&what, why, sizeof(why)) ? why : NULL;
}

static void expect(libxl_device_disk disk, const char *wanted)
{
    static const libxl_domain_type types[] = {LIBXL_DOMAIN_TYPE_PVH,
                                              LIBXL_DOMAIN_TYPE_HVM};
    size_t i;

    for (i = 0; i < 2; i++) {
        const char *why = why_with(disk, types[i]);

        if (!wanted != !why || (wanted && !strstr(why, wanted))) {
            fail_msg("late: %s; wanted: %s", why ? why : "no",
                     wanted ? wanted : "no");
        }
    }
}

static bool has_block_device(void)
{
    struct stat status;

    return !stat(BLOCK_DEVICE, &status) && S_ISBLK(status.st_mode);
}

static void disks(void **state)
{
    static const struct {
        libxl_disk_format format;
        const char *name;
    } images[] = {
        {LIBXL_DISK_FORMAT_QCOW, "a qcow image"},
        {LIBXL_DISK_FORMAT_QCOW2, "a qcow2 image"},
        {LIBXL_DISK_FORMAT_VHD, "a vhd image"},
        {LIBXL_DISK_FORMAT_QED, "a qed image"},
        {LIBXL_DISK_FORMAT_UNKNOWN, "unknown"},
    };
    static char script[] = "block-drbd";
    static char file[] = FILE_HERE;
    libxl_device_disk disk;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        disk = phy();
        disk.format = images[i].format;
        expect(disk, images[i].name);
        /* A disk that no process writes is the same for every process that
         * opens it. */
        disk.readwrite = 0;
        expect(disk, NULL);
    }
    disk = phy();
    disk.script = script;
    expect(disk, "script");
    disk = phy();
    disk.backend = LIBXL_DISK_BACKEND_QDISK;
    expect(disk, "process");
    disk = phy();
    disk.pdev_path = file;
    expect(disk, "no block device");
    disk.pdev_path = NULL;
    expect(disk, "no block device");
    disk.format = LIBXL_DISK_FORMAT_EMPTY;
    expect(disk, NULL);
    if (has_block_device()) {
        expect(phy(), NULL);
    }
}

/* ---- the device model ---- */

static const char *why_of(struct lm_build_case what)
{
    static char why[XLM_LATE_REASON_MAX];

    return lm_builds_late(&what, why, sizeof(why)) ? why : NULL;
}

static void device_model(void **state)
{
    libxl_domain_config config = {.c_info.type = LIBXL_DOMAIN_TYPE_HVM};
    struct lm_build_case what = {.config = &config, .qemu = good};

    (void)state;
    assert_null(why_of(what));
    what.qemu = (struct lm_qemu_version){true, 6, 0};
    assert_non_null(strstr(why_of(what), "QEMU 6.0"));
    what.qemu = (struct lm_qemu_version){true, 10, 0};
    assert_non_null(why_of(what));
    what.qemu = (struct lm_qemu_version){false, 0, 0};
    assert_non_null(why_of(what));
    what.qemu = good;
    config.b_info.u.hvm.hdtype = LIBXL_HDTYPE_AHCI;
    assert_non_null(why_of(what));
    config.b_info.u.hvm.hdtype = LIBXL_HDTYPE_IDE;
    config.b_info.u.hvm.usbversion = 3;
    assert_non_null(why_of(what));
    /* Without a device model none of this matters. */
    config.c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    what.qemu = (struct lm_qemu_version){false, 0, 0};
    assert_null(why_of(what));
}

static void orders(void **state)
{
    libxl_device_disk disk = phy();
    libxl_domain_config config = {
        .c_info.type = LIBXL_DOMAIN_TYPE_HVM,
        .disks = &disk,
        .num_disks = 1,
    };
    struct lm_build_case what = {.config = &config, .qemu = good};

    (void)state;
    what.asked = XLM_BUILD_LATE;
    assert_string_equal(why_of(what), "as asked for");
    what.asked = XLM_BUILD_LATE_DEVICES;
    config.num_disks = 0;
    assert_non_null(strstr(why_of(what), "QEMU has a disk in use"));
    config.num_disks = 1;
    disk.format = LIBXL_DISK_FORMAT_QCOW2;
    assert_non_null(strstr(why_of(what), "qcow2"));
    what.asked = XLM_BUILD_EARLY;
    assert_null(why_of(what));
}

static void same_host(void **state)
{
    libxl_device_disk disk = phy();
    libxl_domain_config config = {
        .c_info.type = LIBXL_DOMAIN_TYPE_PVH,
        .disks = &disk,
        .num_disks = 1,
    };
    struct lm_build_case what = {
        .config = &config, .qemu = good, .same_host = true};

    (void)state;
    assert_non_null(why_of(what));
    config.num_disks = 0;
    assert_null(why_of(what));
}

/* ---- which QEMU ---- */

static struct lm_qemu_version version_in(const char *octets, size_t length)
{
    char path[] = "/tmp/test-build-way-XXXXXX";
    struct lm_qemu_version version;
    int fd = mkstemp(path);

    assert_int_equal(write(fd, octets, length), length);
    close(fd);
    version = lm_qemu_version_here(path);
    unlink(path);
    return version;
}

static void versions(void **state)
{
    static const char whole[] = "\x7f"
                                "ELF\0\0junk QEMU emulator version 5.2.0 "
                                "(Debian)\nCopyright";
    static const char script[] = "#!/bin/sh\nexec qemu-system-i386 \"$@\"\n";
    static const char short_one[] = "\0QEMU emulator version 10";
    struct lm_qemu_version version = version_in(whole, sizeof(whole));

    (void)state;
    assert_true(version.known);
    assert_int_equal(version.major, 5);
    assert_int_equal(version.minor, 2);
    assert_false(version_in(script, sizeof(script)).known);
    assert_false(version_in(short_one, sizeof(short_one) - 1).known);
    assert_false(version_in("", 0).known);
    assert_false(lm_qemu_version_here("/nowhere/qemu").known);
}

/* ---- what libxl's QEMU is told ---- */

static size_t count_words(char **words)
{
    size_t count = 0;

    while (words && words[count]) {
        count++;
    }
    return count;
}

static void quiet(void **state)
{
    libxl_domain_config config = {.c_info.type = LIBXL_DOMAIN_TYPE_HVM};
    char **words;

    (void)state;
    assert_int_equal(
        lm_announce_keep_quiet(&config, (struct lm_qemu_version){false, 0, 0}),
        0);
    assert_null(config.b_info.extra_hvm);
    config.b_info.extra_hvm = calloc(2, sizeof(char *));
    config.b_info.extra_hvm[0] = strdup("-mine");
    assert_int_equal(lm_announce_keep_quiet(&config, good), 0);
    words = config.b_info.extra_hvm;
    assert_int_equal(count_words(words), 3);
    assert_string_equal(words[0], "-mine");
    assert_string_equal(words[1], "-global");
    assert_string_equal(words[2], "migration.announce-rounds=0");
    lm_announce_restore_config(&config);
    assert_int_equal(count_words(words), 1);
    assert_string_equal(words[0], "-mine");
    lm_announce_restore_config(&config);
    assert_int_equal(count_words(words), 1);
    free(words[0]);
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disks),    cmocka_unit_test(device_model),
        cmocka_unit_test(orders),   cmocka_unit_test(same_host),
        cmocka_unit_test(versions), cmocka_unit_test(quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
