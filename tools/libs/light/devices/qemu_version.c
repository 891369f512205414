/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which QEMU libxl will start on this host.
 *
 * The program's file contains the text that the program prints as its version.
 * To run the program instead would put a foreign process into the caller's
 * process tree, for some tenths of a second on a slow host.
 */
#include "devices/qemu_version.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "QEMU emulator version "
/* No version is longer. */
#define TEXT_OCTETS 16

static const char *const usual[] = {
    "/usr/libexec/xen-qemu-system-i386",
    "/usr/libexec/qemu-system-i386",
    "/usr/lib/xen*/bin/qemu-system-i386",
    "/usr/libexec/xen*/bin/qemu-system-i386",
    "/usr/local/lib/xen*/bin/qemu-system-i386",
    "/usr/local/libexec/xen*/bin/qemu-system-i386",
    "/usr/bin/qemu-system-i386",
};

static struct lm_qemu_version find(const char *octets, size_t length)
{
    struct lm_qemu_version version = {.known = false};
    const char *at = memmem(octets, length, MARK, sizeof(MARK) - 1);
    char text[TEXT_OCTETS + 1] = "";
    size_t left;

    if (!at) {
        return version;
    }
    at += sizeof(MARK) - 1;
    left = length - (at - octets);
    memcpy(text, at, left < TEXT_OCTETS ? left : TEXT_OCTETS);
    version.known = sscanf(text, "%u.%u", &version.major, &version.minor) == 2;
    return version;
}

struct lm_qemu_version lm_qemu_version_of(const char *path)
{
    struct lm_qemu_version version = {.known = false};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *octets;

    if (fd < 0) {
        return version;
    }
    if (!fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_size > 0) {
        octets = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (octets != MAP_FAILED) {
            version = find(octets, status.st_size);
            munmap(octets, status.st_size);
        }
    }
    close(fd);
    return version;
}

static bool is_newer(struct lm_qemu_version one, struct lm_qemu_version other)
{
    return one.major != other.major ? one.major > other.major
                                    : one.minor > other.minor;
}

static struct lm_qemu_version newest_of(char *const *paths, size_t count)
{
    struct lm_qemu_version newest = {.known = false};

    for (size_t i = 0; i < count; i++) {
        struct lm_qemu_version version = lm_qemu_version_of(paths[i]);

        if (version.known && (!newest.known || is_newer(version, newest))) {
            newest = version;
        }
    }
    return newest;
}

struct lm_qemu_version lm_qemu_version_here(const char *path)
{
    struct lm_qemu_version version = {.known = false};
    glob_t found = {.gl_pathc = 0};

    if (path) {
        return lm_qemu_version_of(path);
    }
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        (void)glob(usual[i], i ? GLOB_APPEND : 0, NULL, &found);
    }
    version = newest_of(found.gl_pathv, found.gl_pathc);
    globfree(&found);
    return version;
}
