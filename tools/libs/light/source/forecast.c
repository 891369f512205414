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

/* How long evicting takes if these pages are left. */
static uint64_t evicting_us(const struct lm_precopy_limits *limits,
                            const struct lm_forecast_input *now,
                            uint64_t pages)
{
    return limits->postcopy && now->evict_rate && pages > now->absent
               ? (pages - now->absent) * US_PER_SECOND / now->evict_rate
               : 0;
}

struct course {
    const struct lm_precopy_limits *limits;
    const struct lm_forecast_input *now;
    struct xlm_precopy_stats stats; /* as they will be */
    uint64_t left_us;
};

/* A round that goes on from now. */
struct round {
    uint64_t pages;     /* left of it */
    uint64_t before_us; /* what it has taken so far */
};

/* What the destination will lack of the round `us` from now. */
static uint64_t lacking(const struct course *course, const struct round *round,
                        uint64_t us)
{
    const struct lm_forecast_input *now = course->now;
    uint64_t sent = least(round->pages, us * now->pace / US_PER_SECOND);

    return least(now->guest_pages,
                 round->pages - sent + written(now, round->before_us + us));
}

/* Will the time be up `us` from now?  As in the policy. */
static bool is_up(const struct course *course, const struct round *round,
                  uint64_t us)
{
    return course->stats.elapsed_us + us +
               evicting_us(course->limits, course->now,
                           lacking(course, round, us)) >=
           course->limits->after_us;
}

/* When the time is up, in a round of this length; `us` if it is not. */
static uint64_t cut(const struct course *course, const struct round *round,
                    uint64_t us)
{
    uint64_t before = 0, after = us;

    if (!course->limits->after_us || !is_up(course, round, us)) {
        return us;
    }
    if (is_up(course, round, 0)) {
        return 0;
    }
    while (after - before > 1) {
        uint64_t middle = before + (after - before) / 2;

        if (is_up(course, round, middle)) {
            after = middle;
        } else {
            before = middle;
        }
    }
    return after;
}

static void pass_round(struct course *course, const struct round *round)
{
    uint64_t us =
        cut(course, round, sending_us(round->pages, course->now->pace));
    struct xlm_precopy_stats *stats = &course->stats;

    course->left_us += us;
    stats->dirty_count = lacking(course, round, us);
    stats->left_pages = stats->dirty_count;
    stats->evict_us =
        evicting_us(course->limits, course->now, stats->dirty_count);
    stats->elapsed_us += us;
    stats->iteration++;
}

/* Before the stop for postcopy the guest runs on until all is evicted, and
 * writes. */
static struct lm_forecast stop(const struct course *course,
                               enum xlm_precopy_answer answer)
{
    const struct lm_forecast_input *now = course->now;
    uint64_t dirty = course->stats.dirty_count, stopped = dirty;
    uint64_t later = 0, evict_us = 0;
    struct lm_forecast forecast;

    if (answer == XLM_PRECOPY_POSTCOPY) {
        evict_us = course->stats.evict_us;
        dirty = least(now->guest_pages, dirty + written(now, evict_us));
        stopped = least(dirty, now->stop_pages);
        later = dirty - stopped;
    }
    forecast.downtime_us = sending_us(stopped, now->send_rate);
    forecast.left_us = course->left_us + evict_us + forecast.downtime_us +
                       sending_us(later, now->pace);
    if (forecast.left_us > DAY_US) {
        forecast.left_us = 0;
    }
    return forecast;
}

struct lm_forecast lm_forecast(const struct lm_precopy_limits *limits,
                               const struct lm_forecast_input *now)
{
    struct course course = {
        .limits = limits,
        .now = now,
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
    pass_round(&course, &(struct round){now->round_left, now->round_us});
    course.stats.round_pages =
        now->round_left + now->round_us * now->pace / US_PER_SECOND;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        uint64_t next = course.stats.dirty_count;

        answer = lm_precopy_policy(limits, &course.stats);
        if (answer != XLM_PRECOPY_CONTINUE) {
            return stop(&course, answer);
        }
        pass_round(&course, &(struct round){next, 0});
        course.stats.round_pages = next;
    }
    return stop(&course, XLM_PRECOPY_STOP_AND_COPY);
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
    forecaster->pace = pace ? pace : stats->send_rate;
    return lm_forecast(limits,
                       &(struct lm_forecast_input){
                           .round_left = stats->dirty_pages,
                           .round_us = now_us - forecaster->round_at_us,
                           .iteration = stats->iterations,
                           .elapsed_us = now_us - forecaster->precopy_at_us,
                           .guest_pages = stats->guest_pages,
                           .dirty_rate = stats->dirty_rate,
                           .send_rate = stats->send_rate,
                           .pace = forecaster->pace,
                           .stop_pages = forecaster->stop_pages,
                           .evict_rate = stats->eviction.rate,
                           .absent = stats->eviction.absent,
                       });
}

struct lm_forecast lm_forecaster_evicting(
    const struct lm_forecaster *forecaster, const struct xlm_stats *stats)
{
    const struct lm_forecast_input now = {
        .guest_pages = stats->guest_pages,
        .dirty_rate = stats->dirty_rate,
        .send_rate = stats->send_rate,
        .pace = forecaster->pace,
        .stop_pages = forecaster->stop_pages,
    };
    const struct course course = {
        .now = &now,
        .stats =
            {
                .dirty_count = stats->eviction.left,
                .evict_us = stats->evict_left_us,
            },
    };

    return now.pace && now.send_rate ? stop(&course, XLM_PRECOPY_POSTCOPY)
                                     : (struct lm_forecast){0};
}
