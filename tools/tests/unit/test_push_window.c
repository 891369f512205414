/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The push window: the tests play a path to the policy, which sees of the
 * path only when credit comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/page.h"
#include "policy/push_window.h"

#define MOST 1024
/* A page of zeroes on the wire: where it is. */
#define ZERO_OCTETS 8

/* A path that takes pages one after another, and has a way back. */
struct path {
    uint64_t page_us;  /* time that each page of full length takes */
    uint64_t delay_us; /* time that all else takes, both ways */
    uint64_t noise_us; /* at most this much more than that */
};

struct under_way {
    uint64_t done_us;
    uint32_t pages;
};

/* A push over a path. */
struct play {
    struct xlm_push_window window;
    struct under_way queue[XLM_PUSH_WINDOW_SENDINGS];
    unsigned int head, tail;
    uint64_t now_us;
    uint64_t free_us; /* when the path has taken all that was sent */
    uint64_t busy_us; /* how long it has been taking pages */
    uint64_t took_us; /* from end to end, the last sending */
    uint64_t last_us; /* when the last one sent is taken */
    uint32_t random;  /* the same numbers each time */
    uint32_t fewest;  /* pages the window had at the least */
    uint32_t octets;  /* of a page, on the wire */
};

static void begin(struct play *play, uint32_t most)
{
    *play = (struct play){.now_us = 1, .octets = XLM_PAGE_SIZE};
    xlm_push_window_init(&play->window, most, true);
}

static uint64_t noise(struct play *play, const struct path *path)
{
    play->random = play->random * 1103515245 + 12345;
    return path->noise_us * (play->random >> 16) / 65536;
}

static void send(struct play *play, const struct path *path, uint32_t pages)
{
    struct under_way *one =
        &play->queue[play->tail++ % XLM_PUSH_WINDOW_SENDINGS];
    uint64_t octets = (uint64_t)pages * play->octets;
    uint64_t us = octets * path->page_us / XLM_PAGE_SIZE;

    if (play->free_us < play->now_us) {
        play->free_us = play->now_us;
    }
    play->free_us += us;
    play->busy_us += us;
    one->done_us = play->free_us + path->delay_us + noise(play, path);
    /* They stay in order. */
    if (one->done_us < play->last_us) {
        one->done_us = play->last_us;
    }
    play->last_us = one->done_us;
    one->pages = pages;
    play->took_us = one->done_us - play->now_us;
    xlm_push_window_sent(&play->window, pages, play->now_us);
    xlm_push_window_took(&play->window, octets);
}

static void take_credit(struct play *play)
{
    struct under_way *one =
        &play->queue[play->head++ % XLM_PUSH_WINDOW_SENDINGS];

    play->now_us = one->done_us;
    assert_int_equal(
        xlm_push_window_credited(&play->window, one->pages, play->now_us), 0);
}

/* Push for this time. */
static void play_for(struct play *play, const struct path *path, uint64_t us)
{
    uint64_t until_us = play->now_us + us;

    play->fewest = UINT32_MAX;
    play->busy_us = 0;
    while (play->now_us < until_us) {
        uint32_t room = xlm_push_window_room(&play->window);

        if (room) {
            send(play, path, room);
        } else {
            take_credit(play);
        }
        if (play->window.pages < play->fewest) {
            play->fewest = play->window.pages;
        }
    }
}

static void a_slow_path_is_not_filled(void **state)
{
    const struct path slow = {.page_us = 1500, .delay_us = 3000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &slow, 9000000);
    /* The credit alone would let 1.5 s of pages wait. */
    assert_in_range(play.took_us, 1, 70000);
    /* And yet it is never idle. */
    assert_true(play.busy_us > 8500000);
}

static void a_fast_path_is_filled(void **state)
{
    const struct path fast = {.page_us = 4, .delay_us = 300};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fast, 1000000);
    assert_true(play.busy_us > 950000);
    /* A request waits for a millisecond or two. */
    assert_in_range(play.took_us, 1, 3000);
}

static void a_long_path_is_filled(void **state)
{
    const struct path lengthy = {.page_us = 40, .delay_us = 30000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &lengthy, 5000000);
    assert_true(play.busy_us > 4000000);
}

/* A host that is busy with other things is late now and then: that is no queue
 * of the push. */
static void noise_is_not_taken_for_a_queue(void **state)
{
    const struct path noisy = {
        .page_us = 200, .delay_us = 2000, .noise_us = 30000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &noisy, 20000000);
    assert_true(play.busy_us > 12000000);
    assert_in_range(play.took_us, 1, 100000);
}

static void a_path_that_gets_slower_is_noticed(void **state)
{
    const struct path fast = {.page_us = 4, .delay_us = 300};
    const struct path slow = {.page_us = 1500, .delay_us = 300};
    struct play play;
    uint32_t before;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fast, 1000000);
    before = play.window.pages;
    play_for(&play, &slow, 5000000);
    assert_true(play.window.pages < before / 4);
}

/* The fastest time of a path that was short does not hold for ever. */
static void a_path_that_gets_longer_is_believed_in_time(void **state)
{
    const struct path near = {.page_us = 40, .delay_us = 300};
    const struct path far = {.page_us = 40, .delay_us = 30000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &near, 1000000);
    play_for(&play, &far, XLM_PUSH_WINDOW_BELIEVED_US);
    play_for(&play, &far, 2000000);
    assert_true(play.busy_us > 1500000);
}

/* Looking again costs a moment of few pages, now and then. */
static void it_looks_again(void **state)
{
    const struct path fast = {.page_us = 4, .delay_us = 300};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fast, 1000000);
    play_for(&play, &fast, 1000000);
    assert_true(play.fewest > XLM_PUSH_WINDOW_SENDING);
    play_for(&play, &fast, XLM_PUSH_WINDOW_BELIEVED_US);
    assert_int_equal(play.fewest, XLM_PUSH_WINDOW_SENDING);
    assert_true(play.busy_us > XLM_PUSH_WINDOW_BELIEVED_US / 20 * 19);
}

/* A requested page waits for no more than fills the path, a quarter of that,
 * and one sending: not for all that the path would hold. */
static void the_queue_is_a_part_of_the_path(void **state)
{
    const struct path fast = {.page_us = 4, .delay_us = 300};
    struct play play;
    uint32_t path_pages = 332 / 4;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fast, 1000000);
    assert_in_range(play.window.pages, path_pages, path_pages * 2);
    play.window.calm = true;
    assert_true(xlm_push_window_pages(&play.window) > path_pages * 2);
}

/* A round trip that was slow is noise; many are another path. */
static void the_best_of_the_last_rounds_counts(void **state)
{
    const struct path fast = {.page_us = 40, .delay_us = 3000};
    const struct path slow = {.page_us = 160, .delay_us = 3000};
    struct play play;
    uint32_t before;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fast, 1000000);
    before = play.window.pages;
    play_for(&play, &slow, 3 * before * slow.page_us);
    assert_int_equal(play.window.pages, before);
    play_for(&play, &slow, 2000000);
    assert_in_range(play.window.pages, before / 5, before / 2);
}

/* Pages that are sent slowly because the limit allows no more say nothing
 * about the path. */
static void a_slow_sender_is_no_slow_path(void **state)
{
    const struct path fast = {.page_us = 40, .delay_us = 3000};
    struct play play;
    uint32_t before;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fast, 1000000);
    before = play.window.pages;
    while (play.window.in_flight) {
        take_credit(&play);
    }
    for (unsigned int i = 0; i < 100; i++) {
        send(&play, &fast, 8);
        take_credit(&play);
    }
    assert_int_equal(play.window.pages, before);
}

/* 4 GB/s and 10 ms: ten times what may be under way while the guest asks. */
static void no_cap_while_nobody_asks(void **state)
{
    const struct path fat = {.page_us = 1, .delay_us = 10000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &fat, 1000000);
    assert_true(play.busy_us < 200000);
    play.window.calm = true;
    play_for(&play, &fat, 1000000);
    play_for(&play, &fat, 1000000);
    assert_true(play.busy_us > 950000);
    assert_true(play.window.in_flight > 8 * MOST);
    /* At the first request no more goes until that has come. */
    play.window.calm = false;
    assert_int_equal(xlm_push_window_room(&play.window), 0);
    while (play.window.in_flight > MOST) {
        assert_int_equal(xlm_push_window_room(&play.window), 0);
        take_credit(&play);
    }
}

/* 1 Gb/s and 50 ms, while the guest asks: more than the most fills it, and a
 * request still finds little more than that before it. */
static void a_long_and_fast_path_is_filled(void **state)
{
    const struct path wan = {.page_us = 33, .delay_us = 50000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &wan, 1000000);
    play_for(&play, &wan, 8000000);
    assert_true(play.busy_us > 7800000);
    assert_true(play.window.pages > MOST);
    assert_in_range(play.took_us, 1, 50000 * 3 / 2);
    /* There is an end to it, and it is the caller's choice. */
    begin(&play, 8 * XLM_PUSH_WINDOW_SENDING);
    play_for(&play, &wan, 1000000);
    assert_in_range(play.window.pages, 1,
                    8 * XLM_PUSH_WINDOW_SENDING * XLM_PUSH_WINDOW_LONG_TIMES);
    begin(&play, MOST);
    play.window.grows = false;
    play_for(&play, &wan, 1000000);
    assert_in_range(play.window.pages, MOST / 2, MOST);
}

/* A look at a long path takes two round trips, and not eight. */
static void a_long_path_is_looked_at_quickly(void **state)
{
    const struct path wan = {.page_us = 33, .delay_us = 50000};
    struct play play;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &wan, 120000);
    assert_in_range(play.window.empty_us, 50000, 52000);
}

/* Pages that are shorter than others fill the path as well, and do not make
 * longer ones wait: 10 Mb/s and 50 ms. */
static void pages_are_weighed(void **state)
{
    const struct path wan = {.page_us = 3300, .delay_us = 50000};
    struct play play;
    uint64_t full_us;

    (void)state;
    begin(&play, MOST);
    play_for(&play, &wan, 5000000);
    full_us = play.took_us;
    begin(&play, MOST);
    play.octets = XLM_PAGE_SIZE / 2;
    play_for(&play, &wan, 1000000);
    play_for(&play, &wan, 4000000);
    assert_true(play.busy_us > 3800000);
    assert_in_range(play.took_us, 1, full_us);
    play.octets = XLM_PAGE_SIZE;
    play_for(&play, &wan, 1000000);
    assert_in_range(play.took_us, 1, full_us * 5 / 4);
    play.octets = ZERO_OCTETS;
    play_for(&play, &wan, 1000000);
    play.octets = XLM_PAGE_SIZE;
    play_for(&play, &wan, 300000);
    assert_in_range(play.took_us, 1, full_us * 5 / 4);
}

/* A page of zeroes is work for the destination. */
static void zeroes_do_not_go_without_end(void **state)
{
    struct xlm_push_window window;
    uint32_t room;

    (void)state;
    xlm_push_window_init(&window, MOST, true);
    while ((room = xlm_push_window_room(&window))) {
        xlm_push_window_sent(&window, room, 1);
        xlm_push_window_took(&window, (uint64_t)room * ZERO_OCTETS);
    }
    assert_in_range(window.in_flight, XLM_PUSH_WINDOW_SENDING + 1,
                    XLM_PUSH_WINDOW_SENDING * XLM_PAGE_SIZE /
                        XLM_PUSH_WINDOW_LEAST_OCTETS);
    assert_int_equal(xlm_push_window_credited(&window, window.in_flight, 1000),
                     0);
    assert_int_equal(window.weight, 0);
}

/* Credit for a part of a sending that is being written: a slow link. */
static void credit_before_the_length_is_known(void **state)
{
    struct xlm_push_window window;

    (void)state;
    xlm_push_window_init(&window, MOST, true);
    xlm_push_window_sent(&window, 8, 1);
    assert_int_equal(xlm_push_window_credited(&window, 4, 10), 0);
    assert_int_equal(window.weight, 4 * XLM_PAGE_SIZE);
    xlm_push_window_took(&window, 8 * 1024);
    assert_int_equal(window.weight, 4 * 1024);
    assert_int_equal(xlm_push_window_credited(&window, 4, 20), 0);
    assert_int_equal(window.weight, 0);
    /* A peer that says so before anything can have come. */
    xlm_push_window_sent(&window, 8, 30);
    assert_int_equal(xlm_push_window_credited(&window, 8, 40), 0);
    xlm_push_window_took(&window, 8 * 1024);
    assert_int_equal(window.weight, 0);
}

/* A hundred round trips, within bounds. */
static void calm_goes_by_the_path(void **state)
{
    struct xlm_push_window window;

    (void)state;
    xlm_push_window_init(&window, MOST, true);
    assert_int_equal(xlm_push_window_calm_us(&window), 1000000);
    window.empty_us = 60;
    assert_int_equal(xlm_push_window_calm_us(&window), 50000);
    window.empty_us = 2000;
    assert_int_equal(xlm_push_window_calm_us(&window), 200000);
    window.empty_us = 20000;
    assert_int_equal(xlm_push_window_calm_us(&window), 1000000);
}

static void something_always_goes(void **state)
{
    struct xlm_push_window window;
    unsigned int i;

    (void)state;
    xlm_push_window_init(&window, 0, true);
    for (i = 0; i < 1000; i++) { /* slower and slower */
        uint32_t room = xlm_push_window_room(&window);

        assert_true(room > 0);
        xlm_push_window_sent(&window, room, 200000 * i);
        assert_int_equal(
            xlm_push_window_credited(&window, room, 200000 * i + 100 * i), 0);
        assert_true(window.pages >= XLM_PUSH_WINDOW_SENDING);
    }
}

/* No sending crosses a boundary of the largest: what does not divide it leaves
 * small ones over. */
static void sendings_leave_nothing_over(void **state)
{
    struct xlm_push_window window;

    (void)state;
    xlm_push_window_init(&window, MOST, true);
    for (uint32_t pages = XLM_PUSH_WINDOW_SENDING; pages <= MOST; pages++) {
        uint32_t room;

        window.pages = pages;
        room = xlm_push_window_room(&window);
        assert_int_equal(XLM_PUSH_WINDOW_SENDING_MOST % room, 0);
        assert_true(room == XLM_PUSH_WINDOW_SENDING || 4 * room <= pages);
    }
    assert_int_equal(xlm_push_window_room(&window),
                     XLM_PUSH_WINDOW_SENDING_MOST);
}

/* With a sending for the background's turn. */
static void never_more_than_the_most(void **state)
{
    const struct path fast = {.page_us = 1, .delay_us = 10000};
    struct play play;

    (void)state;
    begin(&play, 50);
    play_for(&play, &fast, 1000000);
    assert_int_equal(play.window.pages, 50 - XLM_PUSH_WINDOW_SENDING);
    assert_true(play.window.in_flight <= play.window.pages);
}

/* While no request comes, no vCPU waits behind pushed pages. */
static void more_goes_while_nobody_asks(void **state)
{
    struct xlm_push_window window;
    uint32_t room, sent = 0;

    (void)state;
    xlm_push_window_init(&window, MOST, true);
    assert_int_equal(xlm_push_window_room(&window), XLM_PUSH_WINDOW_SENDING);
    window.calm = true;
    xlm_push_window_sent(&window, XLM_PUSH_WINDOW_SENDING, 1);
    assert_int_equal(xlm_push_window_room(&window), 0); /* it is looking */
    window.empty_us = 1;
    sent = XLM_PUSH_WINDOW_SENDING;
    while ((room = xlm_push_window_room(&window))) {
        xlm_push_window_sent(&window, room, 1);
        sent += room;
    }
    /* As far as whole sendings go. */
    assert_in_range(sent, XLM_PUSH_WINDOW_CALM - 15, XLM_PUSH_WINDOW_CALM);
    /* What is under way then is more than a request should find. */
    assert_int_equal(xlm_push_window_credited(&window, 16, 100000), 0);
    assert_true(xlm_push_window_room(&window) > 0);
    window.calm = false;
    assert_int_equal(xlm_push_window_room(&window), 0);
}

static void credit_in_parts_and_too_much_of_it(void **state)
{
    struct xlm_push_window window;

    (void)state;
    xlm_push_window_init(&window, MOST, true);
    xlm_push_window_sent(&window, 16, 10);
    xlm_push_window_sent(&window, 1, 20);
    assert_int_equal(window.in_flight, 17);
    assert_int_equal(xlm_push_window_credited(&window, 10, 30), 0);
    assert_int_equal(window.nr_sendings, 2);
    assert_int_equal(xlm_push_window_credited(&window, 6, 40), 0);
    assert_int_equal(window.nr_sendings, 1);
    assert_int_equal(window.round_sum_us, 30);
    assert_int_equal(xlm_push_window_credited(&window, 2, 50), -1);
    assert_int_equal(window.in_flight, 1);
    assert_int_equal(xlm_push_window_credited(&window, 1, 50), 0);
    assert_int_equal(window.in_flight, 0);
}

/* More requests than the policy can time keep the push waiting, and do no more
 * harm. */
static void many_requests(void **state)
{
    struct xlm_push_window window;
    unsigned int i;

    (void)state;
    xlm_push_window_init(&window, UINT32_MAX, true);
    for (i = 0; i < 2 * XLM_PUSH_WINDOW_SENDINGS; i++) {
        xlm_push_window_sent(&window, 1, i);
    }
    assert_int_equal(xlm_push_window_room(&window), 0);
    for (i = 0; i < 2 * XLM_PUSH_WINDOW_SENDINGS; i++) {
        assert_int_equal(xlm_push_window_credited(&window, 1, 1000 + i), 0);
    }
    assert_int_equal(window.weight, 0);
    assert_true(xlm_push_window_room(&window) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_path_is_not_filled),
        cmocka_unit_test(a_fast_path_is_filled),
        cmocka_unit_test(a_long_path_is_filled),
        cmocka_unit_test(noise_is_not_taken_for_a_queue),
        cmocka_unit_test(a_path_that_gets_slower_is_noticed),
        cmocka_unit_test(a_path_that_gets_longer_is_believed_in_time),
        cmocka_unit_test(it_looks_again),
        cmocka_unit_test(the_queue_is_a_part_of_the_path),
        cmocka_unit_test(the_best_of_the_last_rounds_counts),
        cmocka_unit_test(a_slow_sender_is_no_slow_path),
        cmocka_unit_test(no_cap_while_nobody_asks),
        cmocka_unit_test(a_long_and_fast_path_is_filled),
        cmocka_unit_test(a_long_path_is_looked_at_quickly),
        cmocka_unit_test(pages_are_weighed),
        cmocka_unit_test(zeroes_do_not_go_without_end),
        cmocka_unit_test(credit_before_the_length_is_known),
        cmocka_unit_test(calm_goes_by_the_path),
        cmocka_unit_test(something_always_goes),
        cmocka_unit_test(sendings_leave_nothing_over),
        cmocka_unit_test(never_more_than_the_most),
        cmocka_unit_test(more_goes_while_nobody_asks),
        cmocka_unit_test(credit_in_parts_and_too_much_of_it),
        cmocka_unit_test(many_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
