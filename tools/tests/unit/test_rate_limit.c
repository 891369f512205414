/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The token bucket that limits the background, with clocks of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/rate_limit.h"

#define SECOND 1000000u
#define MIB (1u << 20)

/* Send pieces for as long as a clock runs: octets that went. */
static uint64_t sent_in(uint64_t rate, uint64_t piece, uint64_t us,
                        uint64_t step_us)
{
    struct xlm_rate_limit limit = {0};
    uint64_t start = 7 * SECOND, sent = 0;

    xlm_rate_limit_wait_us(&limit, XLM_RATE_UNLIMITED, start);
    for (uint64_t now = start; now < start + us; now += step_us) {
        while (!xlm_rate_limit_wait_us(&limit, rate, now)) {
            xlm_rate_limit_spend(&limit, piece);
            sent += piece;
        }
    }
    return sent;
}

static void keeps_the_rate(void **state)
{
    static const struct {
        uint64_t rate, piece;
    } cases[] = {
        {MIB, 4096},
        {MIB, 65536},
        {MIB, 4 * MIB},
        {100 * MIB, 4096},
        {1000 * MIB, 4 * MIB},
        {10000, 65536},
        {1, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t rate = cases[i].rate, piece = cases[i].piece;
        uint64_t sent = sent_in(rate, piece, 100 * SECOND, SECOND / 10);

        assert_in_range(sent, 99 * rate, 101 * rate + piece);
    }
}

/* Looking at it often is not what makes it slow, or fast. */
static void however_often_it_is_asked(void **state)
{
    static const uint64_t steps[] = {37, 1000, 99999};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint64_t sent = sent_in(1234567, 4096, 10 * SECOND, steps[i]);

        assert_in_range(sent, 12345670 - 4096, 12345670 + 4096 + 1234567 / 10);
        assert_in_range(sent_in(30000, 1, 100 * SECOND, steps[i]), 2900000,
                        3100000);
    }
}

/* The wait that the limit returns is the wait that it needs. */
static void tells_how_long(void **state)
{
    struct xlm_rate_limit limit = {0};
    uint64_t now = SECOND, wait;

    (void)state;
    xlm_rate_limit_wait_us(&limit, XLM_RATE_UNLIMITED, now);
    assert_int_equal(xlm_rate_limit_wait_us(&limit, MIB, now), 0);
    xlm_rate_limit_spend(&limit, MIB / 2);
    wait = xlm_rate_limit_wait_us(&limit, MIB, now);
    assert_in_range(wait, SECOND / 2 - 2, SECOND / 2 + 2);
    assert_true(xlm_rate_limit_wait_us(&limit, MIB, now + wait - 10) > 0);
    assert_int_equal(xlm_rate_limit_wait_us(&limit, MIB, now + wait), 0);
}

static void saves_up_little(void **state)
{
    struct xlm_rate_limit limit = {0};
    uint64_t sent = 0, now = 1000 * SECOND;

    (void)state;
    while (!xlm_rate_limit_wait_us(&limit, MIB, now)) {
        xlm_rate_limit_spend(&limit, 4096);
        sent += 4096;
    }
    assert_in_range(sent, MIB / XLM_RATE_BURST,
                    MIB / XLM_RATE_BURST + 2 * 4096);
}

static void zero_holds_and_none_frees(void **state)
{
    struct xlm_rate_limit limit = {0};
    uint64_t now = SECOND;

    (void)state;
    assert_true(xlm_rate_limit_wait_us(&limit, 0, now) == XLM_RATE_WAIT_EVER);
    now += 1000 * SECOND;
    assert_true(xlm_rate_limit_wait_us(&limit, 0, now) == XLM_RATE_WAIT_EVER);
    /* A rate of 0 saves up no octets. */
    assert_int_equal(xlm_rate_limit_wait_us(&limit, MIB, now), 0);
    xlm_rate_limit_spend(&limit, 10);
    assert_true(xlm_rate_limit_wait_us(&limit, MIB, now) > 0);

    xlm_rate_limit_spend(&limit, (uint64_t)1 << 60);
    assert_int_equal(xlm_rate_limit_wait_us(&limit, XLM_RATE_UNLIMITED, now),
                     0);
    assert_int_equal(xlm_rate_limit_wait_us(&limit, MIB, now), 0);
}

/* Octets that were sent too early at one rate are paid for at the next one. */
static void the_rate_changes(void **state)
{
    struct xlm_rate_limit limit = {0};
    uint64_t now = SECOND;

    (void)state;
    xlm_rate_limit_wait_us(&limit, XLM_RATE_UNLIMITED, now);
    xlm_rate_limit_spend(&limit, 100 * MIB);
    assert_in_range(xlm_rate_limit_wait_us(&limit, MIB, now), 99 * SECOND,
                    101 * SECOND);
    assert_in_range(xlm_rate_limit_wait_us(&limit, 100 * MIB, now),
                    SECOND * 99 / 100, SECOND * 101 / 100);
}

static void extremes(void **state)
{
    static const uint64_t rates[] = {
        1, 4096, (uint64_t)1 << 40, (uint64_t)1 << 63, XLM_RATE_UNLIMITED - 1};
    static const uint64_t clocks[] = {0, 1, SECOND, (uint64_t)1 << 62};

    (void)state;
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        struct xlm_rate_limit limit = {0};

        for (size_t c = 0; c < sizeof(clocks) / sizeof(clocks[0]); c++) {
            for (int i = 0; i < 100; i++) {
                xlm_rate_limit_wait_us(&limit, rates[r], clocks[c] + i);
                xlm_rate_limit_spend(&limit, UINT64_MAX);
                assert_true(xlm_rate_limit_wait_us(&limit, rates[r],
                                                   clocks[c] + i) > 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_rate),
        cmocka_unit_test(however_often_it_is_asked),
        cmocka_unit_test(tells_how_long),
        cmocka_unit_test(saves_up_little),
        cmocka_unit_test(zero_holds_and_none_frees),
        cmocka_unit_test(the_rate_changes),
        cmocka_unit_test(extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
