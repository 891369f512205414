/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The decisions of xl migrate-all: which guest goes where and when, at
 * which rate, and what happens when one fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evacuation/evacuation.h"
#include "exit_status.h"

#define MIB UINT64_C(1024) /* in KiB */
#define NONE XL_NO_HOST

static char one[] = "one", two[] = "two", three[] = "three";
static char *hosts[] = {one, two, three, NULL};

static struct xl_evacuation begin(size_t nr_hosts, uint32_t parallel,
                                  uint64_t rate)
{
    struct xl_options options = {
        .hosts = hosts, .nr_hosts = nr_hosts, .parallel = parallel};
    struct xl_evacuation evacuation;

    options.params.background_rate = rate;
    xl_evacuation_init(&evacuation, &options);
    return evacuation;
}

static size_t add(struct xl_evacuation *evacuation, const char *name,
                  uint64_t mib, enum xl_job job)
{
    uint32_t domid = evacuation->nr_guests + 1;
    struct xl_guest *guest = xl_evacuation_add(evacuation, domid, name, job);

    assert_non_null(guest);
    guest->needed_kb = mib * MIB;
    return domid - 1;
}

static struct xl_action next(struct xl_evacuation *evacuation)
{
    return xl_evacuation_next(evacuation, evacuation->now_us + 1);
}

/* Every host answers. */
static void answer_all(struct xl_evacuation *evacuation, uint64_t mib)
{
    for (size_t i = 0; i < evacuation->nr_hosts; i++) {
        struct xl_action action = next(evacuation);

        assert_int_equal(action.what, XL_DO_ASK);
        assert_int_equal(action.host, i);
        xl_evacuation_room(evacuation, i, mib * MIB, 0);
    }
}

static struct xl_action expect_start(struct xl_evacuation *evacuation,
                                     size_t guest, int host)
{
    struct xl_action action = next(evacuation);

    assert_int_equal(action.what, XL_DO_START);
    assert_int_equal(action.guest, guest);
    assert_int_equal(action.host, host);
    return action;
}

static void expect(struct xl_evacuation *evacuation, enum xl_what what)
{
    assert_int_equal(next(evacuation).what, what);
}

/* As the library shows a migration that is under way. */
static void show(struct xl_evacuation *evacuation, size_t guest,
                 libxl_live_migrate_phase phase)
{
    libxl_live_migrate_status status = {
        .domid = evacuation->guests[guest].domid,
        .role = LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
        .state = LIBXL_LIVE_MIGRATE_STATE_RUNNING,
        .phase = phase,
        .background_rate = XL_UNLIMITED,
    };

    xl_evacuation_saw(evacuation, &status, 1);
}

static void end(struct xl_evacuation *evacuation, size_t guest, int status)
{
    xl_evacuation_ended(evacuation, guest, status, "because");
}

static void expect_fate(const struct xl_evacuation *evacuation, size_t guest,
                        enum xl_fate fate, const char *why)
{
    assert_int_equal(evacuation->guests[guest].fate, fate);
    assert_non_null(strstr(evacuation->guests[guest].why, why));
}

/* ---- which goes where ---- */

struct places {
    uint64_t needed[6]; /* MiB of each guest; 0: no more guests */
    uint64_t free[3];   /* ... and of each host; 0: the host has no room */
    uint64_t more[3];
    int host[6];
};

static void each_guest_gets_a_host_with_room(void **state)
{
    static const struct places cases[] = {
        {{64}, {63}, {0}, {NONE}},
        {{64}, {64}, {0}, {0}},
        {{64}, {10}, {54}, {0}},
        {{64}, {10}, {53}, {NONE}},
        /* Guests are spread, the large ones first. */
        {{10, 60, 30}, {100, 100}, {0}, {1, 0, 1}},
        /* Free memory is better than memory that a dom0 must give up. */
        {{50, 50}, {50, 100}, {500, 0}, {1, 0}},
        {{50, 50, 50}, {50, 100}, {500, 0}, {1, 0, 1}},
        {{50, 60}, {0, 100}, {500, 0}, {0, 1}},
        /* Spread over the hosts, the last guest would find no room. */
        {{40, 30, 60}, {70, 60}, {0}, {0, 0, 1}},
        /* The large guest cannot go, and the others do. */
        {{200, 20, 20}, {100, 30}, {0}, {NONE, 0, 0}},
        {{50, 50, 50, 50}, {100, 0, 99}, {0}, {0, 2, 0, NONE}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xl_evacuation evacuation = begin(3, 1, 0);

        for (size_t j = 0; j < 6 && cases[i].needed[j]; j++) {
            add(&evacuation, "g", cases[i].needed[j], XL_JOB_MOVE);
        }
        for (size_t j = 0; j < 3; j++) {
            expect(&evacuation, XL_DO_ASK);
            xl_evacuation_room(&evacuation, j, cases[i].free[j] * MIB,
                               cases[i].more[j] * MIB);
        }
        for (size_t j = 0; j < evacuation.nr_guests; j++) {
            if (evacuation.guests[j].host != cases[i].host[j]) {
                fail_msg("case %zu: guest %zu goes to %d", i, j,
                         evacuation.guests[j].host);
            }
        }
        xl_evacuation_free(&evacuation);
    }
}

static void a_guest_without_room_holds_nobody_up(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);
    size_t large = add(&evacuation, "large", 200, XL_JOB_MOVE);
    size_t small = add(&evacuation, "small", 50, XL_JOB_MOVE);

    (void)state;
    answer_all(&evacuation, 100);
    expect_start(&evacuation, small, 0);
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, small, 0);
    expect(&evacuation, XL_DO_END);
    expect_fate(&evacuation, small, XL_FATE_GONE, "");
    expect_fate(&evacuation, large, XL_FATE_STAYS,
                "needs 200 MiB, and the most that is left is 50 MiB");
    assert_int_equal(xl_evacuation_exit(&evacuation), EXIT_FAILURE);
    xl_evacuation_free(&evacuation);
}

/* The guest had the room of another one that waits. */
static void a_guest_that_fails_gives_its_room_back(void **state)
{
    struct xl_evacuation evacuation = begin(1, 2, 0);
    size_t first = add(&evacuation, "first", 60, XL_JOB_MOVE);
    size_t second = add(&evacuation, "second", 60, XL_JOB_MOVE);

    (void)state;
    answer_all(&evacuation, 100);
    expect_start(&evacuation, first, 0);
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, first, EXIT_FAILURE);
    expect_fate(&evacuation, first, XL_FATE_STAYS, "because");
    expect_start(&evacuation, second, 0);
    xl_evacuation_free(&evacuation);
}

static void a_host_that_does_not_say_takes_any(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);
    size_t guest = add(&evacuation, "large", 1 << 30, XL_JOB_MOVE);

    (void)state;
    expect(&evacuation, XL_DO_ASK);
    xl_evacuation_room_unknown(&evacuation, 0);
    expect_start(&evacuation, guest, 0);
    xl_evacuation_free(&evacuation);
}

/* ---- when ---- */

static void each_has_its_turn(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        add(&evacuation, (char[]){'a' + i, '\0'}, 1, XL_JOB_MOVE);
        evacuation.guests[i].turn = (uint64_t[]){30, 20, 30, 10}[i];
    }
    xl_evacuation_sort(&evacuation);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(evacuation.guests[i].name[0], "dbac"[i]);
    }
    xl_evacuation_free(&evacuation);
}

static void no_more_at_a_time_than_allowed(void **state)
{
    struct xl_evacuation evacuation = begin(2, 3, 0);

    (void)state;
    for (int i = 0; i < 5; i++) {
        add(&evacuation, "g", 10, XL_JOB_MOVE);
    }
    answer_all(&evacuation, 1000);
    /* The hosts take turns, because both have the same room. */
    assert_int_equal(next(&evacuation).host, 0);
    assert_int_equal(next(&evacuation).host, 1);
    assert_int_equal(next(&evacuation).what, XL_DO_START);
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, 0, 0);
    expect(&evacuation, XL_DO_START);
    expect(&evacuation, XL_DO_WAIT);
    xl_evacuation_free(&evacuation);
}

static void nothing_moves_until_all_hosts_have_answered(void **state)
{
    struct xl_evacuation evacuation = begin(2, 2, 0);

    (void)state;
    add(&evacuation, "g", 10, XL_JOB_MOVE);
    expect(&evacuation, XL_DO_ASK);
    expect(&evacuation, XL_DO_ASK);
    xl_evacuation_room(&evacuation, 0, 100 * MIB, 0);
    expect(&evacuation, XL_DO_WAIT);
    xl_evacuation_closed(&evacuation, 1, "it cannot be reached");
    expect_start(&evacuation, 0, 0);
    xl_evacuation_free(&evacuation);
}

/* A guest that another process moves has a turn as well. */
static void what_is_followed_counts(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);
    size_t moved = add(&evacuation, "moved", 10, XL_JOB_MOVE);
    size_t followed = add(&evacuation, "followed", 10, XL_JOB_FOLLOW);

    (void)state;
    answer_all(&evacuation, 100);
    expect_start(&evacuation, followed, NONE);
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, followed, EXIT_SUCCESS);
    expect_start(&evacuation, moved, 0);
    xl_evacuation_free(&evacuation);
}

/* An sshd would refuse some of these connections. */
static void no_more_connect_at_a_time_than_a_host_lets(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        add(&evacuation, "g", 10, XL_JOB_RECOVER);
        evacuation.guests[i].host = 0;
    }
    for (size_t i = 0; i < 8; i++) {
        expect_start(&evacuation, i, 0);
    }
    expect(&evacuation, XL_DO_WAIT);
    show(&evacuation, 3, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
    expect_start(&evacuation, 8, 0);
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, 0, XL_EXIT_PAUSED);
    expect_start(&evacuation, 9, 0);
    xl_evacuation_free(&evacuation);
}

/* ---- the link ---- */

static void each_begins_with_a_part_of_the_link(void **state)
{
    struct xl_evacuation evacuation = begin(1, 2, 1000);

    (void)state;
    for (int i = 0; i < 3; i++) {
        add(&evacuation, "g", 10, XL_JOB_MOVE);
    }
    answer_all(&evacuation, 100);
    assert_int_equal(expect_start(&evacuation, 0, 0).rate, 500);
    assert_int_equal(expect_start(&evacuation, 1, 0).rate, 500);
    show(&evacuation, 0, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
    show(&evacuation, 1, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, 0, 0);
    assert_int_equal(expect_start(&evacuation, 2, 0).rate, 500);
    xl_evacuation_free(&evacuation);
}

static void the_last_one_gets_all_of_it(void **state)
{
    struct xl_evacuation evacuation = begin(1, 2, 1000);
    struct xl_action action;

    (void)state;
    add(&evacuation, "g", 10, XL_JOB_MOVE);
    add(&evacuation, "g", 10, XL_JOB_MOVE);
    answer_all(&evacuation, 100);
    expect_start(&evacuation, 0, 0);
    expect_start(&evacuation, 1, 0);
    end(&evacuation, 0, 0);
    /* The guest's process does not accept requests yet. */
    expect(&evacuation, XL_DO_WAIT);
    show(&evacuation, 1, LIBXL_LIVE_MIGRATE_PHASE_PRECOPY);
    action = next(&evacuation);
    assert_int_equal(action.what, XL_DO_RATE);
    assert_int_equal(action.guest, 1);
    assert_int_equal(action.rate, 1000);
    xl_evacuation_deaf(&evacuation, 1);
    expect(&evacuation, XL_DO_WAIT);
    show(&evacuation, 1, LIBXL_LIVE_MIGRATE_PHASE_PRECOPY);
    assert_int_equal(next(&evacuation).what, XL_DO_RATE);
    xl_evacuation_rate_set(&evacuation, 1, 1000);
    expect(&evacuation, XL_DO_WAIT);
    xl_evacuation_free(&evacuation);
}

/* A guest that was refused waits again while others have all of the link. */
static void others_make_room_before_one_begins(void **state)
{
    struct xl_evacuation evacuation = begin(2, 2, 1000);
    struct xl_action action;

    (void)state;
    add(&evacuation, "g", 10, XL_JOB_MOVE);
    add(&evacuation, "followed", 10, XL_JOB_FOLLOW);
    answer_all(&evacuation, 100);
    expect_start(&evacuation, 1, NONE);
    show(&evacuation, 1, LIBXL_LIVE_MIGRATE_PHASE_PRECOPY);
    action = next(&evacuation);
    assert_int_equal(action.what, XL_DO_RATE);
    assert_int_equal(action.guest, 1);
    assert_int_equal(action.rate, 500);
    xl_evacuation_rate_set(&evacuation, 1, 500);
    assert_int_equal(expect_start(&evacuation, 0, 0).rate, 500);
    xl_evacuation_free(&evacuation);
}

/* A recovery that does not answer yet counts as using all of the link. */
static void one_waits_until_others_have_made_room(void **state)
{
    struct xl_evacuation evacuation = begin(1, 2, 1000);
    size_t moved = add(&evacuation, "moved", 10, XL_JOB_MOVE);
    size_t paused = add(&evacuation, "paused", 10, XL_JOB_RECOVER);
    struct xl_action action;

    (void)state;
    evacuation.guests[paused].host = 0;
    expect(&evacuation, XL_DO_ASK);
    assert_int_equal(expect_start(&evacuation, paused, 0).rate, 1000);
    xl_evacuation_room(&evacuation, 0, 100 * MIB, 0);
    expect(&evacuation, XL_DO_WAIT);
    show(&evacuation, paused, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
    action = next(&evacuation);
    assert_int_equal(action.what, XL_DO_RATE);
    xl_evacuation_rate_set(&evacuation, paused, action.rate);
    assert_int_equal(expect_start(&evacuation, moved, 0).rate, 500);
    xl_evacuation_free(&evacuation);
}

static uint64_t sum_of(const struct xl_evacuation *evacuation)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < evacuation->nr_guests; i++) {
        if (evacuation->guests[i].fate == XL_FATE_UNDER_WAY) {
            sum += evacuation->guests[i].rate;
        }
    }
    return sum;
}

static void play(struct xl_evacuation *evacuation,
                 const struct xl_action *action, unsigned int *seed)
{
    size_t guest = rand_r(seed) % evacuation->nr_guests;

    switch (action->what) {
    case XL_DO_ASK:
        if (rand_r(seed) % 8) {
            xl_evacuation_room(evacuation, action->host, 500 * MIB, 0);
        } else {
            xl_evacuation_closed(evacuation, action->host, "gone");
        }
        break;
    case XL_DO_RATE:
        if (rand_r(seed) % 4) {
            xl_evacuation_rate_set(evacuation, action->guest, action->rate);
        } else {
            xl_evacuation_deaf(evacuation, action->guest);
        }
        break;
    case XL_DO_WAIT:
        if (evacuation->guests[guest].fate != XL_FATE_UNDER_WAY) {
            break;
        }
        if (rand_r(seed) % 2) {
            show(evacuation, guest, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
        } else {
            end(evacuation, guest,
                (int[]){0, 0, 0, 1, 3, 5, 6}[rand_r(seed) % 7]);
        }
        break;
    case XL_DO_START:
    case XL_DO_END:
        break;
    }
}

/* Whatever happens, each guest comes to an end, and the sum of the rates never
 * exceeds the limit. */
static void any_course_of_events_ends(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 2000; i++) {
        struct xl_evacuation evacuation = begin(1 + i % 3, 1 + i % 4, 1000);
        struct xl_action action = {.what = XL_DO_WAIT};
        unsigned int seed = i;
        size_t steps = 0;

        for (unsigned int j = 0; j < 1 + i % 9; j++) {
            add(&evacuation, "g", 10 + 50 * (j % 5),
                j % 4 == 3 ? XL_JOB_RECOVER : XL_JOB_MOVE);
            evacuation.guests[j].guesses = j % 4 == 3;
        }
        while (action.what != XL_DO_END) {
            action = next(&evacuation);
            play(&evacuation, &action, &seed);
            assert_true(sum_of(&evacuation) <= 1000);
            assert_true(++steps < 10000);
        }
        for (size_t j = 0; j < evacuation.nr_guests; j++) {
            assert_true(xl_fate_is_final(evacuation.guests[j].fate));
        }
        xl_evacuation_free(&evacuation);
    }
}

/* ---- what becomes of them ---- */

static void one_that_is_refused_tries_another_host(void **state)
{
    struct xl_evacuation evacuation = begin(3, 1, 0);
    size_t guest = add(&evacuation, "g", 10, XL_JOB_MOVE);

    (void)state;
    answer_all(&evacuation, 100);
    for (int host = 0; host < 3; host++) {
        expect_start(&evacuation, guest, host);
        end(&evacuation, guest, EXIT_FAILURE);
    }
    expect_fate(&evacuation, guest, XL_FATE_STAYS, "because");
    expect(&evacuation, XL_DO_END);
    xl_evacuation_free(&evacuation);
}

/* No other host has room; the reason is that of the host that refused the
 * guest. */
static void one_that_is_refused_and_fits_nowhere_else_stays(void **state)
{
    struct xl_evacuation evacuation = begin(2, 1, 0);
    size_t guest = add(&evacuation, "g", 50, XL_JOB_MOVE);

    (void)state;
    expect(&evacuation, XL_DO_ASK);
    xl_evacuation_room(&evacuation, 0, 100 * MIB, 0);
    expect(&evacuation, XL_DO_ASK);
    xl_evacuation_closed(&evacuation, 1, "it cannot be reached");
    expect_start(&evacuation, guest, 0);
    end(&evacuation, guest, EXIT_FAILURE);
    expect_fate(&evacuation, guest, XL_FATE_STAYS, "because");
    xl_evacuation_free(&evacuation);
}

static void a_host_is_asked_anew_after_a_pause(void **state)
{
    struct xl_evacuation evacuation = begin(2, 2, 0);
    struct xl_action action;

    (void)state;
    for (int i = 0; i < 3; i++) {
        add(&evacuation, "g", 10, XL_JOB_MOVE);
    }
    answer_all(&evacuation, 100);
    expect_start(&evacuation, 0, 0);
    expect_start(&evacuation, 1, 1);
    end(&evacuation, 0, XL_EXIT_PAUSED);
    expect_fate(&evacuation, 0, XL_FATE_PAUSED, "because");
    action = next(&evacuation);
    assert_int_equal(action.what, XL_DO_ASK);
    assert_int_equal(action.host, 0);
    xl_evacuation_closed(&evacuation, 0, "it cannot be reached");
    expect_start(&evacuation, 2, 1);
    end(&evacuation, 1, 0);
    end(&evacuation, 2, 0);
    expect(&evacuation, XL_DO_END);
    assert_int_equal(xl_evacuation_exit(&evacuation), XL_EXIT_PAUSED);
    xl_evacuation_free(&evacuation);
}

/* The guest's memory is still claimed there, and the host's answer counts
 * that. */
static void what_an_answer_knows_of_is_not_counted_twice(void **state)
{
    struct xl_evacuation evacuation = begin(1, 3, 0);

    (void)state;
    for (int i = 0; i < 3; i++) {
        add(&evacuation, "g", 40, XL_JOB_MOVE);
    }
    answer_all(&evacuation, 100);
    expect_start(&evacuation, 0, 0);
    expect_start(&evacuation, 1, 0);
    show(&evacuation, 1, LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY);
    end(&evacuation, 0, XL_EXIT_PAUSED);
    expect(&evacuation, XL_DO_ASK);
    xl_evacuation_room(&evacuation, 0, 40 * MIB, 0);
    expect_start(&evacuation, 2, 0);
    xl_evacuation_free(&evacuation);
}

static void what_is_paused_is_recovered_first(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);
    size_t moved = add(&evacuation, "moved", 10, XL_JOB_MOVE);
    size_t known = add(&evacuation, "known", 10, XL_JOB_RECOVER);
    size_t other = add(&evacuation, "other", 10, XL_JOB_RECOVER);

    (void)state;
    evacuation.guests[known].host = xl_evacuation_host(&evacuation, "one");
    evacuation.guests[other].host = xl_evacuation_host(&evacuation, "else");
    assert_int_equal(evacuation.nr_hosts, 2);
    expect(&evacuation, XL_DO_ASK);
    /* Both answers come at a time, before any guest has started. */
    expect_start(&evacuation, known, 0);
    expect_start(&evacuation, other, 1);
    expect(&evacuation, XL_DO_WAIT);
    xl_evacuation_room(&evacuation, 0, 100 * MIB, 0);
    expect_start(&evacuation, moved, 0);
    end(&evacuation, other, XL_EXIT_TAKEN_BACK);
    end(&evacuation, moved, 0);
    /* Not back to a host that the command did not name. */
    expect_start(&evacuation, other, 0);
    end(&evacuation, other, 0);
    end(&evacuation, known, 1);
    expect_fate(&evacuation, known, XL_FATE_PAUSED, "because");
    expect(&evacuation, XL_DO_END);
    xl_evacuation_free(&evacuation);
}

static void where_it_was_on_its_way_to_is_found_out(void **state)
{
    struct xl_evacuation evacuation = begin(3, 1, 0);
    size_t guest = add(&evacuation, "g", 10, XL_JOB_RECOVER);

    (void)state;
    evacuation.guests[guest].guesses = true;
    expect_start(&evacuation, guest, 0);
    end(&evacuation, guest, XL_EXIT_PAUSED);
    expect_start(&evacuation, guest, 1);
    end(&evacuation, guest, XL_EXIT_PAUSED);
    expect_start(&evacuation, guest, 2);
    end(&evacuation, guest, XL_EXIT_PAUSED);
    expect_fate(&evacuation, guest, XL_FATE_PAUSED, "because");
    expect(&evacuation, XL_DO_END);
    xl_evacuation_free(&evacuation);
}

static void a_recovery_alone_moves_nothing(void **state)
{
    struct xl_evacuation evacuation = begin(1, 1, 0);
    size_t guest = add(&evacuation, "g", 10, XL_JOB_RECOVER);

    (void)state;
    evacuation.recovers = true;
    evacuation.guests[guest].host = 0;
    expect_start(&evacuation, guest, 0);
    end(&evacuation, guest, XL_EXIT_TAKEN_BACK);
    expect_fate(&evacuation, guest, XL_FATE_STAYS, "because");
    expect(&evacuation, XL_DO_END);
    xl_evacuation_free(&evacuation);
}

static void what_is_said_of_each_end(void **state)
{
    static const struct {
        int status;
        enum xl_fate fate;
        const char *word;
        int exits;
    } cases[] = {
        {EXIT_SUCCESS, XL_FATE_GONE, "gone", EXIT_SUCCESS},
        {XL_EXIT_SHELL_LEFT, XL_FATE_SHELL, "gone-shell-left",
         XL_EXIT_SHELL_LEFT},
        {EXIT_FAILURE, XL_FATE_STAYS, "stays", EXIT_FAILURE},
        {127, XL_FATE_STAYS, "stays", EXIT_FAILURE},
        {XL_EXIT_PAUSED, XL_FATE_PAUSED, "paused", XL_EXIT_PAUSED},
        {XL_EXIT_GONE, XL_FATE_LOST, "lost", XL_EXIT_GONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xl_evacuation evacuation = begin(1, 2, 0);

        add(&evacuation, "g", 10, XL_JOB_MOVE);
        add(&evacuation, "well", 10, XL_JOB_MOVE);
        answer_all(&evacuation, 100);
        expect_start(&evacuation, 0, 0);
        expect_start(&evacuation, 1, 0);
        end(&evacuation, 0, cases[i].status);
        end(&evacuation, 1, EXIT_SUCCESS);
        expect(&evacuation, XL_DO_END);
        expect_fate(&evacuation, 0, cases[i].fate, "");
        assert_string_equal(xl_fate_to_string(evacuation.guests[0].fate),
                            cases[i].word);
        assert_int_equal(xl_evacuation_exit(&evacuation), cases[i].exits);
        xl_evacuation_free(&evacuation);
    }
}

static void given_up(void **state)
{
    struct xl_evacuation evacuation = begin(1, 2, 0);
    size_t first = add(&evacuation, "first", 10, XL_JOB_MOVE);
    size_t second = add(&evacuation, "second", 10, XL_JOB_MOVE);
    size_t paused = add(&evacuation, "paused", 10, XL_JOB_RECOVER);
    size_t followed = add(&evacuation, "followed", 10, XL_JOB_FOLLOW);

    (void)state;
    answer_all(&evacuation, 100);
    expect_start(&evacuation, paused, NONE);
    expect_start(&evacuation, followed, NONE);
    expect_start(&evacuation, first, 0);
    xl_evacuation_stop(&evacuation);
    expect_fate(&evacuation, second, XL_FATE_STAYS, "before its turn");
    expect_fate(&evacuation, followed, XL_FATE_LEFT, "another process");
    /* Guests that had been handed over go on. */
    expect(&evacuation, XL_DO_WAIT);
    end(&evacuation, first, EXIT_SUCCESS);
    end(&evacuation, paused, XL_EXIT_TAKEN_BACK);
    expect_fate(&evacuation, paused, XL_FATE_STAYS, "because");
    expect(&evacuation, XL_DO_END);
    assert_int_equal(xl_evacuation_exit(&evacuation), XL_EXIT_PAUSED);
    xl_evacuation_free(&evacuation);
}

static void only_looked_at(void **state)
{
    struct xl_evacuation evacuation = begin(1, 2, 0);

    (void)state;
    evacuation.looks_only = true;
    add(&evacuation, "g", 10, XL_JOB_MOVE);
    add(&evacuation, "bad", 10, XL_JOB_MOVE);
    answer_all(&evacuation, 100);
    expect_start(&evacuation, 0, 0);
    expect_start(&evacuation, 1, 0);
    end(&evacuation, 0, EXIT_SUCCESS);
    end(&evacuation, 1, EXIT_FAILURE);
    expect(&evacuation, XL_DO_END);
    expect_fate(&evacuation, 0, XL_FATE_COULD_GO, "");
    assert_int_equal(xl_evacuation_exit(&evacuation), EXIT_FAILURE);
    xl_evacuation_free(&evacuation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_guest_gets_a_host_with_room),
        cmocka_unit_test(a_guest_without_room_holds_nobody_up),
        cmocka_unit_test(a_guest_that_fails_gives_its_room_back),
        cmocka_unit_test(a_host_that_does_not_say_takes_any),
        cmocka_unit_test(each_has_its_turn),
        cmocka_unit_test(no_more_at_a_time_than_allowed),
        cmocka_unit_test(nothing_moves_until_all_hosts_have_answered),
        cmocka_unit_test(what_is_followed_counts),
        cmocka_unit_test(no_more_connect_at_a_time_than_a_host_lets),
        cmocka_unit_test(each_begins_with_a_part_of_the_link),
        cmocka_unit_test(the_last_one_gets_all_of_it),
        cmocka_unit_test(others_make_room_before_one_begins),
        cmocka_unit_test(one_waits_until_others_have_made_room),
        cmocka_unit_test(any_course_of_events_ends),
        cmocka_unit_test(one_that_is_refused_tries_another_host),
        cmocka_unit_test(one_that_is_refused_and_fits_nowhere_else_stays),
        cmocka_unit_test(a_host_is_asked_anew_after_a_pause),
        cmocka_unit_test(what_an_answer_knows_of_is_not_counted_twice),
        cmocka_unit_test(what_is_paused_is_recovered_first),
        cmocka_unit_test(where_it_was_on_its_way_to_is_found_out),
        cmocka_unit_test(a_recovery_alone_moves_nothing),
        cmocka_unit_test(what_is_said_of_each_end),
        cmocka_unit_test(given_up),
        cmocka_unit_test(only_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
