/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guests a receiver accepts.
 *
 * The policy looks at the names of keys, at any place, because the
 * configuration
 * differs from one release of libxl to the next.  Text under a key that is not
 * in the table must be a plain word, which names no file and is no list of
 * arguments.
 */
#include "receive_policy.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_tree.h>

#include "json_bounds.h"
#include "utf8.h"
#include "xen_directories.h"

#define KIB_PER_MIB 1024

struct look {
    const struct xl_receive_policy *policy;
    bool hvm;
    char *why;
};

/* May this text be there?  If not, say why. */
typedef bool judge(struct look *look, const char *key, const char *text);

/* ---- reasons ---- */

static bool refuse(struct look *look, const char *key, const char *text,
                   const char *what)
{
    char shown[120];

    lm_utf8_show(shown, sizeof(shown), text);
    snprintf(look->why, XL_RECEIVE_POLICY_WHY_MAX, "its %s is '%s', and %s",
             key, shown, what);
    return false;
}

/* ---- paths ---- */

/* The path must not lead through `..`. */
static bool is_straight(const char *path)
{
    return path[0] == '/' && !strstr(path, "/../") && !strstr(path, "/./") &&
           !strstr(path, "//");
}

static bool begins_with(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static bool is_in(const char *path, const char *const *list)
{
    for (; list && *list; list++) {
        size_t length = strlen(*list);
        bool directory = length && (*list)[length - 1] == '/';

        if (directory ? begins_with(path, *list) : !strcmp(path, *list)) {
            return true;
        }
    }
    return false;
}

static bool judge_program(struct look *look, const char *key, const char *text)
{
    static const char *const known[] = {
        XEN_CONFIG_DIR "/scripts/", /* NOLINT: no comma is missing */
        "/usr/lib/xen/",
        "/usr/lib64/xen/",
        "/usr/libexec/xen/",
        "/usr/local/lib/xen/",
        "/usr/bin/qemu-system-i386",
        "/usr/bin/qemu-system-x86_64",
        NULL,
    };

    if (is_straight(text) &&
        (is_in(text, known) || is_in(text, look->policy->programs))) {
        return true;
    }
    return refuse(look, key, text, "no line of programs allows that");
}

/* A bare name is searched for among this host's own scripts. */
static bool judge_script(struct look *look, const char *key, const char *text)
{
    return (text[0] && !strchr(text, '/')) || judge_program(look, key, text);
}

/* A PVH guest's first kernel is not read again. */
static bool judge_kernel(struct look *look, const char *key, const char *text)
{
    return !look->hvm || judge_program(look, key, text);
}

/* A drive may be empty. */
static bool judge_disk(struct look *look, const char *key, const char *text)
{
    const char *const *disk = look->policy->disks;

    if (!text[0]) {
        return true;
    }
    for (; disk && *disk; disk++) {
        if (is_straight(text) && begins_with(text, *disk)) {
            return true;
        }
    }
    return refuse(look, key, text, "no line of disks allows that");
}

/* ---- other text ---- */

/* Only the guest gets this text. */
static bool judge_any(struct look *look, const char *key, const char *text)
{
    (void)look;
    (void)key;
    (void)text;
    return true;
}

static bool judge_arguments(struct look *look, const char *key,
                            const char *text)
{
    return refuse(look, key, text,
                  "a program's arguments can do anything here");
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text)) {
        words++;
    }
    return *words;
}

static bool judge_serial(struct look *look, const char *key, const char *text)
{
    static const char *const harmless[] = {"",     "pty", "null",
                                           "none", "vc",  NULL};

    return is_one_of(text, harmless) ||
           refuse(look, key, text, "only pty, null, none and vc may come");
}

static bool judge_usb(struct look *look, const char *key, const char *text)
{
    static const char *const harmless[] = {"", "tablet", "mouse", "keyboard",
                                           NULL};

    return is_one_of(text, harmless) ||
           refuse(look, key, text, "only tablet, mouse and keyboard may come");
}

static bool judge_plain(struct look *look, const char *key, const char *text)
{
    return (!strchr(text, '/') && lm_utf8_is_harmless(text) &&
            text[0] != '-' && !strpbrk(text, "|&;$`<>(){}\\\"'")) ||
           refuse(look, key, text, "that is not known to be harmless");
}

static const struct {
    const char *key;
    judge *judge;
} rules[] = {
    {"device_model", judge_program},
    {"bootloader", judge_program},
    {"script", judge_script},
    {"stubdom_kernel", judge_program},
    {"stubdom_ramdisk", judge_program},
    {"system_firmware", judge_program},
    {"bios_firmware", judge_program},
    {"smbios_firmware", judge_program},
    {"acpi_firmware", judge_program},
    {"kernel", judge_kernel},
    {"ramdisk", judge_kernel},
    {"pdev_path", judge_disk},
    {"bootloader_args", judge_arguments},
    {"extra", judge_arguments},
    {"extra_pv", judge_arguments},
    {"extra_hvm", judge_arguments},
    {"serial", judge_serial},
    {"serial_list", judge_serial},
    {"usbdevice", judge_usb},
    {"usbdevice_list", judge_usb},
    {"cmdline", judge_any},
    {"stubdom_cmdline", judge_any},
    {"passwd", judge_any},
};

static bool judge_text(struct look *look, const char *key, const char *text)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!strcmp(key, rules[i].key)) {
            return rules[i].judge(look, key, text);
        }
    }
    return judge_plain(look, key, text);
}

/* ---- all of it ---- */

/* lm_json_problem() has bounded the depth of this tree. */
static bool judge_value(struct look *look, const char *key, yajl_val value)
{
    bool good = true;

    if (YAJL_IS_STRING(value)) {
        return judge_text(look, key, YAJL_GET_STRING(value));
    }
    if (YAJL_IS_ARRAY(value)) {
        for (size_t i = 0; i < YAJL_GET_ARRAY(value)->len && good; i++) {
            good = judge_value(look, key, YAJL_GET_ARRAY(value)->values[i]);
        }
    }
    if (YAJL_IS_OBJECT(value)) {
        for (size_t i = 0; i < YAJL_GET_OBJECT(value)->len && good; i++) {
            good = judge_value(look, YAJL_GET_OBJECT(value)->keys[i],
                               YAJL_GET_OBJECT(value)->values[i]);
        }
    }
    return good;
}

static const char *text_at(yajl_val config, const char *part, const char *key)
{
    const char *path[] = {part, key, NULL};
    const char *text =
        YAJL_GET_STRING(yajl_tree_get(config, path, yajl_t_string));

    return text ? text : "";
}

static bool judge_name(struct look *look, const char *name)
{
    const char *const *pattern = look->policy->names;

    if (!pattern) {
        return true;
    }
    for (; *pattern; pattern++) {
        if (!fnmatch(*pattern, name, 0)) {
            return true;
        }
    }
    return refuse(look, "name", name, "no line of names allows that");
}

static bool judge_memory(struct look *look, yajl_val config)
{
    const char *path[] = {"b_info", "max_memkb", NULL};
    yajl_val number = yajl_tree_get(config, path, yajl_t_number);
    uint64_t most = look->policy->memory_mib;
    uint64_t wanted =
        number ? strtoull(YAJL_GET_NUMBER(number), NULL, 10) / KIB_PER_MIB : 0;

    if (!most || (wanted && wanted <= most)) {
        return true;
    }
    snprintf(look->why, XL_RECEIVE_POLICY_WHY_MAX,
             "it has %" PRIu64 " MiB of memory, and %" PRIu64
             " are the most that a guest may have",
             wanted, most);
    return false;
}

bool xl_receive_policy_allows(const struct xl_receive_policy *policy,
                              const char *json,
                              char why[XL_RECEIVE_POLICY_WHY_MAX])
{
    struct look look = {.policy = policy, .why = why};
    yajl_val config = lm_json_problem(json, strlen(json))
                          ? NULL
                          : yajl_tree_parse(json, NULL, 0);
    bool allowed = false;

    if (!YAJL_IS_OBJECT(config)) {
        snprintf(why, XL_RECEIVE_POLICY_WHY_MAX,
                 "its configuration cannot be read");
    } else {
        look.hvm = strcmp(text_at(config, "c_info", "type"), "pvh") != 0;
        allowed = judge_name(&look, text_at(config, "c_info", "name")) &&
                  judge_memory(&look, config) &&
                  judge_value(&look, "configuration", config);
    }
    yajl_tree_free(config);
    return allowed;
}

/* ---- who has started us ---- */

bool xl_receive_policy_is_own(const char *const *ancestors, size_t count)
{
    static const char *const between[] = {"sh",  "bash", "dash", "zsh", "ksh",
                                          "csh", "tcsh", "fish", NULL};
    static const char *const own[] = {"sshd", "sshd-session", "dropbear", "xl",
                                      NULL};
    size_t i = 0;

    while (i < count && is_one_of(ancestors[i], between)) {
        i++;
    }
    return i < count && is_one_of(ancestors[i], own);
}
