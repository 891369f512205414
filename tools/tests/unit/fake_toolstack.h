/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Toolstacks whose callbacks succeed and do nothing.  A test copies them
 * and sets the callbacks that it needs.  A test must always set suspend and
 * the destination's domain.
 */
#ifndef FAKE_TOOLSTACK_H
#define FAKE_TOOLSTACK_H

#include "xlm.h"

/* Asks for postcopy at once; has no device model. */
extern const struct xlm_save_callbacks fake_idle_source;
extern const struct xlm_restore_callbacks fake_idle_destination;

#endif
