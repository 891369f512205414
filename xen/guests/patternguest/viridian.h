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

/* Time has not gone back, and messages are taken. */
void viridian_look(void);

/* The last before a suspend: leaves marks, and an interrupt without its end.
 */
void viridian_mark(void);
/* The first after one that was not cancelled, then again and again until it
 * has seen all there is to see: the marks are gone, since the host we are on
 * has written there, and interrupts and messages come. */
void viridian_resume(bool cancelled);

#endif
