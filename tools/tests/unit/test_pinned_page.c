/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the hypervisor holds for a guest, and pages that look nearly
 * like them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/pinned_page.h"
#include "wire/wire.h"

/* What a Linux guest in the lab had, with a TSC that fits it. */
static const uint8_t sample[64] = {
    [32] = 0x68,                         /* version */
    [40] = 0x68, 0x5c, 0x19, 0x34, 0x8e, /* TSC */
    [48] = 0x63, 0xd0, 0x4f, 0xb6, 0x36, /* time */
    [56] = 0x50, 0x5b, 0xfd, 0xc4, 0xff, /* factor and shift */
};

static bool found_with(size_t at, size_t octet, uint8_t value)
{
    uint8_t *page = calloc(1, XLM_PAGE_SIZE);
    bool found;

    memcpy(page + at, sample, sizeof(sample));
    page[at + octet] = value;
    found = xlm_is_pinned_page(page);
    free(page);
    return found;
}

static void anywhere_in_a_page(void **state)
{
    (void)state;
    for (size_t at = 0; at + sizeof(sample) <= XLM_PAGE_SIZE; at += 8) {
        assert_true(found_with(at, 0, 1));
    }
}

static void nearly_one(void **state)
{
    static const struct {
        size_t octet;
        uint8_t value;
    } wrong[] = {
        {36, 1},    /* padding */
        {59, 0x44}, /* a factor without its top bit */
        {60, 32},   /* a shift by too much, to the left and to the right */
        {60, 0xe0}, {61, 4}, /* an unknown flag */
        {62, 1},             /* padding */
        {63, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(found_with(128, wrong[i].octet, wrong[i].value));
    }
}

static void control_block(void **state)
{
    uint32_t *page = calloc(1, XLM_PAGE_SIZE);

    (void)state;
    page[2 + 7] = 17; /* the queue of the usual priority */
    assert_true(xlm_is_pinned_page((uint8_t *)page));
    page[0] = 1u << 7; /* ready */
    assert_true(xlm_is_pinned_page((uint8_t *)page));
    page[0] = 1u << 16;
    assert_false(xlm_is_pinned_page((uint8_t *)page));
    page[0] = 0;
    page[2 + 15] = 1u << 17;
    assert_false(xlm_is_pinned_page((uint8_t *)page));
    page[2 + 15] = 0;
    page[1023] = 1;
    assert_false(xlm_is_pinned_page((uint8_t *)page));
    free(page);
}

static void event_array(void **state)
{
    uint32_t *page = calloc(1, XLM_PAGE_SIZE);

    (void)state;
    for (size_t i = 0; i < 1024; i++) {
        page[i] = 1u << 30;
    }
    page[3] = 0;
    page[4] = 1u << 31 | 1u << 29 | 9;
    assert_true(xlm_is_pinned_page((uint8_t *)page));
    page[1023] |= 1u << 17;
    assert_false(xlm_is_pinned_page((uint8_t *)page));
    page[1023] = 0;
    for (size_t i = 5; i < 600; i++) {
        page[i] = 0;
    }
    assert_false(xlm_is_pinned_page((uint8_t *)page));
    free(page);
}

static void other_pages(void **state)
{
    uint8_t *page = calloc(1, XLM_PAGE_SIZE);
    uint32_t random = 1;

    (void)state;
    assert_false(xlm_is_pinned_page(page));
    memset(page, 0xff, XLM_PAGE_SIZE);
    assert_false(xlm_is_pinned_page(page));
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < XLM_PAGE_SIZE; i++) {
            random = random * 1103515245 + 12345;
            page[i] = random >> 24;
        }
        assert_false(xlm_is_pinned_page(page));
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anywhere_in_a_page), cmocka_unit_test(nearly_one),
        cmocka_unit_test(control_block),      cmocka_unit_test(event_array),
        cmocka_unit_test(other_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
