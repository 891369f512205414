/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_faults.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_relink.h"
#include "wire/channel.h"

/* ---- ends that lie ---- */

static void lie(struct fake_migration *migration, unsigned int end,
                struct xlm_context *ctx)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int fd = fake_link_end(migration->outcome.fault_link, end);

    assert_int_equal(xlm_channel_open(&channel, fd, fd, -1), 0);
    migration->script.fault_liars[end](migration, ctx, &channel);
    xlm_channel_close(&channel);
}

static void play_source(struct fake_migration *migration)
{
    struct xlm_context ctx;

    fake_migration_init_context(&ctx, migration->setup.hosts[0]);
    lie(migration, 0, &ctx);
    xlm_hypervisor_close(ctx.hypervisor);
}

/* ---- the destination ---- */

/* The fault channel joins before the go, because the source waits for the
 * answer before the go. */
static void *join(void *data)
{
    struct fake_migration *migration = data;
    int fd = fake_link_end(migration->outcome.fault_link, 1);
    struct xlm_identity identity;
    struct xlm_context ctx;
    struct xlm_errand errand;

    fake_migration_init_context(&ctx, migration->setup.hosts[1]);
    if (!xlm_read_recover(&ctx, fd, &identity, &errand)) {
        assert_int_equal(errand.purpose, XLM_FOR_FAULTS);
        assert_int_equal(identity.pfns, migration->setup.nr_pfns);
        assert_memory_equal(identity.id, migration->setup.params.id,
                            sizeof(identity.id));
        migration->run.fault_joined = !migration->script.fault_refusal &&
                                      !migration->script.fault_liars[1];
        (void)xlm_answer_channel(&ctx, fd, migration->script.fault_refusal);
        if (migration->script.fault_liars[1]) {
            lie(migration, 1, &ctx);
        }
    }
    if (!migration->run.fault_joined) {
        fake_link_hang_up(migration->outcome.fault_link, 1);
    }
    xlm_hypervisor_close(ctx.hypervisor);
    return NULL;
}

/* ---- the source ---- */

int fake_faults_connect(int *in_fd, int *out_fd, void *data)
{
    struct fake_migration *migration = data;

    if (!migration->script.fault_channel) {
        errno = ECONNREFUSED;
        return -1;
    }
    migration->script.fault_cut.stream = FAKE_BARE;
    if (!migration->script.fault_cut.octets &&
        !migration->script.fault_cut.at_record) {
        migration->script.fault_cut.octets = FAKE_UNCUT;
    }
    migration->outcome.fault_link =
        fake_link_new(&migration->script.fault_cut);
    if (pthread_create(&migration->run.fault_thread, NULL, join, migration)) {
        abort();
    }
    if (migration->script.fault_liars[0]) {
        play_source(migration);
        errno = ECONNREFUSED;
        return -1;
    }
    *in_fd = *out_fd = fake_link_end(migration->outcome.fault_link, 0);
    return 0;
}

void fake_faults_end_source(struct fake_migration *migration)
{
    if (migration->outcome.fault_link) {
        fake_link_hang_up(migration->outcome.fault_link, 0);
        pthread_join(migration->run.fault_thread, NULL);
    }
}

int fake_faults_take(struct fake_migration *migration, int *in_fd, int *out_fd)
{
    if (!migration->run.fault_joined) {
        return 1;
    }
    *in_fd = *out_fd = fake_link_end(migration->outcome.fault_link, 1);
    return 0;
}

void fake_faults_drop(struct fake_migration *migration)
{
    fake_link_hang_up(migration->outcome.fault_link, 1);
}

void fake_faults_free(struct fake_migration *migration)
{
    if (migration->outcome.fault_link) {
        fake_link_free(migration->outcome.fault_link);
    }
    migration->outcome.fault_link = NULL;
    migration->run.fault_joined = false;
}
