/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two ways out: I/O port 0xe9, which Xen prints on its own console (and QEMU's
 * isa-debugcon on a character device), and the PV console ring.  The guest
 * waits for neither: a line that does not fit into the ring is dropped.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

struct xencons_interface;

#define CONSOLE_PORT 1u
#define CONSOLE_RING 2u
#define CONSOLE_BOTH (CONSOLE_PORT | CONSOLE_RING)

/* Which of them is used at all; before the call, both. */
void console_select(unsigned int ways);

/* Lines start with "#ID " from here on; 0: with nothing. */
void console_mark(uint64_t id);

/* There is no ring before the first call. */
void console_connect_ring(struct xencons_interface *ring, uint32_t port);

/* Between these two calls no vCPU prints, so that the ring can be
 * exchanged. */
void console_hold(void);
void console_release(void);

/* Prints a line, one vCPU after the other. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_on(unsigned int ways, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
