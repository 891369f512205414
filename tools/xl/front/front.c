/* SPDX-License-Identifier: LGPL-2.1-or-later
 * xl-postcopy, which xl is a link to: runs the build of this project's xl that
 * was made for the Xen that this host has booted. libxl and the hypervisor
 * must be of one release, and between an upgrade and the next boot a host has
 * the libraries of two.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front.h"

#define SYSFS "/sys/hypervisor/version/"
#define VERSION_MAX 32

/* ---- which version ---- */

static bool read_number(const char *path, unsigned int *number)
{
    FILE *file = fopen(path, "re");
    bool found = file && fscanf(file, "%u", number) == 1;

    if (file) {
        fclose(file);
    }
    return found;
}

/* The running Xen's version, or an empty string. */
static void find_version(char version[VERSION_MAX])
{
    const char *wanted = getenv(XL_VERSION_VARIABLE);
    unsigned int major, minor;

    version[0] = '\0';
    if (wanted) {
        snprintf(version, VERSION_MAX, "%s", wanted);
    } else if (read_number(SYSFS "major", &major) &&
               read_number(SYSFS "minor", &minor)) {
        snprintf(version, VERSION_MAX, "%u.%u", major, minor);
    }
}

/* ---- which builds there are ---- */

/* The program of a build, if that exists. */
static bool find_build(const char *directory, const char *version,
                       char program[PATH_MAX])
{
    int length = snprintf(program, PATH_MAX, "%s/%s/xl", directory, version);

    return version[0] >= '0' && version[0] <= '9' && !strchr(version, '/') &&
           length < PATH_MAX && !access(program, X_OK);
}

/* The newest build: if the right one is missing, that one says so, and what to
 * do. */
static bool find_newest(const char *directory, char program[PATH_MAX])
{
    char version[VERSION_MAX] = "", candidate[PATH_MAX];
    DIR *builds = opendir(directory);
    const struct dirent *entry;

    while (builds && (entry = readdir(builds))) {
        if (strlen(entry->d_name) < VERSION_MAX &&
            strverscmp(entry->d_name, version) > 0 &&
            find_build(directory, entry->d_name, candidate)) {
            strcpy(version, entry->d_name);
        }
    }
    if (builds) {
        closedir(builds);
    }
    return find_build(directory, version, program);
}

/* Beside this program, because all is installed below one prefix; or as
 * configured. */
static bool find_directory(const char *self, char directory[PATH_MAX])
{
    const char *slash = strrchr(self, '/');
    int length = snprintf(directory, PATH_MAX, "%.*s/../lib/xen-postcopy",
                          slash ? (int)(slash - self) : 0, self);

    if (length >= PATH_MAX || access(directory, X_OK)) {
        snprintf(directory, PATH_MAX, "%s", XL_BUILDS_DIR);
    }
    return !access(directory, X_OK);
}

int main(int argc, char **argv)
{
    char self[PATH_MAX] = "", directory[PATH_MAX], program[PATH_MAX];
    char version[VERSION_MAX];

    (void)argc;
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
        perror("xl: /proc/self/exe");
        return EXIT_FAILURE;
    }
    find_version(version);
    if (!find_directory(self, directory) ||
        (!find_build(directory, version, program) &&
         !find_newest(directory, program))) {
        fprintf(stderr,
                "xl: there is no build of it in %s: install this "
                "package again\n",
                directory);
        return EXIT_FAILURE;
    }
    setenv(XL_FRONT_VARIABLE, self, 1);
    execv(program, argv);
    fprintf(stderr, "xl: cannot run %s: %s\n", program, strerror(errno));
    return EXIT_FAILURE;
}
