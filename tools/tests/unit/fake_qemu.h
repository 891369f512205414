/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A device model: a QEMU's monitor, with the commands that the light layer
 * uses. It answers wrong commands as the real one does.
 */
#ifndef FAKE_QEMU_H
#define FAKE_QEMU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_qemu {
    /* Before it starts. */
    unsigned int major; /* of its version */
    bool incoming;      /* it has loaded a state when it started */
    bool running;
    bool sleeps; /* with its guest: then it is not running, nor goes on */
    const char *blocked; /* a device of it cannot be moved, and why; or NULL */
    const char *format;  /* an image's format that blocks, in QEMU's words */
    const char *disks;   /* what query-block returns; NULL: none */
    atomic_bool guest_runs; /* the domain is not paused */

    /* The results: the test may read them once the device model has ended. */
    bool dead;   /* an assertion has failed */
    bool let_go; /* of its images and locks */
    unsigned int saves;
    unsigned int loads;
    unsigned int announced;
    unsigned int announced_early; /* of these, before the guest ran here */
    char heard[4096]; /* the names of the commands, each with a space */

    uint32_t domid;
    int listener;
    int fd; /* that it was passed */
    char path[128];
    pthread_t thread;
};

/* At the monitor of that domain's QEMU. */
void fake_qemu_start(struct fake_qemu *qemu, uint32_t domid);
void fake_qemu_end(struct fake_qemu *qemu);

#endif
