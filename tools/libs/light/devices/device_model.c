/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The device model of a domain: libxl's QEMU, in dom0.
 *
 * State goes to it and comes from it through a file in memory, whose
 * descriptor is passed: that needs no place in a file system, and works for a
 * QEMU that may open no file.
 */
#include "devices/device_model.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/qmp.h"
#include "xen_directories.h"

#define PAGE_SHIFT_KIB 2
/* Where libxl's guests have the hole for devices by default: from 3.75 GiB up
 * to 4 GiB. */
#define HOLE_END_PFN 0x100000u
#define HOLE_DEFAULT_PAGES 0x10000u
/* Video memory and ROMs of the PC, below 1 MiB. */
#define LEGACY_PFN 0xa0u
#define LEGACY_END_PFN 0x100u

#define STATE_MAX_OCTETS (64u << 20)

/* Where libxl leaves the state of a domain's device model; the domain's number
 * follows. */
#ifndef LM_SAVED_STATES
#define LM_SAVED_STATES XEN_LIB_DIR "/qemu-save."
#endif

bool lm_has_device_model(const libxl_domain_config *config)
{
    return config->c_info.type == LIBXL_DOMAIN_TYPE_HVM;
}

void lm_device_ranges(const libxl_domain_config *config,
                      struct xlm_pfn_range ranges[XLM_DEVICE_RANGES])
{
    uint64_t hole = config->b_info.u.hvm.mmio_hole_memkb >> PAGE_SHIFT_KIB;

    if (hole < HOLE_DEFAULT_PAGES || hole > HOLE_END_PFN) {
        hole = HOLE_DEFAULT_PAGES;
    }
    ranges[0] = (struct xlm_pfn_range){LEGACY_PFN, LEGACY_END_PFN};
    ranges[1] = (struct xlm_pfn_range){HOLE_END_PFN - hole, HOLE_END_PFN};
}

/* ---- talking to it ---- */

static int say(struct xlm_context *xlm, uint32_t domid, int abort_fd,
               const char *command, const char *arguments)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    int rc = lm_qmp_connect_domain(&qmp, xlm, domid, abort_fd);

    if (!rc) {
        rc = lm_qmp_execute(&qmp, command, arguments, -1);
    }
    lm_qmp_close(&qmp);
    return rc;
}

/* Run a command on a file name that stands for a descriptor of this
 * process. */
static int execute_on_fd(struct lm_qmp *qmp, const char *command,
                         const char *more_arguments, int fd)
{
    char arguments[128];
    long long fdset;
    int rc;

    if (lm_qmp_execute(qmp, "add-fd", NULL, fd) ||
        lm_qmp_number(qmp, "fdset-id", &fdset)) {
        return -1;
    }
    snprintf(arguments, sizeof(arguments),
             "{\"filename\": \"/dev/fdset/%lld\"%s}", fdset, more_arguments);
    rc = lm_qmp_execute(qmp, command, arguments, -1);
    snprintf(arguments, sizeof(arguments), "{\"fdset-id\": %lld}", fdset);
    return rc ? rc : lm_qmp_execute(qmp, "remove-fd", arguments, -1);
}

/* ---- files in memory ---- */

static int open_memory(struct xlm_context *xlm)
{
    int fd = memfd_create("qemu-state", MFD_CLOEXEC);

    if (fd < 0) {
        xlm_fail(xlm, "no memory for the state of the devices: %s",
                 strerror(errno));
    }
    return fd;
}

/* Open the same file for one direction only: QEMU accepts nothing else. */
static int open_again(struct xlm_context *xlm, int fd, int flags)
{
    char path[64];
    int again;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, flags | O_CLOEXEC);
    if (again < 0) {
        xlm_fail(xlm, "cannot open the state of the devices: %s",
                 strerror(errno));
    }
    return again;
}

static int read_whole(struct xlm_context *xlm, int fd,
                      struct lm_device_state *state)
{
    struct stat status;
    char *octets;
    size_t done = 0;

    if (fstat(fd, &status) || status.st_size <= 0 ||
        status.st_size > STATE_MAX_OCTETS) {
        errno = EINVAL;
        return xlm_fail(xlm, "the device model has left no state");
    }
    octets = malloc(status.st_size);
    while (octets && done < (size_t)status.st_size) {
        ssize_t got = pread(fd, octets + done, status.st_size - done, done);

        if (got <= 0) {
            free(octets);
            return xlm_fail(xlm, "cannot read the state of the devices");
        }
        done += got;
    }
    if (!octets) {
        return xlm_fail(xlm, "no memory for the state of the devices");
    }
    *state = (struct lm_device_state){octets, done};
    return 0;
}

static int write_whole(struct xlm_context *xlm, int fd,
                       const struct lm_device_state *state)
{
    size_t done = 0;

    while (done < state->length) {
        ssize_t put = pwrite(fd, (const char *)state->octets + done,
                             state->length - done, done);

        if (put <= 0) {
            return xlm_fail(xlm, "cannot keep the state of the devices: %s",
                            strerror(errno));
        }
        done += put;
    }
    return 0;
}

/* Run a command on the memory file, opened for one direction. */
static int execute_on_memory(struct xlm_context *xlm, uint32_t domid,
                             const char *command, const char *more_arguments,
                             int fd, int flags)
{
    struct lm_qmp qmp = LM_QMP_CLOSED;
    int theirs = open_again(xlm, fd, flags);
    int rc;

    if (theirs < 0) {
        return -1;
    }
    rc = lm_qmp_connect_domain(&qmp, xlm, domid, xlm->abort_fd);
    if (!rc) {
        rc = execute_on_fd(&qmp, command, more_arguments, theirs);
    }
    lm_qmp_close(&qmp);
    close(theirs);
    return rc;
}

/* ---- what is wanted of it ---- */

int lm_device_model_log(struct xlm_context *xlm, uint32_t domid, bool enable)
{
    /* A caller that gives up must still be able to turn it off. */
    return say(xlm, domid, enable ? xlm->abort_fd : -1,
               "xen-set-global-dirty-log",
               enable ? "{\"enable\": true}" : "{\"enable\": false}");
}

int lm_device_model_announce(struct xlm_context *xlm, uint32_t domid)
{
    return say(xlm, domid, xlm->abort_fd, "announce-self",
               "{\"initial\": 50, \"max\": 550, \"rounds\": 5, "
               "\"step\": 100}");
}

int lm_device_model_stop(struct xlm_context *xlm, uint32_t domid)
{
    return say(xlm, domid, xlm->abort_fd, "stop", NULL);
}

static int save(struct xlm_context *xlm, uint32_t domid, const char *arguments,
                struct lm_device_state *state)
{
    int fd = open_memory(xlm);
    int rc;

    if (fd < 0) {
        return -1;
    }
    rc = execute_on_memory(xlm, domid, "xen-save-devices-state", arguments, fd,
                           O_WRONLY);
    if (!rc) {
        rc = read_whole(xlm, fd, state);
    }
    close(fd);
    return rc;
}

int lm_device_model_save(struct xlm_context *xlm, uint32_t domid,
                         struct lm_device_state *state)
{
    return save(xlm, domid, ", \"live\": false", state);
}

int lm_device_model_release(struct xlm_context *xlm, uint32_t domid,
                            struct lm_device_state *state)
{
    bool sleeps;

    if (lm_device_model_sleeps(xlm, domid, &sleeps)) {
        return -1;
    }
    return sleeps ? lm_device_model_save(xlm, domid, state)
                  : save(xlm, domid, ", \"live\": true", state);
}

int lm_device_model_take_saved(struct xlm_context *xlm, uint32_t domid,
                               struct lm_device_state *state)
{
    char path[128];
    int fd;
    int rc;

    snprintf(path, sizeof(path), LM_SAVED_STATES "%" PRIu32, domid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return xlm_fail(xlm, "cannot open %s: %s", path, strerror(errno));
    }
    rc = read_whole(xlm, fd, state);
    close(fd);
    unlink(path);
    return rc;
}

/* Such a process only serves disks: its other state is of no use. */
int lm_disk_server_release(struct xlm_context *xlm, uint32_t domid)
{
    struct lm_device_state state;

    if (!lm_qmp_is_there(domid)) {
        return 0;
    }
    if (say(xlm, domid, xlm->abort_fd, "stop", NULL) ||
        lm_device_model_release(xlm, domid, &state)) {
        return -1;
    }
    free(state.octets);
    return 0;
}

void lm_disk_server_resume(struct xlm_context *xlm, uint32_t domid)
{
    struct xlm_context unheard = XLM_CONTEXT_INIT;

    if (!lm_qmp_is_there(domid)) {
        return;
    }
    unheard.logger = xlm->logger;
    if (say(&unheard, domid, -1, "cont", NULL)) {
        xtl_log(xlm->logger, XTL_ERROR, -1, "light",
                "the process that serves disks of domain %" PRIu32
                " does not go on: %s",
                domid, unheard.reason);
    }
}

int lm_device_model_load(struct xlm_context *xlm, uint32_t domid,
                         const struct lm_device_state *state)
{
    int fd = open_memory(xlm);
    int rc;

    if (fd < 0) {
        return -1;
    }
    rc = write_whole(xlm, fd, state);
    if (!rc) {
        rc = execute_on_memory(xlm, domid, "xen-load-devices-state", "", fd,
                               O_RDONLY);
    }
    close(fd);
    return rc;
}
