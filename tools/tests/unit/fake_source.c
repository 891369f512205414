/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_source.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "fake_hypervisor.h"
#include "fake_memory.h"
#include "fake_toolstack.h"
#include "wire/wire.h"
#include "xlm.h"

static int await_domain(uint32_t *domid, void *data)
{
    struct puppet *puppet = data;

    fake_memory_leave_alone();
    puppet->domain =
        fake_domain_new(puppet->host, puppet->nr_pfns, puppet->nr_pfns, 1);
    *domid = fake_domain_id(puppet->domain);
    fake_memory_watch_again();
    return 0;
}

static int run(void *data)
{
    struct puppet *puppet = data;

    puppet->ran = true;
    fake_domain_run(puppet->domain);
    return 0;
}

static void *run_restore(void *data)
{
    struct puppet *puppet = data;
    struct xlm_restore_callbacks callbacks = fake_idle_destination;
    const struct xlm_restore_params params = {
        .in_fd = puppet->engine_fd,
        .out_fd = puppet->engine_fd,
        .max_pages = puppet->max_pages,
        .pager = fake_pager(),
    };

    callbacks.await_domain = await_domain;
    callbacks.run = run;
    callbacks.data = puppet;
    fake_memory_watch(&puppet->memory);
    puppet->rc = xlm_restore(&puppet->ctx, &params, &callbacks, &puppet->stats,
                             &puppet->over);
    fake_memory_watch(NULL);
    shutdown(puppet->engine_fd, SHUT_RDWR);
    return NULL;
}

struct puppet *start_restore_with(uint64_t max_pages)
{
    struct puppet *puppet = new_puppet();

    puppet->max_pages = max_pages;
    puppet->nr_pfns = PAGES;
    assert_int_equal(
        pthread_create(&puppet->thread, NULL, run_restore, puppet), 0);
    return puppet;
}

struct puppet *start_restore(void)
{
    return start_restore_with(0);
}

static void say_headers(struct puppet *puppet)
{
    struct xlm_wire_image_header image = {.marker = XLM_IMAGE_MARKER,
                                          .id = htonl(XLM_IMAGE_ID),
                                          .version = htonl(3)};
    struct xlm_wire_domain_header domain = {.type = XLM_DOMAIN_TYPE_HVM,
                                            .page_shift = XLM_PAGE_SHIFT};

    say_octets(puppet, &image, sizeof(image));
    say_octets(puppet, &domain, sizeof(domain));
}

void say_platform(struct puppet *puppet)
{
    static const struct xlm_wire_tsc_info tsc = {.khz = 1};
    static const struct xlm_wire_hvm_params params = {.count = 0};

    say(puppet, XLM_REC_TSC_INFO, &tsc, sizeof(tsc));
    say(puppet, XLM_REC_HVM_PARAMS, &params, sizeof(params));
    say(puppet, XLM_REC_HVM_CONTEXT, "context", 7);
}

void say_prepare(struct puppet *puppet, uint32_t version, uint64_t pages,
                 uint64_t pfns)
{
    const struct xlm_wire_prepare prepare = {
        .version = version, .pages = pages, .pfns = pfns, .credit = 16};

    say(puppet, XLM_REC_POSTCOPY_PREPARE, &prepare, sizeof(prepare));
}

void start_live(struct puppet *puppet)
{
    say_headers(puppet);
    say(puppet, XLM_REC_STATIC_DATA_END, NULL, 0);
}

void start_prepared(struct puppet *puppet)
{
    start_live(puppet);
    say_platform(puppet);
    say_prepare(puppet, 1, PAGES, PAGES);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_PREPARED));
}

void start_evicting(struct puppet *puppet)
{
    start_prepared(puppet);
    say(puppet, XLM_REC_POSTCOPY_BEGIN, NULL, 0);
    say(puppet, XLM_REC_POSTCOPY_PFNS_BEGIN, NULL, 0);
}

void start_evicted(struct puppet *puppet)
{
    start_evicting(puppet);
    say_list(puppet, XLM_REC_POSTCOPY_PFNS, 3, (uint64_t[]){1, 2, 3});
    say(puppet, XLM_REC_POSTCOPY_PFNS_END, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_EVICTED));
}

void start_ready(struct puppet *puppet)
{
    start_evicted(puppet);
    say_page(puppet, XLM_REC_PAGE_DATA, 0, 0x11);
    say_platform(puppet);
    say(puppet, XLM_REC_POSTCOPY_TRANSITION, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_READY));
}

void start_running(struct puppet *puppet)
{
    start_ready(puppet);
    say(puppet, XLM_REC_POSTCOPY_GO, NULL, 0);
    assert_true(hear(puppet, XLM_REC_POSTCOPY_RUNNING));
}

struct puppet *restore_at(void (*stage)(struct puppet *))
{
    struct puppet *puppet = start_restore();

    stage(puppet);
    return puppet;
}

void expect_never_ran(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_false(puppet->over);
    assert_false(puppet->ran);
    free_puppet(puppet);
}

void expect_runs_on(struct puppet *puppet)
{
    pthread_join(puppet->thread, NULL);
    assert_int_equal(puppet->rc, -1);
    assert_true(puppet->ctx.reason[0]);
    assert_true(puppet->over);
    assert_true(fake_domain_running(puppet->domain));
    assert_true(fake_domain_paged(puppet->domain) > 0);
    assert_true(fake_domain_pager_enabled(puppet->domain));
    free_puppet(puppet);
}
