/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_memory.h"

#include <errno.h>
#include <malloc.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);

static __thread struct fake_memory *watched;
static __thread unsigned int left_alone;

void fake_memory_watch(struct fake_memory *memory)
{
    watched = memory;
}

void fake_memory_leave_alone(void)
{
    left_alone++;
}

void fake_memory_watch_again(void)
{
    left_alone--;
}

static struct fake_memory *watching(void)
{
    return left_alone ? NULL : watched;
}

static bool refuse(void)
{
    struct fake_memory *memory = watching();

    if (!memory || !atomic_load(&memory->exhausted)) {
        return false;
    }
    atomic_fetch_add(&memory->refused, 1);
    errno = ENOMEM;
    return true;
}

static void *count(void *block)
{
    struct fake_memory *memory = watching();

    if (memory && block) {
        memory->used += malloc_usable_size(block);
        if (memory->used > memory->peak) {
            memory->peak = memory->used;
        }
    }
    return block;
}

static void uncount(void *block)
{
    struct fake_memory *memory = watching();

    if (memory && block) {
        size_t size = malloc_usable_size(block);

        memory->used -= size < memory->used ? size : memory->used;
    }
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return refuse() ? NULL : count(__real_calloc(number, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refuse()) {
        return NULL;
    }
    uncount(old);
    return count(__real_realloc(old, size));
}

void __wrap_free(void *block)
{
    uncount(block);
    __real_free(block);
}
