/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guests a receiver accepts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "receive_policy.h"

static const char *const programs[] = {"/opt/firmware/", "/usr/bin/pygrub",
                                       NULL};
static const char *const disks[] = {"/dev/vg0/guest-", "/dev/mapper/", NULL};
static const char *const names[] = {"web*", "db-[0-9]", NULL};

static const struct xl_receive_policy strict = {NULL};
static const struct xl_receive_policy given = {
    .programs = programs,
    .disks = disks,
    .names = names,
    .memory_mib = 1024,
};

#define GUEST(type, b_info, rest) \
    "{\"c_info\": {\"type\": \"" type "\", \"name\": \"web1\", " \
    "\"uuid\": \"7c3d-11\", \"run_hotplug_scripts\": \"True\"}, " \
    "\"b_info\": {\"max_vcpus\": 2, \"max_memkb\": 1048576, " \
    "\"avail_vcpus\": [0, 1] " b_info "}" rest "}"

static const struct {
    const char *json;
    bool strict, given;
} table[] = {
    {GUEST("pvh", "", ""), true, true},
    {GUEST("pvh",
           ", \"kernel\": \"/root/vmlinuz\", \"cmdline\": "
           "\"root=/dev/xvda;x $y\"",
           ""),
     true, true},
    {GUEST("hvm", ", \"kernel\": \"/etc/shadow\"", ""), false, false},
    {GUEST("hvm", ", \"kernel\": \"/opt/firmware/vmlinuz\"", ""), false, true},
    {GUEST("hvm",
           ", \"type.hvm\": {\"bios\": \"seabios\", \"serial\": "
           "\"pty\", \"vnc\": {\"listen\": \"127.0.0.1\"}}",
           ""),
     true, true},
    {GUEST("hvm", ", \"type.hvm\": {\"serial\": \"file:/etc/passwd\"}", ""),
     false, false},
    {GUEST("hvm", ", \"type.hvm\": {\"serial_list\": [\"pty\", \"tcp::1\"]}",
           ""),
     false, false},
    {GUEST("hvm", ", \"type.hvm\": {\"usbdevice\": \"host:1.2\"}", ""), false,
     false},
    /* Programs. */
    {GUEST("hvm", ", \"device_model\": \"/tmp/qemu\"", ""), false, false},
    {GUEST("hvm", ", \"device_model\": \"/opt/firmware/../../tmp/qemu\"", ""),
     false, false},
    {GUEST("hvm", ", \"device_model\": \"/usr/lib/xen/bin/qemu\"", ""), true,
     true},
    {GUEST("hvm", ", \"bootloader\": \"/usr/bin/pygrub\"", ""), false, true},
    {GUEST("hvm", ", \"bootloader\": \"/usr/bin/pygrub2\"", ""), false, false},
    {GUEST("hvm", ", \"bootloader_args\": [\"-c\"]", ""), false, false},
    {GUEST("hvm", ", \"extra_hvm\": [\"-monitor\"]", ""), false, false},
    {GUEST("pvh", "",
           ", \"nics\": [{\"mac\": \"00:16:3e:00:00:01\", "
           "\"bridge\": \"xenbr0\", \"script\": "
           "\"/etc/xen/scripts/vif-bridge\"}]"),
     true, true},
    {GUEST("pvh", "", ", \"nics\": [{\"script\": \"vif-route\"}]"), true,
     true},
    {GUEST("pvh", "", ", \"nics\": [{\"script\": \"/tmp/x\"}]"), false, false},
    {GUEST("pvh", "", ", \"nics\": [{\"bridge\": \"a;id\"}]"), false, false},
    /* Disks. */
    {GUEST("pvh", "", ", \"disks\": [{\"pdev_path\": \"/dev/sda\"}]"), false,
     false},
    {GUEST("pvh", "",
           ", \"disks\": [{\"pdev_path\": "
           "\"/dev/vg0/guest-web\", \"vdev\": \"xvda\", "
           "\"readwrite\": 1}]"),
     false, true},
    {GUEST("pvh", "",
           ", \"disks\": [{\"pdev_path\": "
           "\"/dev/mapper/../sda\"}]"),
     false, false},
    {GUEST("pvh", "", ", \"disks\": [{\"pdev_path\": \"nbd:/dev/mapper/\"}]"),
     false, false},
    {GUEST("hvm", "", ", \"disks\": [{\"pdev_path\": \"\"}]"), true, true},
    /* A key that a later libxl may have. */
    {GUEST("pvh", "", ", \"p9s\": [{\"path\": \"/\"}]"), false, false},
    {GUEST("pvh", "", ", \"new\": {\"deep\": [{\"thing\": \"/etc\"}]}"), false,
     false},
    {GUEST("pvh", "", ", \"new\": [\"-option\"]"), false, false},
    {GUEST("pvh", "", ", \"new\": \"word\""), true, true},
    {"", false, false},
    {"[]", false, false},
    {"{\"c_info\": 7}", true, false}, /* libxl would not take it */
};

static void guests(void **state)
{
    char why[XL_RECEIVE_POLICY_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        why[0] = '\0';
        if (xl_receive_policy_allows(&strict, table[i].json, why) !=
                table[i].strict ||
            !why[0] != table[i].strict) {
            fail_msg("without a file: %s: %s", table[i].json, why);
        }
        why[0] = '\0';
        if (xl_receive_policy_allows(&given, table[i].json, why) !=
                table[i].given ||
            !why[0] != table[i].given) {
            fail_msg("with one: %s: %s", table[i].json, why);
        }
    }
}

static void names_and_memory(void **state)
{
    static const struct {
        const char *name;
        const char *memory;
        bool allowed;
    } sizes[] = {
        {"web", "1048576", true},         {"webx", "1", false},
        {"db-7", "1048576", true},        {"db-x", "1048576", false},
        {"xweb", "1048576", false},       {"web", "1049600", false},
        {"web", "99999999999999", false}, {"web", "0", false},
        {"web", "\"7\"", false},          {"web", "-4096", false},
    };
    char json[256], why[XL_RECEIVE_POLICY_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(json, sizeof(json),
                 "{\"c_info\": {\"type\": \"pvh\", \"name\": \"%s\"}, "
                 "\"b_info\": {\"max_memkb\": %s}}",
                 sizes[i].name, sizes[i].memory);
        if (xl_receive_policy_allows(&given, json, why) != sizes[i].allowed) {
            fail_msg("%s", json);
        }
    }
}

static void who_has_started_it(void **state)
{
    static const struct {
        const char *names[4];
        bool own;
    } chains[] = {
        {{"sshd", "sshd"}, true},
        {{"bash", "sshd"}, true},
        {{"sh", "xl", "bash"}, true},
        {{"sshd-session"}, true},
        {{"socat", "bash", "sshd"}, false},
        {{"sh", "socat", "sshd"}, false},
        {{"systemd"}, false},
        {{"sudo", "bash", "sshd"}, false},
        {{"bash", "sh", "sh", "sh"}, false},
        {{NULL}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        size_t count = 0;

        while (count < 4 && chains[i].names[count]) {
            count++;
        }
        assert_int_equal(xl_receive_policy_is_own(chains[i].names, count),
                         chains[i].own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests),
        cmocka_unit_test(names_and_memory),
        cmocka_unit_test(who_has_started_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
