/* SPDX-License-Identifier: LGPL-2.1-or-later
 * When the destination starts a guest's devices.
 */
#include "devices/build_way.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

/* xen-load-devices-state works after a QEMU has loaded a first state.  From
 * 6.0 on, and still in 10.0, the code that unregisters the migration then
 * aborts when it finds none. */
#define FIRST_THAT_ABORTS 6

static bool late(char *why, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool late(char *why, size_t room, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, room, format, arguments);
    va_end(arguments);
    return true;
}

bool lm_loads_twice(const struct lm_qemu_version *qemu)
{
    return qemu->major < FIRST_THAT_ABORTS;
}

bool lm_disk_has_process(const libxl_device_disk *disk)
{
    return disk->backend == LIBXL_DISK_BACKEND_QDISK ||
           disk->backend == LIBXL_DISK_BACKEND_TAP ||
           (disk->format != LIBXL_DISK_FORMAT_RAW &&
            disk->format != LIBXL_DISK_FORMAT_EMPTY);
}

static bool is_block_device(const char *path)
{
    struct stat status;

    return path && !stat(path, &status) && S_ISBLK(status.st_mode);
}

/*
 * An early start is safe if the program that opens the disk keeps nothing of
 * it until the guest runs: the kernel's back end on a block device; or a disk
 * that no guest writes to.
 */
static bool is_late_for(const libxl_device_disk *disk, char *why, size_t room)
{
    const char *name = disk->vdev ? disk->vdev : "?";

    if (disk->format == LIBXL_DISK_FORMAT_EMPTY || !disk->readwrite) {
        return false;
    }
    if (disk->format != LIBXL_DISK_FORMAT_RAW) {
        return late(why, room, "its disk %.16s is a %.16s image", name,
                    libxl_disk_format_to_string(disk->format));
    }
    if (disk->script && disk->script[0]) {
        return late(why, room, "its disk %.16s has a script of its own", name);
    }
    if (lm_disk_has_process(disk)) {
        return late(why, room, "its disk %.16s is served by a process", name);
    }
    if (!is_block_device(disk->pdev_path)) {
        return late(why, room, "its disk %.16s is no block device", name);
    }
    return false;
}

/* Such a controller fetches from the guest's memory when it loads its
 * state. */
static bool fetches_at_load(const libxl_domain_build_info *info)
{
    return info->u.hvm.hdtype == LIBXL_HDTYPE_AHCI ||
           info->u.hvm.usbversion == 3;
}

static bool is_late_for_qemu(const struct lm_build_case *what, char *why,
                             size_t room)
{
    const struct lm_qemu_version *qemu = &what->qemu;

    if (!qemu->known) {
        return late(why, room, "which QEMU libxl starts here is not known");
    }
    if (!lm_loads_twice(qemu)) {
        return late(why, room, "QEMU %u.%u cannot load a state twice",
                    qemu->major, qemu->minor);
    }
    if (fetches_at_load(&what->config->b_info)) {
        return late(why, room,
                    "its AHCI or USB 3 controller needs its memory");
    }
    return false;
}

bool lm_builds_late(const struct lm_build_case *what, char *why, size_t room)
{
    const libxl_domain_config *config = what->config;

    switch (what->asked) {
    case XLM_BUILD_EARLY:
        return false;
    case XLM_BUILD_LATE:
        return late(why, room, "as asked for");
    case XLM_BUILD_LATE_DEVICES:
    case XLM_BUILD_ANY:
        break;
    }
    for (int i = 0; i < config->num_disks; i++) {
        if (is_late_for(&config->disks[i], why, room)) {
            return true;
        }
        if (what->same_host && config->disks[i].readwrite) {
            return late(why, room, "its disks are in use on this very host");
        }
    }
    if (what->asked == XLM_BUILD_LATE_DEVICES) {
        return late(why, room, "its QEMU has a disk in use");
    }
    return config->c_info.type == LIBXL_DOMAIN_TYPE_HVM &&
           is_late_for_qemu(what, why, room);
}
