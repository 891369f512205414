/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Back ends in dom0 that need absent pages: what the library tells front
 * ends in xenstore, and what it shows of back ends that wait.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/exposure.h"
#include "devices/front_ends.h"
#include "fake_log.h"
#include "fake_move.h"
#include "fake_xenstore.h"
#include "policy/outside_waits.h"
#include "wire/wire.h"

#define PAGES 300
#define VCPUS 2
#define NAME "guest"
#define INCOMING "guest--incoming"
#define CUT_AT(record) \
    ((struct fake_cut){ \
        .way = FAKE_FORTH, .octets = 1, .at_record = true, .type = record})

static const struct fake_cut uncut = {.octets = FAKE_UNCUT};

/* ---- the store ---- */

static const char *device(uint32_t domid, const char *node)
{
    static __thread char path[80];

    snprintf(path, sizeof(path), "/local/domain/%u/device/%s", domid, node);
    return path;
}

static const char *kept(uint32_t domid, const char *node)
{
    static __thread char path[80];

    snprintf(path, sizeof(path), "/libxl/%u%s", domid, node);
    return path;
}

/* Two kinds of front ends' nodes: a libxl that knows `trusted` makes the first
 * kind, an older libxl the second. */
static void put_devices(uint32_t domid)
{
    fake_store_put(kept(domid, ""), "");
    fake_store_put(device(domid, "vif/0/state"), "1");
    fake_store_put(device(domid, "vif/0/trusted"), "1");
    fake_store_put(device(domid, "vif/1/state"), "1");
    fake_store_put(device(domid, "vbd/51712/state"), "1");
}

static void expect(uint32_t domid, const char *node, const char *value)
{
    const char *found = fake_store_get(device(domid, node));

    if (!value) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, value);
}

static void expect_distrust(uint32_t domid)
{
    expect(domid, "vif/0/trusted", "0");
    expect(domid, "vif/1/trusted", "0");
    expect(domid, "vbd/51712/trusted", "0");
}

static void expect_as_before(uint32_t domid)
{
    expect(domid, "vif/0/trusted", "1");
    expect(domid, "vif/1/trusted", NULL);
    expect(domid, "vbd/51712/trusted", NULL);
    assert_null(fake_store_get(kept(domid, "/live-migrate-trusted")));
}

/* ---- nodes ---- */

static void told_and_taken_back(void **state)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;

    (void)state;
    xlm.logger = fake_logger();
    fake_store_clear();
    put_devices(7);
    assert_int_equal(lm_front_ends_distrust(&xlm, 7), 0);
    expect_distrust(7);
    lm_front_ends_trust(xlm.logger, 7);
    expect_as_before(7);
    /* If no node was changed, none is changed back. */
    fake_store_put(device(7, "vif/0/trusted"), "0");
    lm_front_ends_trust(xlm.logger, 7);
    expect(7, "vif/0/trusted", "0");
    fake_store_clear();
}

/* The nodes of a device that has gone are not written again. */
static void detached_meanwhile(void **state)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;

    (void)state;
    xlm.logger = fake_logger();
    fake_store_clear();
    put_devices(7);
    assert_int_equal(lm_front_ends_distrust(&xlm, 7), 0);
    fake_store_put(device(7, "vif/0"), NULL);
    lm_front_ends_trust(xlm.logger, 7);
    assert_null(fake_store_get(device(7, "vif/0")));
    expect(7, "vif/1/trusted", NULL);
    fake_store_clear();
}

static void without_devices(void **state)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;

    (void)state;
    xlm.logger = fake_logger();
    fake_store_clear();
    assert_int_equal(lm_front_ends_distrust(&xlm, 7), 0);
    lm_front_ends_trust(xlm.logger, 7);
    fake_store_down(true);
    assert_int_equal(lm_front_ends_distrust(&xlm, 7), -1);
    assert_non_null(strstr(xlm.reason, "xenstore"));
    fake_store_down(false);
    fake_store_clear();
}

/* ---- which front ends are exposed ---- */

static void front_ends_by_what_they_write(void **state)
{
    const struct {
        struct lm_front_end front_end;
        bool exposed;
    } rows[] = {
        {{"vif", .xdp_headroom = true, .xdp_headroom_wanted = true}, false},
        {{"vif", .gso_tcpv6 = true, .xdp_headroom_wanted = true}, true},
        {{"vif", .gso_tcpv6 = true}, false},
        {{"vif"}, true},
        {{"vif", .windows = true, .gso_tcpv6 = true}, true},
        {{"vbd", .persistent = true}, false},
        {{"vbd", .persistent = true, .windows = true}, true},
        {{"vbd"}, true},
        {{"vscsi", .persistent = true}, true},
        {{"vusb"}, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(lm_exposed_because(&rows[i].front_end) != NULL,
                         rows[i].exposed);
    }
}

static int check(uint32_t domid, bool allowed, const char *reason)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;
    int rc;

    xlm.logger = fake_logger();
    rc = lm_check_exposure(&xlm, domid, NAME, allowed);
    if (rc) {
        assert_non_null(strstr(xlm.reason, reason));
        assert_non_null(strstr(xlm.reason, "--allow-exposed-backends"));
    }
    return rc;
}

static void front_ends_in_xenstore(void **state)
{
    (void)state;
    fake_store_clear();
    assert_int_equal(check(7, false, ""), 0);
    /* The device is not connected, so no vCPU uses it. */
    fake_store_put(device(7, "vbd/51712/state"), "1");
    assert_int_equal(check(7, false, ""), 0);
    fake_store_put(device(7, "vbd/51712/state"), "4");
    assert_int_equal(check(7, false, "vbd 51712: it is no Linux"), -1);
    assert_int_equal(check(7, true, ""), 0);
    fake_store_put(device(7, "vbd/51712/feature-persistent"), "0");
    assert_int_equal(check(7, false, ""), 0);
    fake_store_put(device(7, "vif/0/state"), "4");
    fake_store_put(device(7, "vif/0/backend"),
                   "/local/domain/0/backend/vif/7/0");
    fake_store_put("/local/domain/0/backend/vif/7/0/feature-xdp-headroom",
                   "1");
    fake_store_put(device(7, "vif/0/feature-gso-tcpv6"), "1");
    assert_int_equal(check(7, false, "vif 0: it is no Linux, or an older"),
                     -1);
    fake_store_put(device(7, "vif/0/xdp-headroom"), "0");
    assert_int_equal(check(7, false, ""), 0);
    fake_store_put("/local/domain/7/drivers/0", "XENBUS 9.0.0");
    assert_int_equal(check(7, false, "vif 0: Windows"), -1);
    fake_store_down(true);
    assert_int_equal(check(7, false, "xenstore"), -1);
    assert_int_equal(check(7, true, ""), 0);
    fake_store_down(false);
    fake_store_clear();
}

/* ---- who waits ---- */

static void waits(void **state)
{
    struct xlm_outside_waits outside = {.count = 0};

    (void)state;
    assert_int_equal(xlm_outside_waits_longest(&outside, 50), 0);
    xlm_outside_waits_begin(&outside, 8, 100);
    xlm_outside_waits_begin(&outside, 9, 200);
    xlm_outside_waits_begin(&outside, 8, 300); /* it waits already */
    assert_int_equal(outside.requests, 3);
    assert_int_equal(outside.count, 2);
    assert_int_equal(xlm_outside_waits_longest(&outside, 400), 300);
    assert_int_equal(xlm_outside_waits_next(&outside, 0), 8);
    assert_int_equal(xlm_outside_waits_next(&outside, 9), 9);
    assert_int_equal(xlm_outside_waits_next(&outside, 10), XLM_PFN_NONE);
    assert_int_equal(xlm_outside_waits_end(&outside, 8, 500), 400);
    assert_int_equal(xlm_outside_waits_end(&outside, 8, 500), 0);
    assert_int_equal(xlm_outside_waits_longest(&outside, 500), 300);
    /* A front end that has just started waits. */
    assert_int_equal(xlm_outside_waits_end(&outside, 9, 200), 1);
    assert_int_equal(outside.most_us, 400);
    for (uint64_t pfn = 0; pfn < 2 * XLM_OUTSIDE_WAITS; pfn++) {
        xlm_outside_waits_begin(&outside, pfn, 600);
    }
    assert_int_equal(outside.count, XLM_OUTSIDE_WAITS);
    assert_int_equal(outside.requests, 3 + 2 * XLM_OUTSIDE_WAITS);
}

/* ---- moves ---- */

static void build(struct fake_migration *migration)
{
    uint8_t uuid[16];

    memset(uuid, (int)fake_domain_id(migration->setup.source), sizeof(uuid));
    fake_domain_set_handle(migration->outcome.destination, uuid);
    put_devices(fake_domain_id(migration->outcome.destination));
}

static void check_distrust(struct fake_migration *migration)
{
    expect_distrust(fake_domain_id(migration->outcome.destination));
}

static struct fake_move *new_move(struct fake_cut cut)
{
    struct fake_migration *migration = fake_migration_new(PAGES, VCPUS);
    struct fake_move *move = fake_move_new(migration, NAME, INCOMING, cut);

    migration->script.at_build = build;
    migration->script.at_run = check_distrust;
    fake_store_put(kept(fake_domain_id(migration->setup.source), ""), "");
    return move;
}

static void check_whole(struct fake_move *move)
{
    struct fake_migration *migration = move->migration;

    fake_move_await(move);
    assert_int_equal(move->rcs[1], 0);
    assert_true(migration->outcome.ran);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    expect_as_before(fake_domain_id(migration->outcome.destination));
}

static void free_move(struct fake_move *move)
{
    fake_move_free(move);
    fake_store_clear();
}

/* From before the guest runs until its memory is whole. */
static void distrusted_while_pages_come(void **state)
{
    struct fake_move *move = new_move(uncut);

    (void)state;
    assert_int_equal(fake_move_start(move), 0);
    check_whole(move);
    free_move(move);
}

static void check_as_before(struct fake_migration *migration)
{
    expect_as_before(fake_domain_id(migration->outcome.destination));
}

/* No page is absent when the guest runs, so its front ends need not copy. */
static void trusted_after_stop_and_copy(void **state)
{
    struct fake_move *move = new_move(uncut);

    (void)state;
    move->params.strategy = LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY;
    move->params.precopy_iterations = 1;
    move->migration->script.at_run = check_as_before;
    assert_int_equal(fake_move_start(move), 0);
    check_whole(move);
    free_move(move);
}

/* Before anything has happened; and a migration that needs no postcopy. */
static void exposed_is_refused(void **state)
{
    struct fake_move *move = new_move(uncut);
    struct fake_migration *migration = move->migration;
    bool transitioned;

    (void)state;
    fake_store_put(
        device(fake_domain_id(migration->setup.source), "vif/0/state"), "4");
    assert_int_equal(
        libxl_domain_live_migrate_tuned(
            move->ctxs[0], fake_domain_id(migration->setup.source), -1, 0, 0,
            &move->params, &move->results[0], &transitioned, NULL),
        ERROR_NI);
    assert_false(transitioned);
    assert_non_null(strstr(move->results[0].reason, "vif 0"));
    move->params.allow_exposed_backends = true;
    assert_int_equal(fake_move_start(move), 0);
    check_whole(move);
    free_move(move);
}

/* ---- a back end that waits when the connection is lost ---- */

#define WANTED 32

/* The back end wants some of many pages.  A vCPU may have touched a page by
 * now; the page is then requested already, and the hypervisor does not report
 * it again. */
static void want_pages(struct fake_migration *migration)
{
    struct xlm_hypervisor *hv = fake_open(migration->setup.hosts[1]);
    uint32_t domid = fake_domain_id(migration->outcome.destination);
    void *mapping;
    int error;

    check_distrust(migration);
    for (uint64_t pfn = PAGES - WANTED; pfn < PAGES; pfn++) {
        mapping = hv->ops->map(hv, domid, true, 1, &pfn, &error);
        hv->ops->unmap(hv, mapping, 1);
    }
    xlm_hypervisor_close(hv);
}

/* The status that the destination shows; the alarm ends a test that waits for
 * ever. */
static void await_status(uint32_t domid, const char *words)
{
    bool seen = false;

    while (!seen) {
        libxl_live_migrate_status *list;
        int count;

        assert_int_equal(libxl_live_migrate_list(&list, &count), 0);
        for (int i = 0; i < count; i++) {
            char *json = libxl_live_migrate_status_to_json(&list[i]);

            seen |= list[i].domid == domid && list[i].outside.waiting &&
                    list[i].outside.wait_us && strstr(list[i].reason, words) &&
                    strstr(json, "\"outside-waiting\": ");
            free(json);
        }
        libxl_live_migrate_status_list_free(list, count);
        usleep(1000);
    }
}

static void a_back_end_waits(void **state)
{
    struct fake_move *move = new_move(CUT_AT(XLM_REC_POSTCOPY_PAGE_DATA));
    libxl_live_migrate_recovery found;

    (void)state;
    move->migration->script.at_run = want_pages;
    assert_int_equal(fake_move_start(move), ERROR_FAIL);
    await_status(fake_domain_id(move->migration->outcome.destination),
                 "a back end here ");
    assert_int_equal(fake_move_recover(move, uncut, &found), 0);
    assert_int_equal(found, LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE);
    check_whole(move);
    assert_in_range(move->results[1].stats.outside, 1, WANTED);
    free_move(move);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_and_taken_back),
        cmocka_unit_test(detached_meanwhile),
        cmocka_unit_test(without_devices),
        cmocka_unit_test(front_ends_by_what_they_write),
        cmocka_unit_test(front_ends_in_xenstore),
        cmocka_unit_test(exposed_is_refused),
        cmocka_unit_test(waits),
        cmocka_unit_test(distrusted_while_pages_come),
        cmocka_unit_test(trusted_after_stop_and_copy),
        cmocka_unit_test(a_back_end_waits),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
