/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two fake hosts and a guest that is to move between them.
 */
#include "fake_pair.h"

#include <stdio.h>
#include <stdlib.h>

#include "fake_libxl.h"
#include "fake_migration.h"
#include "fake_xenstore.h"

#define PAGES 300
#define VCPUS 2
/* The second host skips this many domain numbers, because both hosts have the
 * one fake xenstore. */
#define OTHER_NUMBERS 8

struct fake_pair {
    struct fake_migration *migration;
    libxl_ctx *ctxs[2];
    bool against;
};

static void make_hosts(struct fake_pair *pair)
{
    fake_store_clear();
    pair->migration = fake_migration_new(PAGES, VCPUS);
    for (int i = 0; i < OTHER_NUMBERS; i++) {
        fake_domain_new(pair->migration->setup.hosts[1], 1, 1, 1);
    }
    for (int i = 0; i < 2; i++) {
        pair->ctxs[i] = fake_libxl_new(pair->migration->setup.hosts[i]);
    }
}

/* As libxl makes with a domain; what a migration shows is below. */
static void make_node(struct fake_pair *pair)
{
    char path[32];

    snprintf(path, sizeof(path), "/libxl/%u",
             fake_domain_id(pair->migration->setup.source));
    fake_store_put(path, "");
}

struct fake_pair *fake_pair_new(const char *name, struct fake_pair *against)
{
    struct fake_pair *pair = calloc(1, sizeof(*pair));
    char incoming[64];

    if (against) {
        pair->against = true;
        pair->migration = fake_migration_against(against->migration);
        pair->ctxs[0] = against->ctxs[1];
        pair->ctxs[1] = against->ctxs[0];
    } else {
        make_hosts(pair);
    }
    snprintf(incoming, sizeof(incoming), "%s--incoming", name);
    make_node(pair);
    fake_libxl_add(pair->ctxs[0], name, pair->migration);
    fake_libxl_expect(pair->ctxs[1], incoming, pair->migration);
    pair->migration->outcome.link =
        fake_link_new(&pair->migration->script.cut);
    fake_guest_start(pair->migration->setup.guest, 1);
    return pair;
}

void fake_pair_free(struct fake_pair *pair)
{
    fake_migration_free(pair->migration);
    if (!pair->against) {
        fake_libxl_free(pair->ctxs[0]);
        fake_libxl_free(pair->ctxs[1]);
    }
    free(pair);
}

libxl_ctx *fake_pair_ctx(struct fake_pair *pair, unsigned int end)
{
    return pair->ctxs[end];
}

xentoollog_logger *fake_pair_logger(struct fake_pair *pair, unsigned int end)
{
    return fake_libxl_logger(pair->ctxs[end]);
}

void fake_pair_no_paging(struct fake_pair *pair)
{
    fake_host_no_paging(pair->migration->setup.hosts[1]);
}

int fake_pair_fd(struct fake_pair *pair, unsigned int end)
{
    return fake_link_end(pair->migration->outcome.link, end);
}

void fake_pair_hang_up(struct fake_pair *pair, unsigned int end)
{
    fake_link_hang_up(pair->migration->outcome.link, end);
}

void fake_pair_check_moved(struct fake_pair *pair)
{
    pair->migration->outcome.transitioned = true;
    pair->migration->outcome.resumed = true;
    fake_migration_check_success(pair->migration);
}

void fake_pair_check_stayed(struct fake_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        snprintf(pair->migration->outcome.contexts[i].reason, XLM_REASON_MAX,
                 "as the caller has seen");
    }
    pair->migration->outcome.save_rc = -1;
    pair->migration->outcome.restore_rc = -1;
    pair->migration->outcome.put_away = false;
    fake_migration_check_promise(pair->migration);
}
