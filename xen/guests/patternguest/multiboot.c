/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "frames.h"
#include "multiboot.h"

#define HAS_COMMAND_LINE 0x04u
#define HAS_MEMORY_MAP 0x40u

/* Its beginning. */
struct info {
    uint32_t flags;
    uint32_t unused[3];
    uint32_t command_line;
    uint32_t unused_too[6];
    uint32_t map_size;
    uint32_t map;
};

struct __attribute__((packed)) map_entry {
    uint32_t size; /* of what follows */
    uint64_t address;
    uint64_t length;
    uint32_t type; /* numbered as PVH does */
};

static struct hvm_start_info start_info;
static struct hvm_memmap_table_entry memory[FRAMES_MAX_RANGES];

static void copy_map(const struct info *info)
{
    uint32_t at = info->map;

    while (at < info->map + info->map_size &&
           start_info.memmap_entries < FRAMES_MAX_RANGES) {
        const struct map_entry *entry = (const void *)(uintptr_t)at;
        struct hvm_memmap_table_entry *to =
            &memory[start_info.memmap_entries++];

        to->addr = entry->address;
        to->size = entry->length;
        to->type = entry->type;
        at += entry->size + sizeof(entry->size);
    }
}

/* The kernel's own name comes first. */
static uint32_t skip_name(uint32_t command_line)
{
    const char *at = (const char *)(uintptr_t)command_line;

    while (*at != '\0' && *at != ' ') {
        at++;
    }
    return (uint32_t)(uintptr_t)at;
}

const struct hvm_start_info *multiboot_start_info(const void *given)
{
    const struct info *info = given;

    start_info.magic = XEN_HVM_START_MAGIC_VALUE;
    start_info.version = 1;
    start_info.memmap_paddr = (uintptr_t)memory;
    if ((info->flags & HAS_COMMAND_LINE) != 0) {
        start_info.cmdline_paddr = skip_name(info->command_line);
    }
    if ((info->flags & HAS_MEMORY_MAP) != 0) {
        copy_map(info);
    }
    return &start_info;
}
