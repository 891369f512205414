/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The memory of a process: counts the allocations of one thread, and refuses
 * them when a test says so.  The programs are linked with wrappers of malloc()
 * and its family.
 */
#ifndef FAKE_MEMORY_H
#define FAKE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fake_memory {
    atomic_bool exhausted; /* all allocations fail */
    atomic_uint refused;
    size_t used; /* octets, now and at most; only the thread itself may read */
    size_t peak;
};

/* Count in this thread from now on; NULL: stop. */
void fake_memory_watch(struct fake_memory *memory);
/* Allocations that fakes and tests make in that thread are not the process's.
 * Nothing is counted or refused between these calls, which may nest. */
void fake_memory_leave_alone(void);
void fake_memory_watch_again(void);

#endif
