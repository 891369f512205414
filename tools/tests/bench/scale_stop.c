/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A whole xlm_save() up to the go, of a guest that is there for its
 * bookkeeping only: with a hypervisor and a destination that answer at once.
 */
#include "scale.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "fake_log.h"
#include "wire/record.h"
#include "xlm.h"

#define DOMID 7

/* What of the guest's pages is written between two looks at the log. */
#define WRITTEN 2000
/* How long the guest takes to suspend. */
#define SUSPEND_MS 150

/* ---- the source's hypervisor: as fast as can be ---- */

struct model {
    struct xlm_hypervisor hv; /* first */
    const struct shape *shape;
    unsigned long *log;
    uint8_t *zeroes;
    bool suspended;
    uint64_t written[WRITTEN];
};

static struct model *model_of(struct xlm_hypervisor *hv)
{
    return (struct model *)hv;
}

static int domain_info(struct xlm_hypervisor *hv, uint32_t domid,
                       struct xlm_domain_info *info)
{
    *info = (struct xlm_domain_info){
        .domid = domid,
        .hvm = true,
        .hap = true,
        .shutdown = model_of(hv)->suspended,
        .shutdown_reason = SHUTDOWN_suspend,
        .tot_pages = model_of(hv)->shape->pages,
        .max_pages = XLM_HELD_PAGES,
    };
    return 0;
}

static int nr_pfns(struct xlm_hypervisor *hv, uint32_t domid, uint64_t *pfns)
{
    (void)domid;
    *pfns = model_of(hv)->shape->pages;
    return 0;
}

static void xen_version(struct xlm_hypervisor *hv, uint32_t *major,
                        uint32_t *minor)
{
    (void)hv;
    *major = 4;
    *minor = 17;
}

static int get_state(struct xlm_hypervisor *hv, uint32_t domid,
                     enum xlm_platform_state which, void **data,
                     size_t *length)
{
    (void)hv, (void)domid, (void)which;
    *length = sizeof(struct xlm_wire_tsc_info);
    *data = calloc(1, *length);
    return *data ? 0 : -1;
}

static int get_param(struct xlm_hypervisor *hv, uint32_t domid, uint32_t index,
                     uint64_t *value)
{
    (void)hv, (void)domid, (void)index;
    *value = 0;
    return 0;
}

static int page_types(struct xlm_hypervisor *hv, uint32_t domid, size_t count,
                      const uint64_t *pfns, uint32_t *types)
{
    (void)domid;
    for (size_t i = 0; i < count; i++) {
        types[i] = has_page(model_of(hv)->shape, pfns[i]) ? XLM_TYPE_NOTAB
                                                          : XLM_TYPE_XTAB;
    }
    return 0;
}

static void *map(struct xlm_hypervisor *hv, uint32_t domid, bool writable,
                 size_t count, const uint64_t *pfns, int *errors)
{
    (void)domid, (void)writable, (void)pfns;
    memset(errors, 0, count * sizeof(*errors));
    return model_of(hv)->zeroes;
}

static void unmap(struct xlm_hypervisor *hv, void *mapping, size_t count)
{
    (void)hv, (void)mapping, (void)count;
}

static int switch_logdirty(struct xlm_hypervisor *hv, uint32_t domid)
{
    (void)hv, (void)domid;
    return 0;
}

/* Some pages were written since the log was cleared, all over the guest. */
static int logdirty_read(struct xlm_hypervisor *hv, uint32_t domid, bool clean,
                         uint64_t pfns, const unsigned long **bitmap)
{
    struct model *model = model_of(hv);

    (void)domid, (void)pfns;
    for (size_t i = 0; clean && i < WRITTEN; i++) {
        model->log[model->written[i] / XLM_WORD_BITS] = 0;
        model->written[i] = any_page(model->shape);
        model->log[model->written[i] / XLM_WORD_BITS] |=
            1UL << model->written[i] % XLM_WORD_BITS;
    }
    *bitmap = model->log;
    return 0;
}

static int set_max_pages(struct xlm_hypervisor *hv, uint32_t domid,
                         uint64_t pages)
{
    (void)hv, (void)domid, (void)pages;
    return 0;
}

static const struct xlm_hypervisor_ops model_ops = {
    .domain_info = domain_info,
    .nr_pfns = nr_pfns,
    .xen_version = xen_version,
    .get_state = get_state,
    .get_param = get_param,
    .page_types = page_types,
    .map = map,
    .unmap = unmap,
    .logdirty_enable = switch_logdirty,
    .logdirty_disable = switch_logdirty,
    .logdirty_read = logdirty_read,
    .set_max_pages = set_max_pages,
};

static void make_model(struct model *model, const struct shape *shape)
{
    size_t words = xlm_pfn_set_words(shape->pages);

    *model = (struct model){.hv.ops = &model_ops, .shape = shape};
    model->log = malloc(words * sizeof(unsigned long));
    model->zeroes = mmap(NULL, XLM_BATCH_PAGES * XLM_PAGE_SIZE, PROT_READ,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!model->log || model->zeroes == MAP_FAILED) {
        die("no memory for a log of writes");
    }
    /* The hypervisor writes the whole bitmap, so all of it is in memory. */
    memset(model->log, 0, words * sizeof(unsigned long));
}

/* ---- the destination: as fast as can be ---- */

struct peer {
    struct xlm_context ctx;
    struct xlm_channel channel;
    int fd;
};

static bool hear(struct peer *peer, void *bytes, size_t length)
{
    return !xlm_channel_read(&peer->channel, bytes, length);
}

static void answer(struct peer *peer, uint32_t type)
{
    switch (type) {
    case XLM_REC_POSTCOPY_PREPARE:
        xlm_write_answer(&peer->ctx, &peer->channel, XLM_REC_POSTCOPY_PREPARED,
                         0, "");
        break;
    case XLM_REC_POSTCOPY_PFNS_END:
        xlm_write_pfns(&peer->ctx, &peer->channel, XLM_REC_POSTCOPY_EVICTED,
                       NULL, 0);
        break;
    case XLM_REC_POSTCOPY_TRANSITION:
        xlm_write_answer(&peer->ctx, &peer->channel, XLM_REC_POSTCOPY_READY, 0,
                         "");
        break;
    }
}

/* Ends with the go: nothing measures the push. */
static void *run_peer(void *data)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    static char body[1 << 20];
    struct peer *peer = data;
    struct xlm_wire_record_header header = {.type = 0};

    peer->ctx = fresh;
    peer->ctx.logger = fake_logger();
    peer->channel = XLM_CHANNEL_CLOSED;
    xlm_channel_open(&peer->channel, peer->fd, peer->fd, -1);
    if (!hear(peer, body,
              sizeof(struct xlm_wire_image_header) +
                  sizeof(struct xlm_wire_domain_header))) {
        return NULL; /* the source knows why */
    }
    while (header.type != XLM_REC_POSTCOPY_GO &&
           hear(peer, &header, sizeof(header)) &&
           header.length <= sizeof(body) &&
           hear(peer, body, (header.length + 7) / 8 * 8)) {
        answer(peer, header.type);
    }
    shutdown(peer->fd, SHUT_RDWR);
    return NULL;
}

/* ---- the stop ---- */

struct source {
    struct model model;
    struct figures *figures;
    double mib;
    double suspended_us;
};

static int switch_qemu_logdirty(bool enable, void *data)
{
    (void)enable, (void)data;
    return 0;
}

static enum xlm_precopy_answer at_once(const struct xlm_precopy_stats *stats,
                                       void *data)
{
    (void)stats, (void)data;
    return XLM_PRECOPY_POSTCOPY;
}

static int suspend(void *data)
{
    struct source *source = data;

    poll(NULL, 0, SUSPEND_MS);
    source->model.suspended = true;
    source->suspended_us = spent_us(CLOCK_PROCESS_CPUTIME_ID);
    return 0;
}

static int no_device_state(struct xlm_channel *channel, void *data)
{
    (void)channel, (void)data;
    return 0;
}

static int put_away(void *data)
{
    (void)data;
    return 0;
}

static void progress(enum xlm_phase phase, const struct xlm_stats *stats,
                     void *data)
{
    struct source *source = data;

    if (phase == XLM_PHASE_GO) {
        source->figures->stop_ms =
            (spent_us(CLOCK_PROCESS_CPUTIME_ID) - source->suspended_us) / 1e3;
        source->figures->source_mib = resident_mib() - source->mib;
    }
    (void)stats;
}

/* The pass that nothing saves: each word of the log is looked at once.  Not
 * for the first time, when the kernel finds memory for the set. */
static void measure_log(struct source *source)
{
    struct xlm_pfn_set dirty;
    double began;

    make_set(&dirty, source->model.shape);
    xlm_pfn_set_take(&dirty, source->model.log);
    began = spent_us(CLOCK_THREAD_CPUTIME_ID);
    xlm_pfn_set_take(&dirty, source->model.log);
    source->figures->log_ms =
        (spent_us(CLOCK_THREAD_CPUTIME_ID) - began) / 1e3;
}

void measure_stop(const struct shape *shape, struct figures *figures)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct xlm_context ctx = fresh;
    struct source source = {.figures = figures};
    const struct xlm_save_callbacks callbacks = {
        .precopy_policy = at_once,
        .switch_qemu_logdirty = switch_qemu_logdirty,
        .suspend = suspend,
        .write_device_state = no_device_state,
        .put_away = put_away,
        .progress = progress,
        .data = &source,
    };
    struct xlm_save_params params;
    struct xlm_stats stats;
    struct peer peer;
    bool transitioned;
    pthread_t thread;
    int fds[2];

    source.mib = resident_mib();
    make_model(&source.model, shape);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        die("a connection: %s", strerror(errno));
    }
    peer.fd = fds[1];
    ctx.logger = fake_logger();
    ctx.hypervisor = &source.model.hv;
    xlm_save_params_init(&params);
    params.domid = DOMID;
    params.in_fd = params.out_fd = fds[0];
    pthread_create(&thread, NULL, run_peer, &peer);
    (void)xlm_save(&ctx, &params, &callbacks, &stats, &transitioned);
    pthread_join(thread, NULL);
    if (!transitioned) {
        die("the guest was not handed over: %s", ctx.reason);
    }
    measure_log(&source);
}
