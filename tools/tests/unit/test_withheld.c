/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Parts of a guest that libxl must leave alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_libxl.h"
#include "fake_log.h"
#include "fake_xenstore.h"
#include "keeping/withheld.h"
#include "libxl_live_migrate.h"

#define NAME "guest"
#define CONFIG "{ \"c_info\": { } }"

struct scene {
    struct fake_migration *migration;
    libxl_ctx *ctx;
    uint32_t domid;
    char type[64]; /* the node's path */
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    fake_store_clear();
    scene->migration = fake_migration_new(30, 1);
    scene->ctx = fake_libxl_new(scene->migration->setup.hosts[0]);
    scene->domid = fake_domain_id(scene->migration->setup.source);
    fake_libxl_add(scene->ctx, NAME, scene->migration);
    snprintf(scene->type, sizeof(scene->type), "/libxl/%u/type", scene->domid);
    fake_store_put(scene->type, "pvh");
    libxl_userdata_store(scene->ctx, scene->domid, "libxl-json",
                         (const uint8_t *)CONFIG, sizeof(CONFIG));
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    assert_int_equal(fake_store_handles(), 0);
    fake_libxl_free(scene->ctx);
    fake_migration_free(scene->migration);
    free(scene);
    return 0;
}

static bool has_config(struct scene *scene)
{
    uint8_t *data = NULL;
    int length = 0;
    bool has;

    libxl_userdata_retrieve(scene->ctx, scene->domid, "libxl-json", &data,
                            &length);
    has = length == sizeof(CONFIG) && !memcmp(data, CONFIG, length);
    free(data);
    return has;
}

static void a_shell_is_left_alone(void **state)
{
    struct scene *scene = *state;

    lm_withhold(scene->domid, fake_logger());
    assert_string_equal(fake_store_get(scene->type), "invalid");
    /* As the stock toolstack, virsh included, has it. */
    assert_int_equal(libxl_domain_suspend_only(scene->ctx, scene->domid, NULL),
                     ERROR_FAIL);
    assert_int_equal(libxl_domain_resume(scene->ctx, scene->domid, 1, NULL),
                     ERROR_FAIL);
    assert_int_equal(libxl_domain_unpause(scene->ctx, scene->domid, NULL),
                     ERROR_FAIL);
    assert_int_equal(libxl_domain_destroy(scene->ctx, scene->domid, NULL),
                     ERROR_FAIL);
    assert_true(fake_libxl_has(scene->ctx, NAME));
    /* Withhold it again, as a successor would: the first value is kept. */
    lm_withhold(scene->domid, fake_logger());
    assert_int_equal(lm_give_back(scene->domid, fake_logger()), 0);
    assert_string_equal(fake_store_get(scene->type), "pvh");
    assert_int_equal(lm_give_back(scene->domid, fake_logger()), 0);
    assert_string_equal(fake_store_get(scene->type), "pvh");
}

/* The refused destroy has paused the domain. */
static void it_runs_whatever_others_have_paused(void **state)
{
    struct scene *scene = *state;

    lm_withhold(scene->domid, fake_logger());
    libxl_domain_destroy(scene->ctx, scene->domid, NULL);
    libxl_domain_pause(scene->ctx, scene->domid, NULL);
    assert_false(fake_domain_running(scene->migration->setup.source));
    assert_int_equal(lm_let_run(scene->ctx, scene->domid, fake_logger()), 0);
    assert_true(fake_domain_running(scene->migration->setup.source));
}

static void nobody_saves_what_lacks_memory(void **state)
{
    struct scene *scene = *state;
    libxl_domain_config config;

    lm_withhold_config(scene->ctx, scene->domid, fake_logger());
    assert_false(has_config(scene));
    libxl_domain_config_init(&config);
    assert_int_equal(
        libxl_live_migrate_retrieve_config(scene->ctx, scene->domid, &config),
        0);
    assert_string_equal(config.c_info.name, NAME);
    assert_int_equal(config.c_info.type, LIBXL_DOMAIN_TYPE_PVH);
    libxl_domain_config_dispose(&config);
    lm_withhold_config(scene->ctx, scene->domid, fake_logger());
    assert_int_equal(
        lm_give_back_config(scene->ctx, scene->domid, fake_logger()), 0);
    assert_true(has_config(scene));
}

static void it_ends_by_force(void **state)
{
    struct scene *scene = *state;

    lm_withhold(scene->domid, fake_logger());
    lm_withhold_config(scene->ctx, scene->domid, fake_logger());
    assert_int_equal(libxl_live_migrate_release(scene->ctx, scene->domid), 0);
    assert_true(has_config(scene));
    assert_int_equal(libxl_domain_destroy(scene->ctx, scene->domid, NULL), 0);
    assert_false(fake_libxl_has(scene->ctx, NAME));
}

/* A domain that libxl has not made has nothing to withhold. */
static void without_a_type(void **state)
{
    struct scene *scene = *state;

    fake_store_put(scene->type, NULL);
    lm_withhold(scene->domid, fake_logger());
    assert_null(fake_store_get(scene->type));
    assert_int_equal(lm_give_back(scene->domid, fake_logger()), 0);
    assert_null(fake_store_get(scene->type));
}

static void without_xenstore(void **state)
{
    struct scene *scene = *state;

    fake_store_down(true);
    lm_withhold(scene->domid, fake_logger());
    assert_int_equal(lm_give_back(scene->domid, fake_logger()), -1);
    fake_store_down(false);
    assert_string_equal(fake_store_get(scene->type), "pvh");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shell_is_left_alone),
        TEST(it_runs_whatever_others_have_paused),
        TEST(nobody_saves_what_lacks_memory),
        TEST(it_ends_by_force),
        TEST(without_a_type),
        TEST(without_xenstore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
