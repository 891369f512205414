/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The memory of a suspended domain, mapped piece by piece and kept mapped.
 *
 * The domain must be suspended: a running guest can replace a page that is
 * mapped here by another.
 */
#ifndef XLM_SOURCE_MEMORY_H
#define XLM_SOURCE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"
#include "policy/push_plan.h"

struct xlm_source_memory_piece;

struct xlm_source_memory {
    struct xlm_hypervisor *hypervisor;
    uint32_t domid;
    struct xlm_source_memory_piece *pieces;
    /* changes when pages handed out before become invalid */
    uint64_t remapped;
};

#define XLM_SOURCE_MEMORY_CLOSED \
    ((struct xlm_source_memory){.hypervisor = NULL})

/* ENOMEM. */
int xlm_source_memory_open(struct xlm_source_memory *memory,
                           struct xlm_hypervisor *hypervisor, uint32_t domid);
void xlm_source_memory_close(struct xlm_source_memory *memory);

/*
 * The contents of a page, valid until a page of another aligned group of
 * XLM_PUSH_ALIGN is asked for, or until `remapped` changes.  NULL with the
 * hypervisor's errno: the page cannot be mapped; page_types() tells whether it
 * exists.
 */
const void *xlm_source_memory_page(struct xlm_source_memory *memory,
                                   uint64_t pfn);

#endif
