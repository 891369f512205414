/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a domain has besides its memory.
 */
#include "hypervisor/platform.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "hypervisor/hypervisor.h"
#include "policy/hvm_context.h"

/*
 * The parameters that a stream carries: where the toolstack's pages are, and
 * what the guest can see or has set.  Parameters that are zero are not sent.
 */
static const uint32_t stream_params[] = {
    HVM_PARAM_CONSOLE_PFN,
    HVM_PARAM_STORE_PFN,
    HVM_PARAM_IOREQ_PFN,
    HVM_PARAM_BUFIOREQ_PFN,
    HVM_PARAM_IOREQ_SERVER_PFN,
    HVM_PARAM_NR_IOREQ_SERVER_PAGES,
    HVM_PARAM_PAGING_RING_PFN,
    HVM_PARAM_MONITOR_RING_PFN,
    HVM_PARAM_SHARING_RING_PFN,
    HVM_PARAM_IDENT_PT,
    HVM_PARAM_VM86_TSS_SIZED,
    HVM_PARAM_VM_GENERATION_ID_ADDR,
    HVM_PARAM_ACPI_IOPORTS_LOCATION,
    HVM_PARAM_VIRIDIAN,
    HVM_PARAM_X87_FIP_WIDTH,
    HVM_PARAM_MCA_CAP,
};

#define NR_STREAM_PARAMS (sizeof(stream_params) / sizeof(stream_params[0]))

/* Does this parameter name one page of the toolstack? */
static bool names_toolstack_page(uint64_t index)
{
    switch (index) {
    case HVM_PARAM_STORE_PFN:
    case HVM_PARAM_CONSOLE_PFN:
    case HVM_PARAM_IOREQ_PFN:
    case HVM_PARAM_BUFIOREQ_PFN:
    case HVM_PARAM_PAGING_RING_PFN:
    case HVM_PARAM_MONITOR_RING_PFN:
    case HVM_PARAM_SHARING_RING_PFN:
        return true;
    default:
        return false;
    }
}

static int get_param(struct xlm_context *ctx, uint32_t domid, uint32_t index,
                     uint64_t *value)
{
    if (ctx->hypervisor->ops->get_param(ctx->hypervisor, domid, index,
                                        value)) {
        return xlm_fail(ctx,
                        "cannot read HVM parameter %" PRIu32
                        " of domain %" PRIu32 ": %s",
                        index, domid, strerror(errno));
    }
    return 0;
}

/*
 * May this parameter be set again after the domain is built?
 * hvm_allow_set_param() in Xen 4.14 to 4.20 lets a guest and its firmware set
 * these; HVM_PARAM_IDENT_PT is the toolstack's, and may change as well.
 * HVM_PARAM_CALLBACK_IRQ, and the event channels of store and console, belong
 * to a domain and not to its guest, which sets them again when it resumes.
 */
static bool may_change(uint64_t index)
{
    switch (index) {
    case HVM_PARAM_IDENT_PT:
    case HVM_PARAM_VM86_TSS_SIZED:
    case HVM_PARAM_VM_GENERATION_ID_ADDR:
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
    case HVM_PARAM_X87_FIP_WIDTH:
        return true;
    default:
        return false;
    }
}

static uint64_t value_of(const struct xlm_wire_hvm_param *params, size_t count,
                         uint64_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (params[i].index == index) {
            return params[i].value;
        }
    }
    return 0;
}

int xlm_read_params(struct xlm_context *ctx, uint32_t domid,
                    struct xlm_hvm_params *params)
{
    _Static_assert(NR_STREAM_PARAMS <= XLM_HVM_PARAMS_MAX, "room for all");
    size_t found = 0;

    for (size_t i = 0; i < NR_STREAM_PARAMS; i++) {
        uint64_t value;

        if (get_param(ctx, domid, stream_params[i], &value)) {
            return -1;
        }
        if (value) {
            params->params[found].index = stream_params[i];
            params->params[found++].value = value;
        }
    }
    params->count = found;
    return 0;
}

int xlm_check_params(struct xlm_context *ctx, uint32_t domid,
                     const struct xlm_hvm_params *before)
{
    struct xlm_hvm_params now;

    if (xlm_read_params(ctx, domid, &now)) {
        return -1;
    }
    for (size_t i = 0; i < NR_STREAM_PARAMS; i++) {
        uint32_t index = stream_params[i];
        uint64_t was = value_of(before->params, before->count, index);
        uint64_t is = value_of(now.params, now.count, index);

        if (was != is && !may_change(index)) {
            errno = ESTALE;
            return xlm_fail(ctx,
                            "HVM parameter %" PRIu32 " of domain %" PRIu32
                            " was changed while it was moved, from %#" PRIx64
                            " to %#" PRIx64 ": it runs on here, try again",
                            index, domid, was, is);
        }
    }
    return 0;
}

static int read_state(struct xlm_context *ctx, uint32_t domid,
                      enum xlm_platform_state which, uint32_t type,
                      void **data, size_t *length)
{
    if (ctx->hypervisor->ops->get_state(ctx->hypervisor, domid, which, data,
                                        length)) {
        return xlm_fail(ctx, "cannot read %s of domain %" PRIu32 ": %s",
                        xlm_record_name(type), domid, strerror(errno));
    }
    return 0;
}

static int write_state(struct xlm_context *ctx, struct xlm_channel *channel,
                       uint32_t domid, enum xlm_platform_state which,
                       uint32_t type)
{
    void *data;
    size_t length;
    int rc;

    if (read_state(ctx, domid, which, type, &data, &length)) {
        return -1;
    }
    rc = xlm_write_simple_record(ctx, channel, type, data, length);
    free(data);
    return rc;
}

int xlm_write_static_data(struct xlm_context *ctx, struct xlm_channel *channel,
                          uint32_t domid)
{
    if (write_state(ctx, channel, domid, XLM_STATE_CPUID_POLICY,
                    XLM_REC_CPUID_POLICY) ||
        write_state(ctx, channel, domid, XLM_STATE_MSR_POLICY,
                    XLM_REC_MSR_POLICY)) {
        return -1;
    }
    return xlm_write_simple_record(ctx, channel, XLM_REC_STATIC_DATA_END, NULL,
                                   0);
}

static int write_params(struct xlm_context *ctx, struct xlm_channel *channel,
                        uint32_t domid)
{
    struct xlm_hvm_params params;
    struct xlm_wire_hvm_params head = {.count = 0};
    struct iovec parts[2];

    if (xlm_read_params(ctx, domid, &params)) {
        return -1;
    }
    head.count = params.count;
    parts[0] = (struct iovec){&head, sizeof(head)};
    parts[1] =
        (struct iovec){params.params, params.count * sizeof(params.params[0])};
    return xlm_write_record(ctx, channel, XLM_REC_HVM_PARAMS, parts, 2);
}

int xlm_read_hvm_context(struct xlm_context *ctx, uint32_t domid,
                         struct xlm_hvm_context *context)
{
    return read_state(ctx, domid, XLM_STATE_HVM_CONTEXT, XLM_REC_HVM_CONTEXT,
                      &context->octets, &context->length);
}

int xlm_write_platform(struct xlm_context *ctx, struct xlm_channel *channel,
                       uint32_t domid, const struct xlm_hvm_context *context)
{
    /* Parameters first: some of them decide which contexts are valid. */
    if (write_state(ctx, channel, domid, XLM_STATE_TSC_INFO,
                    XLM_REC_TSC_INFO) ||
        write_params(ctx, channel, domid)) {
        return -1;
    }
    if (context->octets) {
        return xlm_write_simple_record(ctx, channel, XLM_REC_HVM_CONTEXT,
                                       context->octets, context->length);
    }
    return write_state(ctx, channel, domid, XLM_STATE_HVM_CONTEXT,
                       XLM_REC_HVM_CONTEXT);
}

static void add_page(struct xlm_pfn_set *pages, uint64_t pfn)
{
    if (pfn && pfn < pages->limit) {
        xlm_pfn_set_add(pages, pfn);
    }
}

static void add_toolstack_pages(const struct xlm_wire_hvm_param *params,
                                size_t count, struct xlm_pfn_set *pages)
{
    uint64_t server_pfn = 0;
    uint64_t server_pages = 0;

    for (size_t i = 0; i < count; i++) {
        if (names_toolstack_page(params[i].index)) {
            add_page(pages, params[i].value);
        } else if (params[i].index == HVM_PARAM_IOREQ_SERVER_PFN) {
            server_pfn = params[i].value;
        } else if (params[i].index == HVM_PARAM_NR_IOREQ_SERVER_PAGES) {
            server_pages = params[i].value;
        }
    }
    /* The hypervisor counts these in one word. */
    for (uint64_t i = 0; server_pfn && i < server_pages && i < 64; i++) {
        add_page(pages, server_pfn + i);
    }
}

int xlm_find_toolstack_pages(struct xlm_context *ctx, uint32_t domid,
                             struct xlm_pfn_set *pages)
{
    struct xlm_hvm_params params;

    if (xlm_read_params(ctx, domid, &params)) {
        return -1;
    }
    add_toolstack_pages(params.params, params.count, pages);
    return 0;
}

int xlm_find_hypervisor_pages(struct xlm_context *ctx, uint32_t domid,
                              struct xlm_pfn_set *pages)
{
    uint64_t ident_pt;
    uint64_t vm86_tss;

    if (get_param(ctx, domid, HVM_PARAM_IDENT_PT, &ident_pt) ||
        get_param(ctx, domid, HVM_PARAM_VM86_TSS_SIZED, &vm86_tss)) {
        return -1;
    }
    add_page(pages, ident_pt >> XLM_PAGE_SHIFT);
    /* The address is below bit 32, the size above it; at most three pages. */
    vm86_tss = (uint32_t)vm86_tss >> XLM_PAGE_SHIFT;
    for (uint64_t i = 0; vm86_tss && i < 3; i++) {
        add_page(pages, vm86_tss + i);
    }
    return 0;
}

void xlm_platform_dispose(struct xlm_platform *platform)
{
    free(platform->params);
    free(platform->context);
    memset(platform, 0, sizeof(*platform));
}

static void *copy_of(struct xlm_context *ctx, const void *data, size_t length)
{
    void *copy = malloc(length ? length : 1);

    if (!copy) {
        xlm_fail(ctx, "no memory for the state of the guest");
        return NULL;
    }
    memcpy(copy, data, length);
    return copy;
}

static int take_params(struct xlm_context *ctx, struct xlm_platform *platform,
                       const struct xlm_record *record)
{
    const struct xlm_wire_hvm_params *head = record->body;
    size_t length = record->length - sizeof(*head);
    void *copy;

    if (length % sizeof(struct xlm_wire_hvm_param) ||
        head->count != length / sizeof(struct xlm_wire_hvm_param)) {
        errno = EPROTO;
        return xlm_fail(ctx,
                        "bad migration stream: HVM_PARAMS of %" PRIu32
                        " octets for %" PRIu32 " parameters",
                        record->length, head->count);
    }
    copy = copy_of(ctx, head + 1, length);
    if (!copy) {
        return -1;
    }
    free(platform->params);
    platform->params = copy;
    platform->nr_params = head->count;
    return 0;
}

static int take_context(struct xlm_context *ctx, struct xlm_platform *platform,
                        const struct xlm_record *record)
{
    void *copy = copy_of(ctx, record->body, record->length);

    if (!copy) {
        return -1;
    }
    free(platform->context);
    platform->context = copy;
    platform->context_length = record->length;
    platform->context_is_new = true;
    return 0;
}

int xlm_platform_take(struct xlm_context *ctx, struct xlm_platform *platform,
                      const struct xlm_record *record)
{
    switch (record->type) {
    case XLM_REC_TSC_INFO:
        memcpy(&platform->tsc, record->body, sizeof(platform->tsc));
        platform->has_tsc = true;
        return 0;
    case XLM_REC_HVM_PARAMS:
        return take_params(ctx, platform, record);
    case XLM_REC_HVM_CONTEXT:
        return take_context(ctx, platform, record);
    default:
        errno = EINVAL;
        return xlm_fail(ctx, "%s is not platform state",
                        xlm_record_name(record->type));
    }
}

bool xlm_platform_is_complete(const struct xlm_platform *platform)
{
    return platform->has_tsc && platform->params && platform->context;
}

void xlm_platform_toolstack_pages(const struct xlm_platform *platform,
                                  struct xlm_pfn_set *pages)
{
    add_toolstack_pages(platform->params, platform->nr_params, pages);
}

void *xlm_platform_early_context(struct xlm_context *ctx,
                                 const struct xlm_platform *platform,
                                 size_t *length)
{
    void *copy = copy_of(ctx, platform->context, platform->context_length);

    if (copy) {
        *length = xlm_hvm_context_strip(copy, platform->context_length);
    }
    return copy;
}

struct defusal {
    struct xlm_context *ctx;
    uint32_t domid;
    uint64_t limit;
};

static int defuse_page(uint64_t pfn, uint8_t *msr, void *data)
{
    const struct defusal *defusal = data;
    struct xlm_hypervisor *hv = defusal->ctx->hypervisor;
    uint32_t type = XLM_TYPE_XTAB;

    /* A wrong CR3 harms only the guest. */
    if (!msr) {
        return 0;
    }
    if (pfn < defusal->limit &&
        hv->ops->page_types(hv, defusal->domid, 1, &pfn, &type)) {
        return xlm_fail(defusal->ctx,
                        "cannot look at page %#" PRIx64 " of the new domain: "
                        "%s",
                        pfn, strerror(errno));
    }
    if (!xlm_type_has_contents(type)) {
        xtl_log(defusal->ctx->logger, XTL_WARN, -1, "xlm",
                "the guest has told the hypervisor to write to its page "
                "%#" PRIx64 ", but has no such page: domain %" PRIu32 " goes "
                "on without",
                pfn, defusal->domid);
        xlm_hvm_context_turn_off(msr);
    }
    return 0;
}

int xlm_platform_defuse(struct xlm_context *ctx, struct xlm_platform *platform,
                        uint32_t domid, uint64_t limit)
{
    struct defusal defusal = {ctx, domid, limit};
    unsigned int timers;

    if (xlm_hvm_context_pages(platform->context, platform->context_length,
                              defuse_page, &defusal)) {
        return -1;
    }
    timers = xlm_hvm_context_defuse_timers(platform->context,
                                           platform->context_length);
    if (timers) {
        xtl_log(ctx->logger, XTL_WARN, -1, "xlm",
                "%u synthetic timers of domain %" PRIu32 " are off: they have "
                "no page for their messages, or count to 0",
                timers, domid);
    }
    return 0;
}

/* What to do when the hypervisor refuses a state. */
static const char *advice(int error, const char *usual)
{
    return error == ENOMEM ? "free some on this host" : usual;
}

/* The domain was built with the parameters as they were then. */
static int apply_params(struct xlm_context *ctx,
                        const struct xlm_platform *platform, uint32_t domid)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    for (size_t i = 0; i < NR_STREAM_PARAMS; i++) {
        uint32_t index = stream_params[i];
        uint64_t wanted =
            value_of(platform->params, platform->nr_params, index);
        uint64_t value;

        if (!may_change(index)) {
            continue;
        }
        if (get_param(ctx, domid, index, &value)) {
            return -1;
        }
        if (value != wanted && hv->ops->set_param(hv, domid, index, wanted)) {
            return xlm_fail(ctx,
                            "cannot set HVM parameter %" PRIu32
                            " of the new domain to %#" PRIx64
                            ": %s; do both hosts have the same Xen?",
                            index, wanted, strerror(errno));
        }
    }
    return 0;
}

int xlm_platform_apply(struct xlm_context *ctx,
                       const struct xlm_platform *platform, uint32_t domid)
{
    struct xlm_hypervisor *hv = ctx->hypervisor;

    /* Parameters before the context, as when a domain is built. */
    if (apply_params(ctx, platform, domid)) {
        return -1;
    }
    if (hv->ops->set_state(hv, domid, XLM_STATE_TSC_INFO, &platform->tsc,
                           sizeof(platform->tsc))) {
        return xlm_fail(ctx, "cannot set the TSC of the new domain: %s; %s",
                        strerror(errno), advice(errno, "try another host"));
    }
    if (hv->ops->set_state(hv, domid, XLM_STATE_HVM_CONTEXT, platform->context,
                           platform->context_length)) {
        return xlm_fail(
            ctx,
            "cannot load the CPU state into the new domain: "
            "%s; %s",
            strerror(errno),
            advice(errno, "do both hosts have the same kind of CPU?"));
    }
    return 0;
}
