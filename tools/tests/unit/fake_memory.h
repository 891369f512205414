/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The memory of a process: allocations of one thread are counted, and refused
 * when a test says so.  The programs are linked with malloc() and its family
 * wrapped for this.
 */
#ifndef FAKE_MEMORY_H
#define FAKE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fake_memory {
    atomic_bool exhausted; /* nothing more is to be had */
    atomic_uint refused;
    size_t used; /* octets, now and at the most; the thread's own */
    size_t peak;
};

/* Watch this thread from here on; NULL: no more. */
void fake_memory_watch(struct fake_memory *memory);
/* What fakes and tests do in such a thread is not the process's: between
 * these, which may nest, nothing is counted or refused. */
void fake_memory_leave_alone(void);
void fake_memory_watch_again(void);

#endif
