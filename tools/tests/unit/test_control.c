/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration in xenstore: what it shows, which requests it accepts, and
 * what is left of it when it ends or is killed.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "control/control.h"
#include "control/control_internal.h"
#include "control/control_policy.h"
#include "control/control_store.h"
#include "control/estimate.h"
#include "fake_log.h"
#include "fake_xenstore.h"
#include "keeping/memo.h"
#include "watchdog.h"

#define DOMID 7
#define BASE "/libxl/7/live-migrate"
#define ANSWER_MS (1000 * WATCHDOG_SECONDS)

/* ---- requests, as a table ---- */

static const struct {
    const char *text;
    enum lm_request_kind kind;
    uint64_t rate;
} requests[] = {
    {"start-postcopy", LM_REQUEST_START_POSTCOPY, 0},
    {"abort", LM_REQUEST_ABORT, 0},
    {"set-rate 0", LM_REQUEST_SET_RATE, 0},
    {"set-rate 1048576", LM_REQUEST_SET_RATE, 1048576},
    {"set-rate unlimited", LM_REQUEST_SET_RATE, XLM_RATE_UNLIMITED},
    {"", LM_REQUEST_BAD, 0},
    {"abort ", LM_REQUEST_BAD, 0},
    {"set-rate", LM_REQUEST_BAD, 0},
    {"set-rate ", LM_REQUEST_BAD, 0},
    {"set-rate -1", LM_REQUEST_BAD, 0},
    {"set-rate 1M", LM_REQUEST_BAD, 0},
    {"set-rate  1", LM_REQUEST_BAD, 0},
    {"set-rate 18446744073709551615", LM_REQUEST_BAD, 0},
    {"set-rate 99999999999999999999", LM_REQUEST_BAD, 0},
};

static void request_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct lm_request request = lm_request_parse(requests[i].text);

        if (request.kind != requests[i].kind ||
            (request.kind == LM_REQUEST_SET_RATE &&
             request.rate != requests[i].rate)) {
            fail_msg("'%s' is read otherwise", requests[i].text);
        }
    }
}

#define SOURCE .source = true, .may_switch = true, .may_abort = true

static const struct {
    const char *request;
    struct lm_control_state state;
    const char *answer; /* begins so; NULL: later */
} answers[] = {
    {"start-postcopy", {SOURCE, .phase = XLM_PHASE_START}, NULL},
    {"start-postcopy", {SOURCE, .phase = XLM_PHASE_PRECOPY}, NULL},
    {"start-postcopy",
     {SOURCE, .phase = XLM_PHASE_EVICTING, .evicted = true, .switching = true},
     "ok"},
    {"start-postcopy",
     {SOURCE, .phase = XLM_PHASE_POSTCOPY, .evicted = true, .switching = true},
     "ok"},
    {"start-postcopy",
     {SOURCE, .phase = XLM_PHASE_POSTCOPY, .evicted = true},
     "error it is in postcopy already"},
    {"start-postcopy",
     {SOURCE, .phase = XLM_PHASE_SUSPENDED, .switching = true},
     "error too late"},
    {"start-postcopy",
     {SOURCE, .phase = XLM_PHASE_PRECOPY, .ended = true},
     "error it has failed"},
    {"start-postcopy",
     {.source = true, .phase = XLM_PHASE_PRECOPY},
     "error it was started without"},
    {"start-postcopy", {.phase = XLM_PHASE_PRECOPY}, "error only the source"},
    {"abort", {SOURCE, .phase = XLM_PHASE_PRECOPY}, NULL},
    {"abort", {SOURCE, .phase = XLM_PHASE_READY}, NULL},
    {"abort", {SOURCE, .phase = XLM_PHASE_GO}, "error too late"},
    {"abort", {SOURCE, .phase = XLM_PHASE_POSTCOPY}, "error too late"},
    {"abort", {SOURCE, .phase = XLM_PHASE_READY, .ended = true}, "ok"},
    {"abort",
     {SOURCE, .phase = XLM_PHASE_READY, .ended = true, .transitioned = true},
     "error too late"},
    {"abort", {.may_abort = true, .phase = XLM_PHASE_PRECOPY}, NULL},
    {"abort", {.phase = XLM_PHASE_PRECOPY}, "error only its own"},
    {"set-rate 5", {SOURCE, .phase = XLM_PHASE_START}, "ok"},
    {"set-rate 5", {SOURCE, .phase = XLM_PHASE_POSTCOPY}, "ok"},
    {"set-rate 5", {SOURCE, .ended = true}, "error it has ended"},
    {"set-rate 5", {.phase = XLM_PHASE_POSTCOPY}, "error only the source"},
    {"set-rate x", {SOURCE}, "error the request"},
    {"what", {.phase = XLM_PHASE_PRECOPY}, "error the request"},
};

static void answer_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct lm_request request = lm_request_parse(answers[i].request);
        const char *answer = lm_request_answer(&request, &answers[i].state);
        const char *wanted = answers[i].answer;

        if (!wanted != !answer ||
            (wanted && strncmp(answer, wanted, strlen(wanted)))) {
            fail_msg("answer %zu to '%s' is '%s'", i, answers[i].request,
                     answer ? answer : "later");
        }
    }
}

/* ---- rate and time left ---- */

#define SECOND 1000000u

static void estimates(void **state)
{
    struct lm_estimate estimate = {0};
    struct xlm_stats stats = {.dirty_pages = 100000};
    uint64_t now = 5 * SECOND;

    (void)state;
    lm_estimate_update(&estimate, XLM_PHASE_PRECOPY, &stats, now);
    assert_int_equal(estimate.time_left_us, 0);
    for (int i = 0; i < 100; i++) {
        now += SECOND / 10;
        stats.dirty_pages -= 500;
        stats.bytes_sent += 500 * 4096;
        lm_estimate_update(&estimate, XLM_PHASE_PRECOPY, &stats, now);
    }
    assert_in_range(estimate.bytes_per_second, 4096 * 4900, 4096 * 5100);
    assert_in_range(estimate.time_left_us, 9 * SECOND, 11 * SECOND);

    /* The next round has another length, and the same rate. */
    stats.iterations++;
    stats.dirty_pages = 5000;
    now += SECOND / 10;
    lm_estimate_update(&estimate, XLM_PHASE_PRECOPY, &stats, now);
    assert_in_range(estimate.bytes_per_second, 4096 * 4900, 4096 * 5100);
    assert_in_range(estimate.time_left_us, SECOND * 9 / 10, SECOND * 11 / 10);

    now += SECOND * 6 / 10;
    stats.dirty_pages = 2000;
    stats.bytes_sent += 3000 * 4096;
    lm_estimate_update(&estimate, XLM_PHASE_PRECOPY, &stats, now);
    assert_in_range(estimate.time_left_us, SECOND * 3 / 10, SECOND / 2);

    /* Nothing is sent: the rate soon shows that. */
    for (int i = 0; i < 100; i++) {
        now += SECOND / 10;
        lm_estimate_update(&estimate, XLM_PHASE_PRECOPY, &stats, now);
    }
    assert_in_range(estimate.bytes_per_second, 0, 4096 * 10);

    /* Another phase counts from zero; the destination counts no octets. */
    stats = (struct xlm_stats){.outstanding = 1000};
    lm_estimate_update(&estimate, XLM_PHASE_POSTCOPY, &stats, now);
    assert_int_equal(estimate.bytes_per_second, 0);
    stats.outstanding = 500;
    lm_estimate_update(&estimate, XLM_PHASE_POSTCOPY, &stats, now + SECOND);
    assert_int_equal(estimate.bytes_per_second, 500 * 4096);
    assert_int_equal(estimate.time_left_us, SECOND);
}

/* ---- a migration that is shown ---- */

struct shown {
    struct xlm_control engine;
    struct lm_abort abort;
    struct lm_control *control;
    libxl_live_migrate_stats stats;
    const uint8_t *id; /* NULL: the first one */
};

static void show(struct shown *shown, libxl_live_migrate_role role)
{
    static const struct xlm_control fresh = XLM_CONTROL_INIT;
    static const uint8_t first[LM_ID_SIZE] = "the first one";
    struct lm_control_setup setup = {
        .domid = DOMID,
        .role = role,
        .name = "guest",
        .id = shown->id ? shown->id : first,
        .may_switch = true,
        .engine =
            role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE ? &shown->engine : NULL,
        .logger = fake_logger(),
    };

    shown->engine = fresh;
    lm_abort_open(&shown->abort, -1);
    setup.abort_event_fd = shown->abort.event_fd;
    shown->control = lm_control_start(&setup);
}

static int set_up(void **state)
{
    struct shown *shown = calloc(1, sizeof(*shown));

    alarm(WATCHDOG_SECONDS);
    fake_store_clear();
    fake_store_put("/libxl/7", "");
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    *state = shown;
    return shown->control ? 0 : -1;
}

static void end(struct shown *shown, libxl_live_migrate_state how,
                const char *reason)
{
    lm_control_end(shown->control, how, reason);
    shown->control = NULL;
}

static int tear_down(void **state)
{
    struct shown *shown = *state;
    int handles;

    lm_control_end(shown->control, LIBXL_LIVE_MIGRATE_STATE_COMPLETE, "");
    lm_abort_close(&shown->abort);
    handles = fake_store_handles();
    free(shown);
    fake_store_clear();
    return handles;
}

static void at(struct shown *shown, enum xlm_phase phase)
{
    static const libxl_live_migrate_outside nobody_waits;

    lm_control_observe(shown->control, phase, &shown->stats, &nobody_waits);
}

static void await_node(const char *path, const char *value)
{
    const char *now;

    while (!(now = fake_store_get(path)) || strcmp(now, value)) {
        usleep(1000);
    }
}

static bool is_readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    return poll(&poller, 1, 0) > 0;
}

static void shows_what_is(void **state)
{
    struct shown *shown = *state;
    libxl_live_migrate_status *list;
    char pid[16];
    int count;

    shown->stats.precopy_pages = 123;
    shown->stats.bytes_sent = 456789;
    at(shown, XLM_PHASE_PRECOPY);
    await_node(BASE "/phase", "precopy");
    await_node(BASE "/precopy-pages", "123");
    snprintf(pid, sizeof(pid), "%d", getpid());
    assert_string_equal(fake_store_get(BASE "/pid"), pid);
    assert_string_equal(fake_store_get(BASE "/role"), "source");
    assert_string_equal(fake_store_get(BASE "/background-rate"), "unlimited");

    fake_store_put("/libxl/8", "");
    fake_store_put("/libxl/x", "");
    assert_int_equal(libxl_live_migrate_list(&list, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(list->domid, DOMID);
    assert_int_equal(list->pid, getpid());
    assert_string_equal(list->name, "guest");
    assert_int_equal(list->role, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_int_equal(list->state, LIBXL_LIVE_MIGRATE_STATE_RUNNING);
    assert_int_equal(list->phase, LIBXL_LIVE_MIGRATE_PHASE_PRECOPY);
    assert_int_equal(list->stats.precopy_pages, 123);
    assert_int_equal(list->stats.bytes_sent, 456789);
    assert_true(list->background_rate == LIBXL_LIVE_MIGRATE_RATE_UNLIMITED);
    libxl_live_migrate_status_list_free(list, count);
}

/* A second is over, or is not. */
static void publish(struct lm_control *control, bool due)
{
    control->due_us = due ? 0 : UINT64_MAX;
    lm_control_publish(control);
}

/* In the stop nothing waits for figures, and they wait for their second. */
static void figures_can_wait(void **state)
{
    struct lm_control control = {
        .setup = {.domid = DOMID},
        .xs = xs_open(0),
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };

    (void)state;
    control.view.phase = LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED;
    publish(&control, false); /* the first time it shows all */
    control.view.phase = LIBXL_LIVE_MIGRATE_PHASE_EVICTING;
    control.view.stats.precopy_pages = 1;
    publish(&control, false);
    assert_string_equal(fake_store_get(BASE "/precopy-pages"), "1");
    control.view.phase = LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED;
    control.view.stats.precopy_pages = 2;
    control.view.stats.outstanding = 8;
    control.view.mark = (struct xlm_mark){.is_set = true, .tot_pages = 9};
    publish(&control, false);
    assert_string_equal(fake_store_get(BASE "/phase"), "suspended");
    assert_string_equal(fake_store_get(BASE "/mark"), "9");
    assert_string_equal(fake_store_get(BASE "/outstanding-pages"), "8");
    assert_string_equal(fake_store_get(BASE "/precopy-pages"), "1");
    publish(&control, true);
    assert_string_equal(fake_store_get(BASE "/precopy-pages"), "2");
    control.view.stats.precopy_pages = 3;
    control.view.paused = true;
    publish(&control, false);
    assert_string_equal(fake_store_get(BASE "/precopy-pages"), "3");
    xs_close(control.xs);
}

/* The end shows everything, whenever that is. */
static void the_end_does_not_wait(void **state)
{
    struct shown *shown = *state;

    at(shown, XLM_PHASE_PRECOPY);
    await_node(BASE "/phase", "precopy");
    at(shown, XLM_PHASE_POSTCOPY);
    await_node(BASE "/phase", "postcopy");
    shown->stats.bytes_sent = 99;
    at(shown, XLM_PHASE_POSTCOPY);
    end(shown, LIBXL_LIVE_MIGRATE_STATE_PAUSED, "no link");
    assert_string_equal(fake_store_get(BASE "/bytes-sent"), "99");
}

/* The lists go through xenstore as text, without the zeroes at their ends. */
static void shows_the_waits(void **state)
{
    struct shown *shown = *state;
    libxl_live_migrate_waits waits = {.nr_vcpus = 3};
    libxl_live_migrate_status *list, copy;
    char *text;
    int count;

    waits.histogram[1] = 5;
    waits.histogram[4] = UINT64_MAX;
    waits.blocked_us[1] = 77;
    shown->stats.waits = waits;
    shown->stats.duplicate_pages = 2;
    shown->stats.behind_median = 30;
    shown->stats.behind_most = 400;
    at(shown, XLM_PHASE_POSTCOPY);
    await_node(BASE "/vcpu-blocked-us", "0 77");
    await_node(BASE "/fault-histogram", "0 5 0 0 18446744073709551615");
    await_node(BASE "/duplicate-pages", "2");
    await_node(BASE "/behind-median", "30");
    await_node(BASE "/behind-most", "400");

    assert_int_equal(libxl_live_migrate_list(&list, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(list->stats.waits.histogram[1], 5);
    assert_true(list->stats.waits.histogram[4] == UINT64_MAX);
    assert_int_equal(list->stats.waits.histogram[31], 0);
    assert_int_equal(list->stats.waits.nr_vcpus, 2);
    assert_int_equal(list->stats.waits.blocked_us[1], 77);
    assert_int_equal(list->stats.behind_median, 30);
    assert_int_equal(list->stats.behind_most, 400);
    /* A copied status does not refer to the list. */
    copy = *list;
    libxl_live_migrate_status_list_free(list, count);
    text = libxl_live_migrate_status_to_json(&copy);
    assert_non_null(strstr(text, "\"behind-median\": 30,"));
    assert_non_null(strstr(text, "\"behind-most\": 400,"));
    assert_non_null(strstr(text, "\"vcpu-blocked-us\": [0, 77],"));
    assert_non_null(strstr(
        text, "\"fault-histogram\": [0, 5, 0, 0, 18446744073709551615]"));
    free(text);
    copy.stats.waits = (libxl_live_migrate_waits){.nr_vcpus = 0};
    text = libxl_live_migrate_status_to_json(&copy);
    assert_non_null(strstr(text, "\"fault-histogram\": [],"));
    free(text);
}

/* Whatever the nodes hold, the reader takes no more than it has room for. */
static void check_build(libxl_live_migrate_build build, const char *reason,
                        const char *json)
{
    libxl_live_migrate_status *list;
    char *text;
    int count;

    assert_int_equal(libxl_live_migrate_list(&list, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(list->build, build);
    assert_string_equal(list->late_reason, reason);
    text = libxl_live_migrate_status_to_json(list);
    assert_non_null(strstr(text, json));
    free(text);
    libxl_live_migrate_status_list_free(list, count);
}

/* No mark is shown before there is one.  A recovery takes the mark from the
 * process before it; another migration does not. */
static void shows_when_devices_start(void **state)
{
    const uint8_t other[LM_ID_SIZE] = "another one";
    struct shown *shown = *state;

    at(shown, XLM_PHASE_PREPARING);
    await_node(BASE "/phase", "preparing");
    assert_null(fake_store_get(BASE "/build"));
    check_build(LIBXL_LIVE_MIGRATE_BUILD_ANY, "",
                "\"build\": null, \"late-reason\": null,");
    lm_control_note_build(shown->control, LIBXL_LIVE_MIGRATE_BUILD_LATE,
                          "as asked for");
    at(shown, XLM_PHASE_PRECOPY);
    await_node(BASE "/build", "late");
    check_build(LIBXL_LIVE_MIGRATE_BUILD_LATE, "as asked for",
                "\"build\": \"late\", \"late-reason\": \"as asked for\",");

    for (int again = 0; again < 2; again++) {
        lm_control_end_source(shown->control, LIBXL_LIVE_MIGRATE_STATE_PAUSED,
                              "its link was lost");
        lm_abort_close(&shown->abort);
        show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
        at(shown, XLM_PHASE_POSTCOPY);
        await_node(BASE "/phase", "postcopy");
        check_build(LIBXL_LIVE_MIGRATE_BUILD_LATE, "as asked for",
                    "\"build\": \"late\",");
    }
    end(shown, LIBXL_LIVE_MIGRATE_STATE_FAILED, "");
    lm_abort_close(&shown->abort);
    shown->id = other;
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    at(shown, XLM_PHASE_PRECOPY);
    await_node(BASE "/phase", "precopy");
    check_build(LIBXL_LIVE_MIGRATE_BUILD_ANY, "", "\"build\": null,");
    lm_control_note_build(shown->control, LIBXL_LIVE_MIGRATE_BUILD_EARLY, "");
    at(shown, XLM_PHASE_SUSPENDED);
    await_node(BASE "/build", "early");
    check_build(LIBXL_LIVE_MIGRATE_BUILD_EARLY, "",
                "\"build\": \"early\", \"late-reason\": null,");
}

static void a_list_that_is_too_long(void **state)
{
    libxl_live_migrate_status *list;
    char text[4 * LIBXL_LIVE_MIGRATE_WAIT_VCPUS];
    size_t i;
    int count;

    at(*state, XLM_PHASE_POSTCOPY);
    await_node(BASE "/phase", "postcopy");
    for (i = 0; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "9 ", 3);
    }
    fake_store_put(BASE "/fault-histogram", text);
    fake_store_put(BASE "/vcpu-blocked-us", "1 x 3");
    assert_int_equal(libxl_live_migrate_list(&list, &count), 0);
    assert_int_equal(list->stats.waits.histogram[31], 9);
    assert_int_equal(list->stats.waits.nr_vcpus, 1);
    assert_int_equal(list->stats.waits.blocked_us[1], 0);
    libxl_live_migrate_status_list_free(list, count);
}

static void survives_conflicts(void **state)
{
    struct shown *shown = *state;

    fake_store_conflicts(3);
    at(shown, XLM_PHASE_PRECOPY);
    await_node(BASE "/phase", "precopy");
    /* So many conflicts that the thread gives up until the next second. */
    fake_store_conflicts(15);
    at(shown, XLM_PHASE_EVICTING);
    await_node(BASE "/phase", "evicting");

    end(shown, LIBXL_LIVE_MIGRATE_STATE_FAILED, "");
    lm_abort_close(&shown->abort);
    fake_store_conflicts(3);
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_non_null(shown->control);
}

/* The domain is destroyed: its nodes do not come back. */
static void goes_with_the_domain(void **state)
{
    struct shown *shown = *state;

    at(shown, XLM_PHASE_POSTCOPY);
    await_node(BASE "/phase", "postcopy");
    fake_store_put("/libxl/7", NULL);
    at(shown, XLM_PHASE_COMPLETE);
    end(shown, LIBXL_LIVE_MIGRATE_STATE_COMPLETE, "");
    assert_null(fake_store_get("/libxl/7"));
}

/* ---- asking ---- */

static int ask(libxl_live_migrate_command command, uint64_t rate, char *reason)
{
    return libxl_live_migrate_request(DOMID, command, rate, ANSWER_MS, reason);
}

static void sets_the_rate(void **state)
{
    struct shown *shown = *state;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    at(shown, XLM_PHASE_PRECOPY);
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE, 5000000, reason),
                     0);
    assert_int_equal(atomic_load(&shown->engine.background_rate), 5000000);
    await_node(BASE "/background-rate", "5000000");
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE,
                         LIBXL_LIVE_MIGRATE_RATE_UNLIMITED, NULL),
                     0);
    assert_true(atomic_load(&shown->engine.background_rate) ==
                XLM_RATE_UNLIMITED);
    /* No node of a request stays. */
    assert_string_equal(fake_store_get(BASE "/request"), "");
    assert_string_equal(fake_store_get(BASE "/answer"), "");
}

/* The engine reports progress, and then the thread has its turn: this checks
 * what the thread shows. */
static unsigned int progress_shown(struct shown *shown)
{
    shown->stats.pushed_pages++;
    at(shown, XLM_PHASE_POSTCOPY);
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE, 1, NULL), 0);
    return strtoul(fake_store_get(BASE "/pushed-pages"), NULL, 10);
}

/* However often the engine reports progress, the thread writes once a second,
 * and when a phase has begun.  How long all of that takes depends on the
 * machine. */
static void is_not_shown_too_often(void **state)
{
    struct shown *shown = *state;
    unsigned int last = 0, changes = 0;
    uint64_t began_us = xlm_now_us();

    at(shown, XLM_PHASE_POSTCOPY);
    await_node(BASE "/phase", "postcopy");
    for (int i = 0; i < 100; i++) {
        unsigned int now = progress_shown(shown);

        changes += now != last;
        last = now;
    }
    assert_in_range(changes, 0, 2 + (xlm_now_us() - began_us) / SECOND);
    await_node(BASE "/pushed-pages", "100");
}

struct asker {
    pthread_t thread;
    libxl_live_migrate_command command;
    int rc;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
};

static void *run_asker(void *data)
{
    struct asker *asker = data;

    asker->rc = ask(asker->command, 0, asker->reason);
    return NULL;
}

static void start_asking(struct asker *asker,
                         libxl_live_migrate_command command)
{
    asker->command = command;
    if (pthread_create(&asker->thread, NULL, run_asker, asker)) {
        abort();
    }
}

static void await_switch(struct shown *shown)
{
    while (!atomic_load(&shown->engine.switch_now)) {
        usleep(1000);
    }
}

static void switches_and_says_so(void **state)
{
    struct shown *shown = *state;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    struct asker asker;

    at(shown, XLM_PHASE_PRECOPY);
    start_asking(&asker, LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY);
    await_switch(shown);
    at(shown, XLM_PHASE_EVICTING);
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.rc, 0);
    /* A second request gets the same answer. */
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY, 0, reason),
                     0);
    at(shown, XLM_PHASE_GO);
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0, reason),
                     ERROR_INVAL);
    assert_non_null(strstr(reason, "too late"));
}

static void too_late_to_switch(void **state)
{
    struct shown *shown = *state;
    struct asker asker;

    at(shown, XLM_PHASE_PRECOPY);
    start_asking(&asker, LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY);
    await_switch(shown);
    at(shown, XLM_PHASE_SUSPENDED); /* the policy was quicker */
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.rc, ERROR_INVAL);
    assert_non_null(strstr(asker.reason, "too late"));
}

/* Two programs make requests at the same time, and both get their answer. */
static void aborts_and_says_so(void **state)
{
    struct shown *shown = *state;
    struct asker askers[2];

    at(shown, XLM_PHASE_PRECOPY);
    for (int i = 0; i < 2; i++) {
        start_asking(&askers[i], LIBXL_LIVE_MIGRATE_COMMAND_ABORT);
    }
    while (!is_readable(shown->abort.poll_fd)) {
        usleep(1000);
    }
    end(shown, LIBXL_LIVE_MIGRATE_STATE_FAILED, "aborted on request");
    for (int i = 0; i < 2; i++) {
        pthread_join(askers[i].thread, NULL);
        /* The second request may have come when the migration was over. */
        assert_true(!askers[i].rc || askers[i].rc == ERROR_NOTFOUND);
    }
    assert_true(!askers[0].rc || !askers[1].rc);
    assert_string_equal(fake_store_get(BASE "/state"), "failed");
    assert_string_equal(fake_store_get(BASE "/reason"), "aborted on request");
}

static void what_it_refuses(void **state)
{
    struct shown *shown = *state;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    at(shown, XLM_PHASE_PRECOPY);
    assert_int_equal(
        libxl_live_migrate_request(99, LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0,
                                   ANSWER_MS, reason),
        ERROR_DOMAIN_NOTFOUND);
    fake_store_put("/libxl/8", "");
    assert_int_equal(
        libxl_live_migrate_request(8, LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0,
                                   ANSWER_MS, reason),
        ERROR_NOTFOUND);
    assert_non_null(strstr(reason, "under way"));
    assert_null(fake_store_get("/libxl/8/live-migrate"));
    assert_int_equal(
        libxl_live_migrate_request(DOMID, 77, 0, ANSWER_MS, reason),
        ERROR_INVAL);
    /* The migration does not answer in that time. */
    assert_int_equal(
        libxl_live_migrate_request(
            DOMID, LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY, 0, 50, reason),
        ERROR_TIMEDOUT);
    assert_string_equal(fake_store_get(BASE "/request"), "");
    end(shown, LIBXL_LIVE_MIGRATE_STATE_COMPLETE, "");
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0, reason),
                     ERROR_NOTFOUND);
    assert_non_null(strstr(reason, "ended"));
    fake_store_down(true);
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0, reason),
                     ERROR_FAIL);
}

/* ---- leftovers ---- */

/* As a killed process leaves it. */
static void put_leftover(pid_t pid, const char *start)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", pid);
    fake_store_put("/libxl/7", "");
    fake_store_put(BASE "/role", "source");
    fake_store_put(BASE "/state", "running");
    fake_store_put(BASE "/pid", text);
    fake_store_put(BASE "/start-time", start);
    fake_store_put(BASE "/old", "");
}

static void a_killed_one_is_known(void **state)
{
    libxl_live_migrate_status *list;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    struct shown shown = {0};
    int count;

    (void)state;
    fake_store_clear();
    put_leftover(getpid(), "1"); /* another process has that number by now */
    assert_int_equal(libxl_live_migrate_list(&list, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(list->state, LIBXL_LIVE_MIGRATE_STATE_KILLED);
    libxl_live_migrate_status_list_free(list, count);
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_ABORT, 0, reason),
                     ERROR_NOTFOUND);
    assert_non_null(strstr(reason, "killed"));
    /* The next migration takes the place of the killed one. */
    show(&shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_non_null(shown.control);
    assert_null(fake_store_get(BASE "/old"));
    end(&shown, LIBXL_LIVE_MIGRATE_STATE_COMPLETE, "");
    lm_abort_close(&shown.abort);
}

static void a_dead_child_has_no_start(void **state)
{
    pid_t child = fork();
    siginfo_t info;

    (void)state;
    if (child == 0) {
        _exit(0);
    }
    assert_true(lm_process_start(getpid()) > 0);
    assert_int_equal(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(lm_process_start(child), 0); /* it is a zombie */
    waitpid(child, NULL, 0);
    assert_int_equal(lm_process_start(child), 0);
}

static void only_one_at_a_time(void **state)
{
    struct shown another = {0};

    (void)state;
    show(&another, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_null(another.control);
    assert_int_equal(errno, EBUSY);
    lm_abort_close(&another.abort);
}

/* Neither an ended migration nor a xenstore that cannot be reached is an
 * obstacle. */
static void after_an_end(void **state)
{
    struct shown *shown = *state;

    end(shown, LIBXL_LIVE_MIGRATE_STATE_FAILED, "why");
    lm_abort_close(&shown->abort);
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_non_null(shown->control);
    assert_null(fake_store_get(BASE "/reason"));
    end(shown, LIBXL_LIVE_MIGRATE_STATE_PAUSED, "the link broke");
    assert_string_equal(fake_store_get(BASE "/state"), "paused");
    lm_abort_close(&shown->abort);
    fake_store_down(true);
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_null(shown->control);
    assert_int_not_equal(errno, EBUSY);
    fake_store_down(false);
    fake_store_put("/libxl/7", NULL);
    lm_abort_close(&shown->abort);
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_SOURCE);
    assert_null(shown->control);
    assert_null(fake_store_get("/libxl/7"));
}

static void the_destination(void **state)
{
    struct shown *shown = *state;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    end(shown, LIBXL_LIVE_MIGRATE_STATE_COMPLETE, "");
    lm_abort_close(&shown->abort);
    show(shown, LIBXL_LIVE_MIGRATE_ROLE_DESTINATION);
    at(shown, XLM_PHASE_POSTCOPY);
    await_node(BASE "/role", "destination");
    assert_int_equal(ask(LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY, 0, reason),
                     ERROR_INVAL);
    assert_non_null(strstr(reason, "source"));
    /* No node is left of a guest that is here as a whole. */
    end(shown, LIBXL_LIVE_MIGRATE_STATE_COMPLETE, "");
    assert_null(fake_store_get(BASE));
    assert_non_null(fake_store_get("/libxl/7"));
}

/* ---- two reasons to give up ---- */

static void both_can_abort(void **state)
{
    int callers = eventfd(0, EFD_CLOEXEC);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lm_abort abort;
        eventfd_t value;

        lm_abort_open(&abort, callers);
        assert_false(is_readable(abort.poll_fd));
        eventfd_write(i ? callers : abort.event_fd, 1);
        assert_true(is_readable(abort.poll_fd));
        if (i) {
            eventfd_read(callers, &value);
            assert_false(is_readable(abort.poll_fd));
        }
        lm_abort_close(&abort);
    }
    close(callers);
}

/* ---- JSON ---- */

static void json(void **state)
{
    libxl_live_migrate_status status = {
        .domid = 3,
        .name = "a \"\\\n\xc3 caf\xc3\xa9 \xc2\x9b\xe2\x80\xae",
        .background_rate = LIBXL_LIVE_MIGRATE_RATE_UNLIMITED,
        .phase = LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY,
        .elapsed_us = 1234567,
    };
    char *text;

    (void)state;
    status.stats.outstanding = 42;
    text = libxl_live_migrate_status_to_json(&status);
    assert_non_null(strstr(text,
                           "\"name\": \"a \\\"\\\\\\u000a\\ufffd caf\xc3\xa9 "
                           "\\u009b\\u202e\""));
    assert_non_null(strstr(text, "\"phase\": \"postcopy\""));
    assert_non_null(strstr(text, "\"elapsed-ms\": 1234,"));
    assert_non_null(strstr(text, "\"background-rate\": null"));
    assert_non_null(strstr(text, "\"outstanding-pages\": 42,"));
    assert_non_null(strstr(text, "\"reason\": null}"));
    assert_null(strchr(text, '\n'));
    free(text);
    strcpy(status.reason, "why");
    status.background_rate = 17;
    text = libxl_live_migrate_status_to_json(&status);
    assert_non_null(strstr(text, "\"background-rate\": 17,"));
    assert_non_null(strstr(text, "\"reason\": \"why\"}"));
    free(text);
}

/* One object a line, for the test that compares them with the schema. */
static void keep_json(FILE *file, const libxl_live_migrate_status *status)
{
    char *text = libxl_live_migrate_status_to_json(status);

    assert_non_null(text);
    if (file) {
        fprintf(file, "%s\n", text);
    }
    free(text);
}

static void json_of_every_kind(void **state)
{
    const char *directory = getenv("KEEP_JSON");
    libxl_live_migrate_status status = {.domid = 3, .name = "caf\xc3\xa9\xff"};
    char path[PATH_MAX];
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/status", directory ? directory : "");
    file = directory ? fopen(path, "w") : NULL;
    assert_true(file || !directory);
    status.stats.waits.histogram[4] = 1;
    status.stats.waits.nr_vcpus = 2;
    status.stats.waits.blocked_us[1] = UINT64_MAX;
    for (int kind = LIBXL_LIVE_MIGRATE_STATE_RUNNING;
         kind <= LIBXL_LIVE_MIGRATE_STATE_LOST; kind++) {
        for (int phase = LIBXL_LIVE_MIGRATE_PHASE_START;
             phase <= LIBXL_LIVE_MIGRATE_PHASE_COMPLETE; phase++) {
            status.state = kind;
            status.phase = phase;
            status.role = phase & 1;
            status.build = phase % 3;
            status.background_rate =
                kind & 1 ? LIBXL_LIVE_MIGRATE_RATE_UNLIMITED : 4096;
            snprintf(status.reason, sizeof(status.reason), "%s",
                     kind & 1 ? "why" : "");
            keep_json(file, &status);
        }
    }
    /* The value is of a later library: this one has no name for it. */
    status.role = 77;
    status.state = 77;
    status.phase = 77;
    keep_json(file, &status);
    assert_true(!file || !fclose(file));
}

#define SHOWN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_table),
        cmocka_unit_test(answer_table),
        cmocka_unit_test(estimates),
        SHOWN(shows_what_is),
        SHOWN(figures_can_wait),
        SHOWN(the_end_does_not_wait),
        SHOWN(shows_the_waits),
        SHOWN(shows_when_devices_start),
        SHOWN(a_list_that_is_too_long),
        SHOWN(is_not_shown_too_often),
        SHOWN(survives_conflicts),
        SHOWN(goes_with_the_domain),
        SHOWN(sets_the_rate),
        SHOWN(switches_and_says_so),
        SHOWN(too_late_to_switch),
        SHOWN(aborts_and_says_so),
        SHOWN(what_it_refuses),
        cmocka_unit_test(a_killed_one_is_known),
        cmocka_unit_test(a_dead_child_has_no_start),
        SHOWN(only_one_at_a_time),
        SHOWN(after_an_end),
        SHOWN(the_destination),
        cmocka_unit_test(both_can_abort),
        cmocka_unit_test(json),
        cmocka_unit_test(json_of_every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
