/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which guests a host is emptied of, and which job each needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evacuation/evacuation.h"
#include "evacuation/selection.h"

#define NONE LIBXL_LIVE_MIGRATE_HALF_NONE
#define LEAVING LIBXL_LIVE_MIGRATE_HALF_LEAVING
#define LEFT LIBXL_LIVE_MIGRATE_HALF_LEFT

static char one[] = "one", two[] = "two", three[] = "three";
static char *hosts[] = {one, two, NULL};

struct rig {
    struct xl_options options;
    struct xl_evacuation evacuation;
    struct xl_candidate list[8];
    libxl_live_migrate_status ended[4];
    struct xl_candidates candidates;
    bool missing;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    xl_options_init(&rig->options, XL_COMMAND_MIGRATE_ALL);
    rig->options.hosts = hosts;
    rig->options.nr_hosts = 2;
    xl_evacuation_init(&rig->evacuation, &rig->options);
    rig->candidates.list = rig->list;
    rig->candidates.ended = rig->ended;
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    xl_evacuation_free(&rig->evacuation);
    free(rig);
    return 0;
}

static struct xl_candidate *put(struct rig *rig, const char *name,
                                libxl_live_migrate_half half, bool attended)
{
    struct xl_candidate *candidate = &rig->list[rig->candidates.count++];

    *candidate = (struct xl_candidate){
        .domid = rig->candidates.count,
        .part = {.half = half, .attended = attended, .text = "it is a part"},
        .needed_kb = 100,
    };
    strcpy(candidate->name, name);
    return candidate;
}

/* The guest's migration has ended on this host. */
static void put_ended(struct rig *rig, const char *name,
                      libxl_live_migrate_role role,
                      libxl_live_migrate_state state, uint64_t stop_us)
{
    libxl_live_migrate_status *ended = &rig->ended[rig->candidates.nr_ended++];

    ended->role = role;
    ended->state = state;
    ended->stats.suspend_us = 5;
    ended->stats.running_us = stop_us ? 5 + stop_us : 0;
    strcpy(ended->name, name);
}

static int choose(struct rig *rig)
{
    return xl_select(&rig->evacuation, &rig->options, &rig->candidates,
                     &rig->missing);
}

/* The names of all chosen guests, in their order. */
static void assert_chosen(const struct rig *rig, const char *names)
{
    char chosen[128] = "";

    for (size_t i = 0; i < rig->evacuation.nr_guests; i++) {
        strcat(chosen, rig->evacuation.guests[i].name);
        strcat(chosen, " ");
    }
    assert_string_equal(chosen, names);
}

static struct xl_texts texts(const char **list, size_t count)
{
    return (struct xl_texts){.texts = list, .count = count};
}

/* ---- which ---- */

static void all_that_run(void **state)
{
    struct rig *rig = *state;

    put(rig, "a", NONE, false);
    put(rig, "b", NONE, false)->shut_down = true;
    put(rig, "c", NONE, false);
    assert_int_equal(choose(rig), 0);
    assert_chosen(rig, "a c ");
    assert_false(rig->missing);
    assert_int_equal(rig->evacuation.guests[0].needed_kb, 100);
}

static void those_that_are_named(void **state)
{
    const char *only[] = {"c", "2", "7"};
    struct rig *rig = *state;

    put(rig, "a", NONE, false);
    put(rig, "b", NONE, false)->shut_down = true;
    put(rig, "c", NONE, false);
    rig->options.only = texts(only, 2);
    rig->options.order = XL_ORDER_GIVEN;
    assert_int_equal(choose(rig), 0);
    assert_chosen(rig, "c b ");
    assert_int_equal(rig->evacuation.guests[1].fate, XL_FATE_STAYS);
    assert_string_equal(rig->evacuation.guests[1].why, "it has shut down");
    assert_false(rig->missing);
}

/* A name of digits is no reason to move another guest. */
static void all_but_those_that_are_named(void **state)
{
    const char *except[] = {"2", "a"};
    struct rig *rig = *state;

    put(rig, "a", NONE, false);
    put(rig, "b", NONE, false);
    put(rig, "c", NONE, false);
    rig->options.except = texts(except, 2);
    assert_int_equal(choose(rig), 0);
    assert_chosen(rig, "c ");
}

static void a_slip_in_what_is_left_out_stops_all(void **state)
{
    const char *except[] = {"wbe"};
    struct rig *rig = *state;

    put(rig, "web", NONE, false);
    rig->options.except = texts(except, 1);
    assert_int_equal(choose(rig), -1);
    assert_chosen(rig, "");
}

static void names_that_are_not_here(void **state)
{
    static const struct {
        libxl_live_migrate_role role;
        libxl_live_migrate_state state;
        bool missing;
    } cases[] = {
        {LIBXL_LIVE_MIGRATE_ROLE_SOURCE, LIBXL_LIVE_MIGRATE_STATE_COMPLETE,
         false},
        {LIBXL_LIVE_MIGRATE_ROLE_SOURCE, LIBXL_LIVE_MIGRATE_STATE_FAILED,
         true},
        {LIBXL_LIVE_MIGRATE_ROLE_DESTINATION,
         LIBXL_LIVE_MIGRATE_STATE_COMPLETE, true},
    };
    const char *only[] = {"gone", "here"};
    struct rig *rig = *state;

    put(rig, "here", NONE, false);
    rig->options.only = texts(only, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig->missing = false;
        put_ended(rig, "gone", cases[i].role, cases[i].state, 1);
        assert_int_equal(choose(rig), 0);
        assert_int_equal(rig->missing, cases[i].missing);
        assert_chosen(rig, "here ");
        xl_evacuation_free(&rig->evacuation);
    }
}

static void the_shortest_stop_goes_first(void **state)
{
    struct rig *rig = *state;

    put(rig, "a", NONE, false)->stop_us = 3;
    put(rig, "b", NONE, false)->stop_us = 1;
    put(rig, "c", NONE, false)->stop_us = 2;
    assert_int_equal(choose(rig), 0);
    assert_chosen(rig, "b c a ");
    put_ended(rig, "a", LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
              LIBXL_LIVE_MIGRATE_STATE_COMPLETE, 70);
    put_ended(rig, "a", LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
              LIBXL_LIVE_MIGRATE_STATE_COMPLETE, 60);
    put_ended(rig, "a", LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
              LIBXL_LIVE_MIGRATE_STATE_FAILED, 0);
    assert_int_equal(xl_last_stop(&rig->candidates, "a"), 60);
    assert_int_equal(xl_last_stop(&rig->candidates, "b"), 0);
}

/* ---- what each needs ---- */

static void what_is_done_with_each_part(void **state)
{
    static const struct {
        libxl_live_migrate_half half;
        bool attended;
        int rc;
        enum xl_job job;
        enum xl_fate fate;
        enum xl_fate looked_at; /* with --check */
        const char *why;
    } cases[] = {
        {NONE, false, 0, XL_JOB_MOVE, XL_FATE_WAITS, XL_FATE_WAITS, ""},
        {LEAVING, true, 0, XL_JOB_FOLLOW, XL_FATE_WAITS, XL_FATE_LEFT, ""},
        {LEAVING, false, 0, XL_JOB_MOVE, XL_FATE_WAITS, XL_FATE_WAITS, ""},
        {LEFT, true, 0, XL_JOB_FOLLOW, XL_FATE_WAITS, XL_FATE_LEFT, ""},
        {LEFT, false, 0, XL_JOB_RECOVER, XL_FATE_WAITS, XL_FATE_PAUSED, ""},
        {LIBXL_LIVE_MIGRATE_HALF_ARRIVING, true, 0, XL_JOB_MOVE, XL_FATE_STAYS,
         XL_FATE_STAYS, "it is a part"},
        {LIBXL_LIVE_MIGRATE_HALF_ARRIVED, true, 0, XL_JOB_MOVE, XL_FATE_STAYS,
         XL_FATE_STAYS, "it is a part"},
        {LIBXL_LIVE_MIGRATE_HALF_PAGED, false, 0, XL_JOB_MOVE, XL_FATE_STAYS,
         XL_FATE_STAYS, "it is a part"},
        {NONE, false, ERROR_FAIL, XL_JOB_MOVE, XL_FATE_STAYS, XL_FATE_STAYS,
         "cannot find out"},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool looks = i & 1;
        const struct xl_guest *guest;

        rig->candidates.count = 0;
        rig->evacuation.looks_only = looks;
        put(rig, "g", cases[i / 2].half, cases[i / 2].attended)->rc =
            cases[i / 2].rc;
        assert_int_equal(choose(rig), 0);
        guest = &rig->evacuation.guests[0];
        assert_int_equal(guest->job, cases[i / 2].job);
        assert_int_equal(guest->fate,
                         looks ? cases[i / 2].looked_at : cases[i / 2].fate);
        assert_non_null(strstr(guest->why, cases[i / 2].why));
        xl_evacuation_free(&rig->evacuation);
    }
}

/* A host that the user has not named is one to recover at, and never one to
 * move to. */
static void where_paused_ones_go(void **state)
{
    struct rig *rig = *state;
    const struct xl_guest *guests;

    put(rig, "moved", NONE, false)->host = three; /* of an earlier try */
    put(rig, "there", LEFT, false)->host = two;
    put(rig, "elsewhere", LEFT, false)->host = three;
    put(rig, "unknown", LEFT, false);
    assert_int_equal(choose(rig), 0);
    guests = rig->evacuation.guests;
    assert_int_equal(guests[0].host, XL_NO_HOST);
    assert_int_equal(guests[1].host, 1);
    assert_int_equal(guests[2].host, 2);
    assert_int_equal(rig->evacuation.hosts[2].state, XL_HOST_RECOVERY);
    assert_int_equal(guests[3].host, XL_NO_HOST);
    assert_true(guests[3].guesses && !guests[0].guesses && !guests[1].guesses);
}

/* ---- only what is paused ---- */

static void those_that_are_paused_to_a_host(void **state)
{
    struct rig *rig = *state;

    put(rig, "whole", NONE, false);
    put(rig, "there", LEFT, false)->host = one;
    put(rig, "elsewhere", LEFT, false)->host = two;
    put(rig, "attended", LEFT, true)->host = one;
    put(rig, "unknown", LEFT, false);
    assert_int_equal(xl_select_paused(&rig->evacuation, &rig->candidates), 0);
    assert_chosen(rig, "there unknown ");
    assert_int_equal(rig->evacuation.guests[1].host, 0);
    assert_false(rig->evacuation.guests[1].guesses);
}

static void a_host_by_another_name(void **state)
{
    struct rig *rig = *state;

    put(rig, "a", LEFT, false)->host = two;
    put(rig, "b", LEFT, false)->host = three;
    assert_int_equal(xl_select_paused(&rig->evacuation, &rig->candidates), 0);
    assert_chosen(rig, "a b ");
    assert_int_equal(rig->evacuation.guests[0].host, 0);
    assert_int_equal(rig->evacuation.guests[1].host, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_that_run),
        TEST(those_that_are_named),
        TEST(all_but_those_that_are_named),
        TEST(a_slip_in_what_is_left_out_stops_all),
        TEST(names_that_are_not_here),
        TEST(the_shortest_stop_goes_first),
        TEST(what_is_done_with_each_part),
        TEST(where_paused_ones_go),
        TEST(those_that_are_paused_to_a_host),
        TEST(a_host_by_another_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
