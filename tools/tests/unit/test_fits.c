/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Does the other host have the CPU features and the QEMU that a guest
 * needs?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu_features.h"
#include "fake_libxl.h"
#include "fake_migration.h"
#include "fake_qemu.h"
#include "libxl_live_migrate.h"

#define NAME "guest"
#define PAGES 64
#define SSE2 (1u << 26)       /* 1 edx */
#define AVX (1u << 28)        /* 1 ecx */
#define AVX512F (1u << 16)    /* 7:0 ebx */
#define HYPERVISOR (1u << 31) /* 1 ecx: no processor has it */

static const struct lm_cpuid_leaf plain[] = {
    {.leaf = 0, .subleaf = LM_CPUID_NO_SUBLEAF, .eax = 0xd},
    {.leaf = 1, .subleaf = LM_CPUID_NO_SUBLEAF, .ecx = AVX, .edx = SSE2},
    {.leaf = 7, .subleaf = 0, .eax = 2, .ebx = AVX512F},
};

struct rig {
    struct fake_migration *migration; /* that never begins */
    struct fake_host *host;
    struct fake_domain *domain;
    libxl_ctx *ctx;
    uint32_t domid;
    libxl_live_migrate_fit fit;
};

static int make(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->migration = fake_migration_new(PAGES, 1);
    rig->host = rig->migration->setup.hosts[0];
    rig->domain = rig->migration->setup.source;
    rig->ctx = fake_libxl_new(rig->host);
    fake_libxl_be_here(rig->ctx);
    rig->domid = fake_domain_id(rig->domain);
    fake_libxl_add(rig->ctx, NAME, rig->migration);
    fake_domain_put_state(rig->domain, XLM_STATE_CPUID_POLICY, plain,
                          sizeof(plain));
    fake_host_put_cpuid(rig->host, plain, sizeof(plain));
    *state = rig;
    return 0;
}

static int drop(void **state)
{
    struct rig *rig = *state;

    fake_libxl_free(rig->ctx);
    fake_guest_stop(rig->migration->setup.guest);
    fake_migration_free(rig->migration);
    free(rig);
    return 0;
}

static void fits(struct rig *rig, const char *profile, int cpu,
                 const char *reason)
{
    assert_int_equal(
        libxl_live_migrate_fits(rig->ctx, rig->domid, profile, &rig->fit), 0);
    assert_int_equal(rig->fit.cpu, cpu);
    assert_non_null(strstr(rig->fit.cpu_reason, reason));
    assert_true(reason[0] || !rig->fit.cpu_reason[0]);
}

static void a_host_like_this_one(void **state)
{
    struct rig *rig = *state;
    char *profile;

    assert_int_equal(libxl_live_migrate_host_profile(NULL, &profile), 0);
    assert_string_equal(profile, "cpuid 1 ffffffff 0 0 10000000 4000000\n"
                                 "cpuid 7 0 2 10000 0 0\n");
    fits(rig, profile, 0, "");
    free(profile);
}

static void a_host_that_lacks_something(void **state)
{
    struct rig *rig = *state;

    fits(rig, "cpuid 1 ffffffff 0 0 10000000 4000000\n", ERROR_NI,
         "has 1 CPU features that Xen there does not give: CPUID 7:0 ebx "
         "00010000");
    fits(rig, "cpuid 7 0 0 ffffffff 0 0\ncpuid 1 ffffffff 0 0 0 0\n", ERROR_NI,
         "2 CPU features that Xen there does not give: CPUID 1 ecx 10000000, "
         "1 edx 04000000");
    /* The other host has more features: the guest does not see them. */
    fits(rig,
         "cpuid 7 0 0 ffffffff ffffffff 0\n"
         "cpuid 1 ffffffff 0 0 ffffffff ffffffff\nfuture words\n",
         0, "");
}

/* Features that Xen adds come from no processor. */
static void features_of_no_processor(void **state)
{
    struct rig *rig = *state;
    struct lm_cpuid_leaf guest[] = {plain[0], plain[1], plain[2]};

    guest[1].ecx |= HYPERVISOR;
    fake_domain_put_state(rig->domain, XLM_STATE_CPUID_POLICY, guest,
                          sizeof(guest));
    fits(rig,
         "cpuid 1 ffffffff 0 0 10000000 4000000\n"
         "cpuid 7 0 0 10000 0 0\n",
         0, "");
}

static void profiles_that_say_nothing(void **state)
{
    struct rig *rig = *state;
    char *large = malloc(100000);

    fits(rig, "", ERROR_FAIL, "has not said");
    fits(rig, "cpuid 1 2 3\nqemu x\n", ERROR_FAIL, "has not said");
    memset(large, 'c', 99999);
    large[99999] = '\0';
    fits(rig, large, ERROR_FAIL, "has not said");
    for (int i = 0; i < 9999; i++) { /* ... of more leaves than there are */
        memcpy(large + 10 * i, "cpuid 1 1\n", 10);
    }
    fits(rig, large, ERROR_FAIL, "has not said");
    free(large);
}

static void without_a_hypervisor_that_tells(void **state)
{
    struct rig *rig = *state;
    char *profile = (char *)"?";

    fake_fail(rig->host, FAKE_OP_host_cpuid, 1, EPERM);
    assert_int_equal(libxl_live_migrate_host_profile(NULL, &profile),
                     ERROR_FAIL);
    assert_null(profile);
}

/* ---- device models ---- */

static void be_hvm(libxl_domain_config *config)
{
    config->c_info.type = LIBXL_DOMAIN_TYPE_HVM;
}

static void device_models(void **state)
{
    static const struct {
        const char *profile;
        int rc;
        const char *reason;
    } cases[] = {
        {"qemu 7 2", 0, "QEMU 7.2 here, 7.2 there"},
        {"qemu 10 1", 0, "QEMU 7.2 here, 10.1 there"},
        {"qemu 7 1", ERROR_NI, "7.1 there: an older one"},
        {"qemu 6 9", ERROR_NI, "6.9 there: an older one"},
        {"", ERROR_FAIL, "is not known"},
    };
    struct rig *rig = *state;

    fake_libxl_config(rig->ctx, be_hvm);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_qemu qemu = {.major = 7, .running = true};

        fake_qemu_start(&qemu, rig->domid);
        assert_int_equal(libxl_live_migrate_fits(rig->ctx, rig->domid,
                                                 cases[i].profile, &rig->fit),
                         0);
        fake_qemu_end(&qemu);
        assert_int_equal(rig->fit.device_model, cases[i].rc);
        assert_non_null(strstr(rig->fit.device_model_reason, cases[i].reason));
    }
}

static void a_guest_without_one(void **state)
{
    struct rig *rig = *state;

    fits(rig, "cpuid 1 ffffffff 0 0 10000000 4000000\ncpuid 7 0 0 10000 0 0",
         0, "");
    assert_int_equal(rig->fit.device_model, 0);
    assert_string_equal(rig->fit.device_model_reason, "");
}

static void a_domain_that_is_not_there(void **state)
{
    struct rig *rig = *state;

    assert_int_not_equal(
        libxl_live_migrate_fits(rig->ctx, 9999, "", &rig->fit), 0);
    assert_int_not_equal(rig->fit.cpu, 0);
    assert_int_not_equal(rig->fit.device_model, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_host_like_this_one),
        TEST(a_host_that_lacks_something),
        TEST(features_of_no_processor),
        TEST(profiles_that_say_nothing),
        TEST(without_a_hypervisor_that_tells),
        TEST(device_models),
        TEST(a_guest_without_one),
        TEST(a_domain_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
