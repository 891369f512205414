/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the pattern guest that have no hardware in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "options.h"
#include "pacer.h"
#include "pattern.h"
#include "text.h"

static unsigned int failures;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool holds, const char *text, int line)
{
    if (!holds) {
        fprintf(stderr, "test-patternguest.c:%d: not so: %s\n", line, text);
        failures++;
    }
}

static void expect_fault(const uint64_t *page, uint64_t pfn,
                         uint32_t generation, enum pattern_fault fault,
                         unsigned int first_word, unsigned int differing)
{
    struct pattern_diff diff;

    CHECK(!pattern_matches(page, pfn, generation));
    pattern_diagnose(page, pfn, generation, &diff);
    CHECK(diff.fault == fault);
    CHECK(diff.first_word == first_word);
    CHECK(diff.differing == differing);
    CHECK(diff.found == page[first_word]);
    CHECK(diff.expected != diff.found);
}

static void test_pattern_faults(void)
{
    const uint64_t pfn = 0x1234;
    const uint32_t generation = 70000;
    uint64_t page[PATTERN_WORDS], other[PATTERN_WORDS];
    const unsigned int words = PATTERN_WORDS;

    pattern_write(page, pfn, generation);
    CHECK(pattern_matches(page, pfn, generation));
    CHECK(page[0] == pattern_header(pfn, generation));
    expect_fault(page, pfn, generation + 1, PATTERN_STALE, 0, words);
    expect_fault(page, pfn, generation - 1, PATTERN_NEWER, 0, words);
    expect_fault(page, pfn + 1, generation, PATTERN_MISPLACED, 0, words);

    pattern_write(other, pfn, generation - 1);
    memcpy(other, page, 100 * sizeof(*page));
    expect_fault(other, pfn, generation, PATTERN_TORN, 100, words - 100);
    pattern_write(other, pfn, generation - 1);
    memcpy(other + 300, page + 300, (words - 300) * sizeof(*page));
    expect_fault(other, pfn, generation, PATTERN_TORN, 0, 300);

    memset(page + 40, 0, (words - 40) * sizeof(*page));
    expect_fault(page, pfn, generation, PATTERN_PARTIAL, 40, words - 40);
    memset(page, 0, sizeof(page));
    expect_fault(page, pfn, generation, PATTERN_ZERO, 0, words);
}

/* Any single wrong bit is found. */
static void test_pattern_bits(void)
{
    uint64_t page[PATTERN_WORDS];
    unsigned int i;

    pattern_write(page, 7, 9);
    for (i = 0; i < PATTERN_WORDS; i++) {
        page[i] ^= (uint64_t)1 << (i % 64);
        CHECK(!pattern_matches(page, 7, 9));
        page[i] ^= (uint64_t)1 << (i % 64);
    }
    page[5] ^= 1;
    expect_fault(page, 7, 9, PATTERN_CORRUPT, 5, 1);
}

/* The generation may wrap: what counts is which one is nearer. */
static void test_pattern_wrap(void)
{
    uint64_t page[PATTERN_WORDS];

    pattern_write(page, 7, UINT32_MAX);
    expect_fault(page, 7, 0, PATTERN_STALE, 0, PATTERN_WORDS);
    pattern_write(page, 7, 0);
    expect_fault(page, 7, UINT32_MAX, PATTERN_NEWER, 0, PATTERN_WORDS);
}

static void test_frames(void)
{
    struct frames frames = {.ranges = 0};

    frames_add(&frames, 0, 160);
    frames_add(&frames, 256, 1000);
    frames_remove(&frames, 256, 16);
    frames_remove(&frames, 150, 20);
    frames_remove(&frames, 500, 10);
    frames_remove(&frames, 5000, 10);
    CHECK(frames.ranges == 3);
    CHECK(frames_total(&frames) == 150 + 228 + 746);
    CHECK(frames_at(&frames, 0) == 0);
    CHECK(frames_at(&frames, 149) == 149);
    CHECK(frames_at(&frames, 150) == 272);
    CHECK(frames_at(&frames, 150 + 228) == 510);
    CHECK(frames_take(&frames, 6) == 1250);
    CHECK(frames_total(&frames) == 150 + 228 + 740);
    CHECK(frames_take(&frames, 740) == 0);
    frames_remove(&frames, 0, 2000);
    CHECK(frames.ranges == 0);
    CHECK(frames_take(&frames, 1) == 0);
}

static void test_pacer(void)
{
    struct pacer pacer;
    unsigned int pages = 0;
    uint64_t now;

    pacer_start(&pacer, 3000, 0);
    for (now = 0; now <= 1000000; now += 700) {
        pages += pacer_take(&pacer, now, 8);
    }
    CHECK(pages >= 2995 && pages <= 3000);

    /* A long stop is not made good for. */
    CHECK(pacer_take(&pacer, now + 60000000, 1000) <= 62);
    CHECK(pacer_take(&pacer, now + 60000000, 1000) == 0);

    pacer_start(&pacer, 0, 0);
    CHECK(pacer_take(&pacer, 1000000, 8) == 0);
    pacer_start(&pacer, PACER_UNLIMITED, 0);
    CHECK(pacer_take(&pacer, 0, 8) == 8);
}

static void test_options(void)
{
    struct options options;
    const char *wrong;

    options_default(&options);
    CHECK(options_parse(&options, "") == NULL);
    CHECK(options.memory_mib == OPTIONS_ALL && options.to_port);
    CHECK(options_parse(&options, "  memory=64 working-set=none rate=max"
                                  " check=12 order=random heartbeat=5 run=100"
                                  " output=ring corrupt=yes ") == NULL);
    CHECK(options.memory_mib == 64);
    CHECK(options.working_set_mib == 0);
    CHECK(options.write_rate == PACER_UNLIMITED);
    CHECK(options.check_rate == 12);
    CHECK(options.heartbeat_us == 5000 && options.run_us == 100000);
    CHECK(options.random_order && options.corrupt);
    CHECK(!options.to_port && options.to_ring);
    CHECK(options.vcpus == 1 && options.drivers);
    CHECK(!options.jumps);
    CHECK(options_parse(&options, "jumps=yes") == NULL && options.jumps);
    CHECK(options_parse(&options, "vcpus=16 drivers=no") == NULL);
    CHECK(options.vcpus == 16 && !options.drivers);
    CHECK(options_parse(&options, "vcpus=0") != NULL);
    CHECK(options_parse(&options, "vcpus=17") != NULL);
    CHECK(options_parse(&options, "drivers=none") != NULL);
    CHECK(options.vcpus == 16);

    wrong = options_parse(&options, "rate=5 rate=5x memory= all=all rate=6");
    CHECK(wrong != NULL && strncmp(wrong, "rate=5x", 7) == 0);
    CHECK(options.write_rate == 6);
    CHECK(options_parse(&options, "memory=12345678901") != NULL);
    CHECK(options_parse(&options, "memory") != NULL);
    CHECK(options.memory_mib == 64);
}

static bool formats_as(const char *expected, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool formats_as(const char *expected, const char *format, ...)
{
    char buffer[32];
    va_list args;

    va_start(args, format);
    text_format(buffer, sizeof(buffer), format, args);
    va_end(args);
    return strcmp(buffer, expected) == 0;
}

static void test_text(void)
{
    CHECK(formats_as("a 7 ff 00ff   12 100%", "a %u %x %04x %4u 100%%", 7u,
                     255u, 255u, 12u));
    CHECK(formats_as("18446744073709551615 0 x", "%lu %u %s", ~0ul, 0u, "x"));
    CHECK(formats_as("0123456789012345678901234567890", "%s",
                     "01234567890123456789012345678901234"));
    CHECK(text_equal("ab", "ab") && !text_equal("ab", "abc"));
    CHECK(!text_equal("abc", "ab") && text_length("abc") == 3);
}

int main(void)
{
    test_pattern_faults();
    test_pattern_bits();
    test_pattern_wrap();
    test_frames();
    test_pacer();
    test_options();
    test_text();
    if (failures > 0) {
        fprintf(stderr, "test-patternguest: %u failures\n", failures);
        return EXIT_FAILURE;
    }
    printf("test-patternguest: all well\n");
    return EXIT_SUCCESS;
}
