/* SPDX-License-Identifier: LGPL-2.1-or-later
 * As much of a xenstore client as the toolstack's orders need.  It never
 * waits: xenstore_poll() does what can be done now, however long the other
 * side takes to answer.
 */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stdbool.h>
#include <stdint.h>

struct xenstore_domain_interface;

enum order { ORDER_NONE, ORDER_SUSPEND, ORDER_POWEROFF, ORDER_REBOOT };

/*
 * Starts over if nothing was sent on this ring yet, as in a new domain, and
 * returns true.  Otherwise the conversation goes on where it was.
 */
bool xenstore_connect(struct xenstore_domain_interface *ring, uint32_t port);

/* An order of the toolstack, once, after it was acknowledged. */
enum order xenstore_poll(void);

#endif
