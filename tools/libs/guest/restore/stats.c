/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the destination knows about the guest's faults: shown here, and sent to
 * the source now and then.
 */
#include "restore/stats.h"

#include <stdatomic.h>

#include "clock.h"

/* How often the source gets statistics while pages come. */
#define TELL_STATS_US 1000000

static void take_stats(struct xlm_restorer *restorer,
                       struct xlm_wire_stats *wire,
                       uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS])
{
    struct xlm_stats *stats = restorer->stats;

    xlm_pager_get_outside(restorer->pager, &stats->back_ends);
    xlm_pager_get_stats(restorer->pager, wire, blocked_us);
    xlm_take_stats(stats, wire, blocked_us);
    stats->requested_pages = wire->pages_requested;
    stats->pushed_pages = wire->pages_pushed;
}

static int write_stats(struct xlm_restorer *restorer,
                       struct xlm_wire_stats *wire,
                       uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS])
{
    const struct iovec parts[] = {
        {wire, sizeof(*wire)},
        {blocked_us, wire->nr_vcpus * sizeof(*blocked_us)},
    };

    return xlm_write_record(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_STATS, parts, 2);
}

void xlm_restore_refresh(struct xlm_restorer *restorer)
{
    struct xlm_wire_stats wire;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];

    take_stats(restorer, &wire, blocked_us);
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
}

int xlm_restore_send_stats(struct xlm_restorer *restorer)
{
    struct xlm_wire_stats wire;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];

    take_stats(restorer, &wire, blocked_us);
    return write_stats(restorer, &wire, blocked_us);
}

bool xlm_restore_stats_are_due(struct xlm_restorer *restorer)
{
    uint64_t told_us = atomic_load(&restorer->signs.told_us);
    uint64_t now_us = xlm_now_us();

    return now_us - told_us >= TELL_STATS_US &&
           atomic_compare_exchange_strong(&restorer->signs.told_us, &told_us,
                                          now_us);
}

int xlm_restore_tell_stats(struct xlm_restorer *restorer)
{
    struct xlm_wire_stats wire;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];

    if (!xlm_restore_stats_are_due(restorer)) {
        return 0;
    }
    xlm_pager_get_stats(restorer->pager, &wire, blocked_us);
    return write_stats(restorer, &wire, blocked_us);
}
