/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_relink.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_faults.h"
#include "fake_streams.h"

struct fake_relink {
    struct fake_migration *migration;
    struct xlm_relink engine;
    bool paused; /* the engine's thread: since the last connection */
    struct fake_link *used;
    pthread_t heir;
    bool heir_runs;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_link *offered;
    bool over;     /* the destination has ended */
    bool given_up; /* no other connection will be offered */
};

/* ---- the destination ---- */

static int await(int *in_fd, int *out_fd, void *data)
{
    struct fake_relink *relink = data;
    eventfd_t events;
    int rc = -1;

    if (atomic_load(&relink->migration->outcome.dead[1])) {
        return -1;
    }
    if (!relink->paused && relink->migration->script.at_pause) {
        relink->migration->script.at_pause(relink->migration);
    }
    relink->paused = true;
    if (relink->used) {
        fake_link_hang_up(relink->used, 1);
        relink->used = NULL;
    } else {
        fake_link_hang_up(relink->migration->outcome.link, 1);
    }
    pthread_mutex_lock(&relink->lock);
    while (!relink->offered && !relink->given_up) {
        pthread_cond_wait(&relink->changed, &relink->lock);
    }
    if (relink->offered) {
        relink->used = relink->offered;
        relink->offered = NULL;
        eventfd_read(relink->engine.fd, &events);
        *in_fd = *out_fd = fake_link_end(relink->used, 1);
        pthread_cond_broadcast(&relink->changed);
        rc = 0;
    }
    pthread_mutex_unlock(&relink->lock);
    return rc;
}

static void resumed(void *data)
{
    struct fake_relink *relink = data;

    relink->paused = false;
}

static int take_faults(int *in_fd, int *out_fd, void *data)
{
    struct fake_relink *relink = data;

    return fake_faults_take(relink->migration, in_fd, out_fd);
}

static void drop_faults(void *data)
{
    struct fake_relink *relink = data;

    fake_faults_drop(relink->migration);
}

static int take_stream(uint32_t index, int *in_fd, int *out_fd, void *data)
{
    struct fake_relink *relink = data;

    return fake_streams_take(relink->migration, index, in_fd, out_fd);
}

static void drop_streams(void *data)
{
    struct fake_relink *relink = data;

    fake_streams_drop(relink->migration);
}

const struct xlm_relink *fake_relink_for(struct fake_migration *migration)
{
    return migration->script.recoveries || migration->script.fault_channel ||
                   migration->setup.params.streams > 1
               ? &migration->run.relink->engine
               : NULL;
}

void fake_relink_over(struct fake_migration *migration)
{
    struct fake_relink *relink = migration->run.relink;

    if (relink->used) {
        fake_link_hang_up(relink->used, 1);
        relink->used = NULL;
    }
    pthread_mutex_lock(&relink->lock);
    relink->over = true;
    pthread_cond_broadcast(&relink->changed);
    pthread_mutex_unlock(&relink->lock);
}

/* ---- the process that answers another connection ---- */

static enum xlm_guest_state state_of(const struct fake_migration *migration)
{
    if (migration->script.stays_silent) {
        return XLM_GUEST_UNKNOWN;
    }
    if (!migration->outcome.resumed) {
        return XLM_GUEST_NEVER_RAN;
    }
    if (migration->outcome.restore_rc) {
        return XLM_GUEST_UNKNOWN;
    }
    return migration->outcome.stats[1].outstanding ? XLM_GUEST_ENDED
                                                   : XLM_GUEST_COMPLETE;
}

static bool hand_over(struct fake_relink *relink, struct fake_link *link)
{
    bool taken;

    if (relink->migration->script.stays_silent) {
        return false;
    }
    pthread_mutex_lock(&relink->lock);
    relink->offered = link;
    eventfd_write(relink->engine.fd, 1);
    pthread_cond_broadcast(&relink->changed);
    while (relink->offered && !relink->over) {
        pthread_cond_wait(&relink->changed, &relink->lock);
    }
    taken = !relink->offered;
    relink->offered = NULL;
    pthread_mutex_unlock(&relink->lock);
    return taken;
}

void fake_relink_await_heir(struct fake_migration *migration)
{
    struct fake_relink *relink = migration->run.relink;

    if (relink->heir_runs) {
        pthread_join(relink->heir, NULL);
    }
    relink->heir_runs = false;
}

static void *inherit(void *data)
{
    struct fake_relink *relink = data;

    fake_migration_take_over(relink->migration,
                             fake_link_end(relink->used, 1));
    fake_relink_over(relink->migration);
    return NULL;
}

static bool take_over(struct fake_relink *relink, struct fake_link *link)
{
    struct fake_migration *migration = relink->migration;

    if (!migration->script.has_heir ||
        !atomic_load(&migration->outcome.dead[1]) || !migration->outcome.ran) {
        return false;
    }
    fake_relink_await_heir(migration);
    relink->over = false;
    relink->paused = false;
    relink->used = link;
    if (pthread_create(&relink->heir, NULL, inherit, relink)) {
        abort();
    }
    relink->heir_runs = true;
    return true;
}

struct fake_link *fake_relink_link(struct fake_migration *migration)
{
    struct fake_relink *relink = migration->run.relink;

    return relink->used ? relink->used : migration->outcome.link;
}

struct greeting {
    struct fake_relink *relink;
    struct fake_link *link;
    atomic_bool greeted; /* it is known what the connection is for */
};

static void *greet(void *data)
{
    struct greeting *greeting = data;
    struct fake_migration *migration = greeting->relink->migration;
    int fd = fake_link_end(greeting->link, 1);
    struct xlm_identity identity;
    struct xlm_context ctx;
    struct xlm_errand errand;

    fake_migration_init_context(&ctx, migration->setup.hosts[1]);
    if (xlm_read_recover(&ctx, fd, &identity, &errand)) {
        fake_link_hang_up(greeting->link, 1);
    } else {
        atomic_store(&greeting->greeted, true);
        assert_int_equal(errand.purpose, XLM_FOR_RECOVERY);
        assert_true(identity.pfns >= migration->setup.nr_pfns);
        assert_memory_equal(identity.id, migration->setup.params.id,
                            sizeof(identity.id));
        if (!hand_over(greeting->relink, greeting->link) &&
            !take_over(greeting->relink, greeting->link)) {
            (void)xlm_answer_recover(&ctx, fd, state_of(migration),
                                     "nothing is known of it");
            fake_link_hang_up(greeting->link, 1);
        }
    }
    xlm_hypervisor_close(ctx.hypervisor);
    return NULL;
}

/* ---- the source ---- */

static void recover_once(struct fake_migration *migration)
{
    unsigned int turn = migration->outcome.recovered++;
    const struct xlm_save_callbacks callbacks = {
        .connect_stream = fake_streams_connect,
        .data = migration,
    };
    struct greeting greeting = {.relink = migration->run.relink};
    struct xlm_save_params params;
    pthread_t greeter;

    /* Nothing is left of the former process. */
    xlm_hypervisor_close(migration->outcome.contexts[0].hypervisor);
    fake_migration_init_context(&migration->outcome.contexts[0],
                                migration->setup.hosts[0]);
    if (migration->script.sender_dies) {
        struct xlm_hypervisor *hv = migration->outcome.contexts[0].hypervisor;

        hv->ops->logdirty_enable(hv, migration->setup.params.domid);
    }
    greeting.link = fake_link_new(&migration->script.recovery_cuts[turn]);
    migration->outcome.recovery_links[turn] = greeting.link;
    if (pthread_create(&greeter, NULL, greet, &greeting)) {
        abort();
    }
    if (migration->script.at_recovery) {
        migration->script.at_recovery(migration);
    }
    params = migration->setup.params;
    params.in_fd = params.out_fd = fake_link_end(greeting.link, 0);
    migration->outcome.save_rc =
        xlm_recover(&migration->outcome.contexts[0], &params, &callbacks,
                    &migration->outcome.stats[0], &migration->outcome.found);
    fake_link_hang_up(greeting.link, 0);
    fake_streams_end_source(migration);
    if (migration->outcome.save_rc && !atomic_load(&greeting.greeted)) {
        fake_link_kill(greeting.link, 1); /* it would wait for a minute */
    }
    pthread_join(greeter, NULL);
}

void fake_relink_recover(struct fake_migration *migration)
{
    while (migration->outcome.save_rc &&
           migration->outcome.recovered < migration->script.recoveries) {
        recover_once(migration);
    }
}

void fake_relink_give_up(struct fake_migration *migration)
{
    struct fake_relink *relink = migration->run.relink;

    pthread_mutex_lock(&relink->lock);
    relink->given_up = true;
    pthread_cond_broadcast(&relink->changed);
    pthread_mutex_unlock(&relink->lock);
}

/* ---- making and freeing ---- */

void fake_relink_open(struct fake_migration *migration)
{
    struct fake_relink *relink = calloc(1, sizeof(*relink));
    unsigned int i;

    relink->migration = migration;
    relink->engine = (struct xlm_relink){
        .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .await = await,
        .resumed = resumed,
        .take_faults = take_faults,
        .drop_faults = drop_faults,
        .take_stream = take_stream,
        .drop_streams = drop_streams,
        .data = relink,
    };
    pthread_mutex_init(&relink->lock, NULL);
    pthread_cond_init(&relink->changed, NULL);
    migration->run.relink = relink;
    for (i = 0; i < FAKE_RECOVERIES; i++) {
        migration->script.recovery_cuts[i].stream = FAKE_BARE;
        if (!migration->script.recovery_cuts[i].octets &&
            !migration->script.recovery_cuts[i].at_record) {
            migration->script.recovery_cuts[i].octets = FAKE_UNCUT;
        }
    }
}

void fake_relink_free(struct fake_migration *migration)
{
    struct fake_relink *relink = migration->run.relink;
    unsigned int i;

    for (i = 0; i < FAKE_RECOVERIES; i++) {
        if (migration->outcome.recovery_links[i]) {
            fake_link_free(migration->outcome.recovery_links[i]);
            migration->outcome.recovery_links[i] = NULL;
        }
    }
    migration->outcome.recovered = 0;
    if (relink) {
        close(relink->engine.fd);
        pthread_mutex_destroy(&relink->lock);
        pthread_cond_destroy(&relink->changed);
        free(relink);
        migration->run.relink = NULL;
    }
}
