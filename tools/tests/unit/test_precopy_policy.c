/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "source/precopy_policy.h"

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
    /* ... unless so few pages are left that a stop takes no longer. */
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
 * A guest as the engine sees it: it writes a number of pages a second at
 * random within its working set, and the wire sends a number of pages a
 * second.  The test plays the rounds in steps of a tenth of a second.
 */
struct guest {
    const char *name;
    uint64_t working_set;
    uint64_t writes; /* pages a second, distinct until all are written */
    uint64_t sends;
    enum xlm_precopy_answer answer;
    /* The answer must come by then, in tenths of the time that sending the
     * whole guest takes. */
    unsigned int at_most;
    uint64_t evicts; /* pages a second at the destination; 0: not known */
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void take_eviction(struct xlm_precopy_stats *stats,
                          const struct guest *guest, uint64_t left)
{
    stats->left_pages = left;
    stats->evict_us = guest->evicts ? left * SECOND / guest->evicts : 0;
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
            take_eviction(&stats, guest, left + stats.dirty_count);
            *answer = lm_precopy_policy(limits, &stats);
        }
        if (*answer != XLM_PRECOPY_CONTINUE) {
            break;
        }
        stats.in_round = false;
        stats.iteration++;
        take_eviction(&stats, guest, stats.dirty_count);
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
    /* These guests end well, soon after one round. */
    {"idle", 20, 20, 10000, XLM_PRECOPY_STOP_AND_COPY, 11},
    {"nearly idle", 1000, 200, 10000, XLM_PRECOPY_STOP_AND_COPY, 11},
    {"busy in little", 2900, 20000, 10000, XLM_PRECOPY_STOP_AND_COPY, 11},
    /* These need a few rounds. */
    {"slow all over", GUEST, 1000, 10000, XLM_PRECOPY_STOP_AND_COPY, 13},
    {"a third as fast", GUEST, 3300, 10000, XLM_PRECOPY_STOP_AND_COPY, 17},
    {"fast wire", GUEST, 30000, 100000, XLM_PRECOPY_STOP_AND_COPY, 17},
    /* These would never end. */
    {"as fast", GUEST, 10000, 10000, XLM_PRECOPY_POSTCOPY, 8},
    {"faster", GUEST, 40000, 10000, XLM_PRECOPY_POSTCOPY, 3},
    {"much faster", GUEST, 1000000, 10000, XLM_PRECOPY_POSTCOPY, 2},
    {"slow wire", GUEST, 1000, 500, XLM_PRECOPY_POSTCOPY, 6},
    /* Most pages are cold: precopy sends these, and postcopy the rest, which
     * are hot. */
    {"hot fifth", GUEST / 5, 40000, 10000, XLM_PRECOPY_POSTCOPY, 12},
    {"hot tenth", GUEST / 10, 6000, 10000, XLM_PRECOPY_POSTCOPY, 13},
    /* Two thirds of what is sent are written again: that is too much ... */
    {"two thirds as fast", GUEST, 6600, 10000, XLM_PRECOPY_POSTCOPY, 8},
    /* ... also where pages are evicted much faster than they are sent ... */
    {"evicts fast", GUEST, 6600, 10000, XLM_PRECOPY_POSTCOPY, 8, 1000000},
    /* ... but not where a page that a round sends saves more. */
    {"evicts slowly", GUEST, 6600, 10000, XLM_PRECOPY_STOP_AND_COPY, 30, 2000},
    {"evicts very slowly", GUEST, 8000, 10000, XLM_PRECOPY_POSTCOPY, 10, 10},
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
    const struct guest hot = {"", GUEST / 5, 40000, 10000, 0, 0, 0};

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
    const struct guest busy = {"", GUEST, 40000, 10000, 0, 0, 0};
    const struct guest idle = {"", 20, 20, 100000, 0, 0, 0};
    enum xlm_precopy_answer answer;
    uint64_t us;

    (void)state;
    us = play(&limits, &busy, &answer);
    assert_int_equal(answer, XLM_PRECOPY_POSTCOPY);
    assert_in_range(us, 3 * SECOND, 3 * SECOND + SECOND / 5);
    /* A precopy that ends before the time is up does not wait for it. */
    us = play(&limits, &idle, &answer);
    assert_int_equal(answer, XLM_PRECOPY_STOP_AND_COPY);
    assert_in_range(us, 1, SECOND);
    /* Without postcopy the guest stops then. */
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

/*
 * Numbers that the engine gave between the hosts of the lab, for a guest of 64
 * MiB that writes a number of pages a second: six rounds over TCP, with some
 * of the calls in each.  A round ends later than its last page, and leaves out
 * pages that were written again.
 */
struct recorded {
    unsigned int iteration;
    bool in_round;
    uint64_t dirty_count;
    uint64_t round_pages;
    uint64_t round_sent;
    uint64_t elapsed_us;
    uint64_t send_rate;
    uint64_t dirty_rate;
};

#define RECORDED_PAGES 16394

static const struct recorded written_none[] = {
    {0, false, 16394, 0, 0, 12430, 0, 0},
    {0, true, 6, 16394, 1024, 809955, 1444, 7},
    {0, true, 6, 16394, 4096, 2988516, 1480, 2},
    {0, true, 6, 16394, 7168, 4903174, 1537, 1},
    {0, true, 6, 16394, 10240, 6693344, 1711, 0},
    {0, true, 6, 16394, 13312, 9950182, 1445, 0},
    {0, true, 6, 16394, 16384, 13510534, 1283, 0},
    {0, true, 6, 16394, 16394, 13513112, 1283, 0},
    {1, false, 6, 16394, 16394, 13608078, 1283, 0},
    {1, true, 6, 6, 6, 13685690, 1283, 77},
    {2, false, 6, 6, 6, 13705356, 1283, 61},
    {2, true, 6, 6, 6, 13844165, 1270, 43},
    {3, false, 6, 6, 6, 13852261, 1270, 41},
    {3, true, 6, 6, 6, 13873379, 1269, 290},
    {4, false, 6, 6, 6, 13883543, 1269, 215},
    {4, true, 6, 6, 6, 13894645, 1268, 562},
    {5, false, 6, 6, 6, 13904593, 1268, 362},
    {5, true, 6, 6, 6, 13918616, 1268, 441},
    {6, false, 6, 6, 6, 13929249, 1268, 303},
};

static const struct recorded written_200[] = {
    {0, false, 16394, 0, 0, 15143, 0, 0},
    {0, true, 134, 16394, 1024, 663787, 1585, 206},
    {0, true, 600, 16394, 4096, 3128920, 1382, 193},
    {0, true, 1303, 16394, 7168, 6659965, 1106, 196},
    {0, true, 1377, 16394, 10240, 8846607, 1197, 193},
    {0, true, 2241, 16394, 13312, 11566665, 1185, 194},
    {0, true, 2604, 16394, 16384, 14473085, 1167, 193},
    {0, true, 2604, 16394, 16390, 14479139, 1167, 193},
    {1, false, 2798, 16394, 16390, 14513296, 1167, 193},
    {1, true, 185, 2798, 1024, 15422184, 1165, 203},
    {1, true, 412, 2798, 2797, 16651383, 1187, 192},
    {2, false, 419, 2798, 2797, 16982124, 1187, 186},
    {2, true, 101, 419, 419, 17231282, 1196, 406},
    {3, false, 110, 419, 419, 17302969, 1196, 360},
    {3, true, 71, 110, 110, 17614937, 1193, 253},
    {4, false, 75, 110, 110, 17641578, 1193, 250},
    {4, true, 9, 75, 75, 17781594, 1197, 64},
    {5, false, 39, 75, 75, 17810611, 1197, 266},
    {5, true, 73, 39, 39, 18388906, 1177, 126},
    {6, false, 130, 39, 39, 18584978, 1177, 187},
};

static const struct recorded written_600[] = {
    {0, false, 16394, 0, 0, 15820, 0, 0},
    {0, true, 342, 16394, 1024, 567678, 1914, 629},
    {0, true, 1127, 16394, 4096, 1958382, 2167, 580},
    {0, true, 2321, 16394, 7168, 3988529, 1844, 584},
    {0, true, 4075, 16394, 10240, 7501498, 1489, 544},
    {0, true, 4075, 16394, 13312, 9937586, 1432, 544},
    {0, true, 4075, 16394, 16054, 11969117, 1418, 544},
    {1, false, 7007, 16394, 16054, 12013748, 1418, 584},
    {1, true, 1409, 7007, 2048, 14350178, 1328, 603},
    {1, true, 3773, 7007, 5120, 18637998, 1183, 569},
    {1, true, 4890, 7007, 7006, 20666135, 1162, 565},
    {2, false, 4924, 7007, 7006, 20683132, 1162, 568},
    {2, true, 1355, 4924, 3072, 22968731, 1181, 592},
    {2, true, 1688, 4924, 4923, 23546125, 1233, 589},
    {3, false, 1688, 4924, 4923, 23562065, 1233, 586},
    {3, true, 923, 1688, 1687, 25274941, 1219, 542},
    {4, false, 967, 1688, 1687, 25280613, 1219, 562},
    {4, true, 290, 967, 967, 25828040, 1231, 530},
    {5, false, 299, 967, 967, 25837775, 1231, 539},
    {5, true, 53, 299, 299, 25928560, 1239, 586},
    {6, false, 62, 299, 299, 25985280, 1239, 441},
};

static const struct recorded as_fast_as_it_can[] = {
    {0, false, 16394, 0, 0, 14296, 0, 0},
    {0, true, 6809, 16394, 1024, 2209741, 514, 3114},
    {0, true, 16344, 16394, 4096, 6369258, 685, 2572},
    {0, true, 16344, 16394, 4106, 6456984, 677, 2572},
    {1, false, 16344, 16394, 4106, 6495075, 677, 2523},
    {1, true, 3086, 16344, 1024, 7292913, 750, 3870},
    {1, true, 16344, 16344, 4096, 11604558, 747, 3199},
    {2, false, 16344, 16344, 4096, 11613149, 747, 3193},
    {2, true, 8637, 16344, 2048, 14146160, 771, 3414},
    {2, true, 16344, 16344, 4096, 16832448, 769, 3131},
    {3, false, 16344, 16344, 4096, 16838402, 769, 3128},
    {3, true, 16344, 16344, 3072, 25291742, 632, 1934},
    {4, false, 16344, 16344, 3072, 25309253, 632, 1929},
    {4, true, 8167, 16344, 2048, 27798886, 652, 3281},
    {4, true, 16344, 16344, 4096, 30865737, 654, 2941},
    {5, false, 16344, 16344, 4096, 30952234, 654, 2931},
    {5, true, 10561, 16344, 3072, 33957222, 690, 3515},
    {5, true, 16161, 16344, 5303, 35956073, 724, 3283},
    {6, false, 16344, 16344, 5303, 36080153, 724, 3238},
};

/* The first answer other than to go on, and after how many rounds. */
static enum xlm_precopy_answer replay(const struct lm_precopy_limits *limits,
                                      const struct recorded *calls,
                                      size_t count, unsigned int *iteration)
{
    enum xlm_precopy_answer answer = XLM_PRECOPY_CONTINUE;

    for (size_t i = 0; i < count && answer == XLM_PRECOPY_CONTINUE; i++) {
        const struct xlm_precopy_stats stats = {
            .iteration = calls[i].iteration,
            .in_round = calls[i].in_round,
            .dirty_count = calls[i].dirty_count,
            .guest_pages = RECORDED_PAGES,
            .round_pages = calls[i].round_pages,
            .round_sent = calls[i].round_sent,
            .elapsed_us = calls[i].elapsed_us,
            .send_rate = calls[i].send_rate,
            .dirty_rate = calls[i].dirty_rate,
            .left_pages = calls[i].dirty_count + calls[i].round_pages -
                          calls[i].round_sent,
        };

        *iteration = calls[i].iteration;
        answer = lm_precopy_policy(limits, &stats);
    }
    return answer;
}

#define EXPECT(limits, calls, expected_answer, expected_iteration) \
    do { \
        unsigned int iteration_; \
        assert_int_equal(replay(limits, calls, \
                                sizeof(calls) / sizeof((calls)[0]), \
                                &iteration_), \
                         expected_answer); \
        assert_int_equal(iteration_, expected_iteration); \
    } while (0)

static void recorded_rates(void **state)
{
    struct lm_precopy_limits limits = {
        .postcopy = true,
        .watch = true,
        .iterations = 30,
        .dirty_threshold = 50,
        .downtime_us = 300000,
    };

    (void)state;
    EXPECT(&limits, written_none, XLM_PRECOPY_STOP_AND_COPY, 1);
    EXPECT(&limits, written_200, XLM_PRECOPY_STOP_AND_COPY, 3);
    /* Half of what can be sent: each round is no shorter than half of the one
     * before. */
    EXPECT(&limits, written_600, XLM_PRECOPY_POSTCOPY, 1);
    EXPECT(&limits, as_fast_as_it_can, XLM_PRECOPY_POSTCOPY, 0);
    /* A guest that may stop for longer needs no postcopy; the last one
     * does. */
    limits.downtime_us = 7000000;
    EXPECT(&limits, written_200, XLM_PRECOPY_STOP_AND_COPY, 1);
    EXPECT(&limits, written_600, XLM_PRECOPY_STOP_AND_COPY, 1);
    EXPECT(&limits, as_fast_as_it_can, XLM_PRECOPY_POSTCOPY, 0);
    /* With rounds alone the rates decide nothing. */
    limits = (struct lm_precopy_limits){.postcopy = true, .iterations = 4};
    EXPECT(&limits, written_none, XLM_PRECOPY_POSTCOPY, 4);
    EXPECT(&limits, as_fast_as_it_can, XLM_PRECOPY_POSTCOPY, 4);
    /* The rates decide nothing once time is up. */
    limits.after_us = 9000000;
    EXPECT(&limits, written_600, XLM_PRECOPY_POSTCOPY, 0);
}

/* The guest moves once evicting is done, so evicting begins before the time is
 * up.  Without a time that was set it does not begin early. */
static void evicting_is_part_of_the_time(void **state)
{
    struct lm_precopy_limits limits = {
        .postcopy = true, .iterations = 10, .after_us = 9 * SECOND};
    struct xlm_precopy_stats stats = {.iteration = 1,
                                      .dirty_count = GUEST,
                                      .left_pages = GUEST,
                                      .elapsed_us = 5 * SECOND};

    (void)state;
    stats.evict_us = 4 * SECOND - 1;
    assert_int_equal(lm_precopy_policy(&limits, &stats), XLM_PRECOPY_CONTINUE);
    stats.evict_us = 4 * SECOND;
    assert_int_equal(lm_precopy_policy(&limits, &stats), XLM_PRECOPY_POSTCOPY);
    stats.in_round = true;
    assert_int_equal(lm_precopy_policy(&limits, &stats), XLM_PRECOPY_POSTCOPY);
    limits.after_us = 0;
    assert_int_equal(lm_precopy_policy(&limits, &stats), XLM_PRECOPY_CONTINUE);
}

/* Time is up, in the middle of a round or after it: what can be sent in the
 * stop need not be evicted. */
static void a_stop_may_be_better(void **state)
{
    const struct lm_precopy_limits limits = {.postcopy = true,
                                             .iterations = 10,
                                             .after_us = 9 * SECOND,
                                             .dirty_threshold = 50,
                                             .downtime_us = 300000};
    struct xlm_precopy_stats stats = {.iteration = 1,
                                      .elapsed_us = 5 * SECOND,
                                      .send_rate = 10000,
                                      .evict_us = 4 * SECOND};

    (void)state;
    for (int in_round = 0; in_round < 2; in_round++) {
        stats.in_round = in_round;
        stats.dirty_count = 2000;
        stats.left_pages = 3000;
        assert_int_equal(lm_precopy_policy(&limits, &stats),
                         XLM_PRECOPY_STOP_AND_COPY);
        stats.left_pages = 3010;
        assert_int_equal(lm_precopy_policy(&limits, &stats),
                         XLM_PRECOPY_POSTCOPY);
    }
    stats.send_rate = 0;
    stats.left_pages = 50;
    assert_int_equal(lm_precopy_policy(&limits, &stats),
                     XLM_PRECOPY_STOP_AND_COPY);
}

/* How much of a round may be written again, in thousandths, by the time that
 * evicting all that is left takes; sending that takes ten seconds. */
static void a_round_that_saves_evicting(void **state)
{
    static const struct {
        uint64_t evict_us;
        uint64_t dirty_most;
    } rows[] = {
        {0, 499},
        {SECOND, 499},
        {10 * SECOND, 499},   /* 1 / 2 */
        {15 * SECOND, 599},   /* 15 / 25 */
        {20 * SECOND, 666},   /* 20 / 30 */
        {1000 * SECOND, 749}, /* never more than three quarters */
        {UINT64_MAX / 2, 749},
    };
    struct xlm_precopy_stats stats = {.in_round = true,
                                      .round_pages = 100000,
                                      .left_pages = 100000,
                                      .send_rate = 10000};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        stats.evict_us = rows[i].evict_us;
        stats.dirty_count = rows[i].dirty_most * 100;
        assert_int_equal(lm_precopy_policy(&automatic, &stats),
                         XLM_PRECOPY_CONTINUE);
        stats.dirty_count += 100;
        assert_int_equal(lm_precopy_policy(&automatic, &stats),
                         XLM_PRECOPY_POSTCOPY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(it_ends),
        cmocka_unit_test(recorded_rates),
        cmocka_unit_test(by_rates),
        cmocka_unit_test(a_hot_part_lets_the_rest_go_first),
        cmocka_unit_test(after_a_time),
        cmocka_unit_test(counted_rounds_are_whole),
        cmocka_unit_test(evicting_is_part_of_the_time),
        cmocka_unit_test(a_stop_may_be_better),
        cmocka_unit_test(a_round_that_saves_evicting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
