#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "precopy_policy.h"

static const struct {
    bool postcopy;
    unsigned int iterations;
    uint64_t threshold;
    unsigned int iteration;
    uint64_t dirty;
    enum xlm_precopy_answer answer;
} cases[] = {
    /* Pure postcopy: no round at all, however small the guest. */
    {true, 0, 50, 0, 100000, XLM_PRECOPY_POSTCOPY},
    {true, 0, 50, 0, 10, XLM_PRECOPY_POSTCOPY},
    {true, 0, 0, 0, 0, XLM_PRECOPY_POSTCOPY},
    /* Hybrid: the rounds that were asked for, then postcopy ... */
    {true, 2, 50, 0, 100000, XLM_PRECOPY_CONTINUE},
    {true, 2, 50, 0, 10, XLM_PRECOPY_CONTINUE},
    {true, 2, 50, 1, 51, XLM_PRECOPY_CONTINUE},
    {true, 2, 50, 2, 51, XLM_PRECOPY_POSTCOPY},
    {true, 2, 50, 3, 51, XLM_PRECOPY_POSTCOPY},
    /* ... unless so little is left that a stop is over as soon. */
    {true, 2, 50, 1, 50, XLM_PRECOPY_STOP_AND_COPY},
    {true, 2, 50, 2, 0, XLM_PRECOPY_STOP_AND_COPY},
    {true, 2, 0, 1, 1, XLM_PRECOPY_CONTINUE},
    {true, 2, 0, 1, 0, XLM_PRECOPY_STOP_AND_COPY},
    /* Without postcopy. */
    {false, 5, 50, 0, 10, XLM_PRECOPY_CONTINUE},
    {false, 5, 50, 4, 51, XLM_PRECOPY_CONTINUE},
    {false, 5, 50, 5, 51, XLM_PRECOPY_STOP_AND_COPY},
    {false, 5, 50, 1, 50, XLM_PRECOPY_STOP_AND_COPY},
    {false, 0, 50, 0, 100000, XLM_PRECOPY_STOP_AND_COPY},
};

static void table(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lm_precopy_limits limits = {
            .postcopy = cases[i].postcopy,
            .iterations = cases[i].iterations,
            .dirty_threshold = cases[i].threshold,
        };
        const struct xlm_precopy_stats stats = {
            .iteration = cases[i].iteration,
            .dirty_count = cases[i].dirty,
            .guest_pages = 100000,
        };

        if (lm_precopy_policy(&limits, &stats) != cases[i].answer) {
            fail_msg("case %zu has another answer", i);
        }
    }
}

/* However dirty the guest stays, the policy comes to an end. */
static void it_ends(void **state)
{
    struct lm_precopy_limits limits = {.dirty_threshold = 50};
    struct xlm_precopy_stats stats = {.dirty_count = 100000};

    (void)state;
    for (limits.iterations = 0; limits.iterations < 40; limits.iterations++) {
        limits.postcopy = limits.iterations % 2;
        for (stats.iteration = 0;
             lm_precopy_policy(&limits, &stats) == XLM_PRECOPY_CONTINUE;
             stats.iteration++) {
            assert_true(stats.iteration < limits.iterations);
        }
        assert_int_equal(stats.iteration, limits.iterations);
    }
}

/* ---- rates ---- */

#define SECOND 1000000u
#define GUEST 65536 /* pages, 256 MiB */

/*
 * A guest as the engine sees it: it writes all over a working set, of which so
 * many pages a second are written, each sooner or later; the wire sends so
 * many pages a second.  The rounds are played through in steps of a tenth of
 * a second.
 */
struct guest {
    const char *name;
    uint64_t working_set;
    uint64_t writes; /* pages a second, distinct until all are written */
    uint64_t sends;
    enum xlm_precopy_answer answer;
    /* By then the answer is there, in tenths of the time that sending the
     * whole guest takes. */
    unsigned int at_most;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the answer came, in microseconds. */
static uint64_t play(const struct lm_precopy_limits *limits,
                     const struct guest *guest,
                     enum xlm_precopy_answer *answer)
{
    struct xlm_precopy_stats stats = {
        .dirty_count = GUEST,
        .guest_pages = GUEST,
    };

    while ((*answer = lm_precopy_policy(limits, &stats)) ==
           XLM_PRECOPY_CONTINUE) {
        uint64_t began_us = stats.elapsed_us, left = stats.dirty_count;

        assert_true(stats.iteration < 1000);
        stats.round_pages = left;
        stats.round_sent = 0;
        stats.dirty_count = 0;
        stats.in_round = true;
        stats.send_rate = guest->sends;
        while (left && *answer == XLM_PRECOPY_CONTINUE) {
            uint64_t sent = least(left, guest->sends / 10);
            uint64_t round_us;

            left -= sent;
            stats.round_sent += sent;
            stats.total_written += sent;
            stats.elapsed_us += SECOND * sent / guest->sends + 1;
            round_us = stats.elapsed_us - began_us;
            stats.dirty_count =
                least(guest->working_set, guest->writes * round_us / SECOND);
            stats.dirty_rate = stats.dirty_count * SECOND / round_us;
            *answer = lm_precopy_policy(limits, &stats);
        }
        if (*answer != XLM_PRECOPY_CONTINUE) {
            break;
        }
        stats.in_round = false;
        stats.iteration++;
    }
    return stats.elapsed_us;
}

static const struct lm_precopy_limits automatic = {
    .postcopy = true,
    .watch = true,
    .iterations = 30,
    .dirty_threshold = 50,
    .downtime_us = 300000,
};

static const struct guest guests[] = {
    /* They end well, soon after one round. */
    {"idle", 20, 20, 10000, XLM_PRECOPY_STOP_AND_COPY, 11},
    {"nearly idle", 1000, 200, 10000, XLM_PRECOPY_STOP_AND_COPY, 11},
    {"busy in little", 2900, 20000, 10000, XLM_PRECOPY_STOP_AND_COPY, 11},
    /* They need a few. */
    {"slow all over", GUEST, 1000, 10000, XLM_PRECOPY_STOP_AND_COPY, 13},
    {"a third as fast", GUEST, 3300, 10000, XLM_PRECOPY_STOP_AND_COPY, 17},
    {"fast wire", GUEST, 30000, 100000, XLM_PRECOPY_STOP_AND_COPY, 17},
    /* They would never end. */
    {"as fast", GUEST, 10000, 10000, XLM_PRECOPY_POSTCOPY, 8},
    {"faster", GUEST, 40000, 10000, XLM_PRECOPY_POSTCOPY, 3},
    {"much faster", GUEST, 1000000, 10000, XLM_PRECOPY_POSTCOPY, 2},
    {"slow wire", GUEST, 1000, 500, XLM_PRECOPY_POSTCOPY, 6},
    /* Most is cold: that goes first, the hot rest by postcopy. */
    {"hot fifth", GUEST / 5, 40000, 10000, XLM_PRECOPY_POSTCOPY, 12},
    {"hot tenth", GUEST / 10, 6000, 10000, XLM_PRECOPY_POSTCOPY, 13},
};

static void by_rates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
        const struct guest *guest = &guests[i];
        uint64_t whole_us = (uint64_t)GUEST * SECOND / guest->sends;
        enum xlm_precopy_answer answer;
        uint64_t us = play(&automatic, guest, &answer);

        if (answer != guest->answer || us > whole_us * guest->at_most / 10) {
            fail_msg("%s: answer %d after %lu tenths", guest->name, answer,
                     (unsigned long)(us * 10 / whole_us));
        }
    }
}

/* The first round of a guest with much cold memory is worth finishing. */
static void a_hot_part_lets_the_rest_go_first(void **state)
{
    enum xlm_precopy_answer answer;
    const struct guest hot = {"", GUEST / 5, 40000, 10000, 0, 0};

    (void)state;
    assert_true(play(&automatic, &hot, &answer) >=
                (uint64_t)GUEST * SECOND / 10000);
}

static void after_a_time(void **state)
{
    struct lm_precopy_limits limits = {
        .postcopy = true,
        .iterations = UINT32_MAX,
        .dirty_threshold = 50,
        .after_us = 3 * SECOND,
        .downtime_us = 300000,
    };
    const struct guest busy = {"", GUEST, 40000, 10000, 0, 0};
    const struct guest idle = {"", 20, 20, 100000, 0, 0};
    enum xlm_precopy_answer answer;
    uint64_t us;

    (void)state;
    us = play(&limits, &busy, &answer);
    assert_int_equal(answer, XLM_PRECOPY_POSTCOPY);
    assert_in_range(us, 3 * SECOND, 3 * SECOND + SECOND / 5);
    /* Whoever is done before does not wait for it. */
    us = play(&limits, &idle, &answer);
    assert_int_equal(answer, XLM_PRECOPY_STOP_AND_COPY);
    assert_in_range(us, 1, SECOND);
    /* Without postcopy it stops then. */
    limits.postcopy = false;
    play(&limits, &busy, &answer);
    assert_int_equal(answer, XLM_PRECOPY_STOP_AND_COPY);
}

/* Rounds that are counted are not cut short. */
static void counted_rounds_are_whole(void **state)
{
    const struct lm_precopy_limits limits = {
        .postcopy = true,
        .iterations = 3,
        .dirty_threshold = 50,
    };
    const struct xlm_precopy_stats stats = {
        .in_round = true,
        .iteration = 2,
        .total_written = 10 * GUEST,
        .dirty_count = GUEST,
        .guest_pages = GUEST,
        .round_pages = GUEST,
        .round_sent = 10,
        .elapsed_us = 1000 * SECOND,
        .send_rate = 1,
    };
    struct xlm_precopy_stats little = stats;

    (void)state;
    assert_int_equal(lm_precopy_policy(&limits, &stats), XLM_PRECOPY_CONTINUE);
    little.dirty_count = 0;
    assert_int_equal(lm_precopy_policy(&limits, &little),
                     XLM_PRECOPY_CONTINUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(it_ends),
        cmocka_unit_test(by_rates),
        cmocka_unit_test(a_hot_part_lets_the_rest_go_first),
        cmocka_unit_test(after_a_time),
        cmocka_unit_test(counted_rounds_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
