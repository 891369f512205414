/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination whose toolstack is held: the domain exists and has memory
 * and a pager before the guest is stopped, but its devices start in the stop,
 * from their final state.  By then the source has released whatever the
 * devices keep outside of the guest (an image with metadata of its own, a
 * lock).
 *
 * What starts the devices may need pages that are not here: a device that
 * fetches from the guest's memory when it loads its state, or a back end.
 * These pages come from the source, which waits for READY.
 */
#include "restore/late.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/build.h"
#include "restore/pages.h"

/* How often to look for accesses to pages. */
#define LOOK_MS 10
#define AT_A_TIME 64

static enum xlm_build asked_for(uint32_t flags)
{
    switch (flags) {
    case XLM_PREPARE_EARLY:
        return XLM_BUILD_EARLY;
    case XLM_PREPARE_LATE:
        return XLM_BUILD_LATE;
    case XLM_PREPARE_LATE_DEVICES:
        return XLM_BUILD_LATE_DEVICES;
    default:
        return XLM_BUILD_ANY;
    }
}

void xlm_restore_choose_build(struct xlm_restorer *restorer, uint32_t flags)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;
    struct xlm_stats *stats = restorer->stats;
    const char *why =
        callbacks->why_late
            ? callbacks->why_late(asked_for(flags), callbacks->data)
            : NULL;

    restorer->domain.held = why;
    stats->devices.build = why ? XLM_BUILD_LATE : XLM_BUILD_EARLY;
    snprintf(stats->devices.late_reason, sizeof(stats->devices.late_reason),
             "%s", why ? why : "");
    if (why) {
        xtl_log(restorer->ctx->logger, XTL_NOTICE, -1, "xlm",
                "the guest's devices start once it is stopped: %s", why);
    }
}

/* The toolstack clears its rings as it takes the parameters; that must be done
 * before pages are evicted. */
int xlm_restore_hold_build(struct xlm_restorer *restorer)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;

    if (xlm_restore_feed_early(restorer)) {
        return -1;
    }
    if (callbacks->await_fed(callbacks->data)) {
        return xlm_restore_fail_to_build(restorer);
    }
    restorer->domain.rings_cleared = true;
    return 0;
}

/* ---- in the stop ---- */

static int take_pages(struct xlm_restorer *restorer)
{
    struct xlm_record *record = &restorer->record;

    if (xlm_read_record(restorer->ctx, &restorer->channel, XLM_READ_LAST,
                        record)) {
        return -1;
    }
    if (record->type == XLM_REC_POSTCOPY_GO) {
        return xlm_restore_bad_stream(restorer, "no page where one was asked "
                                                "for");
    }
    return xlm_restore_take_pages(restorer);
}

/* Ask for the needed pages, and wait for them: the source has nothing else to
 * do. */
static int bring_what_is_needed(struct xlm_restorer *restorer)
{
    uint64_t pfns[AT_A_TIME];
    size_t count;
    int rc = 0;

    while (!rc &&
           (count = xlm_pager_take_early(restorer->pager, pfns, AT_A_TIME))) {
        rc = xlm_write_pfns(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_EVICTED, pfns, count);
        for (size_t i = 0; !rc && i < count; i++) {
            while (!rc && xlm_pager_is_outstanding(restorer->pager, pfns[i])) {
                rc = take_pages(restorer);
            }
        }
    }
    return rc;
}

int xlm_restore_build_late(struct xlm_restorer *restorer)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;
    int built = 0;

    if (xlm_restore_feed_end(restorer) ||
        xlm_restore_read_device_state(restorer)) {
        return restorer->ctx->lost ? -1 : xlm_restore_explain_build(restorer);
    }
    while (!built) {
        if (bring_what_is_needed(restorer)) {
            return -1;
        }
        built = callbacks->poll_build(LOOK_MS, callbacks->data);
    }
    if (built < 0) {
        (void)xlm_restore_fail_to_build(restorer);
        return xlm_restore_explain_build(restorer);
    }
    restorer->domain.built = true;
    return 0;
}
