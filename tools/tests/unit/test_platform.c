/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The platform state, which a domain has besides memory: the records that
 * hold it, and the pages that HVM parameters name.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_log.h"
#include "hypervisor/platform.h"

#define PFNS 256

struct rig {
    struct fake_host *host;
    struct fake_domain *domain;
    struct xlm_context ctx;
    struct xlm_platform platform;
    struct xlm_pfn_set pages;
};

static int make_rig(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->host = fake_host_new(1000);
    rig->domain = fake_domain_new(rig->host, PFNS, PFNS, 1);
    rig->ctx = fresh;
    rig->ctx.logger = fake_logger();
    rig->ctx.hypervisor = fake_open(rig->host);
    rig->pages = XLM_PFN_SET_EMPTY;
    assert_int_equal(xlm_pfn_set_reserve(&rig->pages, PFNS), 0);
    *state = rig;
    return 0;
}

static int drop_rig(void **state)
{
    struct rig *rig = *state;

    xlm_platform_dispose(&rig->platform);
    xlm_pfn_set_dispose(&rig->pages);
    xlm_hypervisor_close(rig->ctx.hypervisor);
    fake_host_check(rig->host);
    fake_host_free(rig->host);
    free(rig);
    return 0;
}

static int take(struct rig *rig, uint32_t type, const void *body,
                uint32_t length)
{
    /* In memory of exactly that size, so that a read past its end is found. */
    void *copy = malloc(length);
    struct xlm_record record = {.type = type, .length = length, .body = copy};
    int rc;

    memcpy(copy, body, length);
    rc = xlm_platform_take(&rig->ctx, &rig->platform, &record);
    free(copy);
    return rc;
}

static int take_params(struct rig *rig, uint32_t count,
                       const struct xlm_wire_hvm_param *params,
                       uint32_t length)
{
    uint8_t body[8 + 8 * 16] = {0};

    memcpy(body, &count, sizeof(count));
    if (length) {
        memcpy(body + 8, params, length);
    }
    return take(rig, XLM_REC_HVM_PARAMS, body, 8 + length);
}

static void expect_pages(struct rig *rig, size_t count, const uint64_t *pfns)
{
    size_t i;

    assert_int_equal(rig->pages.count, count);
    for (i = 0; i < count; i++) {
        assert_true(xlm_pfn_set_contains(&rig->pages, pfns[i]));
    }
}

static void complete_with_all_three(void **state)
{
    static const struct xlm_wire_tsc_info tsc = {.khz = 5};
    struct rig *rig = *state;

    assert_false(xlm_platform_is_complete(&rig->platform));
    assert_int_equal(take(rig, XLM_REC_TSC_INFO, &tsc, sizeof(tsc)), 0);
    assert_int_equal(take(rig, XLM_REC_HVM_CONTEXT, "early", 5), 0);
    assert_false(xlm_platform_is_complete(&rig->platform));
    assert_int_equal(take_params(rig, 0, NULL, 0), 0);
    assert_true(xlm_platform_is_complete(&rig->platform));
    /* The last one counts. */
    assert_int_equal(take(rig, XLM_REC_HVM_CONTEXT, "final!", 6), 0);
    assert_int_equal(rig->platform.context_length, 6);
    assert_memory_equal(rig->platform.context, "final!", 6);
}

static void counts_that_lie(void **state)
{
    static const struct xlm_wire_hvm_param params[] = {{1, 2}, {3, 4}};
    static const uint32_t counts[] = {0, 1, 3, 0x10000000, 0xffffffff};
    struct rig *rig = *state;
    size_t i;

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        assert_int_equal(take_params(rig, counts[i], params, 32), -1);
        assert_int_equal(errno, EPROTO);
    }
    assert_int_equal(take_params(rig, 2, params, 31), -1);
    assert_int_equal(take_params(rig, 1, params, 24), -1);
    assert_false(xlm_platform_is_complete(&rig->platform));
    assert_int_equal(take_params(rig, 2, params, 32), 0);
    assert_int_equal(rig->platform.nr_params, 2);
}

static void other_records(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(take(rig, XLM_REC_PAGE_DATA, "12345678", 8), -1);
    assert_int_equal(errno, EINVAL);
}

static void toolstack_pages_of_a_stream(void **state)
{
    static const struct xlm_wire_hvm_param params[] = {
        {HVM_PARAM_STORE_PFN, 10},       {HVM_PARAM_CONSOLE_PFN, PFNS - 1},
        {HVM_PARAM_IOREQ_PFN, PFNS},     {HVM_PARAM_BUFIOREQ_PFN, 1ULL << 60},
        {HVM_PARAM_PAGING_RING_PFN, 30}, {HVM_PARAM_VIRIDIAN, 40},
        {0xffffffffffffULL, 50}};
    struct rig *rig = *state;

    assert_int_equal(take_params(rig, 7, params, sizeof(params)), 0);
    xlm_platform_toolstack_pages(&rig->platform, &rig->pages);
    expect_pages(rig, 3, (uint64_t[]){10, 30, PFNS - 1});
}

static void ioreq_servers(void **state)
{
    struct xlm_wire_hvm_param params[] = {{HVM_PARAM_NR_IOREQ_SERVER_PAGES, 3},
                                          {HVM_PARAM_IOREQ_SERVER_PFN, 20}};
    struct rig *rig = *state;

    assert_int_equal(take_params(rig, 2, params, sizeof(params)), 0);
    xlm_platform_toolstack_pages(&rig->platform, &rig->pages);
    expect_pages(rig, 3, (uint64_t[]){20, 21, 22});

    /* A count that would take for ever, at a pfn that wraps. */
    xlm_pfn_set_clear(&rig->pages);
    params[0].value = UINT64_MAX;
    params[1].value = UINT64_MAX - 1;
    assert_int_equal(take_params(rig, 2, params, sizeof(params)), 0);
    xlm_platform_toolstack_pages(&rig->platform, &rig->pages);
    assert_true(rig->pages.count <= 64);
}

static void toolstack_pages_of_a_domain(void **state)
{
    struct rig *rig = *state;

    fake_domain_put_param(rig->domain, HVM_PARAM_STORE_PFN, 11);
    fake_domain_put_param(rig->domain, HVM_PARAM_IOREQ_SERVER_PFN, 100);
    fake_domain_put_param(rig->domain, HVM_PARAM_NR_IOREQ_SERVER_PAGES, 2);
    assert_int_equal(xlm_find_toolstack_pages(
                         &rig->ctx, fake_domain_id(rig->domain), &rig->pages),
                     0);
    expect_pages(rig, 3, (uint64_t[]){11, 100, 101});
}

static void hypervisor_pages(void **state)
{
    struct rig *rig = *state;

    fake_domain_put_param(rig->domain, HVM_PARAM_IDENT_PT, 0x50000);
    fake_domain_put_param(rig->domain, HVM_PARAM_VM86_TSS_SIZED,
                          (0x3000ULL << 32) | 0x60000);
    assert_int_equal(xlm_find_hypervisor_pages(
                         &rig->ctx, fake_domain_id(rig->domain), &rig->pages),
                     0);
    expect_pages(rig, 4, (uint64_t[]){0x50, 0x60, 0x61, 0x62});
}

static void failures(void **state)
{
    struct rig *rig = *state;
    uint32_t domid = fake_domain_id(rig->domain);

    fake_fail(rig->host, FAKE_OP_get_param, 1, EPERM);
    assert_int_equal(xlm_find_toolstack_pages(&rig->ctx, domid, &rig->pages),
                     -1);
    assert_int_equal(errno, EPERM);
    fake_fail(rig->host, FAKE_OP_get_param, 2, EPERM);
    assert_int_equal(xlm_find_hypervisor_pages(&rig->ctx, domid, &rig->pages),
                     -1);
    assert_int_equal(take(rig, XLM_REC_HVM_CONTEXT, "c", 1), 0);
    fake_fail(rig->host, FAKE_OP_set_state, 2, EINVAL);
    assert_int_equal(xlm_platform_apply(&rig->ctx, &rig->platform, domid), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(xlm_platform_apply(&rig->ctx, &rig->platform, domid), 0);
}

/* Another host might have the memory: the reason must blame this host's
 * memory. */
static void no_memory_for_the_state(void **state)
{
    struct rig *rig = *state;
    uint32_t domid = fake_domain_id(rig->domain);

    assert_int_equal(take(rig, XLM_REC_HVM_CONTEXT, "c", 1), 0);
    for (unsigned int nth = 1; nth <= 2; nth++) {
        fake_fail(rig->host, FAKE_OP_set_state, nth, ENOMEM);
        xlm_forget_failure(&rig->ctx);
        assert_int_equal(xlm_platform_apply(&rig->ctx, &rig->platform, domid),
                         -1);
        assert_non_null(strstr(rig->ctx.reason, "free some"));
        assert_null(strstr(rig->ctx.reason, "kind of CPU"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_rig, drop_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(complete_with_all_three), TEST(counts_that_lie),
        TEST(other_records),           TEST(toolstack_pages_of_a_stream),
        TEST(ioreq_servers),           TEST(toolstack_pages_of_a_domain),
        TEST(hypervisor_pages),        TEST(failures),
        TEST(no_memory_for_the_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
