/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The state of the vCPUs is loaded into a domain whose memory is at the
 * source: what the state contains, and whole migrations of guests whose
 * state names pages.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/save.h>

#include "fake_migration.h"
#include "fake_source.h"
#include "policy/hvm_context.h"
#include "wire/wire.h"

#define MOVED_PAGES 300
#define VCPUS 2

#define PAGING (UINT64_C(1) << 31)
#define WIDE_ENTRIES (UINT64_C(1) << 5)

/* Pages with contents; every 13th from 5 on is a hole. */
#define HYPERCALLS 100
#define REFERENCE_TSC 101
#define ASSIST 120 /* and one more for each vCPU */
#define MESSAGES 140
#define TABLES 162
#define HOLE 70

struct context {
    struct {
        struct hvm_save_descriptor head;
        struct hvm_save_header body;
    } header;
    struct {
        struct {
            struct hvm_save_descriptor head;
            struct hvm_hw_cpu body;
        } cpu;
        struct {
            struct hvm_save_descriptor head;
            struct hvm_viridian_vcpu_context body;
        } viridian;
    } vcpus[VCPUS];
    struct {
        struct hvm_save_descriptor head;
        struct hvm_hw_pmtimer body;
    } timer;
    struct {
        struct hvm_save_descriptor head;
        struct hvm_viridian_domain_context body;
    } viridian;
    struct hvm_save_descriptor end;
};

/* Nothing in between. */
_Static_assert(sizeof(struct context) ==
                   (3 + 2 * VCPUS + 1) * sizeof(struct hvm_save_descriptor) +
                       sizeof(struct hvm_save_header) +
                       VCPUS * (sizeof(struct hvm_hw_cpu) +
                                sizeof(struct hvm_viridian_vcpu_context)) +
                       sizeof(struct hvm_hw_pmtimer) +
                       sizeof(struct hvm_viridian_domain_context),
               "context");

static struct hvm_save_descriptor head_of(uint16_t type, uint16_t instance,
                                          uint32_t length)
{
    return (struct hvm_save_descriptor){
        .typecode = type, .instance = instance, .length = length};
}

#define HEAD(type, instance, field) \
    head_of(HVM_SAVE_CODE(type), instance, sizeof((field).body))

/* The state of two vCPUs with paging in long mode, and no Viridian feature
 * enabled. */
static struct context plain_context(void)
{
    struct context context;

    memset(&context, 0, sizeof(context));
    context.header.head = HEAD(HEADER, 0, context.header);
    context.header.body.magic = HVM_FILE_MAGIC;
    for (uint16_t i = 0; i < VCPUS; i++) {
        struct hvm_hw_cpu *cpu = &context.vcpus[i].cpu.body;

        context.vcpus[i].cpu.head = HEAD(CPU, i, context.vcpus[i].cpu);
        context.vcpus[i].viridian.head =
            HEAD(VIRIDIAN_VCPU, i, context.vcpus[i].viridian);
        cpu->cr0 = PAGING;
        cpu->cr4 = WIDE_ENTRIES;
        cpu->msr_efer = UINT64_C(1) << 10;
        cpu->cr3 = (uint64_t)(TABLES + i) << XLM_PAGE_SHIFT;
    }
    context.timer.head = HEAD(PMTIMER, 0, context.timer);
    context.timer.body.tmr_val = 12345;
    context.viridian.head = HEAD(VIRIDIAN_DOMAIN, 0, context.viridian);
    context.end = head_of(HVM_SAVE_CODE(END), 0, 0);
    return context;
}

static uint64_t turned_on(uint64_t pfn)
{
    return (pfn << XLM_PAGE_SHIFT) | 1;
}

/* A guest such as Windows, which uses all Viridian features: with the
 * interrupt whose end it never signalled, and a timer. */
static struct context viridian_context(void)
{
    struct context context = plain_context();

    context.viridian.body.guest_os_id = 1;
    context.viridian.body.hypercall_gpa = turned_on(HYPERCALLS);
    context.viridian.body.reference_tsc = turned_on(REFERENCE_TSC);
    for (unsigned int i = 0; i < VCPUS; i++) {
        struct hvm_viridian_vcpu_context *vcpu =
            &context.vcpus[i].viridian.body;

        vcpu->vp_assist_msr = turned_on(ASSIST + i);
        vcpu->apic_assist_pending = 1;
        vcpu->simp_msr = turned_on(MESSAGES + i);
        vcpu->stimer_config_msr[i] = 1;
        vcpu->stimer_count_msr[i] = 10000;
    }
    return context;
}

/* ---- records ---- */

struct named {
    size_t count;
    uint64_t pfns[16];
    uint64_t *msrs; /* not NULL: note() disables each MSR with a page */
};

static int note(uint64_t pfn, uint8_t *msr, void *data)
{
    struct named *named = data;

    assert_true(named->count < 16);
    named->pfns[named->count++] = pfn;
    if (msr && named->msrs) {
        xlm_hvm_context_turn_off(msr);
    }
    return 0;
}

static void assert_names(void *context, size_t length, size_t count,
                         const uint64_t *pfns)
{
    struct named named = {.count = 0};

    assert_int_equal(xlm_hvm_context_pages(context, length, note, &named), 0);
    assert_int_equal(named.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(named.pfns[i], pfns[i]);
    }
}

static void pages_that_are_named(void **state)
{
    static const uint64_t all[] = {TABLES,        ASSIST,     MESSAGES,
                                   TABLES + 1,    ASSIST + 1, MESSAGES + 1,
                                   REFERENCE_TSC, HYPERCALLS};
    struct context context = viridian_context();

    (void)state;
    assert_names(&context, sizeof(context), 8, all);
    context.vcpus[0].cpu.body.cr0 = 0; /* paging that is off names no page */
    context.vcpus[0].viridian.body.vp_assist_msr &= ~UINT64_C(1);
    context.viridian.body.reference_tsc &= ~UINT64_C(1);
    assert_names(&context, sizeof(context), 5,
                 (uint64_t[]){MESSAGES, TABLES + 1, ASSIST + 1, MESSAGES + 1,
                              HYPERCALLS});
}

static int fail_at_once(uint64_t pfn, uint8_t *msr, void *data)
{
    unsigned int *calls = data;

    (void)pfn;
    (void)msr;
    ++*calls;
    return -1;
}

static void a_walk_that_is_ended(void **state)
{
    struct context context = viridian_context();
    unsigned int calls = 0;

    (void)state;
    assert_int_equal(
        xlm_hvm_context_pages(&context, sizeof(context), fail_at_once, &calls),
        -1);
    assert_int_equal(calls, 1);
}

/* Whichever record is left out, the others are unchanged, to the end. */
static void what_is_left_for_a_domain_without_memory(void **state)
{
    struct context context = viridian_context();
    struct context whole = context;
    uint8_t *octets = (uint8_t *)&context;
    size_t length = xlm_hvm_context_strip(&context, sizeof(context));

    (void)state;
    assert_int_equal(length, sizeof(whole.header) + sizeof(whole.timer) +
                                 sizeof(whole.end));
    assert_memory_equal(octets, &whole.header, sizeof(whole.header));
    octets += sizeof(whole.header);
    assert_memory_equal(octets, &whole.timer, sizeof(whole.timer));
    octets += sizeof(whole.timer);
    assert_memory_equal(octets, &whole.end, sizeof(whole.end));
}

/* Cut at every length, in memory of exactly that size, so that a read past the
 * end is found. */
static void what_is_cut_off(void **state)
{
    struct context whole = viridian_context();

    (void)state;
    for (size_t length = 0; length <= sizeof(whole); length++) {
        uint8_t *copy = malloc(length ? length : 1);
        struct named named = {.count = 0};
        size_t left;

        memcpy(copy, &whole, length);
        (void)xlm_hvm_context_pages(copy, length, note, &named);
        assert_true(named.count <= 8);
        (void)xlm_hvm_context_defuse_timers(copy, length);
        left = xlm_hvm_context_strip(copy, length);
        assert_true(left <= length);
        named.count = 0;
        (void)xlm_hvm_context_pages(copy, left, note, &named);
        assert_int_equal(named.count, 0);
        free(copy);
    }
}

/* Xen reads the missing end of a short record as 0. */
static void records_of_other_lengths(void **state)
{
    struct context context = viridian_context();
    uint8_t octets[64];
    struct hvm_save_descriptor head =
        head_of(HVM_SAVE_CODE(VIRIDIAN_VCPU), 0, 12);
    uint64_t msr = turned_on(ASSIST);

    (void)state;
    memset(octets, 0xff, sizeof(octets));
    memcpy(octets, &head, sizeof(head));
    memcpy(octets + sizeof(head), &msr, sizeof(msr));
    assert_names(octets, sizeof(head) + 12, 1, (uint64_t[]){ASSIST});
    assert_int_equal(xlm_hvm_context_defuse_timers(octets, sizeof(head) + 12),
                     0);
    /* A length that would wrap. */
    context.vcpus[0].cpu.head.length = UINT32_MAX;
    assert_names(&context, sizeof(context), 0, NULL);
    assert_int_equal(xlm_hvm_context_strip(&context, sizeof(context)),
                     sizeof(context));
}

static void timers_that_would_take_the_host_down(void **state)
{
    struct context context = viridian_context();
    struct hvm_viridian_vcpu_context *vcpu = &context.vcpus[0].viridian.body;

    (void)state;
    assert_int_equal(xlm_hvm_context_defuse_timers(&context, sizeof(context)),
                     0);
    vcpu->stimer_config_msr[2] = 3; /* counts to 0 */
    assert_int_equal(xlm_hvm_context_defuse_timers(&context, sizeof(context)),
                     1);
    assert_int_equal(vcpu->stimer_config_msr[2], 2);
    assert_int_equal(vcpu->stimer_config_msr[0], 1);
    vcpu->simp_msr &= ~UINT64_C(1);
    assert_int_equal(xlm_hvm_context_defuse_timers(&context, sizeof(context)),
                     1);
    assert_int_equal(vcpu->stimer_config_msr[0], 0);
}

/* ---- whole migrations ---- */

static struct fake_migration *new_with(const struct context *early,
                                       const struct context *final)
{
    struct fake_migration *migration = fake_migration_new(MOVED_PAGES, VCPUS);

    migration->script.vcpu_seed = 1;
    fake_domain_put_state(migration->setup.source, XLM_STATE_HVM_CONTEXT,
                          early, sizeof(*early));
    migration->setup.final_context = final;
    migration->setup.final_length = sizeof(*final);
    return migration;
}

static void lend_viridian_pages(struct fake_migration *migration)
{
    fake_guest_lend(migration->setup.guest, REFERENCE_TSC);
    for (unsigned int i = 0; i < VCPUS; i++) {
        fake_guest_lend(migration->setup.guest, ASSIST + i);
        fake_guest_lend(migration->setup.guest, MESSAGES + i);
    }
}

static void assert_held(struct fake_domain *domain)
{
    assert_true(fake_page_held(domain, REFERENCE_TSC));
    for (unsigned int i = 0; i < VCPUS; i++) {
        assert_true(fake_page_held(domain, ASSIST + i));
        assert_true(fake_page_held(domain, MESSAGES + i));
    }
    assert_false(fake_domain_eoi_lost(domain));
}

static void expect_resident(struct fake_migration *migration)
{
    struct fake_domain *domain = migration->outcome.destination;

    for (unsigned int i = 0; i < VCPUS; i++) {
        assert_int_equal(fake_page_get(domain, TABLES + i), FAKE_RAM);
    }
    assert_int_equal(fake_page_get(domain, HYPERCALLS), FAKE_RAM);
    assert_held(domain);
}

/* With as many hot pages as there may be, and with none. */
static void viridian(void **state)
{
    const struct context context = viridian_context();

    (void)state;
    for (unsigned int way = 0; way < 8; way++) {
        struct fake_migration *migration = new_with(&context, &context);

        lend_viridian_pages(migration);
        migration->script.rounds = way >> 1;
        migration->setup.params.hot_pages_max = way & 1 ? 256 : 0;
        migration->script.at_run = expect_resident;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_held(migration->outcome.destination);
        fake_migration_turn_round(migration);
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_held(migration->outcome.destination);
        fake_migration_free(migration);
    }
}

static void viridian_in_one_go(void **state)
{
    const struct context context = viridian_context();

    (void)state;
    for (unsigned int way = 0; way < 2; way++) {
        struct fake_migration *migration = new_with(&context, &context);

        lend_viridian_pages(migration);
        migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
        migration->setup.params.in_fd = way ? -1 : 0;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_held(migration->outcome.destination);
        fake_migration_free(migration);
    }
}

/* The guest enables all features while it moves. */
static void viridian_from_the_last_moment_on(void **state)
{
    const struct context early = plain_context();
    const struct context final = viridian_context();
    struct fake_migration *migration = new_with(&early, &final);

    (void)state;
    lend_viridian_pages(migration);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_held(migration->outcome.destination);
    fake_migration_free(migration);
}

static struct context with_wide_entries(void)
{
    struct context context = plain_context();

    for (unsigned int i = 0; i < VCPUS; i++) {
        context.vcpus[i].cpu.body.msr_efer = 0;
    }
    return context;
}

/* On Intel processors Xen reads the four entries in CR3's page while it loads
 * the state. */
static void pae(void **state)
{
    const struct context context = with_wide_entries();

    (void)state;
    for (unsigned int way = 0; way < 4; way++) {
        struct fake_migration *migration = new_with(&context, &context);

        migration->script.rounds = way >> 1;
        migration->setup.params.hot_pages_max = way & 1 ? 256 : 0;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_false(fake_domain_crashed(migration->outcome.destination));
        fake_migration_free(migration);
    }
}

static void expect_refusal(struct fake_migration *migration, const char *why)
{
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_false(migration->outcome.transitioned);
    assert_false(migration->outcome.ran);
    for (unsigned int i = 0; i < 2; i++) {
        if (!strstr(migration->outcome.contexts[i].reason, why)) {
            fail_msg("%s", migration->outcome.contexts[i].reason);
        }
    }
    fake_migration_free(migration);
}

/* Xen accepts the state, and the domain crashes. */
static void a_domain_that_crashes_under_its_state(void **state)
{
    const struct context early = plain_context();
    struct context final = with_wide_entries();

    (void)state;
    final.vcpus[1].cpu.body.cr3 = (uint64_t)HOLE << XLM_PAGE_SHIFT;
    expect_refusal(new_with(&early, &final), "has crashed");
}

static void unpause(struct fake_migration *migration)
{
    fake_domain_run(migration->outcome.destination);
}

static void crash(struct fake_migration *migration)
{
    fake_domain_crash(migration->outcome.destination);
}

static void destroy(struct fake_migration *migration)
{
    fake_domain_destroy(migration->outcome.destination);
}

/* Nothing runs in the domain then: no vCPU has a state. */
static void a_domain_that_another_program_unpauses(void **state)
{
    const struct context context = viridian_context();
    struct fake_migration *migration = new_with(&context, &context);

    (void)state;
    migration->script.at_build = unpause;
    expect_refusal(migration, "was unpaused by another program");
}

static void a_domain_that_does_not_live_to_be_prepared(void **state)
{
    const struct context context = viridian_context();
    struct fake_migration *migration = new_with(&context, &context);

    (void)state;
    migration->script.at_build = crash;
    expect_refusal(migration, "has crashed");
    migration = new_with(&context, &context);
    migration->script.at_build = destroy;
    expect_refusal(migration, "is gone");
}

static void a_domain_that_does_not_live_to_be_ready(void **state)
{
    static void (*const ends[])(struct fake_migration *) = {crash, unpause,
                                                            destroy};
    static const char *const reasons[] = {"has crashed", "was unpaused", ""};
    const struct context context = viridian_context();

    (void)state;
    for (unsigned int i = 0; i < 3; i++) {
        struct fake_migration *migration = new_with(&context, &context);

        migration->script.at_suspend = ends[i];
        expect_refusal(migration, reasons[i]);
    }
}

/* The guest gives back pages after it has enabled the features: at the source
 * Xen still maps them. */
static void pages_that_the_guest_does_not_have(void **state)
{
    struct context context = viridian_context();
    struct context expected;

    (void)state;
    context.viridian.body.reference_tsc = turned_on(HOLE);
    context.vcpus[0].viridian.body.simp_msr = turned_on(MOVED_PAGES * 1000);
    context.vcpus[1].viridian.body.vp_assist_msr =
        turned_on(UINT64_MAX >> XLM_PAGE_SHIFT);
    expected = context;
    expected.viridian.body.reference_tsc--;
    expected.vcpus[0].viridian.body.simp_msr--;
    expected.vcpus[0].viridian.body.stimer_config_msr[0]--;
    expected.vcpus[1].viridian.body.vp_assist_msr--;
    for (unsigned int way = 0; way < 3; way++) {
        struct fake_migration *migration = new_with(&context, &context);
        const void *loaded;
        size_t length;

        fake_guest_lend(migration->setup.guest, ASSIST);
        fake_guest_lend(migration->setup.guest, MESSAGES + 1);
        if (way) {
            migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
            migration->setup.params.in_fd = way == 1 ? 0 : -1;
        }
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.save_rc, 0);
        assert_int_equal(migration->outcome.restore_rc, 0);
        assert_true(fake_domain_running(migration->outcome.destination));
        loaded = fake_domain_peek_state(migration->outcome.destination,
                                        XLM_STATE_HVM_CONTEXT, &length);
        assert_int_equal(length, sizeof(expected));
        assert_memory_equal(loaded, &expected, length);
        fake_migration_free(migration);
    }
}

/* ---- sources that lie ---- */

static void say_context(struct puppet *puppet, const struct context *context)
{
    static const struct xlm_wire_tsc_info tsc = {.khz = 1};

    say(puppet, XLM_REC_TSC_INFO, &tsc, sizeof(tsc));
    say(puppet, XLM_REC_HVM_CONTEXT, context, sizeof(*context));
}

static void expect_no_transition(struct puppet *puppet, const char *why)
{
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_READY));
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_false(puppet->ran);
    if (!strstr(puppet->ctx.reason, why)) {
        fail_msg("%s", puppet->ctx.reason);
    }
    free_puppet(puppet);
}

/* Pages 1 to 3 are where the state says: at the source. */
static void pages_that_do_not_come(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 4; i++) {
        struct puppet *puppet = restore_at(start_evicted);
        struct context context = plain_context();
        struct hvm_viridian_vcpu_context *vcpu =
            &context.vcpus[0].viridian.body;

        context.vcpus[0].cpu.body.cr3 = (i == 3 ? 2u : 0) << XLM_PAGE_SHIFT;
        context.vcpus[1].cpu.body.cr0 = 0;
        context.viridian.body.reference_tsc = i == 0 ? turned_on(1) : 0;
        vcpu->vp_assist_msr = i == 1 ? turned_on(2) : 0;
        vcpu->simp_msr = i == 2 ? turned_on(3) : 0;
        say_context(puppet, &context);
        expect_no_transition(puppet, "has not sent page");
    }
}

static void no_state_of_the_suspended_guest(void **state)
{
    (void)state;
    expect_no_transition(restore_at(start_evicted), "without the state");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_are_named),
        cmocka_unit_test(a_walk_that_is_ended),
        cmocka_unit_test(what_is_left_for_a_domain_without_memory),
        cmocka_unit_test(what_is_cut_off),
        cmocka_unit_test(records_of_other_lengths),
        cmocka_unit_test(timers_that_would_take_the_host_down),
        cmocka_unit_test(viridian),
        cmocka_unit_test(viridian_in_one_go),
        cmocka_unit_test(viridian_from_the_last_moment_on),
        cmocka_unit_test(pae),
        cmocka_unit_test(a_domain_that_crashes_under_its_state),
        cmocka_unit_test(a_domain_that_another_program_unpauses),
        cmocka_unit_test(a_domain_that_does_not_live_to_be_prepared),
        cmocka_unit_test(a_domain_that_does_not_live_to_be_ready),
        cmocka_unit_test(pages_that_the_guest_does_not_have),
        cmocka_unit_test(pages_that_do_not_come),
        cmocka_unit_test(no_state_of_the_suspended_guest),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
