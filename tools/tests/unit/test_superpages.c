/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Superpages for a guest that is here: what the guest and its back ends have
 * written is never lost, whatever fails and whenever the process is killed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_log.h"
#include "pager/kept.h"
#include "restore/superpages.h"
#include "wire/wire.h"

/* The first region is below where superpages begin; the last is the spare
 * one. */
#define REGIONS 5
#define PFNS (REGIONS * XLM_REGION_PAGES)
#define SPARE ((REGIONS - 1) * XLM_REGION_PAGES)
#define GUEST_PAGES SPARE
/* In the third region. */
#define GRANTED (2 * XLM_REGION_PAGES + 77)
#define MAX_PAGES (GUEST_PAGES + 10)

struct stage {
    struct fake_host *host;
    struct fake_domain *domain;
    struct xlm_hypervisor *hv;
    struct xlm_context ctx;
    struct xlm_restore_params params;
    struct xlm_restore_callbacks callbacks;
    struct xlm_stats stats;
    struct xlm_restorer restorer;
    unsigned long *kept;
    /* The process is killed at this call, counted from 1; 0: never. */
    unsigned int kill_at;
    unsigned int calls;
    unsigned long *inherited; /* what it has kept; NULL: it lives */
    bool back_end;            /* a back end is at work */
    uint64_t back_end_wrote;
};

static uint64_t word_of(uint64_t pfn)
{
    return (pfn + 1) * 0x9e3779b97f4a7c15u;
}

static void fill(struct fake_domain *domain)
{
    for (uint64_t pfn = 0; pfn < GUEST_PAGES; pfn++) {
        uint64_t *words = fake_page_memory(domain, pfn);

        for (size_t i = 0; i < XLM_PAGE_SIZE / sizeof(*words); i++) {
            words[i] = word_of(pfn) + i;
        }
    }
}

/* A back end writes to a page that it was granted, at any moment. */
static void work_as_back_end(struct stage *stage)
{
    uint64_t *words = fake_page_memory(stage->domain, GRANTED);

    assert_int_equal(fake_page_get(stage->domain, GRANTED), FAKE_RAM);
    assert_int_equal(words[0], word_of(GRANTED));
    words[1] = ++stage->back_end_wrote;
}

static void at_call(enum fake_op op, void *data)
{
    struct stage *stage = data;

    (void)op;
    if (stage->back_end) {
        work_as_back_end(stage);
    }
    if (++stage->calls == stage->kill_at && !stage->inherited) {
        size_t octets = xlm_kept_words(PFNS) * sizeof(unsigned long);

        stage->inherited = malloc(octets);
        fake_kill(stage->hv, stage->kept, stage->inherited, octets);
    }
}

static void set_up(struct stage *stage)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    void *ring;
    uint32_t port;
    int fd;

    stage->host = fake_host_new(2 * PFNS);
    stage->domain = fake_domain_new(stage->host, PFNS, MAX_PAGES, 1);
    fake_domain_set_spare(stage->domain, SPARE);
    for (uint64_t pfn = 0; pfn < GUEST_PAGES; pfn++) {
        fake_page_set(stage->domain, pfn, FAKE_RAM);
    }
    fill(stage->domain);
    stage->hv = fake_open(stage->host);
    assert_int_equal(
        stage->hv->ops->pager_enable(stage->hv, fake_domain_id(stage->domain),
                                     XLM_RING_PAGING, &ring, &fd, &port),
        0);
    fake_domain_run(stage->domain);
    stage->ctx = fresh;
    stage->params.superpages_at_once = true;
    stage->ctx.logger = fake_logger();
    stage->ctx.hypervisor = stage->hv;
    stage->kept = calloc(xlm_kept_words(PFNS), sizeof(*stage->kept));
    stage->restorer = (struct xlm_restorer){
        .ctx = &stage->ctx,
        .params = &stage->params,
        .callbacks = &stage->callbacks,
        .stats = &stage->stats,
        .kept = stage->kept,
        .channel.abort_fd = -1,
        .domain.domid = fake_domain_id(stage->domain),
        .domain.pfn_limit = PFNS,
    };
    fake_host_hook(stage->host, at_call, stage);
}

/* The guest runs, with the pages that it had, and no others. */
static void check(struct stage *stage)
{
    fake_host_hook(stage->host, NULL, NULL);
    fake_host_check(stage->host);
    assert_true(fake_domain_running(stage->domain));
    assert_int_equal(fake_domain_max_pages(stage->domain), MAX_PAGES);
    assert_int_equal(fake_domain_resident(stage->domain), GUEST_PAGES);
    for (uint64_t pfn = 0; pfn < GUEST_PAGES; pfn++) {
        uint64_t *words = fake_page_memory(stage->domain, pfn);

        assert_int_equal(fake_page_get(stage->domain, pfn), FAKE_RAM);
        assert_int_equal(words[0], word_of(pfn));
        assert_int_equal(words[511], word_of(pfn) + 511);
        assert_int_equal(words[1], pfn == GRANTED && stage->back_end
                                       ? stage->back_end_wrote
                                       : word_of(pfn) + 1);
    }
    assert_int_equal(xlm_kept_region(stage->kept, PFNS)->first, 0);
}

static void tear_down(struct stage *stage)
{
    fake_host_hook(stage->host, NULL, NULL);
    if (!stage->inherited) {
        stage->hv->ops->pager_disable(stage->hv,
                                      fake_domain_id(stage->domain));
    }
    xlm_hypervisor_close(stage->hv);
    fake_host_free(stage->host);
    free(stage->kept);
    free(stage->inherited);
}

static unsigned int joined(struct stage *stage)
{
    unsigned int count = 0;

    for (uint64_t pfn = 0; pfn < GUEST_PAGES; pfn += XLM_REGION_PAGES) {
        count += fake_page_large(stage->domain, pfn);
    }
    return count;
}

/* ---- it works ---- */

static void all_that_nobody_holds(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    assert_int_equal(joined(&stage), 3);
    assert_int_equal(stage.stats.superpages, 3);
    tear_down(&stage);
}

static void nobody_can_take_over(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    stage.restorer.kept = NULL;
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    assert_int_equal(joined(&stage), 3);
    tear_down(&stage);
}

/* ---- regions that are left alone ---- */

static void a_page_that_somebody_holds(void **state)
{
    static const uint64_t offsets[] = {0, 300, 511};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct stage stage = {0};

        set_up(&stage);
        fake_page_busy(stage.domain, XLM_REGION_PAGES + offsets[i], true);
        xlm_superpages_join(&stage.restorer);
        check(&stage);
        assert_false(fake_page_large(stage.domain, XLM_REGION_PAGES));
        assert_int_equal(joined(&stage), 2);
        tear_down(&stage);
    }
}

static void a_page_that_a_back_end_may_come_for(void **state)
{
    struct stage stage = {.back_end = true};

    (void)state;
    set_up(&stage);
    fake_page_grant(stage.domain, GRANTED, true);
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    assert_true(stage.back_end_wrote > 10);
    assert_false(fake_page_large(stage.domain, GRANTED));
    assert_int_equal(joined(&stage), 2);
    tear_down(&stage);
}

static void grants_that_cannot_be_read(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    fake_domain_new_grants(stage.domain);
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    assert_int_equal(joined(&stage), 0);
    tear_down(&stage);
}

static void a_region_with_a_hole(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    fake_page_set(stage.domain, XLM_REGION_PAGES + 9, FAKE_HOLE);
    xlm_superpages_join(&stage.restorer);
    assert_int_equal(joined(&stage), 2);
    assert_int_equal(fake_page_get(stage.domain, XLM_REGION_PAGES + 9),
                     FAKE_HOLE);
    fake_page_set(stage.domain, XLM_REGION_PAGES + 9, FAKE_RAM);
    fill(stage.domain);
    check(&stage);
    tear_down(&stage);
}

static void nowhere_to_move_pages_to(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    fake_domain_set_spare(stage.domain, 0);
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    assert_int_equal(joined(&stage), 0);
    tear_down(&stage);
}

static void no_memory_in_one_piece(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    fake_host_fragmented(stage.host, true);
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    assert_int_equal(joined(&stage), 0);
    assert_int_equal(fake_calls(stage.host, FAKE_OP_populate_region), 3);
    tear_down(&stage);
}

static void a_guest_that_is_suspended(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    fake_domain_suspend(stage.domain);
    xlm_superpages_join(&stage.restorer);
    assert_int_equal(joined(&stage), 0);
    assert_int_equal(fake_calls(stage.host, FAKE_OP_nominate_region), 0);
    fake_domain_resume(stage.domain);
    check(&stage);
    tear_down(&stage);
}

/* ---- failures ---- */

/* Each call of each kind fails once: with an error that passes, and with one
 * that does not. */
static void any_call_fails(void **state)
{
    static const enum fake_op ops[] = {
        FAKE_OP_domain_info,   FAKE_OP_pause,
        FAKE_OP_page_types,    FAKE_OP_map,
        FAKE_OP_set_max_pages, FAKE_OP_populate,
        FAKE_OP_depopulate,    FAKE_OP_nominate_region,
        FAKE_OP_move_pages,    FAKE_OP_populate_region,
        FAKE_OP_is_granted,    FAKE_OP_spare_region,
        FAKE_OP_unpause,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        for (unsigned int nth = 1; nth <= 4; nth++) {
            struct stage stage = {0};

            set_up(&stage);
            fake_fail(stage.host, ops[i], nth, nth % 2 ? EIO : ENOMEM);
            xlm_superpages_join(&stage.restorer);
            fake_fail(stage.host, ops[i], 0, 0);
            check(&stage);
            tear_down(&stage);
        }
    }
}

/* The call fails in the middle of a move, in either direction. */
static void a_page_does_not_move(void **state)
{
    static const uint64_t pfns[] = {
        XLM_REGION_PAGES,
        XLM_REGION_PAGES + 200,
        2 * XLM_REGION_PAGES - 1,
        SPARE,
        SPARE + 200,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pfns) / sizeof(*pfns); i++) {
        struct stage stage = {0};

        set_up(&stage);
        fake_host_fragmented(stage.host, pfns[i] >= SPARE);
        fake_page_map_error(stage.domain, pfns[i], ENOMEM);
        xlm_superpages_join(&stage.restorer);
        check(&stage);
        assert_false(fake_page_large(stage.domain, XLM_REGION_PAGES));
        tear_down(&stage);
    }
}

static void a_page_cannot_be_mapped(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    fake_page_map_error(stage.domain, SPARE + 5, EFAULT);
    xlm_superpages_join(&stage.restorer);
    check(&stage);
    tear_down(&stage);
}

/* ---- kills ---- */

/* A second process finds what the killed one has kept, and mends.  It is
 * killed as well, at its call `again`, and a third process mends. */
static bool mend(struct stage *stage, unsigned int again)
{
    unsigned long *kept = stage->inherited;
    uint32_t domid = fake_domain_id(stage->domain);
    struct xlm_kept_region *region = xlm_kept_region(kept, PFNS);
    size_t octets = xlm_kept_words(PFNS) * sizeof(*kept);
    bool mended;

    stage->inherited = NULL;
    xlm_hypervisor_close(stage->hv);
    free(stage->kept);
    stage->kept = kept;
    stage->hv = fake_open(stage->host);
    stage->ctx.hypervisor = stage->hv;
    stage->calls = 0;
    stage->kill_at = again;
    mended = !xlm_superpages_mend(&stage->ctx, domid, region);
    if (!stage->inherited) {
        assert_true(mended);
        stage->inherited = malloc(octets);
        memcpy(stage->inherited, kept, octets);
        return false;
    }
    return true;
}

/* False: the process lived to the end. */
static bool killed_at(unsigned int call, unsigned int again, bool *both)
{
    struct stage stage = {.kill_at = call, .back_end = true};
    bool killed;

    set_up(&stage);
    fake_page_grant(stage.domain, GRANTED, true);
    xlm_superpages_join(&stage.restorer);
    killed = stage.inherited;
    if (killed) {
        *both = mend(&stage, again);
        if (*both) {
            (void)mend(&stage, 0);
        }
    }
    check(&stage);
    tear_down(&stage);
    return killed;
}

static void killed_at_any_call(void **state)
{
    unsigned int call = 1;
    bool both;

    (void)state;
    while (killed_at(call, 0, &both)) {
        call++;
    }
    assert_true(call > 30);
}

/* Kills the first process at calls at which pages are in the spare region. */
static void its_successor_is_killed_too(void **state)
{
    bool both = true;

    (void)state;
    for (unsigned int call = 5; call < 20; call++) {
        for (unsigned int again = 1; again < 2000; again += 97) {
            if (!killed_at(call, again, &both)) {
                fail_msg("it lived at call %u", call);
            }
        }
    }
}

static void nothing_to_mend(void **state)
{
    struct stage stage = {0};

    (void)state;
    set_up(&stage);
    assert_int_equal(xlm_superpages_mend(&stage.ctx,
                                         fake_domain_id(stage.domain),
                                         xlm_kept_region(stage.kept, PFNS)),
                     0);
    check(&stage);
    tear_down(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_nobody_holds),
        cmocka_unit_test(nobody_can_take_over),
        cmocka_unit_test(a_page_that_somebody_holds),
        cmocka_unit_test(a_page_that_a_back_end_may_come_for),
        cmocka_unit_test(grants_that_cannot_be_read),
        cmocka_unit_test(a_region_with_a_hole),
        cmocka_unit_test(nowhere_to_move_pages_to),
        cmocka_unit_test(no_memory_in_one_piece),
        cmocka_unit_test(a_guest_that_is_suspended),
        cmocka_unit_test(any_call_fails),
        cmocka_unit_test(a_page_does_not_move),
        cmocka_unit_test(a_page_cannot_be_mapped),
        cmocka_unit_test(killed_at_any_call),
        cmocka_unit_test(its_successor_is_killed_too),
        cmocka_unit_test(nothing_to_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
