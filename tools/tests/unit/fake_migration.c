/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_migration.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include <cmocka.h>

#include "fake_faults.h"
#include "fake_log.h"
#include "fake_relink.h"
#include "pager/kept.h"
#include "watchdog.h"
#include "wire/channel.h"
#include "wire/wire.h"

#define TOOLSTACK_PAGES 8
#define EARLY_DEVICES "early devices"
#define HOST_PAGES 1000000

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
    if (migration->failing == part) {
        errno = migration->failing_errno ? migration->failing_errno : EIO;
        return -1;
    }
    return 0;
}

/* The toolstacks are no part of what is tested: their memory is not counted.
 * A dead process has no toolstack. */
static int begin_part(struct fake_migration *migration, enum fake_part which)
{
    fake_memory_leave_alone();
    if (migration->at_part) {
        migration->at_part(migration, which, false);
    }
    if (!atomic_load(&migration->dead[parts[which].end])) {
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

    if (migration->at_part) {
        migration->at_part(migration, which, true);
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

    migration->iteration = stats->iteration;
    migration->asked = *stats;
    if (stats->in_round) {
        moment(migration, migration->at_round);
        return migration->round_answer;
    }
    moment(migration, migration->at_policy);
    if (part(migration, FAKE_PART_POLICY)) {
        return XLM_PRECOPY_ABORT;
    }
    return stats->iteration < migration->rounds ? XLM_PRECOPY_CONTINUE
                                                : migration->answer;
}

static int do_switch_qemu_logdirty(bool enable, void *data)
{
    struct fake_migration *migration = data;

    migration->qemu_logdirty = enable;
    return enable ? part(migration, FAKE_PART_QEMU_LOGDIRTY) : 0;
}

static int do_early_devices(void **records, size_t *length, void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_EARLY_DEVICES)) {
        return -1;
    }
    if (migration->device_model) {
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
    moment(migration, migration->at_suspend);
    fake_guest_move(migration->guest, NULL);
    fake_domain_suspend(migration->source);
    fake_domain_put_state(migration->source, XLM_STATE_HVM_CONTEXT,
                          migration->final_context, migration->final_length);
    migration->suspended = true;
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

    assert_true(migration->suspended);
    assert_false(migration->put_away);
    return part(migration, FAKE_PART_RECHECK);
}

static int do_put_away(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_PUT_AWAY)) {
        return -1;
    }
    migration->put_away = true;
    return 0;
}

/* ---- the toolstack at the destination ---- */

static int do_feed(const void *bytes, size_t length, void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_FEED)) {
        return -1;
    }
    migration->fed =
        realloc(migration->fed, migration->fed_length + length + 1);
    if (length) {
        memcpy(migration->fed + migration->fed_length, bytes, length);
    }
    migration->fed_length += length;
    return 0;
}

static int do_await_domain(uint32_t *domid, void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_AWAIT_DOMAIN)) {
        return -1;
    }
    migration->destination =
        fake_domain_new(migration->hosts[1], migration->nr_pfns,
                        migration->max_pages, migration->vcpus);
    fake_domain_set_hap(migration->destination, !migration->no_hap);
    *domid = fake_domain_id(migration->destination);
    return 0;
}

/* As the stock toolstack: clear the pages it will use. */
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

/* Whole records, as far as they were fed; true: up to the last there is. */
static bool take_fed(struct fake_migration *migration)
{
    struct xlm_wire_record_header header = {.type = XLM_REC_STATIC_DATA_END};

    if (!migration->fed_taken) {
        migration->fed_taken = sizeof(struct xlm_wire_image_header) +
                               sizeof(struct xlm_wire_domain_header);
    }
    while (header.type != XLM_REC_END &&
           migration->fed_taken < migration->fed_length) {
        size_t at = migration->fed_taken;

        assert_true(at + sizeof(header) <= migration->fed_length);
        memcpy(&header, migration->fed + at, sizeof(header));
        at += sizeof(header);
        assert_true(at + header.length <= migration->fed_length);
        fake_build_record(migration->destination, header.type,
                          migration->fed + at, header.length);
        migration->fed_taken = at + ((header.length + 7) & ~7u);
    }
    return header.type == XLM_REC_END;
}

/* What was fed must be a whole stream, of which the domain is built. */
static int do_await_build(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_AWAIT_BUILD)) {
        return -1;
    }
    assert_true(take_fed(migration));
    if (migration->device_model) {
        assert_memory_equal(migration->fed + migration->fed_taken,
                            EARLY_DEVICES, sizeof(EARLY_DEVICES));
        migration->fed_taken += sizeof(EARLY_DEVICES);
    }
    assert_int_equal(migration->fed_taken, migration->fed_length);
    moment(migration, migration->at_build);
    return 0;
}

/* The same but for what starts the devices. */
static int do_await_fed(void *data)
{
    struct fake_migration *migration = data;

    assert_non_null(migration->late);
    assert_false(take_fed(migration));
    return 0;
}

static int do_poll_build(void *data)
{
    struct fake_migration *migration = data;

    if (part(migration, FAKE_PART_AWAIT_BUILD)) {
        return -1;
    }
    if (migration->fed_taken < migration->fed_length) {
        /* Not a moment before. */
        assert_false(fake_domain_running(migration->source));
        assert_true(take_fed(migration));
        moment(migration, migration->at_build);
    }
    assert_int_equal(migration->fed_taken, migration->fed_length);
    return !migration->at_start || migration->at_start(migration);
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
    assert_false(fake_domain_running(migration->source));
    assert_true(migration->put_away || migration->params.in_fd < 0);
    migration->ran = true;
    if (part(migration, FAKE_PART_RUN)) {
        return -1;
    }
    fake_domain_run(migration->destination);
    fake_guest_move(migration->guest, migration->destination);
    moment(migration, migration->at_run);
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
    pthread_mutex_lock(&migration->lock);
    migration->let_go = true;
    pthread_cond_broadcast(&migration->changed);
    pthread_mutex_unlock(&migration->lock);
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

    migration->asked_for = asked;
    return migration->late;
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

/* ---- the run ---- */

static void note_end(struct fake_migration *migration)
{
    pthread_mutex_lock(&migration->lock);
    migration->ended++;
    pthread_cond_broadcast(&migration->changed);
    pthread_mutex_unlock(&migration->lock);
}

bool fake_migration_await_go(struct fake_migration *migration)
{
    bool let_go;

    pthread_mutex_lock(&migration->lock);
    while (!migration->let_go && migration->ended < 2) {
        pthread_cond_wait(&migration->changed, &migration->lock);
    }
    let_go = migration->let_go;
    pthread_mutex_unlock(&migration->lock);
    return let_go;
}

/* With room for those that the guest gets. */
static uint64_t kept_pfns(const struct fake_migration *migration)
{
    return migration->restore_params.max_pages
               ? migration->nr_pfns * XLM_PREPARE_GROWTH
               : migration->nr_pfns;
}

static size_t kept_octets(const struct fake_migration *migration)
{
    return migration->kept
               ? xlm_kept_words(kept_pfns(migration)) * sizeof(unsigned long)
               : 0;
}

static unsigned long *keep(uint64_t pfns, void *data)
{
    struct fake_migration *migration = data;

    assert_int_equal(pfns, kept_pfns(migration));
    assert_null(migration->kept);
    migration->kept = calloc(xlm_kept_words(pfns), sizeof(unsigned long));
    migration->inherited = calloc(xlm_kept_words(pfns), sizeof(unsigned long));
    return migration->kept;
}

void fake_migration_kill(struct fake_migration *migration, unsigned int end)
{
    atomic_store(&migration->dead[end], true);
    if (end) {
        fake_kill(migration->contexts[end].hypervisor, migration->kept,
                  migration->inherited, kept_octets(migration));
    } else {
        fake_kill(migration->contexts[end].hypervisor, NULL, NULL, 0);
    }
    fake_link_kill(fake_relink_link(migration), end);
}

/* ---- the heir of a receiver that was killed ---- */

static int run_heir(void *data)
{
    (void)data; /* it runs, or stands where it needs a page */
    return 0;
}

/* The process before it has ended, with all its threads. */
static void succeed_the_dead(struct fake_migration *migration)
{
    xlm_hypervisor_close(migration->contexts[1].hypervisor);
    fake_migration_init_context(&migration->contexts[1], migration->hosts[1]);
    memcpy(migration->kept, migration->inherited, kept_octets(migration));
    migration->heirs++;
    atomic_store(&migration->dead[1], false);
}

void fake_migration_take_over(struct fake_migration *migration, int fd)
{
    const struct xlm_restore_callbacks callbacks = {
        .run = run_heir,
        .data = migration,
    };
    const struct xlm_restore_params params = {
        .in_fd = fd,
        .out_fd = fd,
        .relink = fake_relink_for(migration),
    };
    const struct xlm_orphan orphan = {
        .domid = fake_domain_id(migration->destination),
        .pfns = kept_pfns(migration),
        .kept = migration->kept,
    };
    bool resumed;

    succeed_the_dead(migration);
    migration->restore_rc =
        xlm_take_over(&migration->contexts[1], &params, &orphan, &callbacks,
                      &migration->stats[1], &resumed);
}

static void *run_save(void *data)
{
    struct fake_migration *migration = data;
    const struct xlm_save_callbacks callbacks = {
        .precopy_policy = policy,
        .switch_qemu_logdirty = switch_qemu_logdirty,
        .early_devices = early_devices,
        .suspend = suspend,
        .write_device_state = write_device_state,
        .recheck = recheck,
        .put_away = put_away,
        .connect_faults =
            migration->fault_channel ? fake_faults_connect : NULL,
        .progress = note_go,
        .data = migration,
    };

    migration->save_rc =
        xlm_save(&migration->contexts[0], &migration->params, &callbacks,
                 &migration->stats[0], &migration->transitioned);
    fake_link_hang_up(migration->link, 0);
    fake_faults_end_source(migration);
    if (migration->save_rc && migration->transitioned) {
        fake_relink_recover(migration);
    }
    fake_relink_give_up(migration);
    note_end(migration);
    return NULL;
}

static void *run_restore(void *data)
{
    struct fake_migration *migration = data;
    const struct xlm_restore_callbacks callbacks = {
        .keep = migration->has_heir ? keep : NULL,
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
    struct xlm_restore_params *params = &migration->restore_params;

    params->in_fd = fake_link_end(migration->link, 1);
    params->out_fd = migration->params.in_fd < 0 ? -1 : params->in_fd;
    params->relink = fake_relink_for(migration);
    fake_memory_watch(&migration->memory);
    migration->restore_rc =
        xlm_restore(&migration->contexts[1], params, &callbacks,
                    &migration->stats[1], &migration->resumed);
    fake_memory_watch(NULL);
    fake_link_hang_up(migration->link, 1);
    fake_relink_over(migration);
    note_end(migration);
    return NULL;
}

void fake_migration_run(struct fake_migration *migration)
{
    pthread_t saver;
    int fd;

    memset(migration->params.id, 0x1d, sizeof(migration->params.id));
    fake_relink_open(migration);
    migration->link = fake_link_new(&migration->cut);
    fd = fake_link_end(migration->link, 0);
    migration->params.domid = fake_domain_id(migration->source);
    migration->params.out_fd = fd;
    migration->params.in_fd = migration->params.in_fd < 0 ? -1 : fd;
    if (migration->vcpu_seed) {
        fake_guest_start(migration->guest, migration->vcpu_seed);
    }
    if (pthread_create(&saver, NULL, run_save, migration)) {
        abort();
    }
    run_restore(migration);
    pthread_join(saver, NULL);
    fake_relink_await_heir(migration);
}

/* ---- what must hold ---- */

/* The guest goes on at the source and has all its memory. */
static void check_still_at_source(struct fake_migration *migration)
{
    bool alone = migration->dead[0]; /* a person has to resume it */

    assert_true(alone || migration->save_rc == -1);
    assert_false(migration->ran);
    assert_false(migration->resumed && !migration->dead[1]);
    if (migration->destination) {
        assert_false(fake_domain_ran(migration->destination));
        fake_domain_destroy(migration->destination);
    }
    if (migration->suspended) {
        assert_true(alone ||
                    fake_domain_suspend_cancelled(migration->source) ||
                    !migration->stats[0].suspend_us);
        fake_domain_resume(migration->source);
        fake_guest_move(migration->guest, migration->source);
    }
    assert_true(fake_domain_running(migration->source));
    assert_true(alone || fake_domain_max_pages(migration->source) > 1);
    fake_guest_stop(migration->guest);
    assert_int_equal(fake_guest_compare(migration->guest, migration->source),
                     0);
}

/* The guest is the destination's: each of its pages is there, or still to be
 * had at the source. */
static void check_gone(struct fake_migration *migration)
{
    struct fake_domain *source = migration->source;
    uint64_t pfn;

    assert_true(migration->put_away);
    assert_false(fake_domain_running(source));
    if (!migration->ran) {
        /* The go was lost: it runs nowhere, and all is at the source. */
        assert_false(migration->resumed && !migration->dead[1]);
        fake_guest_stop(migration->guest);
        assert_int_equal(fake_guest_compare(migration->guest, source), 0);
        return;
    }
    assert_false(fake_domain_crashed(migration->destination));
    assert_true(fake_domain_pager_enabled(migration->destination) ||
                fake_domain_paged(migration->destination) == 0);
    /* vCPUs wait for pages that do not come any more. */
    fake_domain_stop(migration->destination);
    fake_guest_stop(migration->guest);
    for (pfn = 0; pfn < migration->guest_pfns; pfn++) {
        if (fake_guest_has(migration->guest, pfn) &&
            !fake_guest_page_good(migration->guest, migration->destination,
                                  pfn)) {
            assert_int_not_equal(fake_page_get(migration->destination, pfn),
                                 FAKE_RAM);
            assert_true(fake_guest_page_good(migration->guest, source, pfn));
        }
    }
}

void fake_migration_check_promise(struct fake_migration *migration)
{
    bool source_lives = !migration->dead[0];
    bool destination_lives = !migration->dead[1];

    if (migration->ran) {
        assert_true(migration->transitioned || !source_lives);
        assert_true(migration->resumed || !destination_lives);
    }
    if (source_lives && migration->save_rc == 0) {
        assert_true(migration->restore_rc == 0 || !destination_lives);
    } else if (source_lives) {
        assert_true(migration->contexts[0].reason[0]);
    }
    if (destination_lives && migration->restore_rc) {
        assert_true(migration->contexts[1].reason[0]);
    }
    assert_false(migration->qemu_logdirty && source_lives);
    if (source_lives ? migration->transitioned : migration->ran) {
        check_gone(migration);
    } else {
        check_still_at_source(migration);
    }
    assert_int_equal(fake_guest_errors(migration->guest), 0);
}

static void check_state(struct fake_migration *migration,
                        enum xlm_platform_state which)
{
    size_t lengths[2];
    const void *states[] = {
        fake_domain_peek_state(migration->source, which, &lengths[0]),
        fake_domain_peek_state(migration->destination, which, &lengths[1]),
    };

    assert_int_equal(lengths[0], lengths[1]);
    assert_memory_equal(states[0], states[1], lengths[0]);
}

void fake_migration_check_success(struct fake_migration *migration)
{
    size_t i;

    if (migration->save_rc || migration->restore_rc) {
        fail_msg("source: %s; destination: %s", migration->contexts[0].reason,
                 migration->contexts[1].reason);
    }
    assert_true(migration->resumed);
    assert_false(fake_domain_running(migration->source));
    assert_true(fake_domain_running(migration->destination));
    fake_guest_stop(migration->guest);
    assert_int_equal(
        fake_guest_compare(migration->guest, migration->destination), 0);
    assert_int_equal(fake_guest_errors(migration->guest), 0);
    assert_int_equal(fake_domain_paged(migration->destination), 0);
    assert_false(fake_domain_pager_enabled(migration->destination));
    assert_false(fake_domain_logdirty(migration->source));
    assert_false(migration->qemu_logdirty);
    check_state(migration, XLM_STATE_CPUID_POLICY);
    check_state(migration, XLM_STATE_MSR_POLICY);
    check_state(migration, XLM_STATE_TSC_INFO);
    check_state(migration, XLM_STATE_HVM_CONTEXT);
    for (i = 0; i < NR_PAGE_PARAMS; i++) {
        assert_int_equal(fake_domain_peek_param(migration->destination,
                                                page_params[i].index),
                         migration->guest_pfns + page_params[i].page);
    }
    assert_int_equal(migration->stats[0].requested_pages +
                         migration->stats[0].pushed_pages +
                         migration->stats[0].unsent_pages,
                     migration->stats[0].postcopy_pages);
    assert_int_equal(migration->stats[0].outstanding, 0);
    for (i = 0; i < 2; i++) {
        assert_int_equal(migration->stats[i].duplicate_pages, 0);
    }
}

void fake_migration_check_recovered(struct fake_migration *migration)
{
    assert_true(migration->recovered > 0);
    assert_true(migration->transitioned);
    if (migration->found == XLM_GUEST_COMPLETE) {
        fake_migration_check_success(migration);
        return;
    }
    /* The go did not arrive. */
    assert_int_equal(migration->found, XLM_GUEST_NEVER_RAN);
    assert_int_equal(migration->save_rc, 0);
    assert_false(migration->ran);
    assert_false(migration->resumed);
    assert_false(fake_domain_ran(migration->destination));
    xlm_take_back(&migration->contexts[0], migration->params.domid);
    assert_true(fake_domain_suspend_cancelled(migration->source));
    assert_false(fake_domain_logdirty(migration->source));
    fake_domain_resume(migration->source);
    fake_guest_move(migration->guest, migration->source);
    fake_guest_stop(migration->guest);
    assert_int_equal(fake_guest_compare(migration->guest, migration->source),
                     0);
}

/* ---- what went over the link ---- */

size_t fake_migration_records(struct fake_migration *migration,
                              enum fake_way way, size_t *offsets, size_t max)
{
    struct xlm_wire_record_header header;
    size_t length, count = 0, at = fake_first_record(way);
    const uint8_t *heard = fake_link_heard(migration->link, way, &length);

    for (; at + sizeof(header) <= length;
         at += fake_record_size(header.type, header.length)) {
        assert_true(count + 1 < max);
        offsets[count++] = at;
        memcpy(&header, heard + at, sizeof(header));
    }
    offsets[count++] = at;
    return count;
}

/* ---- making and freeing ---- */

static void fill_source(struct fake_migration *migration)
{
    struct fake_domain *source = migration->source;
    uint64_t pfn;
    size_t i;

    for (pfn = 0; pfn < migration->guest_pfns; pfn++) {
        if (pfn % 13 != 5) {
            fake_page_set(source, pfn, FAKE_RAM);
        }
    }
    for (i = 0; i < NR_PAGE_PARAMS; i++) {
        pfn = migration->guest_pfns + page_params[i].page;
        fake_domain_put_param(source, page_params[i].index, pfn);
        /* The ring of a domain that nobody pages is a hole. */
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

void fake_migration_init_context(struct xlm_context *ctx,
                                 struct fake_host *host)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;

    *ctx = fresh;
    ctx->logger = fake_logger();
    ctx->hypervisor = fake_open(host);
}

static struct fake_migration *new_on(struct fake_host *from,
                                     struct fake_host *to, uint64_t guest_pfns,
                                     unsigned int vcpus)
{
    struct fake_migration *migration = calloc(1, sizeof(*migration));
    int i;

    pthread_mutex_init(&migration->lock, NULL);
    pthread_cond_init(&migration->changed, NULL);
    alarm(WATCHDOG_SECONDS);

    migration->guest_pfns = guest_pfns;
    migration->nr_pfns = guest_pfns + TOOLSTACK_PAGES;
    migration->max_pages = migration->nr_pfns;
    migration->vcpus = vcpus;
    migration->hosts[0] = from;
    migration->hosts[1] = to;
    for (i = 0; i < 2; i++) {
        fake_migration_init_context(&migration->contexts[i],
                                    migration->hosts[i]);
    }
    migration->source = fake_domain_new(
        migration->hosts[0], migration->nr_pfns, migration->nr_pfns, vcpus);
    fill_source(migration);
    migration->guest = fake_guest_new(migration->source, guest_pfns, vcpus);
    fake_domain_run(migration->source);

    xlm_save_params_init(&migration->params);
    /* However long the machine lets one end wait for the other. */
    migration->params.silence_ms = 1000 * WATCHDOG_SECONDS;
    migration->params.faults_stall_ms = 1000 * WATCHDOG_SECONDS;
    migration->params.in_fd = 0; /* there is a way back */
    migration->answer = XLM_PRECOPY_POSTCOPY;
    migration->cut.octets = FAKE_UNCUT;
    migration->final_context = "final context";
    migration->final_length = 13;
    return migration;
}

struct fake_migration *fake_migration_new(uint64_t guest_pfns,
                                          unsigned int vcpus)
{
    return new_on(fake_host_new(HOST_PAGES), fake_host_new(HOST_PAGES),
                  guest_pfns, vcpus);
}

struct fake_migration *fake_migration_against(
    const struct fake_migration *other)
{
    struct fake_migration *migration = new_on(other->hosts[1], other->hosts[0],
                                              other->guest_pfns, other->vcpus);

    migration->hosts_are_others = true;
    return migration;
}

void fake_migration_turn_round(struct fake_migration *migration)
{
    struct fake_host *host = migration->hosts[0];
    int i;

    fake_domain_destroy(migration->source);
    migration->source = migration->destination;
    migration->destination = NULL;
    migration->hosts[0] = migration->hosts[1];
    migration->hosts[1] = host;
    for (i = 0; i < 2; i++) {
        xlm_hypervisor_close(migration->contexts[i].hypervisor);
    }
    for (i = 0; i < 2; i++) {
        fake_migration_init_context(&migration->contexts[i],
                                    migration->hosts[i]);
    }
    fake_link_free(migration->link);
    migration->link = NULL;
    fake_relink_free(migration);
    fake_faults_free(migration);
    migration->fed_length = migration->fed_taken = 0;
    migration->transitioned = migration->resumed = false;
    migration->suspended = migration->put_away = migration->ran = false;
    migration->let_go = false;
    migration->ended = 0;
}

void fake_migration_free(struct fake_migration *migration)
{
    int i;

    if (migration->destination) {
        fake_domain_stop(migration->destination);
    }
    fake_guest_free(migration->guest);
    if (migration->link) {
        fake_link_free(migration->link);
    }
    fake_relink_free(migration);
    fake_faults_free(migration);
    for (i = 0; i < 2; i++) {
        xlm_hypervisor_close(migration->contexts[i].hypervisor);
        fake_host_check(migration->hosts[i]);
        if (!migration->hosts_are_others) {
            fake_host_free(migration->hosts[i]);
        }
    }
    pthread_mutex_destroy(&migration->lock);
    pthread_cond_destroy(&migration->changed);
    free(migration->kept);
    free(migration->inherited);
    free(migration->fed);
    free(migration);
}
