/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The toolstacks of a fake migration: the callbacks that the engine calls.
 */
#include "fake_parts.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <xen/hvm/params.h>

#include <cmocka.h>

#include "fake_faults.h"
#include "fake_streams.h"
#include "wire/channel.h"

#define EARLY_DEVICES "early devices"

/* The toolstack's pages lie above the guest's. */
enum { STORE, CONSOLE, IOREQ, BUFIOREQ, PAGING_RING };

static const struct {
    uint32_t index;
    uint64_t page;
} page_params[] = {
    {HVM_PARAM_STORE_PFN, STORE},
    {HVM_PARAM_CONSOLE_PFN, CONSOLE},
    {HVM_PARAM_IOREQ_PFN, IOREQ},
    {HVM_PARAM_BUFIOREQ_PFN, BUFIOREQ},
    {HVM_PARAM_PAGING_RING_PFN, PAGING_RING},
};
#define NR_PAGE_PARAMS (sizeof(page_params) / sizeof(page_params[0]))

static const struct xlm_wire_tsc_info tsc = {1, 2000000, 12345, 3, 0};

static const struct {
    const char *name;
    unsigned int end;
} parts[FAKE_PART_COUNT] = {
    [FAKE_PART_NONE] = {"none", 0},
    [FAKE_PART_POLICY] = {"policy", 0},
    [FAKE_PART_QEMU_LOGDIRTY] = {"switch_qemu_logdirty", 0},
    [FAKE_PART_EARLY_DEVICES] = {"early_devices", 0},
    [FAKE_PART_SUSPEND] = {"suspend", 0},
    [FAKE_PART_WRITE_DEVICE_STATE] = {"write_device_state", 0},
    [FAKE_PART_RECHECK] = {"recheck", 0},
    [FAKE_PART_PUT_AWAY] = {"put_away", 0},
    [FAKE_PART_FEED] = {"feed", 1},
    [FAKE_PART_AWAIT_DOMAIN] = {"await_domain", 1},
    [FAKE_PART_AWAIT_BUILD] = {"await_build", 1},
    [FAKE_PART_READ_DEVICE_STATE] = {"read_device_state", 1},
    [FAKE_PART_RUN] = {"run", 1},
};

const char *fake_part_name(enum fake_part part)
{
    return parts[part].name;
}

static int part(const struct fake_migration *migration, enum fake_part part)
{
    if (migration->script.failing == part) {
        errno = migration->script.failing_errno
                    ? migration->script.failing_errno
                    : EIO;
        return -1;
    }
    return 0;
}

/* The tests do not test the toolstacks, so memory of the toolstacks is not
 * counted.  A dead process has no toolstack. */
static int begin_part(struct fake_migration *migration, enum fake_part which)
{
    fake_memory_leave_alone();
    if (migration->script.at_part) {
        migration->script.at_part(migration, which, false);
    }
    if (!atomic_load(&migration->outcome.dead[parts[which].end])) {
        return 0;
    }
    fake_memory_watch_again();
    errno = EIO;
    return -1;
}

static int end_part(struct fake_migration *migration, enum fake_part which,
                    int rc)
{
    int saved_errno = errno;

    if (migration->script.at_part) {
        migration->script.at_part(migration, which, true);
    }
    fake_memory_watch_again();
    errno = saved_errno;
    return rc;
}

static void moment(struct fake_migration *migration, fake_moment *at)
{
    if (at) {
        at(migration);
    }
}

/* ---- the toolstack at the source ---- */

static enum xlm_precopy_answer do_policy(const struct xlm_precopy_stats *stats,
                                         void *data)
{
    struct fake_migration *migration = data;

    migration->outcome.iteration = stats->iteration;
    migration->outcome.asked = *stats;
    if (stats->in_round) {
        moment(migration, migration->script.at_round);
        return migration->script.round_answer;
    }
    moment(migration, migration->script.at_policy);
    if (part(migration, FAKE_PART_POLICY)) {
        return XLM_PRECOPY_ABORT;
    }
    return stats->iteration < migration->script.rounds
               ? XLM_PRECOPY_CONTINUE
               : migration->script.answer;
}

static int do_switch_qemu_logdirty(bool enable, void *data)
{
    struct fake_migration *migration = data;

    migration->outcome.qemu_logdirty = enable;
    return enable ? part(migration, FAKE_PART_QEMU_LOGDIRTY) : 0;
}

static int do_early_devices(void **records, size_t *length, void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_EARLY_DEVICES)) {
        return -1;
    }
    if (migration->setup.device_model) {
        *records = strdup(EARLY_DEVICES);
        *length = sizeof(EARLY_DEVICES);
    }
    return 0;
}

static int do_suspend(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_SUSPEND)) {
        return -1;
    }
    moment(migration, migration->script.at_suspend);
    fake_guest_move(migration->setup.guest, NULL);
    fake_domain_suspend(migration->setup.source);
    fake_domain_put_state(migration->setup.source, XLM_STATE_HVM_CONTEXT,
                          migration->setup.final_context,
                          migration->setup.final_length);
    migration->outcome.suspended = true;
    return 0;
}

static int do_write_device_state(struct xlm_channel *channel, void *data)
{
    struct fake_migration *migration = data;

    return part(migration, FAKE_PART_WRITE_DEVICE_STATE)
               ? -1
               : xlm_channel_write(channel, FAKE_DEVICE_STATE,
                                   sizeof(FAKE_DEVICE_STATE));
}

static int do_recheck(void *data)
{
    struct fake_migration *migration = data;

    assert_true(migration->outcome.suspended);
    assert_false(migration->outcome.put_away);
    return part(migration, FAKE_PART_RECHECK);
}

static int do_put_away(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_PUT_AWAY)) {
        return -1;
    }
    migration->outcome.put_away = true;
    return 0;
}

/* ---- the toolstack at the destination ---- */

static int do_feed(const void *bytes, size_t length, void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_FEED)) {
        return -1;
    }
    migration->run.fed =
        realloc(migration->run.fed, migration->run.fed_length + length + 1);
    if (length) {
        memcpy(migration->run.fed + migration->run.fed_length, bytes, length);
    }
    migration->run.fed_length += length;
    return 0;
}

static int do_await_domain(uint32_t *domid, void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_AWAIT_DOMAIN)) {
        return -1;
    }
    migration->outcome.destination =
        fake_domain_new(migration->setup.hosts[1], migration->setup.nr_pfns,
                        migration->setup.max_pages, migration->setup.vcpus);
    fake_domain_set_hap(migration->outcome.destination,
                        !migration->setup.no_hap);
    *domid = fake_domain_id(migration->outcome.destination);
    return 0;
}

/* Clear the pages that the toolstack will use, as the stock one does. */
static void build_params(struct fake_domain *domain, const uint8_t *body)
{
    const struct xlm_wire_hvm_params *head = (const void *)body;
    const struct xlm_wire_hvm_param *params = (const void *)(head + 1);
    size_t i, j;

    for (i = 0; i < head->count; i++) {
        fake_domain_put_param(domain, params[i].index, params[i].value);
        for (j = 0; j < NR_PAGE_PARAMS; j++) {
            if (params[i].index == page_params[j].index) {
                assert_int_equal(fake_page_get(domain, params[i].value),
                                 FAKE_RAM);
                memset(fake_page_memory(domain, params[i].value), 0,
                       XLM_PAGE_SIZE);
            }
        }
    }
}

void fake_build_record(struct fake_domain *domain, uint32_t type,
                       const uint8_t *body, uint32_t length)
{
    switch (type) {
    case XLM_REC_CPUID_POLICY:
        fake_domain_put_state(domain, XLM_STATE_CPUID_POLICY, body, length);
        break;
    case XLM_REC_MSR_POLICY:
        fake_domain_put_state(domain, XLM_STATE_MSR_POLICY, body, length);
        break;
    case XLM_REC_TSC_INFO:
        fake_domain_put_state(domain, XLM_STATE_TSC_INFO, body, length);
        break;
    case XLM_REC_HVM_CONTEXT:
        fake_domain_load_context(domain, body, length);
        break;
    case XLM_REC_HVM_PARAMS:
        build_params(domain, body);
        break;
    default:
        assert_true(type == XLM_REC_END || type == XLM_REC_STATIC_DATA_END);
    }
}

/* Take whole records, as far as they were fed; true: all records up to the
 * last. */
static bool take_fed(struct fake_migration *migration)
{
    struct xlm_wire_record_header header = {.type = XLM_REC_STATIC_DATA_END};

    if (!migration->run.fed_taken) {
        migration->run.fed_taken = sizeof(struct xlm_wire_image_header) +
                                   sizeof(struct xlm_wire_domain_header);
    }
    while (header.type != XLM_REC_END &&
           migration->run.fed_taken < migration->run.fed_length) {
        size_t at = migration->run.fed_taken;

        assert_true(at + sizeof(header) <= migration->run.fed_length);
        memcpy(&header, migration->run.fed + at, sizeof(header));
        at += sizeof(header);
        assert_true(at + header.length <= migration->run.fed_length);
        fake_build_record(migration->outcome.destination, header.type,
                          migration->run.fed + at, header.length);
        migration->run.fed_taken = at + ((header.length + 7) & ~7u);
    }
    return header.type == XLM_REC_END;
}

/* The octets that were fed must be a whole stream, from which the domain is
 * built. */
static int do_await_build(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_AWAIT_BUILD)) {
        return -1;
    }
    assert_true(take_fed(migration));
    if (migration->setup.device_model) {
        assert_memory_equal(migration->run.fed + migration->run.fed_taken,
                            EARLY_DEVICES, sizeof(EARLY_DEVICES));
        migration->run.fed_taken += sizeof(EARLY_DEVICES);
    }
    assert_int_equal(migration->run.fed_taken, migration->run.fed_length);
    moment(migration, migration->script.at_build);
    return 0;
}

/* The same but for what starts the devices. */
static int do_await_fed(void *data)
{
    struct fake_migration *migration = data;

    assert_non_null(migration->setup.late);
    assert_false(take_fed(migration));
    return 0;
}

static int do_poll_build(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_AWAIT_BUILD)) {
        return -1;
    }
    if (migration->run.fed_taken < migration->run.fed_length) {
        /* The domain must not run before this callback. */
        assert_false(fake_domain_running(migration->setup.source));
        assert_true(take_fed(migration));
        moment(migration, migration->script.at_build);
    }
    assert_int_equal(migration->run.fed_taken, migration->run.fed_length);
    return !migration->script.at_start ||
           migration->script.at_start(migration);
}

static int do_read_device_state(struct xlm_channel *channel, void *data)
{
    struct fake_migration *migration = data;
    char state[sizeof(FAKE_DEVICE_STATE)];

    if (part(migration, FAKE_PART_READ_DEVICE_STATE) ||
        xlm_channel_read(channel, state, sizeof(state))) {
        return -1;
    }
    assert_string_equal(state, FAKE_DEVICE_STATE);
    return 0;
}

static int do_run(void *data)
{
    struct fake_migration *migration = data;

    /* The first half of the promise, at the very moment. */
    assert_false(fake_domain_running(migration->setup.source));
    assert_true(migration->outcome.put_away ||
                migration->setup.params.in_fd < 0);
    migration->outcome.ran = true;
    if (part(migration, FAKE_PART_RUN)) {
        return -1;
    }
    fake_domain_run(migration->outcome.destination);
    fake_guest_move(migration->setup.guest, migration->outcome.destination);
    moment(migration, migration->script.at_run);
    return 0;
}

/* ---- the same, as the engine calls them ---- */

static enum xlm_precopy_answer policy(const struct xlm_precopy_stats *stats,
                                      void *data)
{
    enum xlm_precopy_answer answer;

    if (begin_part(data, FAKE_PART_POLICY)) {
        return XLM_PRECOPY_ABORT;
    }
    answer = do_policy(stats, data);
    (void)end_part(data, FAKE_PART_POLICY, 0);
    return answer;
}

static int switch_qemu_logdirty(bool enable, void *data)
{
    return begin_part(data, FAKE_PART_QEMU_LOGDIRTY)
               ? -1
               : end_part(data, FAKE_PART_QEMU_LOGDIRTY,
                          do_switch_qemu_logdirty(enable, data));
}

static int early_devices(void **records, size_t *length, void *data)
{
    return begin_part(data, FAKE_PART_EARLY_DEVICES)
               ? -1
               : end_part(data, FAKE_PART_EARLY_DEVICES,
                          do_early_devices(records, length, data));
}

static int suspend(void *data)
{
    return begin_part(data, FAKE_PART_SUSPEND)
               ? -1
               : end_part(data, FAKE_PART_SUSPEND, do_suspend(data));
}

static int write_device_state(struct xlm_channel *channel, void *data)
{
    return begin_part(data, FAKE_PART_WRITE_DEVICE_STATE)
               ? -1
               : end_part(data, FAKE_PART_WRITE_DEVICE_STATE,
                          do_write_device_state(channel, data));
}

static int recheck(void *data)
{
    return begin_part(data, FAKE_PART_RECHECK)
               ? -1
               : end_part(data, FAKE_PART_RECHECK, do_recheck(data));
}

static int put_away(void *data)
{
    return begin_part(data, FAKE_PART_PUT_AWAY)
               ? -1
               : end_part(data, FAKE_PART_PUT_AWAY, do_put_away(data));
}

static void note_go(enum xlm_phase phase, const struct xlm_stats *stats,
                    void *data)
{
    struct fake_migration *migration = data;

    (void)stats;
    if (phase != XLM_PHASE_GO) {
        return;
    }
    pthread_mutex_lock(&migration->run.lock);
    migration->outcome.let_go = true;
    pthread_cond_broadcast(&migration->run.changed);
    pthread_mutex_unlock(&migration->run.lock);
}

static int feed(const void *bytes, size_t length, void *data)
{
    return begin_part(data, FAKE_PART_FEED)
               ? -1
               : end_part(data, FAKE_PART_FEED, do_feed(bytes, length, data));
}

static int await_domain(uint32_t *domid, void *data)
{
    return begin_part(data, FAKE_PART_AWAIT_DOMAIN)
               ? -1
               : end_part(data, FAKE_PART_AWAIT_DOMAIN,
                          do_await_domain(domid, data));
}

static int await_build(void *data)
{
    return begin_part(data, FAKE_PART_AWAIT_BUILD)
               ? -1
               : end_part(data, FAKE_PART_AWAIT_BUILD, do_await_build(data));
}

static const char *why_late(enum xlm_build asked, void *data)
{
    struct fake_migration *migration = data;

    migration->outcome.asked_for = asked;
    return migration->setup.late;
}

static int await_fed(void *data)
{
    return begin_part(data, FAKE_PART_AWAIT_BUILD)
               ? -1
               : end_part(data, FAKE_PART_AWAIT_BUILD, do_await_fed(data));
}

static int poll_build(int timeout_ms, void *data)
{
    (void)timeout_ms;
    return begin_part(data, FAKE_PART_AWAIT_BUILD)
               ? -1
               : end_part(data, FAKE_PART_AWAIT_BUILD, do_poll_build(data));
}

static int read_device_state(struct xlm_channel *channel, void *data)
{
    return begin_part(data, FAKE_PART_READ_DEVICE_STATE)
               ? -1
               : end_part(data, FAKE_PART_READ_DEVICE_STATE,
                          do_read_device_state(channel, data));
}

static int run(void *data)
{
    return begin_part(data, FAKE_PART_RUN)
               ? -1
               : end_part(data, FAKE_PART_RUN, do_run(data));
}

struct xlm_save_callbacks fake_parts_source(struct fake_migration *migration)
{
    return (struct xlm_save_callbacks){
        .precopy_policy = policy,
        .switch_qemu_logdirty = switch_qemu_logdirty,
        .early_devices = early_devices,
        .suspend = suspend,
        .write_device_state = write_device_state,
        .recheck = recheck,
        .put_away = put_away,
        .connect_faults =
            migration->script.fault_channel ? fake_faults_connect : NULL,
        .connect_stream = fake_streams_connect,
        .progress = note_go,
        .data = migration,
    };
}

struct xlm_restore_callbacks fake_parts_destination(
    struct fake_migration *migration)
{
    return (struct xlm_restore_callbacks){
        .why_late = why_late,
        .feed = feed,
        .feed_devices = feed,
        .await_domain = await_domain,
        .await_build = await_build,
        .await_fed = await_fed,
        .poll_build = poll_build,
        .read_device_state = read_device_state,
        .run = run,
        .data = migration,
    };
}

/* ---- what it makes of a domain ---- */

void fake_parts_fill(struct fake_migration *migration)
{
    struct fake_domain *source = migration->setup.source;
    uint64_t pfn;
    size_t i;

    for (pfn = 0; pfn < migration->setup.guest_pfns; pfn++) {
        if (pfn % 13 != 5) {
            fake_page_set(source, pfn, FAKE_RAM);
        }
    }
    for (i = 0; i < NR_PAGE_PARAMS; i++) {
        pfn = migration->setup.guest_pfns + page_params[i].page;
        fake_domain_put_param(source, page_params[i].index, pfn);
        /* The ring's pfn of a domain without a pager is a hole. */
        if (page_params[i].page != PAGING_RING) {
            fake_page_set(source, pfn, FAKE_RAM);
            memset(fake_page_memory(source, pfn), 0xbb, XLM_PAGE_SIZE);
        }
    }
    fake_domain_put_state(source, XLM_STATE_CPUID_POLICY, "cpuid", 5);
    fake_domain_put_state(source, XLM_STATE_MSR_POLICY, "msr", 3);
    fake_domain_put_state(source, XLM_STATE_TSC_INFO, &tsc, sizeof(tsc));
    fake_domain_put_state(source, XLM_STATE_HVM_CONTEXT, "early", 5);
}

void fake_parts_check_params(const struct fake_migration *migration)
{
    for (size_t i = 0; i < NR_PAGE_PARAMS; i++) {
        assert_int_equal(fake_domain_peek_param(migration->outcome.destination,
                                                page_params[i].index),
                         migration->setup.guest_pfns + page_params[i].page);
    }
}
