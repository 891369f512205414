/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The limits of a guest's memory, and the target that the guest is told,
 * while it moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_log.h"
#include "fake_xenstore.h"
#include "keeping/held_memory.h"
#include "xlm.h"

#define PAGES 4096u
#define KIB (PAGES * 4)
#define MAX 5000u

struct rig {
    struct fake_host *host;
    struct xlm_hypervisor *hv;
    struct fake_domain *domain;
    uint32_t domid;
};

static const char *path_of(const struct rig *rig, const char *top,
                           const char *node)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%u/%s", top, rig->domid, node);
    return path;
}

static void put(const struct rig *rig, const char *node, unsigned int value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value);
    fake_store_put(path_of(rig, "/local/domain", node), text);
}

static const char *got(const struct rig *rig, const char *node)
{
    return fake_store_get(path_of(rig, "/local/domain", node));
}

static void assert_got(const struct rig *rig, const char *node,
                       unsigned int value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value);
    assert_non_null(got(rig, node));
    assert_string_equal(got(rig, node), text);
}

static void assert_nothing_kept(const struct rig *rig)
{
    static const char *const nodes[] = {"live-migrate-target",
                                        "live-migrate-held-target",
                                        "live-migrate-max-pages"};

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        assert_null(fake_store_get(path_of(rig, "/libxl", nodes[i])));
    }
}

static int set_up(void **state)
{
    static struct rig rig;

    fake_store_clear();
    rig.host = fake_host_new(2 * PAGES);
    rig.hv = fake_open(rig.host);
    rig.domain = fake_domain_new(rig.host, PAGES, MAX, 1);
    rig.domid = fake_domain_id(rig.domain);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++) {
        fake_page_set(rig.domain, pfn, FAKE_RAM);
    }
    fake_store_put(path_of(&rig, "/libxl", "device"), "");
    put(&rig, "memory/static-max", KIB);
    put(&rig, "memory/target", KIB);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    xlm_hypervisor_close(rig->hv);
    fake_host_check(rig->host);
    fake_host_free(rig->host);
    return 0;
}

static uint64_t hold(struct rig *rig)
{
    uint64_t pages = fake_domain_max_pages(rig->domain);

    lm_memory_hold(rig->hv, rig->domid, &pages, fake_logger());
    fake_domain_set_max_pages(rig->domain, XLM_HELD_PAGES);
    return pages;
}

static void of_a_guest_at_rest(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(hold(rig), MAX);
    assert_got(rig, "memory/target", KIB);
    lm_memory_release(rig->hv, rig->domid, fake_logger());
    assert_int_equal(fake_domain_max_pages(rig->domain), MAX);
    assert_got(rig, "memory/target", KIB);
    assert_nothing_kept(rig);
}

/* The guest stops giving pages back. */
static void of_one_that_gives_back(void **state)
{
    struct rig *rig = *state;

    put(rig, "memory/target", KIB / 2);
    assert_int_equal(hold(rig), MAX);
    assert_got(rig, "memory/target", KIB);
    lm_memory_release(rig->hv, rig->domid, fake_logger());
    assert_got(rig, "memory/target", KIB / 2);
    assert_nothing_kept(rig);
}

/* The second process knows what the first has found. */
static void after_one_that_was_killed(void **state)
{
    struct rig *rig = *state;

    put(rig, "memory/target", KIB / 2);
    assert_int_equal(hold(rig), MAX);
    assert_int_equal(hold(rig), MAX);
    lm_memory_release(rig->hv, rig->domid, fake_logger());
    assert_int_equal(fake_domain_max_pages(rig->domain), MAX);
    assert_got(rig, "memory/target", KIB / 2);
    assert_nothing_kept(rig);
}

/* A value that another program has set since stays. */
static void set_meanwhile(void **state)
{
    struct rig *rig = *state;

    put(rig, "memory/target", KIB / 2);
    hold(rig);
    put(rig, "memory/target", KIB / 4);
    fake_domain_set_max_pages(rig->domain, MAX / 4);
    lm_memory_release(rig->hv, rig->domid, fake_logger());
    assert_int_equal(fake_domain_max_pages(rig->domain), MAX / 4);
    assert_got(rig, "memory/target", KIB / 4);
    assert_nothing_kept(rig);
}

static void set_and_held_again(void **state)
{
    struct rig *rig = *state;

    hold(rig);
    put(rig, "memory/target", KIB / 4);
    fake_domain_set_max_pages(rig->domain, MAX / 4);
    assert_int_equal(hold(rig), MAX / 4);
    assert_got(rig, "memory/target", KIB);
    lm_memory_release(rig->hv, rig->domid, fake_logger());
    assert_int_equal(fake_domain_max_pages(rig->domain), MAX / 4);
    assert_got(rig, "memory/target", KIB / 4);
    assert_nothing_kept(rig);
}

static void without_xenstore(void **state)
{
    struct rig *rig = *state;

    fake_store_down(true);
    assert_int_equal(hold(rig), MAX);
    lm_memory_release(rig->hv, rig->domid, fake_logger());
    fake_store_down(false);
}

static void at_the_destination(void **state)
{
    struct rig *rig = *state;

    lm_target_withhold(rig->domid, fake_logger());
    assert_null(got(rig, "memory/target"));
    lm_target_withhold(rig->domid, fake_logger());
    lm_target_give_back(rig->domid, fake_logger());
    assert_got(rig, "memory/target", KIB);
    assert_nothing_kept(rig);
    lm_target_give_back(rig->domid, fake_logger());
    assert_got(rig, "memory/target", KIB);

    lm_target_withhold(rig->domid, fake_logger());
    put(rig, "memory/target", KIB / 2);
    lm_target_give_back(rig->domid, fake_logger());
    assert_got(rig, "memory/target", KIB / 2);
    assert_nothing_kept(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_a_guest_at_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_one_that_gives_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(after_one_that_was_killed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(set_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_and_held_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_xenstore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_the_destination, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
