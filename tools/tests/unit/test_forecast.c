/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The forecast that precopy makes of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/forecast.h"

#define SECOND 1000000u
#define MS 1000u

/* A guest of 400 MiB over a link of 40 MiB/s. */
#define GUEST 100000
#define RATE 10000

#define ROUNDS(n) \
    { \
        .iterations = (n), .dirty_threshold = 50 \
    }
#define POSTCOPY(n) \
    { \
        .postcopy = true, .iterations = (n), .dirty_threshold = 50 \
    }

static const struct {
    const char *what;
    struct lm_precopy_limits limits;
    struct lm_forecast_input now;
    uint64_t downtime_us, left_us;
} cases[] = {
    {"one round, of which half is sent",
     ROUNDS(1),
     {.round_left = 50000,
      .round_us = 5 * SECOND,
      .dirty_rate = 1000,
      .iteration = 0},
     SECOND,
     6 * SECOND},
    {"a second round halves it again and again",
     ROUNDS(2),
     {.round_left = 100000, .dirty_rate = 5000},
     2500 * MS,
     17500 * MS},
    {"rounds until less than the threshold is left",
     ROUNDS(30),
     {.round_left = 100000, .dirty_rate = 1000},
     MS,
     11111 * MS},
    {"an idle guest",
     ROUNDS(5),
     {.round_left = 20000, .iteration = 1},
     0,
     2 * SECOND},
    {"postcopy: the stop takes what was written last, the rest follows",
     POSTCOPY(1),
     {.round_left = 50000,
      .round_us = 5 * SECOND,
      .dirty_rate = 1000,
      .stop_pages = 250},
     25 * MS,
     6 * SECOND},
    {"postcopy: so little is left that the stop takes it all",
     POSTCOPY(1),
     {.round_left = 100, .dirty_rate = 1000, .stop_pages = 250},
     MS,
     11 * MS},
    {"the limit of the background does not hold in the stop",
     ROUNDS(1),
     {.round_left = 10000, .dirty_rate = 100, .pace = 1000},
     100 * MS,
     10100 * MS},
    {"postcopy after four seconds, in the middle of the round",
     {.postcopy = true,
      .iterations = UINT32_MAX,
      .after_us = 4 * SECOND,
      .downtime_us = 300 * MS},
     {.round_left = 100000,
      .elapsed_us = SECOND,
      .round_us = SECOND,
      .dirty_rate = 1000,
      .stop_pages = 200},
     20 * MS,
     10400 * MS},
    {"a guest that writes faster than pages go: watched, it goes at once",
     {.postcopy = true,
      .watch = true,
      .iterations = 30,
      .dirty_threshold = 50,
      .downtime_us = 300 * MS},
     {.round_left = 50000,
      .round_us = 5 * SECOND,
      .dirty_rate = 20000,
      .stop_pages = 200},
     20 * MS,
     15 * SECOND},
    {"... and unwatched it is sent again and again",
     ROUNDS(3),
     {.round_left = 100000, .dirty_rate = 20000},
     10 * SECOND,
     40 * SECOND},
    {"evicting what is left comes before the stop, and the guest writes",
     POSTCOPY(1),
     {.round_left = 50000,
      .round_us = 5 * SECOND,
      .dirty_rate = 1000,
      .evict_rate = 2000,
      .absent = 2000,
      .stop_pages = 250},
     25 * MS,
     10400 * MS},
    {"... but there is nothing to evict where the stop takes all",
     ROUNDS(1),
     {.round_left = 50000,
      .round_us = 5 * SECOND,
      .dirty_rate = 1000,
      .evict_rate = 2000},
     SECOND,
     6 * SECOND},
    {"the round is cut so that evicting ends when the time is up",
     {.postcopy = true,
      .iterations = UINT32_MAX,
      .after_us = 8 * SECOND,
      .downtime_us = 300 * MS},
     {.round_left = 100000,
      .elapsed_us = SECOND,
      .round_us = SECOND,
      .dirty_rate = 1000,
      .evict_rate = 20000,
      .stop_pages = 200},
     20 * MS,
     14250 * MS},
    {"... or at once",
     {.postcopy = true,
      .iterations = UINT32_MAX,
      .after_us = 4 * SECOND,
      .downtime_us = 300 * MS},
     {.round_left = 90000,
      .elapsed_us = SECOND,
      .round_us = SECOND,
      .dirty_rate = 1000,
      .evict_rate = 10000,
      .stop_pages = 200},
     20 * MS,
     19100 * MS},
    {"more than a day counts as a day",
     ROUNDS(1),
     {.round_left = 100000, .dirty_rate = 1, .pace = 1},
     8640 * MS,
     0},
};

static void forecasts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lm_forecast_input now = cases[i].now;
        struct lm_forecast forecast;

        now.guest_pages = GUEST;
        now.send_rate = RATE;
        now.pace = now.pace ? now.pace : RATE;
        forecast = lm_forecast(&cases[i].limits, &now);
        print_message("%s\n", cases[i].what);
        assert_in_range(forecast.downtime_us, cases[i].downtime_us * 98 / 100,
                        cases[i].downtime_us * 102 / 100);
        assert_in_range(forecast.left_us, cases[i].left_us * 98 / 100,
                        cases[i].left_us * 102 / 100);
    }
}

static void nothing_is_made_up(void **state)
{
    const struct lm_precopy_limits limits = ROUNDS(5);
    const struct lm_forecast_input whole = {
        .round_left = 1000,
        .guest_pages = GUEST,
        .dirty_rate = 100,
        .send_rate = RATE,
        .pace = RATE,
    };
    struct lm_forecast_input now;
    struct lm_forecast forecast;

    (void)state;
    assert_int_not_equal(lm_forecast(&limits, &whole).left_us, 0);
    for (int lacks = 0; lacks < 3; lacks++) {
        now = whole;
        now.pace = lacks == 0 ? 0 : now.pace;
        now.send_rate = lacks == 1 ? 0 : now.send_rate;
        now.dirty_rate = lacks == 2 ? 0 : now.dirty_rate;
        forecast = lm_forecast(&limits, &now);
        assert_int_equal(forecast.downtime_us, 0);
        assert_int_equal(forecast.left_us, 0);
    }
}

/* The forecast ends for any input, and never divides by 0. */
static void numbers_without_measure(void **state)
{
    const struct lm_precopy_limits limits = {
        .iterations = UINT32_MAX,
        .after_us = UINT64_MAX / 2,
    };
    const struct lm_forecast_input now = {
        .round_left = UINT32_MAX,
        .guest_pages = UINT32_MAX,
        .dirty_rate = UINT32_MAX,
        .send_rate = 1,
        .pace = 1,
        .round_us = UINT32_MAX,
    };

    (void)state;
    assert_int_equal(lm_forecast(&limits, &now).left_us, 0);
}

static void looks_by_the_clock(void **state)
{
    const struct lm_precopy_limits limits = ROUNDS(2);
    struct lm_forecaster forecaster = {0};
    struct xlm_stats stats = {
        .dirty_pages = 100000,
        .guest_pages = GUEST,
        .send_rate = RATE,
        .dirty_rate = 1000,
    };
    struct lm_forecast forecast;

    (void)state;
    forecast = lm_forecaster_look(&forecaster, &limits, &stats, 0, SECOND);
    assert_in_range(forecast.left_us, 11 * SECOND, 12 * SECOND);
    stats.dirty_pages = 50000; /* five seconds of the round are over */
    forecast =
        lm_forecaster_look(&forecaster, &limits, &stats, RATE, 6 * SECOND);
    assert_in_range(forecast.left_us, 6 * SECOND, 7 * SECOND);
    stats.iterations = 1; /* the last round begins */
    stats.dirty_pages = 10000;
    forecast =
        lm_forecaster_look(&forecaster, &limits, &stats, RATE, 11 * SECOND);
    assert_in_range(forecast.left_us, 1090 * MS, 1110 * MS);
    assert_in_range(forecast.downtime_us, 98 * MS, 102 * MS);
}

/* Precopy has ended: evicting, the stop, and what is pushed. */
static void while_pages_are_evicted(void **state)
{
    const struct lm_precopy_limits limits = ROUNDS(2);
    struct lm_forecaster forecaster = {.stop_pages = 200};
    struct xlm_stats stats = {
        .guest_pages = GUEST,
        .send_rate = RATE,
        .dirty_rate = 100,
        .eviction.left = 20000,
        .evict_left_us = 4 * SECOND,
    };
    struct lm_forecast forecast;

    (void)state;
    forecast = lm_forecaster_evicting(&forecaster, &stats);
    assert_int_equal(forecast.left_us, 0); /* no rate is known yet */
    stats.dirty_pages = 10;
    (void)lm_forecaster_look(&forecaster, &limits, &stats, RATE / 2, SECOND);
    forecast = lm_forecaster_evicting(&forecaster, &stats);
    assert_int_equal(forecast.downtime_us, 20 * MS);
    assert_in_range(forecast.left_us, 8000 * MS, 8100 * MS);
    stats.evict_left_us = 0;
    forecast = lm_forecaster_evicting(&forecaster, &stats);
    assert_in_range(forecast.left_us, 3970 * MS, 3990 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forecasts),
        cmocka_unit_test(nothing_is_made_up),
        cmocka_unit_test(numbers_without_measure),
        cmocka_unit_test(looks_by_the_clock),
        cmocka_unit_test(while_pages_are_evicted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
