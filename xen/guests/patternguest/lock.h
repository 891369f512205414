/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One vCPU at a time; the others spin. */
#ifndef LOCK_H
#define LOCK_H

#include <stdint.h>

#include "cpu.h"

struct lock {
    uint32_t taken;
};

static inline void lock_take(struct lock *lock)
{
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0) {
        cpu_pause();
    }
}

static inline void lock_release(struct lock *lock)
{
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

#endif
