/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Absent pages by access rights: on which hosts and for which guests, and that
 * the check finds writes that bypass the rights.  What this mechanism has in
 * common with memory paging, other programs test, with FAKE_PAGER=access.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "fake_log.h"
#include "fake_rig.h"
#include "hypervisor/paging.h"

/* ---- which hosts and guests ---- */

struct choice {
    bool paging; /* the host has it */
    int no_access;
    bool emulated_devices;
    enum xlm_mechanism wanted;
    const struct xlm_paging_ops *chosen;
    const char *words; /* of the refusal */
};

static void check_choice(const struct choice *choice)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    const struct xlm_paged_guest guest = {
        .hap = true,
        .vcpus = 1,
        .emulated_devices = choice->emulated_devices,
    };
    struct fake_host *host = fake_host_new(1);
    struct xlm_context ctx = fresh;
    enum xlm_refusal refusal = XLM_REFUSED_OTHER;

    if (!choice->paging) {
        fake_host_no_paging(host);
    }
    fake_host_no_access(host, choice->no_access);
    ctx.logger = fake_logger();
    ctx.hypervisor = fake_open(host);
    assert_ptr_equal(xlm_choose_paging(&ctx, choice->wanted, &guest, &refusal),
                     choice->chosen);
    if (choice->words) {
        assert_non_null(strstr(ctx.reason, choice->words));
    } else {
        assert_string_equal(ctx.reason, "");
    }
    xlm_hypervisor_close(ctx.hypervisor);
    fake_host_check(host);
    fake_host_free(host);
}

/* The destination uses access rights only if its caller wants them. */
static void choices(void **state)
{
    static const struct choice cases[] = {
        {true, 0, false, XLM_MECHANISM_PAGING, &xlm_paging_xen, NULL},
        {true, 0, false, XLM_MECHANISM_ACCESS, &xlm_paging_access, NULL},
        {true, 0, false, XLM_MECHANISM_ANY, &xlm_paging_xen, NULL},
        {false, 0, false, XLM_MECHANISM_PAGING, NULL, "CONFIG_MEM_PAGING"},
        {false, 0, false, XLM_MECHANISM_ACCESS, &xlm_paging_access, NULL},
        {false, 0, false, XLM_MECHANISM_ANY, &xlm_paging_access, NULL},
        {true, ENODEV, false, XLM_MECHANISM_ACCESS, NULL, "VMX"},
        {true, ENOSYS, false, XLM_MECHANISM_ACCESS, NULL, "CONFIG_MEM_ACCESS"},
        {true, 0, true, XLM_MECHANISM_ACCESS, NULL, "only PVH"},
        {true, 0, true, XLM_MECHANISM_ANY, &xlm_paging_xen, NULL},
        {false, 0, true, XLM_MECHANISM_ANY, NULL, "CONFIG_MEM_PAGING"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_choice(&cases[i]);
    }
}

static void expect_refused(struct rig *rig, int error, const char *words)
{
    assert_null(xlm_pager_open(&rig->ctx, &xlm_paging_access, &rig->channel,
                               fake_domain_id(rig->domain), RIG_PAGES, NULL));
    assert_int_equal(errno, error);
    assert_non_null(strstr(rig->ctx.reason, words));
    assert_false(fake_domain_pager_enabled(rig->domain));
}

static void refused_while_monitored(void **state)
{
    struct rig *rig = *state;

    fake_domain_set_monitored(rig->domain);
    expect_refused(rig, EBUSY, "introspection");
}

static void refused_with_altp2m(void **state)
{
    struct rig *rig = *state;

    fake_domain_put_param(rig->domain, HVM_PARAM_ALTP2M, 1);
    expect_refused(rig, EOPNOTSUPP, "altp2m");
}

static void refused_with_guests_of_its_own(void **state)
{
    struct rig *rig = *state;
    const xen_cpuid_leaf_t leaves[] = {{.leaf = 0}, {.leaf = 1, .c = 1u << 5}};

    fake_domain_put_state(rig->domain, XLM_STATE_CPUID_POLICY, leaves,
                          sizeof(leaves));
    expect_refused(rig, EOPNOTSUPP, "nestedhvm");
}

/* ---- accesses that bypass the rights ---- */

#define PFN 9
#define AT 100 /* an octet of the page */

static void write_octet(void *page, uint64_t pfn, void *value)
{
    (void)pfn;
    ((uint8_t *)page)[AT] = *(uint8_t *)value;
}

static void read_octet(void *page, uint64_t pfn, void *value)
{
    (void)pfn;
    *(uint8_t *)value = ((uint8_t *)page)[AT];
}

static void write_unseen(struct rig *rig, uint64_t pfn, uint8_t value,
                         bool logged)
{
    assert_true(fake_unseen_access(rig->domain, pfn, true, logged, write_octet,
                                   &value));
}

static uint8_t octet(struct rig *rig, uint64_t pfn, size_t at)
{
    return ((const uint8_t *)fake_page_memory(rig->domain, pfn))[at];
}

static uint32_t written_unseen(struct rig *rig)
{
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];
    struct xlm_wire_stats stats;

    xlm_pager_get_stats(rig->pager, &stats, blocked_us);
    return stats.unseen;
}

/* The page is not paged in, and what the frame holds stays. */
static void expect_found(struct rig *rig, uint64_t found)
{
    assert_int_equal(rig_bring_in(rig, PFN), -1);
    assert_int_equal(errno, EUCLEAN);
    assert_non_null(strstr(rig->ctx.reason, "was written to here"));
    assert_true(xlm_pager_is_outstanding(rig->pager, PFN));
    assert_int_equal(written_unseen(rig), found);
    assert_int_equal(fake_page_get(rig->domain, PFN), FAKE_PAGED);
    assert_int_equal(octet(rig, PFN, 0), 0);
    assert_int_equal(octet(rig, PFN, XLM_PAGE_SIZE - 1), 0);
}

/* As through dom0's mapping, a persistent grant, or the hypervisor's mapping
 * of a vcpu_info or of an event array: no log has such a write. */
static void a_write_that_is_not_logged(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    assert_int_equal(rig_bring_in(rig, 1), 0);
    write_unseen(rig, PFN, 0x5a, false);
    expect_found(rig, 1);
    assert_int_equal(octet(rig, PFN, AT), 0x5a);
    /* A second try fails as well. */
    expect_found(rig, 2);
    assert_int_equal(octet(rig, PFN, AT), 0x5a);
    assert_int_equal(rig_bring_in(rig, 2), 0);
}

/* As by a grant copy, or by the hypervisor for a hypercall. */
static void a_write_that_is_logged(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    write_unseen(rig, PFN, 0x5a, true);
    expect_found(rig, 1);
    assert_int_equal(octet(rig, PFN, AT), 0x5a);
}

/* Page in a page that is there already, until the log has been read again. */
static void await_log(struct rig *rig, struct xlm_paging *paging)
{
    static const uint8_t contents[XLM_PAGE_SIZE];
    unsigned int before = fake_calls(rig->host, FAKE_OP_logdirty_read);
    struct xlm_page_in page = {.pfn = 1, .contents = contents};

    while (fake_calls(rig->host, FAKE_OP_logdirty_read) == before) {
        assert_int_equal(paging->ops->bring_in(paging, 1, &page), 0);
        assert_int_equal(page.error, ENOENT);
    }
}

/* A write of zeroes shows only in the log, which is read now and then. */
static void a_write_of_zeroes(void **state)
{
    struct rig *rig = *state;
    struct xlm_paging *paging =
        xlm_paging_access.start(&rig->ctx, fake_domain_id(rig->domain), NULL);
    struct xlm_eviction out = {.pfn = PFN};
    uint8_t contents[XLM_PAGE_SIZE];
    struct xlm_page_in page = {.pfn = PFN, .contents = contents};

    memset(contents, 1, sizeof(contents));
    assert_non_null(paging);
    assert_int_equal(paging->ops->make_absent(paging, 0, NULL, 1, &out), 0);
    fake_domain_run(rig->domain);
    await_log(rig, paging);
    write_unseen(rig, PFN, 0, true);
    await_log(rig, paging);
    assert_int_equal(paging->ops->bring_in(paging, 1, &page), 0);
    assert_int_equal(page.error, EUCLEAN);
    paging->ops->leave(paging);
}

/* The pager's own writes are no error, nor are writes to pages that are
 * there. */
static void what_is_seen(void **state)
{
    struct rig *rig = *state;
    uint8_t value = 3;

    rig_run_evicted(rig);
    assert_int_equal(rig_bring_in(rig, PFN), 0);
    assert_int_equal(
        fake_vcpu_access(rig->domain, 0, PFN, true, write_octet, &value),
        FAKE_ACCESS_DONE);
    assert_true(fake_page_dirty(rig->domain, PFN));
    write_unseen(rig, PFN, 4, true);
    rig_bring_in_rest(rig);
    assert_int_equal(written_unseen(rig), 0);
    assert_int_equal(octet(rig, PFN, AT), 4);
}

/* Neither the contents nor the log show a read: that is why front ends have to
 * copy. */
static void a_read_is_not_found(void **state)
{
    struct rig *rig = *state;
    uint8_t value = 0xff;

    rig_run_evicted(rig);
    assert_true(
        fake_unseen_access(rig->domain, PFN, false, true, read_octet, &value));
    assert_int_equal(value, 0);
    assert_int_equal(rig_bring_in(rig, PFN), 0);
    assert_int_equal(written_unseen(rig), 0);
}

/* A back end writes to a page that the guest took from its free list and did
 * not clear, because it had cleared the page before the move. */
static void what_is_written_to_a_page_of_zeroes_stays(void **state)
{
    struct rig *rig = *state;
    static const uint8_t zeroes[XLM_PAGE_SIZE];
    struct xlm_page_in page = {.pfn = PFN, .contents = zeroes};

    rig_run_evicted(rig);
    write_unseen(rig, PFN, 0x5a, true);
    assert_int_equal(xlm_pager_bring_in(rig->pager, 1, &page), 0);
    assert_int_equal(fake_page_get(rig->domain, PFN), FAKE_RAM);
    assert_int_equal(octet(rig, PFN, AT), 0x5a);
    assert_int_equal(written_unseen(rig), 0);
}

/* ---- frames ---- */

static void frames_are_clear(void **state)
{
    struct rig *rig = *state;

    memset(fake_page_memory(rig->domain, PFN), 0x77, XLM_PAGE_SIZE);
    rig_open_pager(rig);
    rig_evict_all(rig);
    assert_int_equal(octet(rig, PFN, 0), 0);
    assert_int_equal(octet(rig, PFN, XLM_PAGE_SIZE - 1), 0);
}

/* A killed process had put a part of the same contents there. */
static void after_a_process_that_was_killed(void **state)
{
    struct rig *rig = *state;

    rig_run_evicted(rig);
    memset(fake_page_memory(rig->domain, PFN), PFN + 1, XLM_PAGE_SIZE / 2);
    assert_int_equal(rig_bring_in(rig, PFN), 0);
    assert_int_equal(octet(rig, PFN, XLM_PAGE_SIZE - 1), PFN + 1);
}

static void replace(struct rig *rig)
{
    if (fake_page_get(rig->domain, PFN) == FAKE_PAGED) {
        assert_true(fake_guest_balloon(rig->domain, PFN));
        assert_true(fake_guest_unballoon(rig->domain, PFN));
    }
}

static void replace_before_the_look(enum fake_op op, void *rig)
{
    if (op == FAKE_OP_get_access) {
        replace(rig);
    }
}

static void replace_after_the_look(enum fake_op op, void *rig)
{
    if (op == FAKE_OP_set_access) {
        replace(rig);
    }
}

/* The guest puts another page at the pfn: the old contents must not get
 * there. */
static void bring_in_replaced(struct rig *rig, fake_hook *hook)
{
    rig_run_evicted(rig);
    fake_host_hook(rig->host, hook, rig);
    assert_int_equal(rig_bring_in(rig, PFN), 0);
    fake_host_hook(rig->host, NULL, NULL);
    assert_int_equal(octet(rig, PFN, 0), 0);
    assert_int_equal(fake_page_get(rig->domain, PFN), FAKE_RAM);
    assert_false(xlm_pager_is_outstanding(rig->pager, PFN));
}

static void replaced_before_the_look(void **state)
{
    struct rig *rig = *state;

    bring_in_replaced(rig, replace_before_the_look);
    assert_int_equal(rig_stats(rig).pages_dropped, 1);
}

static void replaced_after_the_look(void **state)
{
    bring_in_replaced(*state, replace_after_the_look);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_make, rig_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices),
        TEST(refused_while_monitored),
        TEST(refused_with_altp2m),
        TEST(refused_with_guests_of_its_own),
        TEST(a_write_that_is_not_logged),
        TEST(a_write_that_is_logged),
        TEST(a_write_of_zeroes),
        TEST(what_is_seen),
        TEST(a_read_is_not_found),
        TEST(what_is_written_to_a_page_of_zeroes_stays),
        TEST(frames_are_clear),
        TEST(after_a_process_that_was_killed),
        TEST(replaced_before_the_look),
        TEST(replaced_after_the_look),
    };

    signal(SIGPIPE, SIG_IGN);
    setenv("FAKE_PAGER", "access", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
