/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How precopy will go on, by the rates of late: pure.
 */
#ifndef LM_FORECAST_H
#define LM_FORECAST_H

#include "source/precopy_policy.h"

struct lm_forecast_input {
    uint64_t round_left;    /* pages still to be sent in the round */
    uint64_t round_us;      /* since the round began */
    unsigned int iteration; /* rounds completed */
    uint64_t elapsed_us;    /* since precopy began */
    uint64_t guest_pages;
    uint64_t dirty_rate; /* pages a second that the guest writes */
    uint64_t send_rate;  /* pages a second while sending */
    /* Pages a second that rounds and pushed pages go at, a limit included. */
    uint64_t pace;
    uint64_t stop_pages; /* with postcopy: most pages that the stop takes */
    /* Pages a second that the destination evicts; 0: not known, then evicting
     * is left out of the forecast. */
    uint64_t evict_rate;
    uint64_t absent; /* pages that have been evicted */
};

struct lm_forecast {
    /* What sending takes in the stop: the suspend, and the devices' state, are
     * not in it. */
    uint64_t downtime_us;
    /* Until the destination has everything; evicting included. */
    uint64_t left_us;
};

/*
 * Go through the rounds that the policy will make of these rates, up to the
 * stop.  Both results are 0 as long as a rate is not known, and left_us also
 * when it would be more than a day.
 */
struct lm_forecast lm_forecast(const struct lm_precopy_limits *limits,
                               const struct lm_forecast_input *now);

/* What is kept from one look at a migration to the next. */
struct lm_forecaster {
    uint64_t stop_pages; /* as above; the rest is zero at first */
    bool begun;
    uint64_t pace; /* at the last look */
    uint64_t iterations;
    uint64_t precopy_at_us;
    uint64_t round_at_us;
};

/* Call in precopy alone, at each report of progress.  `pace` as above; 0: as
 * the pages were sent. */
struct lm_forecast lm_forecaster_look(struct lm_forecaster *forecaster,
                                      const struct lm_precopy_limits *limits,
                                      const struct xlm_stats *stats,
                                      uint64_t pace, uint64_t now_us);

/* Call while pages are evicted, at each report of progress; all is 0 if there
 * was no precopy. */
struct lm_forecast lm_forecaster_evicting(
    const struct lm_forecaster *forecaster, const struct xlm_stats *stats);

#endif
