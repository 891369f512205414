/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How precopy will go on.  The policy itself decides about the future rounds,
 * so a change of the policy changes the forecast.
 */
#include "source/forecast.h"

#define US_PER_SECOND 1000000u
#define DAY_US (UINT64_C(86400) * US_PER_SECOND)
/* A guest that writes as fast as pages go could keep this busy for ever. */
#define ROUNDS_MAX 1000

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* Numbers of pages and rates are far too small to overflow. */
static uint64_t sending_us(uint64_t pages, uint64_t rate)
{
    return pages * US_PER_SECOND / rate;
}

/* What the guest writes in this time. */
static uint64_t written(const struct lm_forecast_input *now, uint64_t us)
{
    return least(now->guest_pages,
                 now->dirty_rate * (least(us, DAY_US) / 1000) / 1000);
}

struct course {
    struct xlm_precopy_stats stats; /* as they will be */
    uint64_t left_us;
};

/* Pass a round: `pages` of it are left, and it has taken `before_us` so
 * far. */
static void pass_round(struct course *course,
                       const struct lm_precopy_limits *limits,
                       const struct lm_forecast_input *now, uint64_t pages,
                       uint64_t before_us)
{
    uint64_t us = sending_us(pages, now->pace);
    uint64_t cut_us = limits->after_us > course->stats.elapsed_us
                          ? limits->after_us - course->stats.elapsed_us
                          : 0;
    uint64_t unsent = 0;

    if (limits->after_us && us > cut_us) {
        unsent = pages - cut_us * now->pace / US_PER_SECOND;
        us = cut_us;
    }
    course->left_us += us;
    course->stats.elapsed_us += us;
    course->stats.dirty_count =
        least(now->guest_pages, unsent + written(now, before_us + us));
    course->stats.iteration++;
}

static struct lm_forecast stop(const struct course *course,
                               const struct lm_forecast_input *now,
                               enum xlm_precopy_answer answer)
{
    uint64_t dirty = course->stats.dirty_count, stopped = dirty, later = 0;
    struct lm_forecast forecast;

    if (answer == XLM_PRECOPY_POSTCOPY) {
        stopped = least(dirty, now->stop_pages);
        later = dirty - stopped;
    }
    forecast.downtime_us = sending_us(stopped, now->send_rate);
    forecast.left_us =
        course->left_us + forecast.downtime_us + sending_us(later, now->pace);
    if (forecast.left_us > DAY_US) {
        forecast.left_us = 0;
    }
    return forecast;
}

struct lm_forecast lm_forecast(const struct lm_precopy_limits *limits,
                               const struct lm_forecast_input *now)
{
    struct course course = {
        .stats =
            {
                .iteration = now->iteration,
                .guest_pages = now->guest_pages,
                .elapsed_us = now->elapsed_us,
                .send_rate = now->send_rate,
                .dirty_rate = now->dirty_rate,
                .round_pages = now->round_left,
            },
    };
    enum xlm_precopy_answer answer;

    if (!now->pace || !now->send_rate ||
        (!now->iteration && !now->dirty_rate)) {
        return (struct lm_forecast){0};
    }
    pass_round(&course, limits, now, now->round_left, now->round_us);
    course.stats.round_pages =
        now->round_left + now->round_us * now->pace / US_PER_SECOND;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        uint64_t next = course.stats.dirty_count;

        answer = lm_precopy_policy(limits, &course.stats);
        if (answer != XLM_PRECOPY_CONTINUE) {
            return stop(&course, now, answer);
        }
        pass_round(&course, limits, now, next, 0);
        course.stats.round_pages = next;
    }
    return stop(&course, now, XLM_PRECOPY_STOP_AND_COPY);
}

struct lm_forecast lm_forecaster_look(struct lm_forecaster *forecaster,
                                      const struct lm_precopy_limits *limits,
                                      const struct xlm_stats *stats,
                                      uint64_t pace, uint64_t now_us)
{
    if (!forecaster->begun) {
        forecaster->begun = true;
        forecaster->precopy_at_us = now_us;
        forecaster->round_at_us = now_us;
    }
    if (stats->iterations != forecaster->iterations) {
        forecaster->iterations = stats->iterations;
        forecaster->round_at_us = now_us;
    }
    return lm_forecast(limits,
                       &(struct lm_forecast_input){
                           .round_left = stats->dirty_pages,
                           .round_us = now_us - forecaster->round_at_us,
                           .iteration = stats->iterations,
                           .elapsed_us = now_us - forecaster->precopy_at_us,
                           .guest_pages = stats->guest_pages,
                           .dirty_rate = stats->dirty_rate,
                           .send_rate = stats->send_rate,
                           .pace = pace ? pace : stats->send_rate,
                           .stop_pages = forecaster->stop_pages,
                       });
}
