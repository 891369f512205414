/*
 * The pages that the vCPUs of a guest stand on: page table walks as the
 * processor does them (AMD64 Architecture Programmer's Manual, volume 2,
 * chapter 5).  All that is read here is the guest's, who may have written
 * anything.
 */
#include "hypervisor/vcpu_pages.h"

#include <stdbool.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/save.h>

#include "policy/hvm_context.h"
#include "wire/wire.h"

#define CR0_PAGING (UINT64_C(1) << 31)
#define CR4_LARGE_PAGES (UINT64_C(1) << 4)
#define CR4_WIDE_ENTRIES (UINT64_C(1) << 5)
#define CR4_FIVE_LEVELS (UINT64_C(1) << 12)
#define EFER_LONG_MODE (UINT64_C(1) << 10)

#define ENTRY_PRESENT (UINT64_C(1) << 0)
#define ENTRY_LARGE (UINT64_C(1) << 7)
#define WIDE_ENTRY_ADDRESS UINT64_C(0x000ffffffffff000)

#define LEVELS_MAX 5
#define STACK_WORDS 64 /* of each stack that are taken for addresses */
#define MAPPINGS 16    /* kept at a time */

struct mode {
    bool paging;
    bool long_mode;
    bool large_pages; /* matters with narrow entries only */
    unsigned int levels;
    unsigned int index_bits;
    unsigned int entry_octets;
    uint64_t root;
};

struct finder {
    struct xlm_hypervisor *hv;
    uint32_t domid;
    uint64_t limit;
    uint64_t *pfns;
    size_t count;
    struct {
        uint64_t pfn;
        const uint8_t *octets;
    } mappings[MAPPINGS];
};

static void add(struct finder *finder, uint64_t pfn)
{
    if (pfn >= finder->limit || finder->count == XLM_VCPU_PAGES_MAX) {
        return;
    }
    for (size_t i = 0; i < finder->count; i++) {
        if (finder->pfns[i] == pfn) {
            return;
        }
    }
    finder->pfns[finder->count++] = pfn;
}

/* NULL: it cannot be read.  Valid until the next call. */
static const uint8_t *look_at(struct finder *finder, uint64_t pfn)
{
    size_t slot = pfn % MAPPINGS;
    const uint8_t *octets = finder->mappings[slot].octets;
    int error = 0;

    if (pfn >= finder->limit) {
        return NULL;
    }
    if (octets && finder->mappings[slot].pfn == pfn) {
        return octets;
    }
    if (octets) {
        finder->hv->ops->unmap(finder->hv, (void *)octets, 1);
    }
    octets = finder->hv->ops->map(finder->hv, finder->domid, false, 1, &pfn,
                                  &error);
    if (octets && error) {
        finder->hv->ops->unmap(finder->hv, (void *)octets, 1);
        octets = NULL;
    }
    finder->mappings[slot].pfn = pfn;
    finder->mappings[slot].octets = octets;
    return octets;
}

static void let_go_of_mappings(struct finder *finder)
{
    for (size_t i = 0; i < MAPPINGS; i++) {
        if (finder->mappings[i].octets) {
            finder->hv->ops->unmap(finder->hv,
                                   (void *)finder->mappings[i].octets, 1);
        }
    }
}

static struct mode mode_of(const struct hvm_hw_cpu *cpu)
{
    struct mode mode = {
        .paging = cpu->cr0 & CR0_PAGING,
        .long_mode = cpu->msr_efer & EFER_LONG_MODE,
        .large_pages = cpu->cr4 & CR4_LARGE_PAGES,
        .levels = 2,
        .index_bits = 10,
        .entry_octets = 4,
        .root = cpu->cr3 & UINT64_C(0xfffff000),
    };

    if (mode.long_mode || (cpu->cr4 & CR4_WIDE_ENTRIES)) {
        mode.large_pages = true;
        mode.index_bits = 9;
        mode.entry_octets = 8;
        mode.levels = 3;
        mode.root = cpu->cr3 & UINT64_C(0xffffffe0);
    }
    if (mode.long_mode) {
        mode.levels = cpu->cr4 & CR4_FIVE_LEVELS ? 5 : 4;
        mode.root = cpu->cr3 & WIDE_ENTRY_ADDRESS;
    }
    return mode;
}

/* Above its highest bit that is translated, an address repeats that bit. */
static bool is_canonical(const struct mode *mode, uint64_t address)
{
    unsigned int unused = 64 - (12 + mode->levels * mode->index_bits);

    return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

/* Has the entry at this level a page instead of a table? */
static bool ends_walk(const struct mode *mode, unsigned int level,
                      uint64_t entry)
{
    if (level == 1) {
        return true;
    }
    if (!(entry & ENTRY_LARGE) || !mode->large_pages) {
        return false;
    }
    return level == 2 || (level == 3 && mode->levels > 3);
}

static uint64_t page_of(const struct mode *mode, unsigned int shift,
                        uint64_t entry, uint64_t address)
{
    uint64_t offset = address & ((UINT64_C(1) << shift) - 1);
    uint64_t frame = entry & WIDE_ENTRY_ADDRESS;

    if (mode->entry_octets == 4) {
        frame = entry & UINT64_C(0xfffff000);
        if (shift > XLM_PAGE_SHIFT) { /* bits 32 to 39 are further down */
            frame |= ((entry >> 13) & 0xff) << 32;
        }
    }
    frame &= ~((UINT64_C(1) << shift) - 1);
    return (frame | offset) >> XLM_PAGE_SHIFT;
}

static bool read_entry(struct finder *finder, const struct mode *mode,
                       uint64_t at, uint64_t *entry)
{
    const uint8_t *table = look_at(finder, at >> XLM_PAGE_SHIFT);

    if (!table) {
        return false;
    }
    *entry = 0;
    memcpy(entry, table + at % XLM_PAGE_SIZE, mode->entry_octets);
    return *entry & ENTRY_PRESENT;
}

/* The page behind an address, added with the tables on the way to it; false:
 * there is none. */
static bool walk(struct finder *finder, const struct mode *mode,
                 uint64_t address, uint64_t *pfn)
{
    uint64_t tables[LEVELS_MAX];
    uint64_t table = mode->root;
    uint64_t entry = 0;
    unsigned int level = mode->levels;
    unsigned int shift;

    for (;; level--) {
        uint64_t index;

        shift = XLM_PAGE_SHIFT + mode->index_bits * (level - 1);
        index = (address >> shift) & ((1u << mode->index_bits) - 1);
        tables[level - 1] = table >> XLM_PAGE_SHIFT;
        if (!read_entry(finder, mode, table + index * mode->entry_octets,
                        &entry)) {
            return false;
        }
        if (ends_walk(mode, level, entry)) {
            break;
        }
        table = entry & (mode->entry_octets == 4 ? UINT64_C(0xfffff000)
                                                 : WIDE_ENTRY_ADDRESS);
    }
    *pfn = page_of(mode, shift, entry, address);
    if (*pfn >= finder->limit) {
        return false;
    }
    for (unsigned int i = mode->levels; i >= level; i--) {
        add(finder, tables[i - 1]);
    }
    return true;
}

static bool add_address(struct finder *finder, const struct mode *mode,
                        uint64_t address, uint64_t *pfn)
{
    if (!mode->long_mode) {
        address &= UINT32_MAX;
    }
    /* What is in the first page is a number, or none. */
    if (address < XLM_PAGE_SIZE) {
        return false;
    }
    if (!mode->paging) {
        *pfn = address >> XLM_PAGE_SHIFT;
    } else if ((mode->long_mode && !is_canonical(mode, address)) ||
               !walk(finder, mode, address, pfn)) {
        return false;
    }
    add(finder, *pfn);
    return true;
}

/* Return addresses are in there, and what a function has at hand. */
static void add_stack(struct finder *finder, const struct mode *mode,
                      uint64_t top)
{
    size_t width = mode->long_mode ? 8 : 4;
    size_t at = top % XLM_PAGE_SIZE / width * width;
    uint8_t words[STACK_WORDS * 8];
    size_t length = XLM_PAGE_SIZE - at;
    const uint8_t *stack;
    uint64_t pfn;

    if (!add_address(finder, mode, top, &pfn)) {
        return;
    }
    stack = look_at(finder, pfn);
    if (!stack) {
        return;
    }
    if (length > STACK_WORDS * width) {
        length = STACK_WORDS * width;
    }
    memcpy(words, stack + at, length);
    for (size_t i = 0; i < length; i += width) {
        uint64_t word = 0;

        memcpy(&word, words + i, width);
        (void)add_address(finder, mode, word, &pfn);
    }
}

static void add_cpu(struct finder *finder, const struct hvm_hw_cpu *cpu)
{
    const struct mode mode = mode_of(cpu);
    /* Where it goes on, and what it looks up by itself, come first. */
    const uint64_t addresses[] = {
        cpu->cs_base + cpu->rip,
        cpu->idtr_base,
        cpu->gdtr_base,
        cpu->tr_base,
        cpu->gs_base,
        cpu->shadow_gs,
        cpu->fs_base,
        cpu->msr_lstar,
        cpu->rax,
        cpu->rbx,
        cpu->rcx,
        cpu->rdx,
        cpu->rbp,
        cpu->rsi,
        cpu->rdi,
        cpu->r8,
        cpu->r9,
        cpu->r10,
        cpu->r11,
        cpu->r12,
        cpu->r13,
        cpu->r14,
        cpu->r15,
    };
    uint64_t pfn;

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        (void)add_address(finder, &mode, addresses[i], &pfn);
    }
    add_stack(finder, &mode, cpu->ss_base + cpu->rsp);
}

size_t xlm_find_vcpu_pages(struct xlm_hypervisor *hv, uint32_t domid,
                           const void *context, size_t length, uint64_t limit,
                           uint64_t *pfns)
{
    struct finder finder = {
        .hv = hv, .domid = domid, .limit = limit, .pfns = pfns};
    struct xlm_hvm_record record;
    size_t at = 0;

    while (xlm_hvm_context_next(context, length, &at, &record)) {
        struct hvm_hw_cpu cpu = {.rip = 0};

        /* Later hypervisors add to its end. */
        if (record.type == HVM_SAVE_CODE(CPU) &&
            record.length >=
                offsetof(struct hvm_hw_cpu, msr_efer) + sizeof(cpu.msr_efer)) {
            memcpy(&cpu, record.body,
                   record.length < sizeof(cpu) ? record.length : sizeof(cpu));
            add_cpu(&finder, &cpu);
        }
    }
    let_go_of_mappings(&finder);
    return finder.count;
}
