/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_streams.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_relink.h"
#include "wire/channel.h"

#define LINKS_MOST (XLM_STREAMS_MOST * (FAKE_RECOVERIES + 1))

struct entry {
    struct fake_migration *migration;
    struct fake_link *link;
    uint32_t index;
    pthread_t thread;
    bool runs;   /* the thread was started, and not waited for yet */
    bool joined; /* the stream has joined, and was not dropped since */
};

struct fake_streams {
    pthread_mutex_t lock; /* of all that follows */
    unsigned int count;
    struct entry entries[LINKS_MOST];
};

void fake_streams_open(struct fake_migration *migration)
{
    migration->run.streams = calloc(1, sizeof(*migration->run.streams));
    pthread_mutex_init(&migration->run.streams->lock, NULL);
}

void fake_streams_free(struct fake_migration *migration)
{
    struct fake_streams *streams = migration->run.streams;

    for (unsigned int i = 0; streams && i < streams->count; i++) {
        fake_link_free(streams->entries[i].link);
    }
    free(streams);
    migration->run.streams = NULL;
}

/* ---- the destination ---- */

/* Joins a stream as the toolstack does: one of each number, at any time.  The
 * stream stays until the answer is written, because there is only one
 * descriptor of it here. */
static bool keep_and_answer(struct entry *entry, struct xlm_context *ctx)
{
    struct fake_migration *migration = entry->migration;
    struct fake_streams *streams = migration->run.streams;
    bool lies = migration->script.stream_liars[1];
    bool wanted = !migration->script.stream_refusal && !lies;

    pthread_mutex_lock(&streams->lock);
    for (unsigned int i = 0; i < streams->count; i++) {
        wanted &= !streams->entries[i].joined ||
                  streams->entries[i].index != entry->index;
    }
    entry->joined = wanted;
    (void)xlm_answer_channel(ctx, fake_link_end(entry->link, 1),
                             wanted || lies ? NULL : "not today");
    pthread_mutex_unlock(&streams->lock);
    return wanted;
}

static void lie(struct entry *entry, unsigned int end, struct xlm_context *ctx)
{
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    int fd = fake_link_end(entry->link, end);

    assert_int_equal(xlm_channel_open(&channel, fd, fd, -1), 0);
    entry->migration->script.stream_liars[end](entry->migration, ctx,
                                               &channel);
    xlm_channel_close(&channel);
}

static void *join(void *data)
{
    struct entry *entry = data;
    struct fake_migration *migration = entry->migration;
    int fd = fake_link_end(entry->link, 1);
    bool kept = false;
    struct xlm_identity identity;
    struct xlm_errand errand;
    struct xlm_context ctx;

    fake_migration_init_context(&ctx, migration->setup.hosts[1]);
    if (!xlm_read_recover(&ctx, fd, &identity, &errand)) {
        assert_int_equal(errand.purpose, XLM_FOR_STREAM);
        assert_int_equal(errand.stream, entry->index);
        assert_true(identity.pfns >= migration->setup.nr_pfns);
        assert_memory_equal(identity.id, migration->setup.params.id,
                            sizeof(identity.id));
        kept = keep_and_answer(entry, &ctx);
        if (migration->script.stream_liars[1]) {
            lie(entry, 1, &ctx);
        }
    }
    if (!kept) {
        fake_link_hang_up(entry->link, 1);
    }
    xlm_hypervisor_close(ctx.hypervisor);
    return NULL;
}

int fake_streams_take(struct fake_migration *migration, uint32_t index,
                      int *in_fd, int *out_fd)
{
    struct fake_streams *streams = migration->run.streams;
    int rc = 1;

    pthread_mutex_lock(&streams->lock);
    for (unsigned int i = 0; i < streams->count; i++) {
        if (streams->entries[i].index == index && streams->entries[i].joined) {
            *in_fd = *out_fd = fake_link_end(streams->entries[i].link, 1);
            rc = 0;
        }
    }
    pthread_mutex_unlock(&streams->lock);
    return rc;
}

void fake_streams_drop(struct fake_migration *migration)
{
    struct fake_streams *streams = migration->run.streams;

    pthread_mutex_lock(&streams->lock);
    for (unsigned int i = 0; i < streams->count; i++) {
        if (streams->entries[i].joined) {
            streams->entries[i].joined = false;
            fake_link_hang_up(streams->entries[i].link, 1);
        }
    }
    pthread_mutex_unlock(&streams->lock);
}

/* ---- the source ---- */

static void play_source(struct entry *entry)
{
    struct xlm_context ctx;

    fake_migration_init_context(&ctx, entry->migration->setup.hosts[0]);
    lie(entry, 0, &ctx);
    xlm_hypervisor_close(ctx.hypervisor);
}

static struct entry *new_entry(struct fake_migration *migration,
                               uint32_t index)
{
    struct fake_streams *streams = migration->run.streams;
    struct fake_cut cut = migration->script.stream_cuts[index];
    struct entry *entry;

    /* The streams of a recovery are not cut. */
    if ((!cut.octets && !cut.at_record) || migration->outcome.recovered) {
        cut = (struct fake_cut){.octets = FAKE_UNCUT};
    }
    cut.stream = FAKE_BARE;
    pthread_mutex_lock(&streams->lock);
    assert_true(streams->count < LINKS_MOST);
    entry = &streams->entries[streams->count++];
    entry->migration = migration;
    entry->index = index;
    entry->link = fake_link_new(&cut);
    if (pthread_create(&entry->thread, NULL, join, entry)) {
        abort();
    }
    entry->runs = true;
    pthread_mutex_unlock(&streams->lock);
    return entry;
}

int fake_streams_connect(uint32_t index, int cancel_fd, int *in_fd,
                         int *out_fd, void *data)
{
    struct fake_migration *migration = data;
    struct entry *entry;

    (void)cancel_fd; /* it takes no time */
    if (migration->script.stream_fails == index) {
        errno = ECONNREFUSED;
        return -1;
    }
    entry = new_entry(migration, index);
    if (migration->script.stream_liars[0]) {
        play_source(entry);
        errno = ECONNREFUSED;
        return -1;
    }
    *in_fd = *out_fd = fake_link_end(entry->link, 0);
    return 0;
}

/* Call this when the engine's threads have ended, so that no stream is made
 * any more. */
void fake_streams_end_source(struct fake_migration *migration)
{
    struct fake_streams *streams = migration->run.streams;

    for (unsigned int i = 0; i < streams->count; i++) {
        struct entry *entry = &streams->entries[i];

        fake_link_hang_up(entry->link, 0);
        if (entry->runs) {
            pthread_join(entry->thread, NULL);
            entry->runs = false;
        }
    }
}

void fake_streams_kill(struct fake_migration *migration, unsigned int end)
{
    struct fake_streams *streams = migration->run.streams;

    pthread_mutex_lock(&streams->lock);
    for (unsigned int i = 0; i < streams->count; i++) {
        fake_link_kill(streams->entries[i].link, end);
    }
    pthread_mutex_unlock(&streams->lock);
}

struct fake_link *fake_streams_link(struct fake_migration *migration,
                                    uint32_t index, unsigned int nth)
{
    struct fake_streams *streams = migration->run.streams;

    for (unsigned int i = 0; i < streams->count; i++) {
        if (streams->entries[i].index == index && !nth--) {
            return streams->entries[i].link;
        }
    }
    return NULL;
}
