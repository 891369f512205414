/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/histogram.h"

static void nothing_yet(void **state)
{
    struct xlm_histogram histogram = {.count = 0};

    (void)state;
    assert_int_equal(xlm_histogram_quantile(&histogram, 500), 0);
    assert_int_equal(xlm_histogram_quantile(&histogram, 1000), 0);
}

static void quantiles(void **state)
{
    struct xlm_histogram histogram = {.count = 0};
    uint64_t value, sum = 0;

    (void)state;
    for (value = 1; value <= 1000; value++) {
        xlm_histogram_add(&histogram, value);
        sum += value;
    }
    assert_int_equal(histogram.count, 1000);
    assert_int_equal(histogram.sum, sum);
    assert_int_equal(histogram.greatest, 1000);
    assert_in_range(xlm_histogram_quantile(&histogram, 1), 1, 1);
    assert_in_range(xlm_histogram_quantile(&histogram, 10), 10, 10);
    assert_in_range(xlm_histogram_quantile(&histogram, 500), 500,
                    500 * 17 / 16);
    assert_in_range(xlm_histogram_quantile(&histogram, 990), 990, 1000);
    assert_int_equal(xlm_histogram_quantile(&histogram, 1000), 1000);
}

/* The answer is never less than the number, and at most a sixteenth more. */
static void one_value(void **state)
{
    uint64_t value;

    (void)state;
    for (value = 0; value < 1ULL << 33; value += value / 7 + 1) {
        struct xlm_histogram histogram = {.count = 0};

        xlm_histogram_add(&histogram, value);
        assert_int_equal(xlm_histogram_quantile(&histogram, 500), value);
        xlm_histogram_add(&histogram, 1ULL << 40);
        assert_in_range(xlm_histogram_quantile(&histogram, 500), value,
                        value + value / 16);
    }
}

static void beyond_the_last_bucket(void **state)
{
    struct xlm_histogram histogram = {.count = 0};

    (void)state;
    xlm_histogram_add(&histogram, UINT64_MAX);
    xlm_histogram_add(&histogram, 1ULL << 50);
    xlm_histogram_add(&histogram, 3);
    assert_int_equal(histogram.greatest, UINT64_MAX);
    assert_int_equal(xlm_histogram_quantile(&histogram, 100), 3);
    assert_true(xlm_histogram_quantile(&histogram, 1000) > 1ULL << 30);
}

/* A power of two begins a bucket, the number before it ends one. */
static void powers_of_two(void **state)
{
    struct xlm_histogram histogram = {.count = 0};
    uint64_t buckets[8];
    unsigned int i;

    (void)state;
    xlm_histogram_add(&histogram, 0);
    for (i = 0; i < 10; i++) {
        xlm_histogram_add(&histogram, 1ULL << i);
        xlm_histogram_add(&histogram, (2ULL << i) - 1);
    }
    xlm_histogram_log2(&histogram, buckets, 8);
    assert_int_equal(buckets[0], 3);
    for (i = 1; i < 7; i++) {
        assert_int_equal(buckets[i], 2);
    }
    assert_int_equal(buckets[7], 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_yet),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(one_value),
        cmocka_unit_test(beyond_the_last_bucket),
        cmocka_unit_test(powers_of_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
