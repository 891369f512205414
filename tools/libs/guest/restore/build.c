/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Builds the domain at the destination, by feeding the toolstack.
 */
#include "restore/build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "restore/pages.h"

/* ---- what it is fed ---- */

int xlm_restore_feed(struct xlm_restorer *restorer, const void *bytes,
                     size_t length)
{
    if (restorer->callbacks->feed(bytes, length, restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "the toolstack here does not take the "
                                       "domain: see its log");
    }
    return 0;
}

static int feed_record(struct xlm_restorer *restorer, uint32_t type,
                       const void *head, size_t head_length, const void *tail,
                       size_t tail_length)
{
    static const char zeroes[8];
    struct xlm_wire_record_header header = {
        .type = type,
        .length = head_length + tail_length,
    };
    size_t padding = -(head_length + tail_length) & 7;

    if (xlm_restore_feed(restorer, &header, sizeof(header)) ||
        xlm_restore_feed(restorer, head, head_length) ||
        xlm_restore_feed(restorer, tail, tail_length)) {
        return -1;
    }
    return xlm_restore_feed(restorer, zeroes, padding);
}

static int feed_platform(struct xlm_restorer *restorer, const void *context,
                         size_t context_length)
{
    const struct xlm_platform *platform = &restorer->domain.platform;
    struct xlm_wire_hvm_params head = {.count = platform->nr_params};

    if (feed_record(restorer, XLM_REC_TSC_INFO, &platform->tsc,
                    sizeof(platform->tsc), NULL, 0) ||
        feed_record(restorer, XLM_REC_HVM_PARAMS, &head, sizeof(head),
                    platform->params,
                    platform->nr_params * sizeof(*platform->params)) ||
        feed_record(restorer, XLM_REC_HVM_CONTEXT, context, context_length,
                    NULL, 0)) {
        return -1;
    }
    return 0;
}

int xlm_restore_feed_end(struct xlm_restorer *restorer)
{
    return feed_record(restorer, XLM_REC_END, NULL, 0, NULL, 0);
}

/* The toolstack clears its rings as soon as it knows where they are: their
 * pages must exist by then. */
static int populate_toolstack_pages(struct xlm_restorer *restorer)
{
    uint64_t pfn;

    xlm_platform_toolstack_pages(&restorer->domain.platform,
                                 &restorer->sets.toolstack);
    for (pfn = xlm_pfn_set_next(&restorer->sets.toolstack, 0);
         pfn != XLM_PFN_NONE;
         pfn = xlm_pfn_set_next(&restorer->sets.toolstack, pfn + 1)) {
        if (xlm_restore_populate(restorer, 1, &pfn)) {
            return -1;
        }
    }
    return 0;
}

/* Check that the platform state has come, and make room for what the toolstack
 * does with it. */
static int prepare_feed(struct xlm_restorer *restorer)
{
    if (!xlm_platform_is_complete(&restorer->domain.platform)) {
        return xlm_restore_bad_stream(restorer,
                                      "the platform state is incomplete");
    }
    return populate_toolstack_pages(restorer);
}

/* Feed the toolstack all that it needs of the libxc stream but END, for a
 * guest whose memory is here. */
static int feed_last(struct xlm_restorer *restorer)
{
    if (prepare_feed(restorer) ||
        xlm_platform_defuse(restorer->ctx, &restorer->domain.platform,
                            restorer->domain.domid,
                            restorer->domain.pfn_limit)) {
        return -1;
    }
    return feed_platform(restorer, restorer->domain.platform.context,
                         restorer->domain.platform.context_length);
}

/* The same for a guest whose memory is elsewhere: the hypervisor must not look
 * for any of it, which some releases do not survive. */
int xlm_restore_feed_early(struct xlm_restorer *restorer)
{
    size_t length;
    void *context;
    int rc;

    if (prepare_feed(restorer)) {
        return -1;
    }
    context = xlm_platform_early_context(restorer->ctx,
                                         &restorer->domain.platform, &length);
    if (!context) {
        return -1;
    }
    restorer->domain.platform.context_is_new = false;
    rc = feed_platform(restorer, context, length);
    free(context);
    return rc;
}

/* ---- the domain ---- */

/* A hypervisor accepts no record of a guest's state that is longer than that
 * of its own release. */
int xlm_restore_explain_build(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    uint32_t theirs[] = {restorer->domain.source_xen.major,
                         restorer->domain.source_xen.minor};
    uint32_t ours[2] = {0};
    char reason[XLM_REASON_MAX];

    hv->ops->xen_version(hv, &ours[0], &ours[1]);
    if (theirs[0] > ours[0] || (theirs[0] == ours[0] && theirs[1] > ours[1])) {
        memcpy(reason, restorer->ctx->reason, sizeof(reason));
        xlm_restate(restorer->ctx,
                    "%.300s; the guest comes from Xen %" PRIu32 ".%" PRIu32
                    ", and this host has %" PRIu32 ".%" PRIu32
                    ", which may not know all of such a guest's state",
                    reason, theirs[0], theirs[1], ours[0], ours[1]);
    }
    return -1;
}

int xlm_restore_fail_to_build(struct xlm_restorer *restorer)
{
    return xlm_fail(restorer->ctx, "the toolstack here could not build the "
                                   "domain: see its log");
}

static int await_build(struct xlm_restorer *restorer)
{
    if (restorer->callbacks->await_build(restorer->callbacks->data)) {
        return xlm_restore_fail_to_build(restorer);
    }
    restorer->domain.built = true;
    restorer->domain.rings_cleared = true;
    return 0;
}

int xlm_restore_take_static(struct xlm_restorer *restorer)
{
    const struct xlm_record *record = &restorer->record;

    return feed_record(restorer, record->type, record->body, record->length,
                       NULL, 0);
}

int xlm_restore_take_static_end(struct xlm_restorer *restorer)
{
    if (xlm_restore_take_static(restorer)) {
        return -1;
    }
    if (restorer->callbacks->await_domain(&restorer->domain.domid,
                                          restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "the toolstack here could not create "
                                       "the domain: see its log");
    }
    restorer->state = XLM_READ_LIVE;
    return 0;
}

/* What the toolstack starts the devices with, if it builds early. */
int xlm_restore_take_devices(struct xlm_restorer *restorer)
{
    const struct xlm_record *record = &restorer->record;

    if (restorer->domain.devices || restorer->pager) {
        return xlm_restore_bad_stream(restorer, "unexpected DEVICES");
    }
    restorer->domain.devices = malloc(record->length + 1);
    if (!restorer->domain.devices) {
        return xlm_fail(restorer->ctx, "no memory for the devices");
    }
    memcpy(restorer->domain.devices, record->body, record->length);
    restorer->domain.devices_length = record->length;
    return 0;
}

int xlm_restore_read_device_state(struct xlm_restorer *restorer)
{
    if (restorer->callbacks->read_device_state(&restorer->channel,
                                               restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "the device model here does not take "
                                       "the guest's devices: see its log");
    }
    return 0;
}

int xlm_restore_build_ordinary(struct xlm_restorer *restorer)
{
    return feed_last(restorer) || xlm_restore_feed_end(restorer) ||
                   xlm_restore_read_device_state(restorer) ||
                   await_build(restorer)
               ? -1
               : 0;
}

static int feed_devices(struct xlm_restorer *restorer)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;

    if (restorer->domain.devices &&
        callbacks->feed_devices(restorer->domain.devices,
                                restorer->domain.devices_length,
                                callbacks->data)) {
        return xlm_fail(restorer->ctx, "the toolstack here does not take the "
                                       "guest's devices: see its log");
    }
    return 0;
}

int xlm_restore_build_early(struct xlm_restorer *restorer)
{
    return xlm_restore_feed_early(restorer) ||
                   xlm_restore_feed_end(restorer) || feed_devices(restorer) ||
                   await_build(restorer)
               ? -1
               : 0;
}

/* ---- its memory ---- */

int xlm_restore_claim(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    uint64_t pages = restorer->domain.pages + restorer->paging->pages;

    if (pages < restorer->domain.pages) {
        pages = UINT64_MAX; /* as many as the source says; there are none */
    }
    if (hv->ops->claim(hv, restorer->domain.domid, pages)) {
        return xlm_fail(restorer->ctx,
                        "this host has no memory for the "
                        "%" PRIu64 " MiB of the guest: free "
                        "some, or choose another host",
                        restorer->domain.pages >> (20 - XLM_PAGE_SHIFT));
    }
    return 0;
}
