/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A xenstore in memory, behind the functions of libxenstore that are used.
 * There is one; every handle sees it.
 */
#ifndef FAKE_XENSTORE_H
#define FAKE_XENSTORE_H

#include <stdbool.h>

/* Empty it; no handle may be open. */
void fake_store_clear(void);
/* Write a node from outside a migration.  NULL removes the node and all below
 * it. */
void fake_store_put(const char *path, const char *value);
/* Into a buffer of the caller's thread, valid until the next call; NULL: there
 * is no such node. */
const char *fake_store_get(const char *path);
/* The next `count` transactions that would succeed collide with another one.
 */
void fake_store_conflicts(unsigned int count);
/* No process can connect from now on. */
void fake_store_down(bool down);
/* Handles that are open. */
unsigned int fake_store_handles(void);

#endif
