#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "latency.h"

static void nothing_yet(void **state)
{
    struct xlm_latency latency = {.count = 0};

    (void)state;
    assert_int_equal(xlm_latency_quantile(&latency, 500), 0);
    assert_int_equal(xlm_latency_quantile(&latency, 1000), 0);
}

static void quantiles(void **state)
{
    struct xlm_latency latency = {.count = 0};
    uint64_t us, sum = 0;

    (void)state;
    for (us = 1; us <= 1000; us++) {
        xlm_latency_add(&latency, us);
        sum += us;
    }
    assert_int_equal(latency.count, 1000);
    assert_int_equal(latency.sum_us, sum);
    assert_int_equal(latency.max_us, 1000);
    assert_in_range(xlm_latency_quantile(&latency, 1), 1, 1);
    assert_in_range(xlm_latency_quantile(&latency, 10), 10, 10);
    assert_in_range(xlm_latency_quantile(&latency, 500), 500, 500 * 17 / 16);
    assert_in_range(xlm_latency_quantile(&latency, 990), 990, 1000);
    assert_int_equal(xlm_latency_quantile(&latency, 1000), 1000);
}

/* Never less than the time, and by a sixteenth more at the most. */
static void one_value(void **state)
{
    uint64_t us;

    (void)state;
    for (us = 0; us < 1ULL << 33; us += us / 7 + 1) {
        struct xlm_latency latency = {.count = 0};

        xlm_latency_add(&latency, us);
        assert_int_equal(xlm_latency_quantile(&latency, 500), us);
        xlm_latency_add(&latency, 1ULL << 40);
        assert_in_range(xlm_latency_quantile(&latency, 500), us, us + us / 16);
    }
}

static void beyond_the_last_bucket(void **state)
{
    struct xlm_latency latency = {.count = 0};

    (void)state;
    xlm_latency_add(&latency, UINT64_MAX);
    xlm_latency_add(&latency, 1ULL << 50);
    xlm_latency_add(&latency, 3);
    assert_int_equal(latency.max_us, UINT64_MAX);
    assert_int_equal(xlm_latency_quantile(&latency, 100), 3);
    assert_true(xlm_latency_quantile(&latency, 1000) > 1ULL << 30);
}

/* A power of two begins a bucket, the number before it ends one. */
static void powers_of_two(void **state)
{
    struct xlm_latency latency = {.count = 0};
    uint64_t buckets[8];
    unsigned int i;

    (void)state;
    xlm_latency_add(&latency, 0);
    for (i = 0; i < 10; i++) {
        xlm_latency_add(&latency, 1ULL << i);
        xlm_latency_add(&latency, (2ULL << i) - 1);
    }
    xlm_latency_log2(&latency, buckets, 8);
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
