/*
 * The destination of a migration.
 *
 * Records come in one order only, which the reader's state enforces (see
 * record.h); this file has a handler for each and moves the state on:
 *
 *   XLM_READ_STATIC     until STATIC_DATA_END: the domain is created
 *   XLM_READ_LIVE       PREPARE: it is built, and gets its pager
 *   XLM_READ_EVICTION   from BEGIN: lists of what comes later
 *   XLM_READ_LAST       from TRANSITION: only the go is missing
 *   XLM_READ_POSTCOPY   from GO: the guest runs, and is the only copy
 *
 * An ordinary stream stays in XLM_READ_LIVE until its END.
 */
#include "restore_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

void xlm_restore_progress(struct xlm_restorer *restorer, enum xlm_phase phase)
{
    if (restorer->pager) {
        restorer->stats->outstanding = xlm_pager_outstanding(restorer->pager);
    }
    if (restorer->callbacks->progress) {
        restorer->callbacks->progress(phase, restorer->stats,
                                      restorer->callbacks->data);
    }
}

/* A source that is alive is silent while it waits for its guest to suspend,
 * for which the toolstack gives it a minute. */
#define SOURCE_SILENCE_MS (3 * 60 * 1000)
/* How often the source is told of the faults while its guest's pages come. */
#define TELL_STATS_US 1000000

static int protocol_error(struct xlm_restorer *restorer, const char *what)
{
    errno = EPROTO;
    return xlm_fail(restorer->ctx, "bad migration stream: %s", what);
}

/* ---- building the domain ---- */

static int feed(struct xlm_restorer *restorer, const void *bytes,
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

    if (feed(restorer, &header, sizeof(header)) ||
        feed(restorer, head, head_length) ||
        feed(restorer, tail, tail_length)) {
        return -1;
    }
    return feed(restorer, zeroes, padding);
}

static int feed_platform(struct xlm_restorer *restorer)
{
    const struct xlm_platform *platform = &restorer->platform;
    struct xlm_wire_hvm_params head = {.count = platform->nr_params};

    if (feed_record(restorer, XLM_REC_TSC_INFO, &platform->tsc,
                    sizeof(platform->tsc), NULL, 0) ||
        feed_record(restorer, XLM_REC_HVM_PARAMS, &head, sizeof(head),
                    platform->params,
                    platform->nr_params * sizeof(*platform->params)) ||
        feed_record(restorer, XLM_REC_HVM_CONTEXT, platform->context,
                    platform->context_length, NULL, 0)) {
        return -1;
    }
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

/* All that the toolstack needs of the libxc stream. */
static int feed_last(struct xlm_restorer *restorer)
{
    if (!xlm_platform_is_complete(&restorer->platform)) {
        return protocol_error(restorer, "the platform state is incomplete");
    }
    if (populate_toolstack_pages(restorer)) {
        return -1;
    }
    return feed_platform(restorer);
}

static int await_build(struct xlm_restorer *restorer)
{
    if (restorer->callbacks->await_build(restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "the toolstack here could not build "
                                       "the domain: see its log");
    }
    restorer->built = true;
    return 0;
}

static int take_static(struct xlm_restorer *restorer)
{
    const struct xlm_record *record = &restorer->record;

    return feed_record(restorer, record->type, record->body, record->length,
                       NULL, 0);
}

static int take_static_end(struct xlm_restorer *restorer)
{
    if (take_static(restorer)) {
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
static int take_devices(struct xlm_restorer *restorer)
{
    const struct xlm_record *record = &restorer->record;

    if (restorer->devices || restorer->pager) {
        return protocol_error(restorer, "unexpected DEVICES");
    }
    restorer->devices = malloc(record->length + 1);
    if (!restorer->devices) {
        return xlm_fail(restorer->ctx, "no memory for the devices");
    }
    memcpy(restorer->devices, record->body, record->length);
    restorer->devices_length = record->length;
    return 0;
}

/* ---- PREPARE ---- */

static int identify(struct xlm_restorer *restorer,
                    const struct xlm_wire_prepare *prepare)
{
    struct xlm_identity identity = {.pfns = prepare->pfns};

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

/* Below 4 GiB there is a hole for devices, and what the toolstack and the
 * firmware have, beside the guest's own pages. */
#define PFNS_BELOW_4G 0x100000u
#define EXTRA_PAGES 4096u

/* Where the guest's pfns end at the latest.  Where its devices have their
 * memory is not known: twice that leaves them room. */
static uint64_t pfn_limit(const struct xlm_restore_params *params)
{
    uint64_t most = XLM_PFN_LIMIT / 2 - PFNS_BELOW_4G;

    if (!params->max_pages || params->max_pages > most) {
        return XLM_PFN_LIMIT;
    }
    return 2 * (params->max_pages + PFNS_BELOW_4G);
}

static uint64_t page_limit(const struct xlm_restore_params *params)
{
    return params->max_pages ? params->max_pages + EXTRA_PAGES : UINT64_MAX;
}

static int check_prepare(struct xlm_restorer *restorer,
                         const struct xlm_wire_prepare *prepare)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    if (prepare->version != XLM_PREPARE_VERSION || prepare->flags) {
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
        return protocol_error(restorer, "PREPARE for a guest larger than its "
                                        "configuration allows");
    }
    if (hv->ops->paging_supported(hv)) {
        restorer->refusal = XLM_REFUSED_NO_PAGING;
        return xlm_fail(restorer->ctx, "this host's hypervisor is built "
                                       "without memory paging "
                                       "(CONFIG_MEM_PAGING): leave out "
                                       "--postcopy, or choose another host");
    }
    return 0;
}

static int claim(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;

    if (hv->ops->claim(hv, restorer->domid, restorer->pages)) {
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

static int prepare(struct xlm_restorer *restorer)
{
    const struct xlm_wire_prepare *prepare = restorer->record.body;

    if (restorer->pager || restorer->params->out_fd < 0) {
        return protocol_error(restorer, "unexpected PREPARE");
    }
    restorer->pages = prepare->pages;
    restorer->stats->guest_pages = restorer->pages;
    if (check_prepare(restorer, prepare) || check_hap(restorer) ||
        identify(restorer, prepare) ||
        xlm_restore_reserve(restorer, prepare->pfns)) {
        return -1;
    }
    restorer->limit = prepare->pfns;
    restorer->refusal = XLM_REFUSED_NO_MEMORY;
    if (keep(restorer) || claim(restorer)) {
        return -1;
    }
    restorer->refusal = XLM_REFUSED_BUILD;
    if (feed_last(restorer) || feed_devices(restorer) ||
        await_build(restorer)) {
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
    xlm_restore_lend_zeroes(restorer);
    xlm_restore_lend_contents(restorer->ctx, &restorer->record);
    return 0;
}

static int take_prepare(struct xlm_restorer *restorer)
{
    restorer->refusal = XLM_REFUSED_OTHER;
    xlm_restore_progress(restorer, XLM_PHASE_PREPARING);
    if (prepare(restorer)) {
        return -1;
    }
    restorer->prepared = true;
    xlm_restore_progress(restorer, XLM_PHASE_PRECOPY);
    return xlm_write_answer(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_PREPARED, 0, "");
}

/* ---- the outstanding pages ---- */

static int take_begin(struct xlm_restorer *restorer)
{
    if (!restorer->pager) {
        return protocol_error(restorer, "postcopy without PREPARE");
    }
    xlm_restore_progress(restorer, XLM_PHASE_EVICTING);
    restorer->state = XLM_READ_EVICTION;
    return 0;
}

static int take_list_begin(struct xlm_restorer *restorer)
{
    if (restorer->listing) {
        return protocol_error(restorer, "a list within a list");
    }
    restorer->listing = true;
    return 0;
}

static int take_list(struct xlm_restorer *restorer)
{
    if (!restorer->listing) {
        return protocol_error(restorer, "POSTCOPY_PFNS outside of a list");
    }
    return xlm_restore_take_outstanding(restorer);
}

static int take_list_end(struct xlm_restorer *restorer)
{
    if (!restorer->listing) {
        return protocol_error(restorer, "the end of no list");
    }
    restorer->listing = false;
    /* What was evicted gave its memory back to the host: keep it for us. */
    if (claim(restorer)) {
        return -1;
    }
    return xlm_restore_answer_evicted(restorer);
}

/* ---- TRANSITION to READY ---- */

static int read_device_state(struct xlm_restorer *restorer)
{
    if (restorer->callbacks->read_device_state(&restorer->channel,
                                               restorer->callbacks->data)) {
        return xlm_fail(restorer->ctx, "the device model here does not take "
                                       "the guest's devices: see its log");
    }
    return 0;
}

/* Ready once every page that has to be resident is. */
static int answer_when_ready(struct xlm_restorer *restorer)
{
    if (restorer->refused.count) {
        return 0;
    }
    xlm_restore_progress(restorer, XLM_PHASE_READY);
    return xlm_write_answer(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_READY, 0, "");
}

static int load_final_state(struct xlm_restorer *restorer)
{
    if (!restorer->pager || restorer->listing) {
        return protocol_error(restorer, "TRANSITION out of order");
    }
    if (xlm_platform_apply(restorer->ctx, &restorer->platform,
                           restorer->domid)) {
        return -1;
    }
    return read_device_state(restorer);
}

static int take_transition(struct xlm_restorer *restorer)
{
    if (load_final_state(restorer)) {
        (void)xlm_write_answer(restorer->ctx, &restorer->channel,
                               XLM_REC_POSTCOPY_READY, XLM_REFUSED_OTHER,
                               restorer->ctx->reason);
        return -1;
    }
    restorer->state = XLM_READ_LAST;
    return answer_when_ready(restorer);
}

static int take_page_data(struct xlm_restorer *restorer)
{
    if (xlm_restore_take_pages(restorer)) {
        return -1;
    }
    return restorer->state == XLM_READ_LAST ? answer_when_ready(restorer) : 0;
}

/* ---- GO, and after ---- */

/* From here on this is the only copy that may run: nothing that can fail may
 * stand between the go and the guest, and no failure takes it back. */
void xlm_restore_run(struct xlm_restorer *restorer)
{
    *restorer->resumed = true;
    xlm_restore_progress(restorer, XLM_PHASE_GO);
    if (restorer->callbacks->run(restorer->callbacks->data)) {
        xtl_log(restorer->ctx->logger, XTL_ERROR, -1, "xlm",
                "domain %" PRIu32 " is here but could not be started: it is "
                "left paused, try xl unpause",
                restorer->domid);
    }
    restorer->stats->running_us = xlm_now_us() - restorer->start_us;
}

static int take_go(struct xlm_restorer *restorer)
{
    if (restorer->refused.count) {
        return protocol_error(restorer, "GO before READY");
    }
    restorer->channel.abort_fd =
        restorer->params->relink ? restorer->params->relink->fd : -1;
    xlm_restore_pay_before_waits(restorer);
    xlm_restore_set_link_timeout(restorer);
    restorer->state = XLM_READ_POSTCOPY;
    xlm_restore_open_faults(restorer);
    xlm_pager_open_requests(restorer->pager);
    xlm_restore_run(restorer);
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
    return xlm_write_answer(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_RUNNING, 0, "");
}

static void take_stats(struct xlm_restorer *restorer,
                       struct xlm_wire_stats *wire,
                       uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS])
{
    struct xlm_stats *stats = restorer->stats;

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

/* They need not be sent. */
static int tell_dropped(struct xlm_restorer *restorer)
{
    uint64_t pfns[512];
    size_t count;
    int rc = 0;

    while (!rc && (count = xlm_pager_take_dropped(restorer->pager, pfns,
                                                  sizeof(pfns) / 8))) {
        rc = xlm_write_pfns(restorer->ctx, &restorer->channel,
                            XLM_REC_POSTCOPY_DROPPED, pfns, count);
    }
    return rc;
}

static int tell_stats(struct xlm_restorer *restorer)
{
    struct xlm_wire_stats wire;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];

    take_stats(restorer, &wire, blocked_us);
    return write_stats(restorer, &wire, blocked_us);
}

/* Not heard for long; whoever sees it tells it. */
static bool is_due(struct xlm_restorer *restorer)
{
    uint64_t told_us = atomic_load(&restorer->told_us);
    uint64_t now_us = xlm_now_us();

    return now_us - told_us >= TELL_STATS_US &&
           atomic_compare_exchange_strong(&restorer->told_us, &told_us,
                                          now_us);
}

int xlm_restore_tell_stats(struct xlm_restorer *restorer)
{
    struct xlm_wire_stats wire;
    uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS];

    if (!is_due(restorer)) {
        return 0;
    }
    xlm_pager_get_stats(restorer->pager, &wire, blocked_us);
    return write_stats(restorer, &wire, blocked_us);
}

static int take_postcopy_pages(struct xlm_restorer *restorer)
{
    int rc = xlm_restore_take_postcopy_pages(restorer);

    restorer->heard_us = xlm_now_us();
    if (!rc) {
        rc = tell_dropped(restorer);
    }
    if (!rc && is_due(restorer)) {
        rc = tell_stats(restorer);
    }
    xlm_restore_progress(restorer, XLM_PHASE_POSTCOPY);
    return rc;
}

static int take_zero_pages(struct xlm_restorer *restorer)
{
    if (restorer->params->out_fd < 0) {
        return protocol_error(restorer, "POSTCOPY_ZERO_PAGES unasked for");
    }
    return restorer->state == XLM_READ_POSTCOPY ? take_postcopy_pages(restorer)
                                                : take_page_data(restorer);
}

static int tell_complete(struct xlm_restorer *restorer)
{
    if (xlm_restore_pay_credit(restorer) || tell_stats(restorer)) {
        return -1;
    }
    return xlm_write_simple_record(restorer->ctx, &restorer->channel,
                                   XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
}

static int complete(struct xlm_restorer *restorer)
{
    if (xlm_pager_outstanding(restorer->pager)) {
        return protocol_error(restorer, "END while pages are outstanding");
    }
    restorer->done = true;
    xlm_restore_close_faults(restorer);
    /* What the guest gave up on the way is the host's again. */
    (void)restorer->ctx->hypervisor->ops->claim(restorer->ctx->hypervisor,
                                                restorer->domid, 0);
    /* The guest is whole, whether or not the source hears of it. */
    if (tell_complete(restorer)) {
        xtl_log(restorer->ctx->logger, XTL_WARN, -1, "xlm",
                "domain %" PRIu32 " is complete, but the source could not be "
                "told: it still keeps its suspended copy",
                restorer->domid);
    }
    return 0;
}

static int finish_ordinary(struct xlm_restorer *restorer)
{
    if (restorer->pager) {
        return protocol_error(restorer, "END without TRANSITION");
    }
    restorer->done = true;
    if (feed_last(restorer) || read_device_state(restorer) ||
        await_build(restorer)) {
        return -1;
    }
    xlm_restore_run(restorer);
    return 0;
}

static int take_end(struct xlm_restorer *restorer)
{
    return restorer->state == XLM_READ_POSTCOPY ? complete(restorer)
                                                : finish_ordinary(restorer);
}

/* ---- the guest ends before its memory has come ---- */

bool xlm_restore_guest_is_gone(struct xlm_restorer *restorer)
{
    struct xlm_hypervisor *hv = restorer->ctx->hypervisor;
    struct xlm_domain_info info;

    if (restorer->state != XLM_READ_POSTCOPY) {
        return false;
    }
    if (hv->ops->domain_info(hv, restorer->domid, &info)) {
        return errno == ESRCH;
    }
    return info.dying || xlm_pager_guest_is_gone(restorer->pager);
}

/* The source may be in the middle of a record, and has to hear us before it
 * finds the connection closed. */
static int tell_gone(struct xlm_restorer *restorer)
{
    struct xlm_context unheard = XLM_CONTEXT_INIT;

    if (atomic_load(&restorer->lost)) {
        return -1;
    }
    unheard.logger = restorer->ctx->logger;
    restorer->channel.may_be_silent = NULL;
    restorer->channel.idle_ms = SOURCE_SILENCE_MS;
    restorer->owed = 0; /* it hears no more of it */
    if (xlm_write_simple_record(&unheard, &restorer->channel,
                                XLM_REC_POSTCOPY_GONE, NULL, 0)) {
        return -1;
    }
    do {
        if (xlm_read_record(&unheard, &restorer->channel, restorer->state,
                            &restorer->record)) {
            return -1;
        }
    } while (restorer->record.type != XLM_REC_END);
    return 0;
}

/*
 * Somebody has destroyed the domain, its monitor after it had shut down or a
 * person: what has not come is not needed, on neither host.  So this is no
 * failure, whatever it made fail.
 */
static void end_with_guest(struct xlm_restorer *restorer)
{
    xlm_restore_close_faults(restorer);
    restorer->stats->outstanding = xlm_pager_outstanding(restorer->pager);
    xlm_pager_forget_guest(restorer->pager);
    restorer->gone = true;
    xlm_restate(restorer->ctx, "the guest ended here before all of its "
                               "memory had come");
    if (tell_gone(restorer)) {
        xtl_log(restorer->ctx->logger, XTL_WARN, -1, "xlm",
                "domain %" PRIu32 " has ended, but the source could not be "
                "told: it still keeps its suspended copy",
                restorer->domid);
    }
}

/* ---- the whole ---- */

static int take_record(struct xlm_restorer *restorer)
{
    switch (restorer->record.type) {
    case XLM_REC_CPUID_POLICY:
    case XLM_REC_MSR_POLICY:
        return take_static(restorer);
    case XLM_REC_STATIC_DATA_END:
        return take_static_end(restorer);
    case XLM_REC_TSC_INFO:
    case XLM_REC_HVM_PARAMS:
    case XLM_REC_HVM_CONTEXT:
        return xlm_platform_take(restorer->ctx, &restorer->platform,
                                 &restorer->record);
    case XLM_REC_POSTCOPY_DEVICES:
        return take_devices(restorer);
    case XLM_REC_POSTCOPY_PREPARE:
        return take_prepare(restorer);
    case XLM_REC_PAGE_DATA:
        return take_page_data(restorer);
    case XLM_REC_POSTCOPY_ZERO_PAGES:
        return take_zero_pages(restorer);
    case XLM_REC_POSTCOPY_BEGIN:
        return take_begin(restorer);
    case XLM_REC_POSTCOPY_PFNS_BEGIN:
        return take_list_begin(restorer);
    case XLM_REC_POSTCOPY_PFNS:
        return take_list(restorer);
    case XLM_REC_POSTCOPY_PFNS_END:
        return take_list_end(restorer);
    case XLM_REC_POSTCOPY_TRANSITION:
        return take_transition(restorer);
    case XLM_REC_POSTCOPY_GO:
        return take_go(restorer);
    case XLM_REC_POSTCOPY_PAGE_DATA:
        return take_postcopy_pages(restorer);
    case XLM_REC_POSTCOPY_CHANNEL_LOST:
        return xlm_restore_take_channel_lost(restorer);
    case XLM_REC_END:
        return take_end(restorer);
    default:
        return protocol_error(restorer, "unexpected record");
    }
}

/*
 * What fails while the source still prepares us is told to the source, which
 * listens for that once it has sent PREPARE: read up to there.
 */
static void refuse(struct xlm_restorer *restorer)
{
    struct xlm_context unheard = XLM_CONTEXT_INIT;

    if (restorer->prepared || restorer->params->out_fd < 0) {
        return;
    }
    unheard.logger = restorer->ctx->logger;
    while (restorer->record.type != XLM_REC_POSTCOPY_PREPARE) {
        if (restorer->record.type == XLM_REC_STATIC_DATA_END) {
            restorer->state = XLM_READ_LIVE;
        }
        if (xlm_read_record(&unheard, &restorer->channel, restorer->state,
                            &restorer->record)) {
            return;
        }
    }
    (void)xlm_write_answer(&unheard, &restorer->channel,
                           XLM_REC_POSTCOPY_PREPARED, restorer->refusal,
                           restorer->ctx->reason);
}

static int read_headers(struct xlm_restorer *restorer)
{
    struct {
        struct xlm_wire_image_header image;
        struct xlm_wire_domain_header domain;
    } headers;

    if (xlm_channel_read(&restorer->channel, &headers, sizeof(headers))) {
        return xlm_fail_on_channel(restorer->ctx, "waiting for its stream");
    }
    if (headers.image.marker != XLM_IMAGE_MARKER ||
        ntohl(headers.image.id) != XLM_IMAGE_ID ||
        ntohl(headers.image.version) != XLM_IMAGE_VERSION ||
        headers.image.options) {
        return protocol_error(restorer, "not a version 3 image");
    }
    if (headers.domain.type != XLM_DOMAIN_TYPE_HVM ||
        headers.domain.page_shift != XLM_PAGE_SHIFT) {
        return protocol_error(restorer, "not an HVM or PVH guest");
    }
    /* The first that the toolstack hears of it: it looks for room. */
    if (feed(restorer, &headers, sizeof(headers))) {
        restorer->refusal =
            errno == ENOMEM ? XLM_REFUSED_NO_MEMORY : XLM_REFUSED_BUILD;
        refuse(restorer);
        return -1;
    }
    return 0;
}

static int take_stream(struct xlm_restorer *restorer)
{
    while (!restorer->done) {
        if (xlm_read_record(restorer->ctx, &restorer->channel, restorer->state,
                            &restorer->record)) {
            return -1;
        }
        if (take_record(restorer)) {
            refuse(restorer);
            return -1;
        }
    }
    return 0;
}

int xlm_restore_follow(struct xlm_restorer *restorer)
{
    while (take_stream(restorer)) {
        if (xlm_restore_guest_is_gone(restorer)) {
            end_with_guest(restorer);
            return 0;
        }
        if (xlm_restore_recover(restorer) &&
            !xlm_restore_guest_is_gone(restorer)) {
            return -1;
        }
    }
    return 0;
}

static int restore(struct xlm_restorer *restorer)
{
    if (xlm_open_connection(restorer->ctx, &restorer->channel,
                            restorer->params->in_fd,
                            restorer->params->out_fd)) {
        return -1;
    }
    restorer->channel.idle_ms = SOURCE_SILENCE_MS;
    return read_headers(restorer) ? -1 : xlm_restore_follow(restorer);
}

static void dispose(struct xlm_restorer *restorer)
{
    /* First: its threads use the channel. */
    xlm_channel_stop(&restorer->channel);
    xlm_restore_close_faults(restorer);
    xlm_pager_close(restorer->pager);
    restorer->pager = NULL;
    xlm_channel_close(&restorer->channel);
    xlm_restore_dispose_record(restorer->ctx, &restorer->record);
    xlm_restore_dispose_zeroes(restorer);
    xlm_platform_dispose(&restorer->platform);
    free(restorer->devices);
    xlm_pfn_set_dispose(&restorer->populated);
    xlm_pfn_set_dispose(&restorer->toolstack);
    xlm_pfn_set_dispose(&restorer->refusing);
    xlm_pfn_set_dispose(&restorer->refused);
}

void xlm_restore_end(struct xlm_restorer *restorer, int rc)
{
    restorer->stats->end_us = xlm_now_us() - restorer->start_us;
    dispose(restorer);
    if (!rc && !restorer->gone) {
        xlm_restore_progress(restorer, XLM_PHASE_COMPLETE);
    }
}

int xlm_restore(struct xlm_context *ctx,
                const struct xlm_restore_params *params,
                const struct xlm_restore_callbacks *callbacks,
                struct xlm_stats *stats, bool *resumed)
{
    struct xlm_restorer restorer = {
        .ctx = ctx,
        .params = params,
        .callbacks = callbacks,
        .channel = XLM_CHANNEL_CLOSED,
        .stats = stats,
        .start_us = xlm_now_us(),
        .state = XLM_READ_STATIC,
        .resumed = resumed,
        .refusal = XLM_REFUSED_BUILD,
        .limit = pfn_limit(params),
        .most = page_limit(params),
    };
    int rc;

    *resumed = false;
    *stats = (struct xlm_stats){.guest_pages = 0};
    rc = restore(&restorer);
    xlm_restore_end(&restorer, rc);
    return rc;
}
