/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pages at which the vCPUs of a guest are at work, with page tables of
 * each kind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/save.h>

#include "fake_hypervisor.h"
#include "hypervisor/vcpu_pages.h"
#include "wire/wire.h"

#define NR_PFNS 4096
#define PRESENT 3u
#define LARGE 0x80u
#define CPUS 64

struct rig {
    struct fake_host *host;
    struct xlm_hypervisor *hv;
    struct fake_domain *domain;
    struct hvm_hw_cpu cpus[CPUS];
    unsigned int nr_cpus;
    uint64_t pfns[XLM_VCPU_PAGES_MAX];
    size_t count;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->host = fake_host_new(NR_PFNS);
    rig->hv = fake_open(rig->host);
    rig->domain = fake_domain_new(rig->host, NR_PFNS, NR_PFNS, 1);
    for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
        fake_page_set(rig->domain, pfn, FAKE_RAM);
    }
    rig->nr_cpus = 1;
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    xlm_hypervisor_close(rig->hv);
    fake_host_check(rig->host);
    fake_host_free(rig->host);
    free(rig);
    return 0;
}

static void put_wide(struct rig *rig, uint64_t pfn, unsigned int index,
                     uint64_t entry)
{
    uint64_t *table = fake_page_memory(rig->domain, pfn);

    table[index] = entry;
}

static void put_narrow(struct rig *rig, uint64_t pfn, unsigned int index,
                       uint32_t entry)
{
    uint32_t *table = fake_page_memory(rig->domain, pfn);

    table[index] = entry;
}

static uint64_t to(uint64_t pfn)
{
    return (pfn << XLM_PAGE_SHIFT) | PRESENT;
}

/* Another record before, between and after those of the CPUs; the whole is
 * `octets` shorter. */
static void find_in(struct rig *rig, size_t octets)
{
    static uint8_t context[CPUS * 2048];
    size_t length = 0;
    struct hvm_save_descriptor other = {.typecode = 1, .length = 24};
    struct hvm_save_descriptor head = {.typecode = HVM_SAVE_CODE(CPU),
                                       .length = sizeof(rig->cpus[0])};

    memset(context, 0, sizeof(context));
    for (unsigned int i = 0; i < rig->nr_cpus; i++) {
        memcpy(context + length, &other, sizeof(other));
        length += sizeof(other) + other.length;
        head.instance = i;
        memcpy(context + length, &head, sizeof(head));
        length += sizeof(head);
        memcpy(context + length, &rig->cpus[i], sizeof(rig->cpus[i]));
        length += sizeof(rig->cpus[i]);
    }
    memcpy(context + length, &other, sizeof(other));
    length += sizeof(other) + other.length;
    assert_true(octets <= length);
    rig->count =
        xlm_find_vcpu_pages(rig->hv, fake_domain_id(rig->domain), context,
                            length - octets, NR_PFNS, rig->pfns);
}

static void find(struct rig *rig)
{
    find_in(rig, 0);
}

static void assert_found(struct rig *rig, const uint64_t *pfns, size_t count)
{
    assert_int_equal(rig->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rig->pfns[i], pfns[i]);
    }
}

#define ASSERT_FOUND(rig, ...) \
    assert_found(rig, (const uint64_t[]){__VA_ARGS__}, \
                 sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* A vCPU in long mode with its tables from pfn 1 on. */
static struct hvm_hw_cpu *long_mode(struct rig *rig)
{
    struct hvm_hw_cpu *cpu = &rig->cpus[0];

    cpu->cr0 = UINT64_C(1) << 31;
    cpu->cr4 = 1u << 5;
    cpu->msr_efer = 1u << 10;
    cpu->cr3 = 1u << XLM_PAGE_SHIFT;
    /* 0xffffffff80000000 and up, by 2, 3 and 4. */
    put_wide(rig, 1, 511, to(2));
    put_wide(rig, 2, 510, to(3));
    put_wide(rig, 3, 0, to(4));
    return cpu;
}

static void four_levels(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = long_mode(rig);

    put_wide(rig, 4, 5, to(20));
    cpu->rip = UINT64_C(0xffffffff80005123);
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 3, 4, 20);
}

static void five_levels(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = long_mode(rig);

    put_wide(rig, 9, 511, to(1));
    put_wide(rig, 4, 5, to(20));
    cpu->cr3 = 9u << XLM_PAGE_SHIFT;
    cpu->cr4 |= 1u << 12;
    cpu->rip = UINT64_C(0xffffffff80005123);
    find(rig);
    ASSERT_FOUND(rig, 9, 1, 2, 3, 4, 20);
}

static void large_pages(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = long_mode(rig);

    /* Of 2 MiB at 0, of 1 GiB at 0: pages 0x21 and 0x13 of them. */
    put_wide(rig, 3, 0, PRESENT | LARGE);
    put_wide(rig, 2, 511, PRESENT | LARGE);
    cpu->rip = UINT64_C(0xffffffff80021000);
    cpu->idtr_base = UINT64_C(0xffffffffc0013000);
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 3, 0x21, 0x13);
}

static void wide_entries_below_4_gib(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = &rig->cpus[0];
    uint64_t *top = fake_page_memory(rig->domain, 1);

    cpu->cr0 = UINT64_C(1) << 31;
    cpu->cr4 = 1u << 5;
    cpu->cr3 = (1u << XLM_PAGE_SHIFT) + 64; /* not at the page's start */
    top[8 + 3] = to(2);
    put_wide(rig, 2, 0, to(3));
    put_wide(rig, 3, 7, to(21));
    put_wide(rig, 2, 1, PRESENT | LARGE);
    cpu->rip = 0xc0007abc;
    cpu->gdtr_base = 0xc0200000 + (5u << XLM_PAGE_SHIFT);
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 3, 21, 5);
}

static void narrow_entries(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = &rig->cpus[0];

    cpu->cr0 = UINT64_C(1) << 31;
    cpu->cr4 = 1u << 4;
    cpu->cr3 = 1u << XLM_PAGE_SHIFT;
    put_narrow(rig, 1, 768, to(2));
    put_narrow(rig, 2, 9, to(22));
    put_narrow(rig, 1, 769, PRESENT | LARGE);
    cpu->rip = 0xc0009abc;
    cpu->gdtr_base = 0xc0400000 + (6u << XLM_PAGE_SHIFT);
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 22, 6);
    /* Without the feature this entry is a table, at 0. */
    cpu->cr4 = 0;
    put_narrow(rig, 0, 6, to(23));
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 22, 0, 23);
}

static void without_paging(void **state)
{
    struct rig *rig = *state;

    rig->cpus[0].cs_base = 0x7000;
    rig->cpus[0].rip = 0x1fff;
    find(rig);
    ASSERT_FOUND(rig, 8);
}

/* The code that the vCPU returns to, as far as the stack's page goes. */
static void stacks(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = long_mode(rig);
    uint64_t *stack = fake_page_memory(rig->domain, 30);

    put_wide(rig, 4, 5, to(30));
    put_wide(rig, 4, 6, to(31));
    put_wide(rig, 4, 7, to(32));
    put_wide(rig, 4, 8, to(33));
    cpu->rsp = UINT64_C(0xffffffff80005000) + 8 * 400;
    stack[399] = UINT64_C(0xffffffff80008000); /* below it */
    stack[400] = UINT64_C(0xffffffff80006111);
    stack[401] = 12345;                        /* a number */
    stack[402] = UINT64_C(0x8000000000006000); /* no address at all */
    stack[463] = UINT64_C(0xffffffff80007222);
    stack[464] = UINT64_C(0xffffffff80008000); /* too far up */
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 3, 4, 30, 31, 32);
    cpu->rsp = UINT64_C(0xffffffff80005ff8);
    stack[511] = UINT64_C(0xffffffff80008000);
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 3, 4, 30, 33);
}

static void every_vcpu(void **state)
{
    struct rig *rig = *state;

    put_wide(rig, 4, 5, to(20));
    put_wide(rig, 4, 6, to(24));
    rig->nr_cpus = 2;
    long_mode(rig)->rip = UINT64_C(0xffffffff80005000);
    rig->cpus[1] = rig->cpus[0];
    rig->cpus[1].rip = UINT64_C(0xffffffff80006000);
    find(rig);
    ASSERT_FOUND(rig, 1, 2, 3, 4, 20, 24);
}

/* A pfn that does not exist, or is not the guest's, is neither read nor named.
 */
static void tables_that_lead_nowhere(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = long_mode(rig);

    put_wide(rig, 4, 5, to(NR_PFNS));
    cpu->rip = UINT64_C(0xffffffff80005000);
    cpu->rax = UINT64_C(0xffffffff80006000); /* not present */
    find(rig);
    assert_int_equal(rig->count, 0);
    put_wide(rig, 3, 0, to(UINT64_C(0xffffffffff)));
    find(rig);
    assert_int_equal(rig->count, 0);
    put_wide(rig, 3, 0, to(40));
    fake_page_map_error(rig->domain, 40, EINVAL);
    find(rig);
    assert_int_equal(rig->count, 0);
    cpu->cr3 = UINT64_C(0x000ffffffffff000);
    find(rig);
    assert_int_equal(rig->count, 0);
}

/* Each of the guest's tables points to the next one: no walk is endless. */
static void tables_that_lead_to_themselves(void **state)
{
    struct rig *rig = *state;
    struct hvm_hw_cpu *cpu = long_mode(rig);

    for (unsigned int i = 0; i < 512; i++) {
        put_wide(rig, 1, i, to(1));
    }
    cpu->rip = UINT64_C(0xffffffff80005000);
    find(rig);
    ASSERT_FOUND(rig, 1);
}

/* Each vCPU has tables of its own, and as many pages as it has registers, and
 * words on its stack. */
static void scatter(struct rig *rig)
{
    rig->nr_cpus = CPUS;
    for (unsigned int n = 0; n < CPUS; n++) {
        struct hvm_hw_cpu *cpu = &rig->cpus[n];
        uint64_t first = 1 + 60 * n;
        uint64_t *stack = fake_page_memory(rig->domain, first + 4);

        cpu->cr0 = UINT64_C(1) << 31;
        cpu->cr4 = 1u << 5;
        cpu->msr_efer = 1u << 10;
        cpu->cr3 = first << XLM_PAGE_SHIFT;
        put_wide(rig, first, 511, to(first + 1));
        put_wide(rig, first + 1, 510, to(first + 2));
        put_wide(rig, first + 2, 0, to(first + 3));
        for (unsigned int i = 0; i < 56; i++) {
            put_wide(rig, first + 3, i, to(first + 4 + i));
        }
        cpu->rsp = UINT64_C(0xffffffff80000000);
        cpu->rip = UINT64_C(0xffffffff80001000);
        cpu->rax = UINT64_C(0xffffffff80002000);
        for (unsigned int i = 0; i < 53; i++) {
            stack[i] = UINT64_C(0xffffffff80003000) + i * XLM_PAGE_SIZE;
        }
    }
}

/* The pages with the tables of one vCPU, without another's. */
static size_t found_of(const struct rig *rig, unsigned int n)
{
    size_t count = 0;

    for (size_t i = 0; i < rig->count; i++) {
        count += (rig->pfns[i] - 1) / 60 == n;
    }
    return count;
}

static void as_many_maps_as_levels(void **state)
{
    struct rig *rig = *state;
    unsigned int maps = fake_calls(rig->host, FAKE_OP_map);

    scatter(rig);
    rig->nr_cpus = 8;
    find(rig);
    assert_int_equal(rig->count, 8 * 60);
    maps = fake_calls(rig->host, FAKE_OP_map) - maps;
    assert_int_equal(maps, 4 + 1 + 4);
}

static void each_vcpu_has_its_share(void **state)
{
    struct rig *rig = *state;
    unsigned int maps;

    scatter(rig);
    maps = fake_calls(rig->host, FAKE_OP_map);
    find(rig);
    maps = fake_calls(rig->host, FAKE_OP_map) - maps;
    assert_int_equal(rig->count, XLM_VCPU_PAGES_MAX);
    for (unsigned int n = 0; n < CPUS; n++) {
        assert_in_range(found_of(rig, n), 7, 9);
    }
    assert_int_equal(maps, 4 + 1 + 4);
    /* The list is full before the stacks come: these are not read. */
    for (unsigned int n = 0; n < CPUS; n++) {
        rig->cpus[n].rbx = UINT64_C(0xffffffff80003000);
        rig->cpus[n].rcx = UINT64_C(0xffffffff80004000);
    }
    maps = fake_calls(rig->host, FAKE_OP_map);
    find(rig);
    assert_int_equal(fake_calls(rig->host, FAKE_OP_map) - maps, 4);
    assert_int_equal(rig->count, XLM_VCPU_PAGES_MAX);
}

static void what_is_cut_off(void **state)
{
    struct rig *rig = *state;
    const size_t behind = sizeof(struct hvm_save_descriptor) + 24;

    put_wide(rig, 4, 5, to(20));
    long_mode(rig)->rip = UINT64_C(0xffffffff80005000);
    find_in(rig, 1);
    assert_int_equal(rig->count, 5);
    find_in(rig, behind);
    assert_int_equal(rig->count, 5);
    for (size_t octets = behind + 1;
         octets < behind + sizeof(struct hvm_hw_cpu); octets += 7) {
        find_in(rig, octets);
        assert_int_equal(rig->count, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(four_levels),
        TEST(five_levels),
        TEST(large_pages),
        TEST(wide_entries_below_4_gib),
        TEST(narrow_entries),
        TEST(without_paging),
        TEST(stacks),
        TEST(every_vcpu),
        TEST(tables_that_lead_nowhere),
        TEST(tables_that_lead_to_themselves),
        TEST(as_many_maps_as_levels),
        TEST(each_vcpu_has_its_share),
        TEST(what_is_cut_off),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
