/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_migration.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_faults.h"
#include "fake_streams.h"
#include "fake_log.h"
#include "fake_parts.h"
#include "fake_relink.h"
#include "pager/kept.h"
#include "watchdog.h"

#define HOST_PAGES 1000000

/* ---- the run ---- */

static void note_end(struct fake_migration *migration)
{
    pthread_mutex_lock(&migration->run.lock);
    migration->run.ended++;
    pthread_cond_broadcast(&migration->run.changed);
    pthread_mutex_unlock(&migration->run.lock);
}

bool fake_migration_await_go(struct fake_migration *migration)
{
    bool let_go;

    pthread_mutex_lock(&migration->run.lock);
    while (!migration->outcome.let_go && migration->run.ended < 2) {
        pthread_cond_wait(&migration->run.changed, &migration->run.lock);
    }
    let_go = migration->outcome.let_go;
    pthread_mutex_unlock(&migration->run.lock);
    return let_go;
}

/* With room for the pages that the guest gets later. */
static uint64_t kept_pfns(const struct fake_migration *migration)
{
    return migration->setup.restore_params.max_pages
               ? migration->setup.nr_pfns * XLM_PREPARE_GROWTH
               : migration->setup.nr_pfns;
}

static size_t kept_octets(const struct fake_migration *migration)
{
    return migration->outcome.kept
               ? xlm_kept_words(kept_pfns(migration)) * sizeof(unsigned long)
               : 0;
}

static unsigned long *keep(uint64_t pfns, void *data)
{
    struct fake_migration *migration = data;

    assert_int_equal(pfns, kept_pfns(migration));
    assert_null(migration->outcome.kept);
    migration->outcome.kept =
        calloc(xlm_kept_words(pfns), sizeof(unsigned long));
    migration->outcome.inherited =
        calloc(xlm_kept_words(pfns), sizeof(unsigned long));
    return migration->outcome.kept;
}

void fake_migration_kill(struct fake_migration *migration, unsigned int end)
{
    atomic_store(&migration->outcome.dead[end], true);
    if (end) {
        fake_kill(migration->outcome.contexts[end].hypervisor,
                  migration->outcome.kept, migration->outcome.inherited,
                  kept_octets(migration));
    } else {
        fake_kill(migration->outcome.contexts[end].hypervisor, NULL, NULL, 0);
    }
    fake_link_kill(fake_relink_link(migration), end);
    fake_streams_kill(migration, end);
}

void fake_migration_await_samples(struct fake_migration *migration)
{
    unsigned int calls =
        fake_calls(migration->setup.hosts[0], FAKE_OP_logdirty_read);

    while (fake_calls(migration->setup.hosts[0], FAKE_OP_logdirty_read) <
           calls + 2) {
        sched_yield();
    }
}

/* ---- the heir of a receiver that was killed ---- */

static int run_heir(void *data)
{
    (void)data; /* the guest runs, or waits for a page */
    return 0;
}

/* The former process has ended, with all its threads. */
static void succeed_the_dead(struct fake_migration *migration)
{
    xlm_hypervisor_close(migration->outcome.contexts[1].hypervisor);
    fake_migration_init_context(&migration->outcome.contexts[1],
                                migration->setup.hosts[1]);
    memcpy(migration->outcome.kept, migration->outcome.inherited,
           kept_octets(migration));
    migration->outcome.heirs++;
    atomic_store(&migration->outcome.dead[1], false);
}

void fake_migration_take_over(struct fake_migration *migration, int fd)
{
    const struct xlm_restore_callbacks callbacks = {
        .run = run_heir,
        .data = migration,
    };
    const struct xlm_restore_params params = {
        .in_fd = fd,
        .out_fd = fd,
        .relink = fake_relink_for(migration),
    };
    const struct xlm_orphan orphan = {
        .domid = fake_domain_id(migration->outcome.destination),
        .pfns = kept_pfns(migration),
        .kept = migration->outcome.kept,
    };
    bool resumed;

    succeed_the_dead(migration);
    migration->outcome.restore_rc =
        xlm_take_over(&migration->outcome.contexts[1], &params, &orphan,
                      &callbacks, &migration->outcome.stats[1], &resumed);
}

static void *run_save(void *data)
{
    struct fake_migration *migration = data;
    const struct xlm_save_callbacks callbacks = fake_parts_source(migration);

    migration->outcome.save_rc = xlm_save(
        &migration->outcome.contexts[0], &migration->setup.params, &callbacks,
        &migration->outcome.stats[0], &migration->outcome.transitioned);
    fake_link_hang_up(migration->outcome.link, 0);
    fake_faults_end_source(migration);
    fake_streams_end_source(migration);
    if (migration->outcome.save_rc && migration->outcome.transitioned) {
        fake_relink_recover(migration);
    }
    fake_relink_give_up(migration);
    note_end(migration);
    return NULL;
}

static void *run_restore(void *data)
{
    struct fake_migration *migration = data;
    struct xlm_restore_callbacks callbacks = fake_parts_destination(migration);
    struct xlm_restore_params *params = &migration->setup.restore_params;

    callbacks.keep = migration->script.has_heir ? keep : NULL;
    params->in_fd = fake_link_end(migration->outcome.link, 1);
    params->out_fd = migration->setup.params.in_fd < 0 ? -1 : params->in_fd;
    params->relink = fake_relink_for(migration);
    params->pager = fake_pager();
    fake_memory_watch(&migration->setup.memory);
    migration->outcome.restore_rc =
        xlm_restore(&migration->outcome.contexts[1], params, &callbacks,
                    &migration->outcome.stats[1], &migration->outcome.resumed);
    fake_memory_watch(NULL);
    fake_link_hang_up(migration->outcome.link, 1);
    fake_relink_over(migration);
    note_end(migration);
    return NULL;
}

void fake_migration_run(struct fake_migration *migration)
{
    pthread_t saver;
    int fd;

    memset(migration->setup.params.id, 0x1d,
           sizeof(migration->setup.params.id));
    fake_relink_open(migration);
    fake_streams_open(migration);
    migration->outcome.link = fake_link_new(&migration->script.cut);
    if (migration->script.narrow) {
        fake_link_narrow(migration->outcome.link);
    }
    fd = fake_link_end(migration->outcome.link, 0);
    migration->setup.params.domid = fake_domain_id(migration->setup.source);
    migration->setup.params.out_fd = fd;
    migration->setup.params.in_fd =
        migration->setup.params.in_fd < 0 ? -1 : fd;
    if (migration->script.vcpu_seed) {
        fake_guest_start(migration->setup.guest, migration->script.vcpu_seed);
    }
    if (pthread_create(&saver, NULL, run_save, migration)) {
        abort();
    }
    run_restore(migration);
    pthread_join(saver, NULL);
    fake_relink_await_heir(migration);
}

/* ---- making and freeing ---- */

void fake_migration_init_context(struct xlm_context *ctx,
                                 struct fake_host *host)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;

    *ctx = fresh;
    ctx->logger = fake_logger();
    ctx->hypervisor = fake_open(host);
}

static struct fake_migration *new_on(struct fake_host *from,
                                     struct fake_host *to, uint64_t guest_pfns,
                                     unsigned int vcpus)
{
    struct fake_migration *migration = calloc(1, sizeof(*migration));
    int i;

    pthread_mutex_init(&migration->run.lock, NULL);
    pthread_cond_init(&migration->run.changed, NULL);
    alarm(WATCHDOG_SECONDS);

    migration->setup.guest_pfns = guest_pfns;
    migration->setup.nr_pfns = guest_pfns + FAKE_PARTS_PAGES;
    migration->setup.max_pages = migration->setup.nr_pfns;
    migration->setup.vcpus = vcpus;
    migration->setup.hosts[0] = from;
    migration->setup.hosts[1] = to;
    for (i = 0; i < 2; i++) {
        fake_migration_init_context(&migration->outcome.contexts[i],
                                    migration->setup.hosts[i]);
    }
    migration->setup.source =
        fake_domain_new(migration->setup.hosts[0], migration->setup.nr_pfns,
                        migration->setup.nr_pfns, vcpus);
    fake_parts_fill(migration);
    migration->setup.guest =
        fake_guest_new(migration->setup.source, guest_pfns, vcpus);
    fake_domain_run(migration->setup.source);

    xlm_save_params_init(&migration->setup.params);
    /* Whether it pays here, and whether the path is long, is a matter of
     * chance. */
    migration->setup.params.compress = XLM_COMPRESS_OFF;
    migration->setup.params.credit_grows = false;
    migration->setup.restore_params.read_ahead = true;
    /* However long the machine lets one end wait for the other. */
    migration->setup.params.silence_ms = 1000 * WATCHDOG_SECONDS;
    migration->setup.params.faults_stall_ms = 1000 * WATCHDOG_SECONDS;
    migration->setup.params.in_fd =
        0; /* the destination can send to the source */
    migration->script.answer = XLM_PRECOPY_POSTCOPY;
    migration->script.cut.octets = FAKE_UNCUT;
    migration->setup.final_context = "final context";
    migration->setup.final_length = 13;
    return migration;
}

struct fake_migration *fake_migration_new(uint64_t guest_pfns,
                                          unsigned int vcpus)
{
    return new_on(fake_host_new(HOST_PAGES), fake_host_new(HOST_PAGES),
                  guest_pfns, vcpus);
}

struct fake_migration *fake_migration_against(
    const struct fake_migration *other)
{
    struct fake_migration *migration =
        new_on(other->setup.hosts[1], other->setup.hosts[0],
               other->setup.guest_pfns, other->setup.vcpus);

    migration->setup.hosts_are_others = true;
    return migration;
}

void fake_migration_turn_round(struct fake_migration *migration)
{
    struct fake_host *host = migration->setup.hosts[0];
    int i;

    fake_domain_destroy(migration->setup.source);
    migration->setup.source = migration->outcome.destination;
    migration->outcome.destination = NULL;
    migration->setup.hosts[0] = migration->setup.hosts[1];
    migration->setup.hosts[1] = host;
    for (i = 0; i < 2; i++) {
        xlm_hypervisor_close(migration->outcome.contexts[i].hypervisor);
    }
    for (i = 0; i < 2; i++) {
        fake_migration_init_context(&migration->outcome.contexts[i],
                                    migration->setup.hosts[i]);
    }
    fake_link_free(migration->outcome.link);
    migration->outcome.link = NULL;
    fake_relink_free(migration);
    fake_faults_free(migration);
    fake_streams_free(migration);
    migration->run.fed_length = migration->run.fed_taken = 0;
    migration->outcome.transitioned = migration->outcome.resumed = false;
    migration->outcome.suspended = migration->outcome.put_away =
        migration->outcome.ran = false;
    migration->outcome.let_go = false;
    migration->run.ended = 0;
}

void fake_migration_free(struct fake_migration *migration)
{
    int i;

    if (migration->outcome.destination) {
        fake_domain_stop(migration->outcome.destination);
    }
    fake_guest_free(migration->setup.guest);
    if (migration->outcome.link) {
        fake_link_free(migration->outcome.link);
    }
    fake_relink_free(migration);
    fake_faults_free(migration);
    fake_streams_free(migration);
    for (i = 0; i < 2; i++) {
        xlm_hypervisor_close(migration->outcome.contexts[i].hypervisor);
        fake_host_check(migration->setup.hosts[i]);
        if (!migration->setup.hosts_are_others) {
            fake_host_free(migration->setup.hosts[i]);
        }
    }
    pthread_mutex_destroy(&migration->run.lock);
    pthread_cond_destroy(&migration->run.changed);
    free(migration->outcome.kept);
    free(migration->outcome.inherited);
    free(migration->run.fed);
    free(migration);
}
