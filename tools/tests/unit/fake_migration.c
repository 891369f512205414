/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_migration.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_faults.h"
#include "fake_log.h"
#include "fake_parts.h"
#include "fake_relink.h"
#include "pager/kept.h"
#include "watchdog.h"

#define HOST_PAGES 1000000

/* ---- the run ---- */

static void note_end(struct fake_migration *migration)
{
    pthread_mutex_lock(&migration->lock);
    migration->ended++;
    pthread_cond_broadcast(&migration->changed);
    pthread_mutex_unlock(&migration->lock);
}

bool fake_migration_await_go(struct fake_migration *migration)
{
    bool let_go;

    pthread_mutex_lock(&migration->lock);
    while (!migration->let_go && migration->ended < 2) {
        pthread_cond_wait(&migration->changed, &migration->lock);
    }
    let_go = migration->let_go;
    pthread_mutex_unlock(&migration->lock);
    return let_go;
}

/* With room for those that the guest gets. */
static uint64_t kept_pfns(const struct fake_migration *migration)
{
    return migration->restore_params.max_pages
               ? migration->nr_pfns * XLM_PREPARE_GROWTH
               : migration->nr_pfns;
}

static size_t kept_octets(const struct fake_migration *migration)
{
    return migration->kept
               ? xlm_kept_words(kept_pfns(migration)) * sizeof(unsigned long)
               : 0;
}

static unsigned long *keep(uint64_t pfns, void *data)
{
    struct fake_migration *migration = data;

    assert_int_equal(pfns, kept_pfns(migration));
    assert_null(migration->kept);
    migration->kept = calloc(xlm_kept_words(pfns), sizeof(unsigned long));
    migration->inherited = calloc(xlm_kept_words(pfns), sizeof(unsigned long));
    return migration->kept;
}

void fake_migration_kill(struct fake_migration *migration, unsigned int end)
{
    atomic_store(&migration->dead[end], true);
    if (end) {
        fake_kill(migration->contexts[end].hypervisor, migration->kept,
                  migration->inherited, kept_octets(migration));
    } else {
        fake_kill(migration->contexts[end].hypervisor, NULL, NULL, 0);
    }
    fake_link_kill(fake_relink_link(migration), end);
}

/* ---- the heir of a receiver that was killed ---- */

static int run_heir(void *data)
{
    (void)data; /* it runs, or stands where it needs a page */
    return 0;
}

/* The process before it has ended, with all its threads. */
static void succeed_the_dead(struct fake_migration *migration)
{
    xlm_hypervisor_close(migration->contexts[1].hypervisor);
    fake_migration_init_context(&migration->contexts[1], migration->hosts[1]);
    memcpy(migration->kept, migration->inherited, kept_octets(migration));
    migration->heirs++;
    atomic_store(&migration->dead[1], false);
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
        .domid = fake_domain_id(migration->destination),
        .pfns = kept_pfns(migration),
        .kept = migration->kept,
    };
    bool resumed;

    succeed_the_dead(migration);
    migration->restore_rc =
        xlm_take_over(&migration->contexts[1], &params, &orphan, &callbacks,
                      &migration->stats[1], &resumed);
}

static void *run_save(void *data)
{
    struct fake_migration *migration = data;
    const struct xlm_save_callbacks callbacks = fake_parts_source(migration);

    migration->save_rc =
        xlm_save(&migration->contexts[0], &migration->params, &callbacks,
                 &migration->stats[0], &migration->transitioned);
    fake_link_hang_up(migration->link, 0);
    fake_faults_end_source(migration);
    if (migration->save_rc && migration->transitioned) {
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
    struct xlm_restore_params *params = &migration->restore_params;

    callbacks.keep = migration->has_heir ? keep : NULL;
    params->in_fd = fake_link_end(migration->link, 1);
    params->out_fd = migration->params.in_fd < 0 ? -1 : params->in_fd;
    params->relink = fake_relink_for(migration);
    fake_memory_watch(&migration->memory);
    migration->restore_rc =
        xlm_restore(&migration->contexts[1], params, &callbacks,
                    &migration->stats[1], &migration->resumed);
    fake_memory_watch(NULL);
    fake_link_hang_up(migration->link, 1);
    fake_relink_over(migration);
    note_end(migration);
    return NULL;
}

void fake_migration_run(struct fake_migration *migration)
{
    pthread_t saver;
    int fd;

    memset(migration->params.id, 0x1d, sizeof(migration->params.id));
    fake_relink_open(migration);
    migration->link = fake_link_new(&migration->cut);
    fd = fake_link_end(migration->link, 0);
    migration->params.domid = fake_domain_id(migration->source);
    migration->params.out_fd = fd;
    migration->params.in_fd = migration->params.in_fd < 0 ? -1 : fd;
    if (migration->vcpu_seed) {
        fake_guest_start(migration->guest, migration->vcpu_seed);
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

    pthread_mutex_init(&migration->lock, NULL);
    pthread_cond_init(&migration->changed, NULL);
    alarm(WATCHDOG_SECONDS);

    migration->guest_pfns = guest_pfns;
    migration->nr_pfns = guest_pfns + FAKE_PARTS_PAGES;
    migration->max_pages = migration->nr_pfns;
    migration->vcpus = vcpus;
    migration->hosts[0] = from;
    migration->hosts[1] = to;
    for (i = 0; i < 2; i++) {
        fake_migration_init_context(&migration->contexts[i],
                                    migration->hosts[i]);
    }
    migration->source = fake_domain_new(
        migration->hosts[0], migration->nr_pfns, migration->nr_pfns, vcpus);
    fake_parts_fill(migration);
    migration->guest = fake_guest_new(migration->source, guest_pfns, vcpus);
    fake_domain_run(migration->source);

    xlm_save_params_init(&migration->params);
    /* However long the machine lets one end wait for the other. */
    migration->params.silence_ms = 1000 * WATCHDOG_SECONDS;
    migration->params.faults_stall_ms = 1000 * WATCHDOG_SECONDS;
    migration->params.in_fd = 0; /* there is a way back */
    migration->answer = XLM_PRECOPY_POSTCOPY;
    migration->cut.octets = FAKE_UNCUT;
    migration->final_context = "final context";
    migration->final_length = 13;
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
    struct fake_migration *migration = new_on(other->hosts[1], other->hosts[0],
                                              other->guest_pfns, other->vcpus);

    migration->hosts_are_others = true;
    return migration;
}

void fake_migration_turn_round(struct fake_migration *migration)
{
    struct fake_host *host = migration->hosts[0];
    int i;

    fake_domain_destroy(migration->source);
    migration->source = migration->destination;
    migration->destination = NULL;
    migration->hosts[0] = migration->hosts[1];
    migration->hosts[1] = host;
    for (i = 0; i < 2; i++) {
        xlm_hypervisor_close(migration->contexts[i].hypervisor);
    }
    for (i = 0; i < 2; i++) {
        fake_migration_init_context(&migration->contexts[i],
                                    migration->hosts[i]);
    }
    fake_link_free(migration->link);
    migration->link = NULL;
    fake_relink_free(migration);
    fake_faults_free(migration);
    migration->fed_length = migration->fed_taken = 0;
    migration->transitioned = migration->resumed = false;
    migration->suspended = migration->put_away = migration->ran = false;
    migration->let_go = false;
    migration->ended = 0;
}

void fake_migration_free(struct fake_migration *migration)
{
    int i;

    if (migration->destination) {
        fake_domain_stop(migration->destination);
    }
    fake_guest_free(migration->guest);
    if (migration->link) {
        fake_link_free(migration->link);
    }
    fake_relink_free(migration);
    fake_faults_free(migration);
    for (i = 0; i < 2; i++) {
        xlm_hypervisor_close(migration->contexts[i].hypervisor);
        fake_host_check(migration->hosts[i]);
        if (!migration->hosts_are_others) {
            fake_host_free(migration->hosts[i]);
        }
    }
    pthread_mutex_destroy(&migration->lock);
    pthread_cond_destroy(&migration->changed);
    free(migration->kept);
    free(migration->inherited);
    free(migration->fed);
    free(migration);
}
