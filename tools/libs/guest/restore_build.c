/*
 * The destination until it is prepared: the domain is built, by the toolstack
 * with what it is fed, and gets its pager.
 */
#include "restore_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shadow_stacks.h"

/* The guest may have had a hole there at the source. */
#define RING_PAGES 1

/* ---- building the domain ---- */

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
    const struct xlm_platform *platform = &restorer->platform;
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

/* The toolstack clears its rings when it is fed where they are: they have to
 * be there by then. */
static int populate_toolstack_pages(struct xlm_restorer *restorer)
{
    uint64_t pfn;

    xlm_platform_toolstack_pages(&restorer->platform, &restorer->toolstack);
    for (pfn = xlm_pfn_set_next(&restorer->toolstack, 0); pfn != XLM_PFN_NONE;
         pfn = xlm_pfn_set_next(&restorer->toolstack, pfn + 1)) {
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
    if (!xlm_platform_is_complete(&restorer->platform)) {
        return xlm_restore_bad_stream(restorer,
                                      "the platform state is incomplete");
    }
    return populate_toolstack_pages(restorer);
}

/* All that the toolstack needs of the libxc stream but END, for a guest whose
 * memory is here. */
static int feed_last(struct xlm_restorer *restorer)
{
    if (prepare_feed(restorer) ||
        xlm_platform_defuse(restorer->ctx, &restorer->platform,
                            restorer->domid, restorer->limit)) {
        return -1;
    }
    return feed_platform(restorer, restorer->platform.context,
                         restorer->platform.context_length);
}

/* The same for a guest whose memory is not: the hypervisor must not look for
 * any of it, and does not bear it in each release. */
int xlm_restore_feed_early(struct xlm_restorer *restorer)
{
    size_t length;
    void *context;
    int rc;

    if (prepare_feed(restorer)) {
        return -1;
    }
    context = xlm_platform_early_context(restorer->ctx, &restorer->platform,
                                         &length);
    if (!context) {
        return -1;
    }
    restorer->platform.context_is_new = false;
    rc = feed_platform(restorer, context, length);
    free(context);
    return rc;
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
    restorer->built = true;
    restorer->rings_cleared = true;
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
    if (restorer->callbacks->await_domain(&restorer->domid,
                                          restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "the toolstack here could not create "
                                       "the domain: see its log");
    }
    restorer->state = XLM_READ_LIVE;
    return 0;
}

/* What the toolstack starts the devices with, when it builds early. */
int xlm_restore_take_devices(struct xlm_restorer *restorer)
{
    const struct xlm_record *record = &restorer->record;

    if (restorer->devices || restorer->pager) {
        return xlm_restore_bad_stream(restorer, "unexpected DEVICES");
    }
    restorer->devices = malloc(record->length + 1);
    if (!restorer->devices) {
        return xlm_fail(restorer->ctx, "no memory for the devices");
    }
    memcpy(restorer->devices, record->body, record->length);
    restorer->devices_length = record->length;
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

/* ---- PREPARE ---- */

static int identify(struct xlm_restorer *restorer,
                    const struct xlm_wire_prepare *prepare)
{
    struct xlm_identity identity = {.pfns = restorer->limit};

    memcpy(identity.id, prepare->id, sizeof(identity.id));
    memcpy(identity.uuid, prepare->uuid, sizeof(identity.uuid));
    if (restorer->callbacks->identify &&
        restorer->callbacks->identify(&identity, restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "this host cannot keep what a recovery "
                                       "would need");
    }
    return 0;
}

/* What is outstanding survives this process, if anybody wants it to. */
static int keep(struct xlm_restorer *restorer)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;

    if (!callbacks->keep) {
        return 0;
    }
    restorer->kept = callbacks->keep(restorer->limit, callbacks->data);
    if (!restorer->kept) {
        return xlm_fail(restorer->ctx,
                        "this host cannot keep what a recovery would need: %s",
                        strerror(errno));
    }
    return 0;
}

static bool knows_flags(uint32_t flags)
{
    return !flags || flags == XLM_PREPARE_EARLY || flags == XLM_PREPARE_LATE ||
           flags == XLM_PREPARE_LATE_DEVICES;
}

static int check_prepare(struct xlm_restorer *restorer,
                         const struct xlm_wire_prepare *prepare)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    if (prepare->version != XLM_PREPARE_VERSION ||
        !knows_flags(prepare->flags)) {
        restorer->refusal = XLM_REFUSED_VERSION;
        errno = EPROTO;
        return xlm_fail(restorer->ctx,
                        "the source asks for version %" PRIu32
                        " of the protocol, this host has %u: "
                        "install the same version on both",
                        prepare->version, XLM_PREPARE_VERSION);
    }
    if (!prepare->pfns || prepare->pfns > restorer->limit ||
        prepare->pages > restorer->most) {
        restorer->refusal = XLM_REFUSED_OTHER;
        return xlm_restore_bad_stream(restorer,
                                      "PREPARE for a guest larger than its "
                                      "configuration allows");
    }
    if (hv->ops->paging_supported(hv)) {
        restorer->refusal = XLM_REFUSED_NO_PAGING;
        return xlm_fail(restorer->ctx, "this host's hypervisor is built "
                                       "without memory paging "
                                       "(CONFIG_MEM_PAGING): leave out "
                                       "--postcopy, choose another host, or "
                                       "boot one there that has it (`make "
                                       "hypervisor` makes it)");
    }
    return 0;
}

int xlm_restore_claim(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    if (hv->ops->claim(hv, restorer->domid, restorer->pages + RING_PAGES)) {
        return xlm_fail(restorer->ctx,
                        "this host has no memory for the "
                        "%" PRIu64 " MiB of the guest: free "
                        "some, or choose another host",
                        restorer->pages >> (20 - XLM_PAGE_SHIFT));
    }
    return 0;
}

/* Before anything is built: without HAP the toolstack fails for reasons of
 * its own, which would tell nobody what to do. */
static int check_hap(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, restorer->domid, &info)) {
        return xlm_fail(restorer->ctx, "the new domain is gone: %s",
                        strerror(errno));
    }
    if (!info.hap) {
        restorer->refusal = XLM_REFUSED_NO_HAP;
        errno = ENODEV;
        return xlm_fail(restorer->ctx,
                        "the guest has no hardware assisted paging, which "
                        "postcopy needs: remove hap=0 from its configuration, "
                        "or leave out --postcopy");
    }
    return 0;
}

/* Of more vCPUs than the ring has room for one would find it full. */
static int check_vcpus(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, restorer->domid, &info) ||
        info.max_vcpu_id < XLM_SHADOW_STACKS_VCPUS ||
        !hv->ops->shadow_stacks(hv)) {
        return 0;
    }
    restorer->refusal = XLM_REFUSED_OTHER;
    errno = EOPNOTSUPP;
    return xlm_fail(
        restorer->ctx,
        "the guest has %u vCPUs, and this host's hypervisor runs on "
        "shadow stacks, with which it does not survive more than %u "
        "that wait for memory: start it with cet=no-shstk, or leave "
        "out --postcopy",
        info.max_vcpu_id + 1, XLM_SHADOW_STACKS_VCPUS);
}

static int feed_devices(struct xlm_restorer *restorer)
{
    const struct xlm_restore_callbacks *callbacks = restorer->callbacks;

    if (restorer->devices &&
        callbacks->feed_devices(restorer->devices, restorer->devices_length,
                                callbacks->data)) {
        return xlm_fail(restorer->ctx, "the toolstack here does not take the "
                                       "guest's devices: see its log");
    }
    return 0;
}

static int build_early(struct xlm_restorer *restorer)
{
    return xlm_restore_feed_early(restorer) ||
                   xlm_restore_feed_end(restorer) || feed_devices(restorer) ||
                   await_build(restorer)
               ? -1
               : 0;
}

/* Its guest may come to have higher pfns yet; how far that may go is known by
 * its configuration only. */
static void make_room(struct xlm_restorer *restorer, uint64_t pfns)
{
    uint64_t room =
        restorer->params->max_pages ? pfns * XLM_PREPARE_GROWTH : pfns;

    if (room < restorer->limit) {
        restorer->limit = room;
    }
}

static int prepare(struct xlm_restorer *restorer)
{
    const struct xlm_wire_prepare *prepare = restorer->record.body;

    if (restorer->pager || restorer->params->out_fd < 0) {
        return xlm_restore_bad_stream(restorer, "unexpected PREPARE");
    }
    restorer->pages = prepare->pages;
    restorer->stats->guest_pages = restorer->pages;
    if (check_prepare(restorer, prepare) || check_hap(restorer) ||
        check_vcpus(restorer)) {
        return -1;
    }
    make_room(restorer, prepare->pfns);
    if (identify(restorer, prepare) ||
        xlm_restore_reserve(restorer, restorer->limit)) {
        return -1;
    }
    restorer->refusal = XLM_REFUSED_NO_MEMORY;
    if (keep(restorer) || xlm_restore_claim(restorer)) {
        return -1;
    }
    restorer->refusal = XLM_REFUSED_BUILD;
    xlm_restore_choose_build(restorer, prepare->flags);
    if ((restorer->held ? xlm_restore_hold_build(restorer)
                        : build_early(restorer)) ||
        xlm_restore_check_alive(restorer)) {
        return -1;
    }
    restorer->refusal = XLM_REFUSED_OTHER;
    restorer->pager =
        xlm_pager_open(restorer->ctx, &restorer->channel, restorer->domid,
                       restorer->limit, restorer->kept);
    if (!restorer->pager) {
        if (errno == ENODEV) {
            restorer->refusal = XLM_REFUSED_NO_HAP;
        }
        return -1;
    }
    xlm_restore_lend(restorer);
    return 0;
}

int xlm_restore_take_prepare(struct xlm_restorer *restorer)
{
    restorer->refusal = XLM_REFUSED_OTHER;
    xlm_restore_progress(restorer, XLM_PHASE_PREPARING);
    if (prepare(restorer)) {
        return -1;
    }
    restorer->prepared = true;
    xlm_restore_progress(restorer, XLM_PHASE_PRECOPY);
    return xlm_write_answer(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_PREPARED, 0,
                            restorer->stats->late_reason);
}
