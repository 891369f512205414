/* SPDX-License-Identifier: LGPL-2.1-or-later
 * libxl_live_migrate_can_receive(): could this host receive a guest?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_libxl.h"
#include "libxl_live_migrate.h"

#define VCPUS_ON_SHADOW_STACKS 7
#define NEEDED_KIB 1024
#define PLENTY (1u << 20)

struct asked {
    struct fake_host *host;
    libxl_ctx *ctx;
    libxl_domain_config config;
    libxl_live_migrate_receive_params params;
    libxl_live_migrate_readiness answer;
};

static int make(void **state)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    asked->host = fake_host_new(1024);
    asked->ctx = fake_libxl_new(asked->host);
    libxl_domain_config_init(&asked->config);
    asked->config.c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    asked->config.b_info.max_vcpus = 2;
    libxl_live_migrate_receive_params_init(&asked->params);
    asked->params.logger = fake_libxl_logger(asked->ctx);
    memset(&asked->answer, 0xee, sizeof(asked->answer));
    *state = asked;
    return 0;
}

static int drop(void **state)
{
    struct asked *asked = *state;

    libxl_domain_config_dispose(&asked->config);
    fake_libxl_free(asked->ctx);
    fake_host_free(asked->host);
    free(asked);
    return 0;
}

static void can(struct asked *asked, libxl_domain_config *config)
{
    assert_int_equal(libxl_live_migrate_can_receive(
                         asked->ctx, config, &asked->params, &asked->answer),
                     0);
    assert_int_equal(asked->answer.obstacle, LIBXL_LIVE_MIGRATE_OBSTACLE_NONE);
    assert_string_equal(asked->answer.reason, "");
}

/* Check that the call refuses with a reason that contains `what`. */
static void cannot(struct asked *asked, libxl_domain_config *config, int rc,
                   libxl_live_migrate_obstacle obstacle, const char *what)
{
    assert_int_equal(libxl_live_migrate_can_receive(
                         asked->ctx, config, &asked->params, &asked->answer),
                     rc);
    assert_int_equal(asked->answer.obstacle, obstacle);
    if (!strstr(asked->answer.reason, what)) {
        fail_msg("the reason is: %s", asked->answer.reason);
    }
}

static void nothing_is_in_the_way(void **state)
{
    struct asked *asked = *state;

    can(asked, &asked->config);
    assert_int_equal(asked->answer.needed_memkb, NEEDED_KIB);
    assert_true(asked->answer.free_memkb >= NEEDED_KIB);
    assert_int_equal(asked->answer.vcpus_max, 0);
    can(asked, NULL);
    assert_int_equal(asked->answer.needed_memkb, 0);
    /* With the defaults, and a logger of its own. */
    fake_libxl_be_here(asked->ctx);
    assert_int_equal(
        libxl_live_migrate_can_receive(asked->ctx, NULL, NULL, &asked->answer),
        0);
}

static void another_hypervisor(void **state)
{
    struct asked *asked = *state;

    fake_host_release(asked->host, 20, (struct xlm_xen_interface){0x17, 0x15});
    cannot(asked, &asked->config, ERROR_FAIL,
           LIBXL_LIVE_MIGRATE_OBSTACLE_HYPERVISOR, "this host runs Xen 4.20");
}

static void a_pv_guest(void **state)
{
    struct asked *asked = *state;

    asked->config.c_info.type = LIBXL_DOMAIN_TYPE_PV;
    cannot(asked, &asked->config, ERROR_NI, LIBXL_LIVE_MIGRATE_OBSTACLE_TYPE,
           "stock migration");
}

static void no_hap_of_the_host(void **state)
{
    struct asked *asked = *state;

    fake_libxl_host(asked->ctx, PLENTY, false);
    cannot(asked, NULL, ERROR_NI, LIBXL_LIVE_MIGRATE_OBSTACLE_HAP,
           "choose another host");
}

static void no_hap_of_the_guest(void **state)
{
    struct asked *asked = *state;

    asked->config.c_info.hap.val = -1; /* false */
    cannot(asked, &asked->config, ERROR_NI, LIBXL_LIVE_MIGRATE_OBSTACLE_HAP,
           "remove hap=0");
    asked->config.c_info.hap.val = 1;
    can(asked, &asked->config);
}

static void no_paging(void **state)
{
    struct asked *asked = *state;

    fake_host_no_paging(asked->host);
    cannot(asked, NULL, ERROR_NI, LIBXL_LIVE_MIGRATE_OBSTACLE_PAGING,
           "CONFIG_MEM_PAGING");
}

static void shadow_stacks(void **state)
{
    struct asked *asked = *state;

    fake_host_shadow_stacks(asked->host);
    can(asked, NULL);
    assert_int_equal(asked->answer.vcpus_max, VCPUS_ON_SHADOW_STACKS);
    asked->config.b_info.max_vcpus = VCPUS_ON_SHADOW_STACKS;
    can(asked, &asked->config);
    asked->config.b_info.max_vcpus = VCPUS_ON_SHADOW_STACKS + 1;
    cannot(asked, &asked->config, ERROR_NI, LIBXL_LIVE_MIGRATE_OBSTACLE_VCPUS,
           "cet=no-shstk");
}

static void passed_through(void **state)
{
    struct asked *asked = *state;

    asked->config.c_info.passthrough = LIBXL_PASSTHROUGH_DISABLED;
    can(asked, &asked->config);
    asked->config.c_info.passthrough = LIBXL_PASSTHROUGH_SYNC_PT;
    cannot(asked, &asked->config, ERROR_NI,
           LIBXL_LIVE_MIGRATE_OBSTACLE_DEVICES, "passed-through");
    asked->config.c_info.passthrough = LIBXL_PASSTHROUGH_DEFAULT;
    asked->config.num_pcidevs = 1;
    cannot(asked, &asked->config, ERROR_NI,
           LIBXL_LIVE_MIGRATE_OBSTACLE_DEVICES, "detach");
}

static void too_little_memory(void **state)
{
    struct asked *asked = *state;

    fake_libxl_host(asked->ctx, NEEDED_KIB - 1, true);
    cannot(asked, &asked->config, ERROR_NOMEM,
           LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY, "free memory");
    assert_int_equal(asked->answer.free_memkb, NEEDED_KIB - 1);
    asked->params.autoballoon = true;
    can(asked, &asked->config);
    fake_libxl_fail(asked->ctx, FAKE_LIBXL_FREE_MEMORY, ERROR_FAIL);
    cannot(asked, &asked->config, ERROR_FAIL,
           LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY, "libxl error");
}

#define ASKED(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKED(nothing_is_in_the_way),
        ASKED(another_hypervisor),
        ASKED(a_pv_guest),
        ASKED(no_hap_of_the_host),
        ASKED(no_hap_of_the_guest),
        ASKED(no_paging),
        ASKED(shadow_stacks),
        ASKED(passed_through),
        ASKED(too_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
