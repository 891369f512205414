/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Xen's Viridian enlightenments, as Windows has them: pages of this guest
 * that the hypervisor writes to, on whichever host the guest runs.
 */
#ifndef VIRIDIAN_H
#define VIRIDIAN_H

#include <stdbool.h>

enum viridian_use {
    VIRIDIAN_NONE,
    VIRIDIAN_ASSIST, /* what xl's viridian=1 gives: the VP assist page */
    VIRIDIAN_ALL,    /* with a reference TSC page, messages and a timer */
    VIRIDIAN_LOST,   /* the same, and then the pages are given back */
};

/* Turn it on; false: the hypervisor has no such thing. */
bool viridian_start(enum viridian_use use);

/* Checks that time has not gone back, and takes messages. */
void viridian_look(void);

/* Call this last before a suspend: leaves marks, and an interrupt without its
 * end. */
void viridian_mark(void);
/* Call this first after a suspend.  Checks that the marks are gone, because
 * this host has written there, unless the suspend was cancelled; from then on
 * viridian_look() expects an interrupt and a message. */
void viridian_resume(bool cancelled);

#endif
