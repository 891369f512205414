/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "console.h"
#include "pattern.h"
#include "workload.h"

#define FIRST_ROUND 1u
#define BAD_LINES_IN_FULL 256u

/* A full-period generator modulo any power of two. */
#define ORDER_MULTIPLIER 0x5851f42d4c957f2du
#define ORDER_INCREMENT 0x14057b7ef767814fu

extern const char image_start[], constant_end[];

static uint64_t *page_at(uint64_t pfn)
{
    return (uint64_t *)(uintptr_t)(pfn * PAGE_SIZE);
}

static uint64_t checksum_image(void)
{
    const uint64_t *word = (const uint64_t *)image_start;
    uint64_t sum = 0;

    for (; word < (const uint64_t *)constant_end; word++) {
        sum = (sum << 1 | sum >> 63) ^ *word;
    }
    return sum;
}

/* Counts an error; true if it must be printed, as long as the errors are no
 * flood. */
static bool count_error(struct workload *work)
{
    uint64_t errors = __atomic_add_fetch(&work->errors, 1, __ATOMIC_RELAXED);

    __atomic_add_fetch(&work->pass_errors, 1, __ATOMIC_RELAXED);
    return errors <= BAD_LINES_IN_FULL || errors % BAD_LINES_IN_FULL == 0;
}

static void report_page(struct workload *work, uint64_t pfn,
                        uint32_t generation)
{
    struct pattern_diff diff;

    if (!count_error(work)) {
        return;
    }
    pattern_diagnose(page_at(pfn), pfn, generation, &diff);
    print("BAD pfn=%lx fault=%s word=%u expected=%016lx found=%016lx "
          "differing=%u header=%016lx generation=%u",
          pfn, pattern_fault_name(diff.fault), diff.first_word, diff.expected,
          diff.found, diff.differing, diff.found_header, generation);
}

/* A wrong page is reported once, then made right. */
static bool mend_page(struct workload *work, uint64_t pfn, uint64_t position)
{
    uint32_t generation = work->generation[position];

    if (pattern_matches(page_at(pfn), pfn, generation)) {
        return true;
    }
    report_page(work, pfn, generation);
    pattern_write(page_at(pfn), pfn, generation);
    return false;
}

static bool check_page(struct workload *work, uint64_t position)
{
    uint64_t pfn = frames_at(&work->frames, position);
    bool right;

    if (pattern_matches(page_at(pfn), pfn, work->generation[position])) {
        return true;
    }
    lock_take(&work->lock);
    right = mend_page(work, pfn, position);
    lock_release(&work->lock);
    return right;
}

static void set_place(struct workload *work, unsigned int vcpu, uint64_t place)
{
    __atomic_store_n(&work->at[vcpu], place, __ATOMIC_RELAXED);
}

static bool others_are_at(struct workload *work, unsigned int vcpu,
                          uint64_t place)
{
    unsigned int other;

    for (other = 0; other < OPTIONS_MOST_VCPUS; other++) {
        if (other != vcpu &&
            __atomic_load_n(&work->at[other], __ATOMIC_RELAXED) == place) {
            return true;
        }
    }
    return false;
}

bool workload_check_one(struct workload *work, unsigned int vcpu,
                        uint64_t position, bool *met)
{
    uint64_t place = position + 1;
    bool right;

    set_place(work, vcpu, place);
    right = check_page(work, position);
    *met = others_are_at(work, vcpu, place);
    set_place(work, vcpu, 0);
    return right;
}

static void write_page(struct workload *work, uint64_t position)
{
    uint64_t pfn = frames_at(&work->frames, position);

    lock_take(&work->lock);
    pattern_write(page_at(pfn), pfn, ++work->generation[position]);
    lock_release(&work->lock);
    work->written++;
}

void workload_fill(struct workload *work)
{
    uint64_t position;

    work->round = FIRST_ROUND;
    work->image_checksum = checksum_image();
    for (position = 0; position < work->pages; position++) {
        work->generation[position] = FIRST_ROUND - 1;
        write_page(work, position);
    }
    work->written = 0;
}

static uint64_t next_in_order(struct workload *work)
{
    uint64_t mask;

    if (!work->random_order) {
        return work->round_written;
    }
    mask = UINT64_MAX >> __builtin_clzll(work->working_set);
    do {
        work->order_state =
            (work->order_state * ORDER_MULTIPLIER + ORDER_INCREMENT) & mask;
    } while (work->order_state >= work->working_set);
    return work->order_state;
}

void workload_write(struct workload *work, unsigned int pages)
{
    for (; pages > 0 && work->working_set > 0; pages--) {
        uint64_t position = next_in_order(work);

        check_page(work, position);
        work->checked++;
        write_page(work, position);
        if (++work->round_written == work->working_set) {
            work->round_written = 0;
            work->round++;
        }
    }
}

static void report_record(struct workload *work, uint64_t pfn,
                          uint64_t expected, uint64_t found)
{
    if (count_error(work)) {
        print("BAD record pfn=%lx expected=%lu found=%lu", pfn, expected,
              found);
    }
}

/* Every entry must be of this round or the next, and as many of the next as
 * pages were written in it. */
static void check_record(struct workload *work)
{
    uint64_t next_round = 0;
    uint64_t position;

    for (position = 0; position < work->pages; position++) {
        bool rewritten = position < work->working_set;
        uint32_t expected = rewritten ? work->round : FIRST_ROUND;
        uint32_t found = work->generation[position];

        if (rewritten && found == expected + 1) {
            next_round++;
        } else if (found != expected) {
            uint64_t pfn = frames_at(&work->frames, position);

            lock_take(&work->lock);
            report_record(work, pfn, expected, found);
            work->generation[position] = expected;
            pattern_write(page_at(pfn), pfn, expected);
            lock_release(&work->lock);
        }
    }
    if (next_round != work->round_written && count_error(work)) {
        print("BAD record round=%u expected=%lu found=%lu", work->round,
              work->round_written, next_round);
    }
}

static void check_image(struct workload *work)
{
    uint64_t found = checksum_image();

    if (found != work->image_checksum && count_error(work)) {
        print("BAD image expected=%016lx found=%016lx", work->image_checksum,
              found);
    }
}

static bool jump_to(struct workload *work, uint64_t position,
                    unsigned int index)
{
    uint64_t pfn = frames_at(&work->frames, position);
    const volatile uint64_t *page = page_at(pfn);

    return page[index] == pattern_word(pfn, FIRST_ROUND, index);
}

/* Where the next jump goes depends on what this one has read, so that the
 * processor cannot be ahead of it. */
void workload_jump(struct workload *work, unsigned int jumps)
{
    uint64_t state = work->jump_state;

    for (; jumps > 0; jumps--) {
        uint64_t position = (state >> 32) % work->pages;
        unsigned int index = (state >> 16) % PATTERN_WORDS;
        bool right = jump_to(work, position, index);

        state = state * ORDER_MULTIPLIER + ORDER_INCREMENT + !right;
        work->jumps++;
        if (!right && count_error(work)) {
            print("BAD word pfn=%lx word=%u",
                  frames_at(&work->frames, position), index);
        }
    }
    work->jump_state = state;
}

void workload_restart_pass(struct workload *work)
{
    work->check_position = 0;
    work->pass_errors = 0;
}

static void end_pass(struct workload *work)
{
    check_record(work);
    check_image(work);
    work->passes++;
    print("pass %lu done, errors %lu, pages %lu, all errors %lu", work->passes,
          work->pass_errors, work->pages, work->errors);
    workload_restart_pass(work);
}

void workload_check(struct workload *work, unsigned int pages)
{
    bool met;

    for (; pages > 0; pages--) {
        workload_check_one(work, 0, work->check_position, &met);
        work->checked++;
        if (++work->check_position == work->pages) {
            end_pass(work);
        }
    }
}

static void corrupt_page(struct workload *work, enum pattern_fault fault,
                         uint64_t position)
{
    uint64_t pfn = frames_at(&work->frames, position);
    uint64_t *page = page_at(pfn);
    uint32_t generation = work->generation[position];
    unsigned int half = PATTERN_WORDS / 2;
    uint64_t kept[PATTERN_WORDS / 2];
    unsigned int i;

    for (i = 0; i < half; i++) {
        kept[i] = page[i];
    }
    switch (fault) {
    case PATTERN_STALE:
    case PATTERN_TORN:
        pattern_write(page, pfn, generation - 1);
        break;
    case PATTERN_NEWER:
        pattern_write(page, pfn, generation + 1);
        break;
    case PATTERN_MISPLACED:
        pattern_write(page, pfn + 1, generation);
        break;
    case PATTERN_ZERO:
    case PATTERN_PARTIAL:
        for (i = 0; i < PATTERN_WORDS; i++) {
            page[i] = 0;
        }
        break;
    default:
        page[PATTERN_WORDS - 2] ^= 1;
        break;
    }
    if (fault == PATTERN_TORN || fault == PATTERN_PARTIAL) {
        for (i = 0; i < half; i++) {
            page[i] = kept[i];
        }
    }
    print("corrupted pfn=%lx fault=%s", pfn, pattern_fault_name(fault));
}

void workload_corrupt(struct workload *work)
{
    uint64_t step = work->pages / (PATTERN_FAULTS + 1);
    uint64_t last = work->pages - 1;
    unsigned int fault;

    /* No vCPU may check a page that is half broken, and find another fault. */
    lock_take(&work->lock);
    for (fault = 0; fault < PATTERN_FAULTS; fault++) {
        corrupt_page(work, fault, fault * step);
    }
    /* A page and its entry in the record, both from an earlier time. */
    work->generation[last]--;
    pattern_write(page_at(frames_at(&work->frames, last)),
                  frames_at(&work->frames, last), work->generation[last]);
    print("corrupted pfn=%lx fault=record", frames_at(&work->frames, last));
    workload_restart_pass(work);
    lock_release(&work->lock);
}
