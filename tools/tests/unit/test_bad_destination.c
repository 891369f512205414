/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Destinations that lie, stall and die: the source is the engine, the
 * destination a puppet.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include <cmocka.h>

#include "fake_guest.h"
#include "fake_hypervisor.h"
#include "fake_peer.h"
#include "fake_toolstack.h"
#include "wire/record.h"
#include "wire/wire.h"
#include "xlm.h"

#define BIG_PAGES 4000 /* more than the sockets' buffers hold */

static int suspend(void *data)
{
    struct puppet *puppet = data;

    fake_guest_write(puppet->guest, 0, 3);
    fake_guest_move(puppet->guest, NULL);
    fake_domain_suspend(puppet->domain);
    puppet->suspended = true;
    return 0;
}

static void *run_save(void *data)
{
    struct puppet *puppet = data;
    struct xlm_save_callbacks callbacks = fake_idle_source;
    struct xlm_save_params params;

    callbacks.suspend = suspend;
    callbacks.data = puppet;
    xlm_save_params_init(&params);
    params.domid = fake_domain_id(puppet->domain);
    params.in_fd = params.out_fd = puppet->engine_fd;
    params.credit_pages = puppet->credit;
    params.credit_grows = false;
    /* Pushed pages need credit; there are no neighbours. */
    params.neighbours_below = params.neighbours_above = 0;
    params.neighbours_adapt = false;
    params.compress = XLM_COMPRESS_ZSTD; /* if the puppet says so */
    puppet->rc = xlm_save(&puppet->ctx, &params, &callbacks, &puppet->stats,
                          &puppet->over);
    shutdown(puppet->engine_fd, SHUT_RDWR);
    return NULL;
}

static struct puppet *start_save(uint64_t pages, uint32_t credit)
{
    struct puppet *puppet = new_puppet();
    uint64_t pfn;

    puppet->credit = credit;
    puppet->domain = fake_domain_new(puppet->host, pages, pages, 1);
    for (pfn = 0; pfn < pages; pfn++) {
        fake_page_set(puppet->domain, pfn, FAKE_RAM);
    }
    fake_domain_put_state(puppet->domain, XLM_STATE_CPUID_POLICY, "c", 1);
    fake_domain_put_state(puppet->domain, XLM_STATE_MSR_POLICY, "m", 1);
    fake_domain_put_state(puppet->domain, XLM_STATE_TSC_INFO,
                          "0123456789abcdef01234567", 24);
    fake_domain_put_state(puppet->domain, XLM_STATE_HVM_CONTEXT, "h", 1);
    puppet->guest = fake_guest_new(puppet->domain, pages, 1);
    fake_domain_run(puppet->domain);
    assert_int_equal(pthread_create(&puppet->thread, NULL, run_save, puppet),
                     0);
    return puppet;
}

/* Play along as a destination that refuses nothing. */
static void play_to_prepare(struct puppet *puppet)
{
    char headers[sizeof(struct xlm_wire_image_header) +
                 sizeof(struct xlm_wire_domain_header)];

    assert_int_equal(recv(puppet->fd, headers, sizeof(headers), MSG_WAITALL),
                     sizeof(headers));
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARE));
}

static void play_to_list(struct puppet *puppet)
{
    play_to_prepare(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_PREPARED, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PFNS_END));
}

static void play_to_transition(struct puppet *puppet)
{
    play_to_list(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_TRANSITION));
}

static void play_to_go(struct puppet *puppet)
{
    play_to_transition(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_GO));
}

/* Start a source that moves a guest of this many pages, and play it to a
 * stage. */
static struct puppet *save_of(uint64_t pages, void (*stage)(struct puppet *))
{
    struct puppet *puppet = start_save(pages, 1000000);

    stage(puppet);
    return puppet;
}

static struct puppet *save_at(void (*stage)(struct puppet *))
{
    return save_of(PAGES, stage);
}

/* The save must end by itself, in failure, with the guest still here. */
static void expect_kept(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_false(puppet->over);
    assert_false(fake_domain_logdirty(puppet->domain));
    if (puppet->suspended) {
        fake_domain_resume(puppet->domain);
    }
    assert_true(fake_domain_running(puppet->domain));
    assert_int_equal(fake_guest_compare(puppet->guest, puppet->domain), 0);
    free_puppet(puppet);
}

/* As above, but the source cannot know which host has the guest: the guest
 * must stay stopped. */
static void expect_over(struct puppet *puppet)
{
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_true(puppet->over);
    assert_false(fake_domain_running(puppet->domain));
    assert_int_equal(fake_guest_compare(puppet->guest, puppet->domain), 0);
    free_puppet(puppet);
}

static void expect_let_go(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    expect_over(puppet);
}

static void silence_instead_of_an_answer(void **state)
{
    struct puppet *puppet = save_at(play_to_prepare);

    (void)state;
    hang_up(puppet);
    expect_kept(puppet);
}

static void wrong_answers(void **state)
{
    static const uint32_t types[] = {
        XLM_REC_POSTCOPY_READY, XLM_REC_POSTCOPY_RUNNING, XLM_REC_END,
        XLM_REC_PAGE_DATA,      XLM_REC_POSTCOPY_GO,      0x7777};
    struct puppet *puppet;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        puppet = save_at(play_to_prepare);
        say_answer(puppet, types[i], 0);
        expect_kept(puppet);

        puppet = save_at(play_to_list);
        say_answer(puppet, types[i], 0);
        expect_kept(puppet);

        if (types[i] != XLM_REC_POSTCOPY_READY) {
            puppet = save_at(play_to_transition);
            say_answer(puppet, types[i], 0);
            expect_kept(puppet);
        }
    }
}

static void refusals(void **state)
{
    struct puppet *puppet = save_at(play_to_prepare);

    (void)state;
    say_answer(puppet, XLM_REC_POSTCOPY_PREPARED, XLM_REFUSED_NO_MEMORY);
    expect_kept(puppet);

    puppet = save_at(play_to_transition);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, XLM_REFUSED_OTHER);
    expect_kept(puppet);
}

static void evicted_what_is_not_there(void **state)
{
    struct puppet *puppet = save_at(play_to_list);
    uint64_t pfn = PAGES;

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 1, &pfn);
    expect_kept(puppet);
}

/* Every wrong record that a destination can send once it has the go. */
static void lies_after_the_go(void **state)
{
    static const struct xlm_wire_credit credit = {.pages = 1000000};
    static const uint64_t beyond = PAGES;
    struct puppet *puppet;
    int lie;

    (void)state;
    for (lie = 0; lie < 9; lie++) {
        puppet = save_at(play_to_go);
        switch (lie) {
        case 0:
            hang_up(puppet);
            break;
        case 1:
            say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
            break;
        case 2:
            say(puppet, XLM_REC_POSTCOPY_CREDIT, &credit, sizeof(credit));
            break;
        case 3:
            say_list(puppet, XLM_REC_POSTCOPY_FAULT, 1, &beyond);
            break;
        case 4:
            say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, XLM_REFUSED_OTHER);
            break;
        case 5:
            say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
            break;
        case 6:
            say(puppet, XLM_REC_POSTCOPY_PAGE_DATA, "12345678", 8);
            break;
        case 7:
            say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
            say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
            break;
        case 8:
            say(puppet, XLM_REC_POSTCOPY_GONE, NULL, 0);
            break;
        }
        expect_let_go(puppet);
    }
}

/* COMPLETE from a destination that never sent RUNNING, or before the source
 * has sent all pages. */
static void complete_without_running(void **state)
{
    struct puppet *puppet = save_at(play_to_go);

    (void)state;
    puppet->credits = true;
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    expect_let_go(puppet);
}

/* The guest has ended at the destination: no process needs its pages any more.
 */
static void gone(void **state)
{
    struct puppet *puppet = save_of(BIG_PAGES, play_to_go);

    (void)state;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say(puppet, XLM_REC_POSTCOPY_GONE, NULL, 0);
    assert_true(hear(puppet, XLM_REC_END));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_true(puppet->over);
    free_puppet(puppet);
}

static void complete_too_early(void **state)
{
    struct puppet *puppet = save_of(BIG_PAGES, play_to_go);

    (void)state;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    /* The source cannot have sent all pages by now. */
    pthread_join(puppet->thread, NULL);
    assert_false(hear(puppet, XLM_REC_END));
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->over);
    free_puppet(puppet);
}

/* The destination sends a wrong record and reads no more.  The thread that
 * pushes is stuck in a write, and the engine must wake it. */
static void lies_and_does_not_read(void **state)
{
    struct puppet *puppet = save_of(BIG_PAGES, play_to_go);

    (void)state;
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    expect_let_go(puppet);
}

/* Statistics of more vCPUs than it has sent times of, or than there can be. */
static void statistics_that_do_not_add_up(void **state)
{
    struct {
        struct xlm_wire_stats stats;
        uint64_t blocked_us[2];
    } odd[] = {{.stats.nr_vcpus = 3},
               {.stats.nr_vcpus = UINT32_MAX / 8 + 3},
               {.stats.nr_vcpus = 1}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct puppet *puppet = save_at(play_to_go);

        puppet->credits = true;
        say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
        say(puppet, XLM_REC_POSTCOPY_STATS, &odd[i], sizeof(odd[i]));
        expect_let_go(puppet);
    }
}

/* An older receiver sends no behind_median and behind_most. */
static void statistics_of_an_older_receiver(void **state)
{
    static const struct xlm_wire_stats stats;
    struct puppet *puppet = save_at(play_to_go);

    (void)state;
    puppet->credits = true;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say(puppet, XLM_REC_POSTCOPY_STATS, &stats,
        sizeof(stats) - 2 * sizeof(uint64_t));
    pthread_join(puppet->thread, NULL);
    assert_non_null(
        strstr(puppet->ctx.reason, "POSTCOPY_STATS of 344 octets"));
    expect_over(puppet);
}

/* Useless requests that do no harm. */
static void odd_requests(void **state)
{
    static const struct xlm_wire_stats stats = {.faults = 1};
    static const uint64_t odd[] = {1, 1, 1, 3, 39, 39, 0};
    struct puppet *puppet = save_at(play_to_go);
    int i;

    (void)state;
    puppet->credits = true;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    for (i = 0; i < 50; i++) {
        say_list(puppet, XLM_REC_POSTCOPY_FAULT, 7, odd);
    }
    assert_true(hear(puppet, XLM_REC_END));
    say_list(puppet, XLM_REC_POSTCOPY_FAULT, 7, odd);
    say(puppet, XLM_REC_POSTCOPY_STATS, &stats, sizeof(stats));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_true(puppet->over);
    assert_int_equal(puppet->stats.faults, 1);
    assert_int_equal(puppet->stats.requested_pages +
                         puppet->stats.pushed_pages,
                     puppet->stats.postcopy_pages);
    free_puppet(puppet);
}

/* Only pushed pages need credit: a source that waits for credit must wake up
 * for a request. */
static void requests_without_credit(void **state)
{
    struct puppet *puppet = start_save(PAGES, 16);
    uint64_t pfn;

    (void)state;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    /* The source pushes some pages, and then waits for credit. */
    assert_true(hear_next(puppet));
    for (pfn = PAGES - 1; pfn > 16; pfn--) {
        say_list(puppet, XLM_REC_POSTCOPY_FAULT, 1, &pfn);
        do {
            assert_true(hear_next(puppet));
        } while (puppet->last_pfn != pfn);
    }
    puppet->credits = true;
    say_credit(puppet);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_int_equal(puppet->stats.requested_pages, PAGES - 17);
    free_puppet(puppet);
}

#define DROPPED 30 /* and all above */

/* The source has sent some of the dropped pages, one of which is requested as
 * well: credit comes only after the source knew. */
static void dropped_pages_are_not_sent(void **state)
{
    struct puppet *puppet = start_save(PAGES, 16);
    uint64_t dropped[PAGES], count = 0, pfn;

    (void)state;
    play_to_go(puppet);
    puppet->after_go = true;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    assert_true(hear_next(puppet));
    assert_true(puppet->last_pfn < DROPPED);
    dropped[count++] = puppet->last_pfn;
    for (pfn = DROPPED; pfn < PAGES; pfn++) {
        dropped[count++] = pfn;
    }
    say_list(puppet, XLM_REC_POSTCOPY_DROPPED, count, dropped);
    pfn = DROPPED;
    say_list(puppet, XLM_REC_POSTCOPY_FAULT, 1, &pfn);
    puppet->credits = true;
    say_credit(puppet);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    for (pfn = DROPPED; pfn < PAGES; pfn++) {
        assert_false(puppet->came[pfn]);
    }
    assert_int_equal(puppet->stats.unsent_pages, PAGES - DROPPED);
    assert_int_equal(puppet->stats.requested_pages, 0);
    assert_int_equal(puppet->stats.pushed_pages + puppet->stats.unsent_pages,
                     puppet->stats.postcopy_pages);
    free_puppet(puppet);
}

/* A destination that does not say which forms it knows is an older one: pages
 * go as they are, and zeroes. */
static void says_no_features(void **state)
{
    struct puppet *puppet = start_save(PAGES, 1000000);
    uint32_t type;

    (void)state;
    play_to_go(puppet);
    puppet->unpaid = 0; /* of pages before the go */
    puppet->after_go = puppet->credits = true;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    do {
        type = hear_next(puppet);
        assert_int_not_equal(type, 0);
        assert_int_not_equal(type, XLM_REC_POSTCOPY_COMPRESSED);
        assert_int_not_equal(type, XLM_REC_POSTCOPY_REPEATED_PAGES);
    } while (type != HEARD_END);
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    free_puppet(puppet);
}

/* The same when it does: a repeated page goes as one word. */
static void says_features(void **state)
{
    static const struct xlm_wire_features all = {
        .features = XLM_FEATURE_REPEATED | XLM_FEATURE_COMPRESSED | 0x80,
    };
    struct puppet *puppet = start_save(PAGES, 1000000);

    (void)state;
    play_to_prepare(puppet);
    say(puppet, XLM_REC_POSTCOPY_FEATURES, &all, sizeof(all));
    say_answer(puppet, XLM_REC_POSTCOPY_PREPARED, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PFNS_END));
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_TRANSITION));
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_GO));
    puppet->unpaid = 0; /* of pages before the go */
    puppet->credits = true;
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_REPEATED_PAGES));
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    free_puppet(puppet);
}

/* No page is left to be sent: the source must notice that without credit. */
static void all_pages_are_dropped(void **state)
{
    struct puppet *puppet = start_save(PAGES, 16);
    uint64_t dropped[PAGES], pfn;

    (void)state;
    play_to_go(puppet);
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    for (pfn = 0; pfn < PAGES; pfn++) {
        dropped[pfn] = pfn;
    }
    say_list(puppet, XLM_REC_POSTCOPY_DROPPED, PAGES, dropped);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_int_equal(puppet->stats.outstanding, 0);
    free_puppet(puppet);
}

/* Answers to lists that the source never sent, and answers that are too long.
 */
static void evicted_again_and_again(void **state)
{
    static uint64_t body[1 + XLM_LIST_PFNS] = {XLM_LIST_PFNS};
    struct puppet *puppet = save_at(play_to_transition);

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    expect_kept(puppet);

    /* One page is requested again and again; the source must not wait for an
     * end of such records. */
    puppet = save_at(play_to_list);
    say(puppet, XLM_REC_POSTCOPY_EVICTED, body, sizeof(body));
    pthread_join(puppet->thread, NULL);
    assert_non_null(strstr(puppet->ctx.reason, "more pages than the guest"));
    assert_int_equal(puppet->rc, -1);
    assert_false(puppet->over);
    free_puppet(puppet);
}

/* The destination says that it could not evict pages that it has already, and
 * requests pages that it has.  The source sends each page only once all the
 * same. */
static void lies_about_what_it_lacks(void **state)
{
    static const uint64_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct puppet *puppet = save_of(10, play_to_list);

    (void)state;
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 10, all);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_TRANSITION));
    say_list(puppet, XLM_REC_POSTCOPY_EVICTED, 0, NULL);
    say_answer(puppet, XLM_REC_POSTCOPY_READY, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_GO));
    say_answer(puppet, XLM_REC_POSTCOPY_RUNNING, 0);
    say_list(puppet, XLM_REC_POSTCOPY_FAULT, 10, all);
    assert_true(hear(puppet, XLM_REC_END));
    say(puppet, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, 0);
    assert_int_equal(puppet->stats.stop_pages, 10);
    assert_int_equal(puppet->stats.requested_pages, 0);
    free_puppet(puppet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_instead_of_an_answer),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(refusals),
        cmocka_unit_test(evicted_what_is_not_there),
        cmocka_unit_test(lies_after_the_go),
        cmocka_unit_test(complete_without_running),
        cmocka_unit_test(complete_too_early),
        cmocka_unit_test(gone),
        cmocka_unit_test(lies_and_does_not_read),
        cmocka_unit_test(statistics_that_do_not_add_up),
        cmocka_unit_test(statistics_of_an_older_receiver),
        cmocka_unit_test(odd_requests),
        cmocka_unit_test(requests_without_credit),
        cmocka_unit_test(dropped_pages_are_not_sent),
        cmocka_unit_test(all_pages_are_dropped),
        cmocka_unit_test(says_no_features),
        cmocka_unit_test(says_features),
        cmocka_unit_test(evicted_again_and_again),
        cmocka_unit_test(lies_about_what_it_lacks),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
