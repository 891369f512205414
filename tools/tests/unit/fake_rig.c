/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_log.h"
#include "watchdog.h"
#include "wire/record.h"

int rig_make(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct rig *rig = calloc(1, sizeof(*rig));
    uint64_t pfn;

    alarm(WATCHDOG_SECONDS);
    rig->host = fake_host_new(10000);
    rig->domain =
        fake_domain_new(rig->host, RIG_PAGES + 8, RIG_PAGES + 8, RIG_VCPUS);
    for (pfn = 0; pfn < RIG_PAGES; pfn++) {
        fake_page_set(rig->domain, pfn, FAKE_RAM);
    }
    rig->ctx = fresh;
    rig->ctx.logger = fake_logger();
    rig->ctx.hypervisor = fake_open(rig->host);
    rig->channel = XLM_CHANNEL_CLOSED;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig->fds), 0);
    xlm_channel_open(&rig->channel, rig->fds[0], rig->fds[0], -1);
    *state = rig;
    return 0;
}

const struct xlm_paging_ops *rig_mechanism(void)
{
    return fake_pager() == XLM_MECHANISM_ACCESS ? &xlm_paging_access
                                                : &xlm_paging_xen;
}

void rig_open_pager(struct rig *rig)
{
    rig->pager =
        xlm_pager_open(&rig->ctx, rig_mechanism(), &rig->channel,
                       fake_domain_id(rig->domain), RIG_PAGES, rig->kept);
    assert_non_null(rig->pager);
}

int rig_drop(void **state)
{
    struct rig *rig = *state;

    fake_domain_stop(rig->domain);
    /* A thread that waits to write requests finds the reader gone. */
    shutdown(rig->fds[1], SHUT_RDWR);
    xlm_pager_close(rig->pager);
    xlm_hypervisor_close(rig->ctx.hypervisor);
    xlm_channel_close(&rig->channel);
    close(rig->fds[0]);
    close(rig->fds[1]);
    fake_host_check(rig->host);
    fake_host_free(rig->host);
    free(rig);
    return 0;
}

void rig_evict_all(struct rig *rig)
{
    struct xlm_pfn_set refused = XLM_PFN_SET_EMPTY;
    uint64_t pfns[RIG_PAGES], pfn;

    for (pfn = 0; pfn < RIG_PAGES; pfn++) {
        pfns[pfn] = pfn;
    }
    assert_int_equal(xlm_pfn_set_reserve(&refused, RIG_PAGES), 0);
    assert_int_equal(
        xlm_pager_make_absent(rig->pager, 0, NULL, RIG_PAGES, pfns, &refused),
        0);
    assert_int_equal(refused.count, 0);
    xlm_pfn_set_dispose(&refused);
}

void rig_run_evicted(struct rig *rig)
{
    rig_open_pager(rig);
    rig_evict_all(rig);
    fake_domain_run(rig->domain);
    xlm_pager_open_requests(rig->pager);
}

int rig_bring_in(struct rig *rig, uint64_t pfn)
{
    uint8_t contents[XLM_PAGE_SIZE];
    struct xlm_page_in page = {.pfn = pfn, .contents = contents};

    memset(contents, (int)pfn + 1, sizeof(contents));
    return xlm_pager_bring_in(rig->pager, 1, &page);
}

void rig_bring_in_rest(struct rig *rig)
{
    uint64_t pfn;

    for (pfn = 0; pfn < RIG_PAGES; pfn++) {
        assert_int_equal(rig_bring_in(rig, pfn), 0);
    }
    assert_int_equal(xlm_pager_outstanding(rig->pager), 0);
    assert_int_equal(fake_domain_paged(rig->domain), 0);
}

void rig_look(void *page, uint64_t pfn, void *data)
{
    const uint8_t *octets = page;
    struct rig_touch *touch = data;

    (void)pfn;
    touch->found = octets[0] == octets[XLM_PAGE_SIZE - 1] ? octets[0] : 0xff;
}

static void *run_touch(void *data)
{
    struct rig_touch *touch = data;

    touch->access = fake_vcpu_access(touch->rig->domain, touch->vcpu,
                                     touch->pfn, false, rig_look, touch);
    return NULL;
}

void rig_start_touch(struct rig *rig, unsigned int vcpu, uint64_t pfn)
{
    rig->touches[vcpu] =
        (struct rig_touch){.rig = rig, .vcpu = vcpu, .pfn = pfn};
    assert_int_equal(pthread_create(&rig->vcpus[vcpu], NULL, run_touch,
                                    &rig->touches[vcpu]),
                     0);
}

void rig_expect_touched(struct rig *rig, unsigned int vcpu)
{
    struct rig_touch *touch = &rig->touches[vcpu];

    pthread_join(rig->vcpus[vcpu], NULL);
    assert_int_equal(touch->access, FAKE_ACCESS_DONE);
    assert_int_equal(touch->found, touch->pfn + 1);
}

uint64_t rig_next_fault(struct rig *rig)
{
    struct xlm_wire_record_header header;
    struct xlm_wire_pfn_list list;

    if (rig->next_fault == rig->nr_faults) {
        recv(rig->fds[1], &header, sizeof(header), MSG_WAITALL);
        rig->urgent = header.type == XLM_REC_POSTCOPY_URGENT;
        assert_true(rig->urgent || header.type == XLM_REC_POSTCOPY_FAULT);
        recv(rig->fds[1], &list, sizeof(list), MSG_WAITALL);
        assert_in_range(list.count, 1, RIG_PAGES);
        assert_int_equal(header.length, 8 + 8 * list.count);
        recv(rig->fds[1], rig->faults, 8 * list.count, MSG_WAITALL);
        rig->nr_faults = list.count;
        rig->next_fault = 0;
    }
    return rig->faults[rig->next_fault++];
}

struct xlm_wire_stats rig_stats(struct rig *rig)
{
    struct xlm_wire_stats stats;

    xlm_pager_get_stats(rig->pager, &stats, rig->blocked_us);
    return stats;
}

void rig_await_answers(struct rig *rig)
{
    while (fake_unanswered(rig->domain)) {
        sched_yield();
    }
}
