/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pages that a guest's vCPUs need first: page table walks as the processor
 * does them (AMD64 Architecture Programmer's Manual, volume 2, chapter 5).
 * All that is read here is the guest's, which may have written anything.
 *
 * Mapping a page costs far more than reading it, and the guest is stopped.  So
 * the walks of all addresses of all vCPUs advance together, and the tables
 * that they need next are mapped at once: one map for each level for the
 * registers, then one for all stacks, and one for each level for the addresses
 * on the stacks.
 */
#include "hypervisor/vcpu_pages.h"

#include <stdbool.h>
#include <stdlib.h>
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
#define STACK_WORDS 64 /* words of each stack that may be addresses */

struct mode {
    bool paging;
    bool long_mode;
    bool large_pages; /* matters with narrow entries only */
    unsigned int levels;
    unsigned int index_bits;
    unsigned int entry_octets;
    uint64_t root;
};

/* First the addresses where a vCPU goes on and those that it looks up by
 * itself; the stack is last. */
#define ADDRESSES 24
#define STACK (ADDRESSES - 1)

struct vcpu {
    struct mode mode;
    uint64_t addresses[ADDRESSES];
    size_t nr_words; /* words of its stack ... */
    uint64_t words[STACK_WORDS];
};

/* An address whose page is looked up, table by table. */
struct walk {
    const struct mode *mode;
    uint64_t address;
    enum { ON_THE_WAY, FOUND, NOWHERE } state;
    unsigned int level;          /* of the next table ... */
    uint64_t table;              /* ... and the address of that */
    uint64_t tables[LEVELS_MAX]; /* pfns of the tables so far, by level */
    /* the page of the address, once it is known */
    uint64_t pfn;
};

/* Pages of the guest, mapped side by side in ascending order. */
struct view {
    size_t count;
    uint64_t *pfns; /* room for one of each walk */
    int errors[XLM_BATCH_PAGES];
    uint8_t *octets;
};

struct finder {
    struct xlm_hypervisor *hv;
    uint32_t domid;
    uint64_t limit;
    struct vcpu *vcpus;
    size_t nr_vcpus;
    struct walk *walks; /* room for one of each word of all vCPUs */
    size_t nr_walks;
    struct view view;
    uint64_t *pfns;
    size_t count;
    uint64_t seen[2 * XLM_VCPU_PAGES_MAX]; /* their pfns, plus 1, by hash */
};

/* ---- what is found ---- */

static bool is_full(const struct finder *finder)
{
    return finder->count == XLM_VCPU_PAGES_MAX;
}

static void add(struct finder *finder, uint64_t pfn)
{
    const size_t slots = sizeof(finder->seen) / sizeof(finder->seen[0]);
    size_t slot = pfn * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    if (pfn >= finder->limit || is_full(finder)) {
        return;
    }
    for (slot %= slots; finder->seen[slot]; slot = (slot + 1) % slots) {
        if (finder->seen[slot] == pfn + 1) {
            return;
        }
    }
    finder->seen[slot] = pfn + 1;
    finder->pfns[finder->count++] = pfn;
}

/* ---- looking at pages ---- */

static int compare(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;

    return *a < *b ? -1 : *a > *b;
}

static void wish_for(struct finder *finder, uint64_t pfn)
{
    if (pfn < finder->limit) {
        finder->view.pfns[finder->view.count++] = pfn;
    }
}

/* Map each page once, as many as fit: that is more than can be found. */
static void open_view(struct finder *finder)
{
    struct view *view = &finder->view;
    size_t count = 0;

    qsort(view->pfns, view->count, sizeof(view->pfns[0]), compare);
    for (size_t i = 0; i < view->count && count < XLM_BATCH_PAGES; i++) {
        if (!count || view->pfns[count - 1] != view->pfns[i]) {
            view->pfns[count++] = view->pfns[i];
        }
    }
    view->count = count;
    view->octets = count
                       ? finder->hv->ops->map(finder->hv, finder->domid, false,
                                              count, view->pfns, view->errors)
                       : NULL;
}

static void close_view(struct finder *finder)
{
    if (finder->view.octets) {
        finder->hv->ops->unmap(finder->hv, finder->view.octets,
                               finder->view.count);
    }
    finder->view.octets = NULL;
    finder->view.count = 0;
}

/* NULL: the page cannot be read. */
static const uint8_t *look_at(const struct view *view, uint64_t pfn)
{
    const uint64_t *found = view->octets
                                ? bsearch(&pfn, view->pfns, view->count,
                                          sizeof(view->pfns[0]), compare)
                                : NULL;

    return found && !view->errors[found - view->pfns]
               ? view->octets + (found - view->pfns) * XLM_PAGE_SIZE
               : NULL;
}

/* ---- page tables ---- */

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

/* All bits of an address above the highest translated one equal that one. */
static bool is_canonical(const struct mode *mode, uint64_t address)
{
    unsigned int unused = 64 - (12 + mode->levels * mode->index_bits);

    return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

/* Does the entry at this level name a page instead of a table? */
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
        /* bits 32 to 39 are in lower bits of the entry */
        if (shift > XLM_PAGE_SHIFT) {
            frame |= ((entry >> 13) & 0xff) << 32;
        }
    }
    frame &= ~((UINT64_C(1) << shift) - 1);
    return (frame | offset) >> XLM_PAGE_SHIFT;
}

static bool read_entry(const struct view *view, const struct walk *walk,
                       uint64_t *entry)
{
    const struct mode *mode = walk->mode;
    unsigned int shift = XLM_PAGE_SHIFT + mode->index_bits * (walk->level - 1);
    uint64_t index = (walk->address >> shift) & ((1u << mode->index_bits) - 1);
    uint64_t at = walk->table + index * mode->entry_octets;
    const uint8_t *table = look_at(view, at >> XLM_PAGE_SHIFT);

    if (!table) {
        return false;
    }
    *entry = 0;
    memcpy(entry, table + at % XLM_PAGE_SIZE, mode->entry_octets);
    return *entry & ENTRY_PRESENT;
}

/* Start a walk at its first table, or without any. */
static void begin(struct walk *walk, const struct mode *mode, uint64_t address)
{
    if (!mode->long_mode) {
        address &= UINT32_MAX;
    }
    *walk = (struct walk){
        .mode = mode,
        .address = address,
        .state = ON_THE_WAY,
        .level = mode->levels,
        .table = mode->root,
    };
    /* An address in page 0 is a number rather than an address. */
    if (address < XLM_PAGE_SIZE ||
        (mode->paging && mode->long_mode && !is_canonical(mode, address))) {
        walk->state = NOWHERE;
    } else if (!mode->paging) {
        walk->state = FOUND;
        walk->level = mode->levels + 1; /* there are no tables on the way */
        walk->pfn = address >> XLM_PAGE_SHIFT;
    }
}

static void step(const struct finder *finder, struct walk *walk)
{
    const struct mode *mode = walk->mode;
    uint64_t entry;

    walk->tables[walk->level - 1] = walk->table >> XLM_PAGE_SHIFT;
    if (!read_entry(&finder->view, walk, &entry)) {
        walk->state = NOWHERE;
    } else if (ends_walk(mode, walk->level, entry)) {
        walk->pfn = page_of(
            mode, XLM_PAGE_SHIFT + mode->index_bits * (walk->level - 1), entry,
            walk->address);
        walk->state = walk->pfn < finder->limit ? FOUND : NOWHERE;
    } else {
        walk->level--;
        walk->table = entry & (mode->entry_octets == 4 ? UINT64_C(0xfffff000)
                                                       : WIDE_ENTRY_ADDRESS);
    }
}

/* Advance all walks by one level. */
static void step_all(struct finder *finder)
{
    for (size_t i = 0; i < finder->nr_walks; i++) {
        if (finder->walks[i].state == ON_THE_WAY) {
            wish_for(finder, finder->walks[i].table >> XLM_PAGE_SHIFT);
        }
    }
    open_view(finder);
    for (size_t i = 0; i < finder->nr_walks; i++) {
        if (finder->walks[i].state == ON_THE_WAY) {
            step(finder, &finder->walks[i]);
        }
    }
    close_view(finder);
}

/* Add the page of a walk, and the tables on the way to it. */
static void add_found(struct finder *finder, const struct walk *walk)
{
    if (walk->state == FOUND) {
        for (unsigned int i = walk->mode->levels; i >= walk->level; i--) {
            add(finder, walk->tables[i - 1]);
        }
        add(finder, walk->pfn);
    }
}

/* Take a page of each vCPU in turn, so that none goes without because another
 * has many. */
static void follow_all(struct finder *finder)
{
    for (unsigned int level = 0; level < LEVELS_MAX; level++) {
        step_all(finder);
    }
    for (size_t i = 0; i < finder->nr_walks && !is_full(finder); i++) {
        add_found(finder, &finder->walks[i]);
    }
}

/* ---- vCPUs ---- */

static void take_vcpu(struct vcpu *vcpu, const struct hvm_hw_cpu *cpu)
{
    const uint64_t addresses[ADDRESSES] = {
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
        cpu->ss_base + cpu->rsp,
    };

    vcpu->mode = mode_of(cpu);
    memcpy(vcpu->addresses, addresses, sizeof(addresses));
}

/* Read the vCPUs into `vcpus`; NULL: only count them. */
static size_t take_vcpus(const void *context, size_t length,
                         struct vcpu *vcpus)
{
    struct xlm_hvm_record record;
    size_t at = 0, count = 0;

    while (xlm_hvm_context_next(context, length, &at, &record)) {
        struct hvm_hw_cpu cpu = {.rip = 0};

        /* Later hypervisors append fields. */
        if (record.type != HVM_SAVE_CODE(CPU) ||
            record.length <
                offsetof(struct hvm_hw_cpu, msr_efer) + sizeof(cpu.msr_efer)) {
            continue;
        }
        if (vcpus) {
            memcpy(&cpu, record.body,
                   record.length < sizeof(cpu) ? record.length : sizeof(cpu));
            take_vcpu(&vcpus[count], &cpu);
        }
        count++;
    }
    return count;
}

static void follow_registers(struct finder *finder)
{
    finder->nr_walks = 0;
    for (size_t i = 0; i < ADDRESSES; i++) {
        for (size_t n = 0; n < finder->nr_vcpus; n++) {
            begin(&finder->walks[finder->nr_walks++], &finder->vcpus[n].mode,
                  finder->vcpus[n].addresses[i]);
        }
    }
    follow_all(finder);
}

/* ---- stacks ---- */

/* The stack has return addresses, and pointers that the function uses. */
static void read_stack(const struct finder *finder, struct vcpu *vcpu,
                       uint64_t pfn)
{
    size_t width = vcpu->mode.long_mode ? 8 : 4;
    size_t at = vcpu->addresses[STACK] % XLM_PAGE_SIZE / width * width;
    const uint8_t *stack = look_at(&finder->view, pfn);

    for (; stack && at < XLM_PAGE_SIZE && vcpu->nr_words < STACK_WORDS;
         at += width) {
        memcpy(&vcpu->words[vcpu->nr_words++], stack + at, width);
    }
}

static void read_stacks(struct finder *finder)
{
    const struct walk *stacks = &finder->walks[STACK * finder->nr_vcpus];

    for (size_t n = 0; n < finder->nr_vcpus; n++) {
        if (stacks[n].state == FOUND) {
            wish_for(finder, stacks[n].pfn);
        }
    }
    open_view(finder);
    for (size_t n = 0; n < finder->nr_vcpus; n++) {
        if (stacks[n].state == FOUND) {
            read_stack(finder, &finder->vcpus[n], stacks[n].pfn);
        }
    }
    close_view(finder);
}

static void follow_stacks(struct finder *finder)
{
    read_stacks(finder);
    finder->nr_walks = 0;
    for (size_t i = 0; i < STACK_WORDS; i++) {
        for (size_t n = 0; n < finder->nr_vcpus; n++) {
            const struct vcpu *vcpu = &finder->vcpus[n];

            if (i < vcpu->nr_words) {
                begin(&finder->walks[finder->nr_walks++], &vcpu->mode,
                      vcpu->words[i]);
            }
        }
    }
    follow_all(finder);
}

/* ---- the whole ---- */

/* Without memory no pages are found. */
static bool make_room(struct finder *finder, size_t nr_vcpus)
{
    size_t most = nr_vcpus * STACK_WORDS + 1;

    finder->vcpus = calloc(nr_vcpus + 1, sizeof(*finder->vcpus));
    finder->walks = calloc(most, sizeof(*finder->walks));
    finder->view.pfns = calloc(most, sizeof(*finder->view.pfns));
    return finder->vcpus && finder->walks && finder->view.pfns;
}

static void dispose(struct finder *finder)
{
    free(finder->vcpus);
    free(finder->walks);
    free(finder->view.pfns);
}

size_t xlm_find_vcpu_pages(struct xlm_hypervisor *hv, uint32_t domid,
                           const void *context, size_t length, uint64_t limit,
                           uint64_t *pfns)
{
    struct finder finder = {
        .hv = hv, .domid = domid, .limit = limit, .pfns = pfns};

    if (make_room(&finder, take_vcpus(context, length, NULL))) {
        finder.nr_vcpus = take_vcpus(context, length, finder.vcpus);
        follow_registers(&finder);
        if (!is_full(&finder)) {
            follow_stacks(&finder);
        }
    }
    dispose(&finder);
    return finder.count;
}
