/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Toolstacks that agree to everything and do nothing: what both ends of the
 * engine call.  A test takes a copy and puts its own in where it has one; the
 * suspending and the domain at the destination are always its own.
 */
#ifndef FAKE_TOOLSTACK_H
#define FAKE_TOOLSTACK_H

#include "xlm.h"

/* Wants postcopy at once; has no device model. */
extern const struct xlm_save_callbacks fake_idle_source;
extern const struct xlm_restore_callbacks fake_idle_destination;

#endif
