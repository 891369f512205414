/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The engine at native speed: xlm_save() in one process, xlm_restore() in
 * another, each with a fake hypervisor, and loopback TCP between them.
 *
 *     engine MODE MIB [TRACE]
 *     engine MODE MIB [--streams N] [--over COMMAND | --rate MIB]
 *            [--compress auto|off|zstd] [--contents counted|mixed] [--bare 1]
 *
 * makes one migration of a guest of MIB MiB and, before it, plain copies
 * of the same pages through the same socket, from and to the same memory.
 * Prints what it measured as one JSON object; bench-engine runs it again and
 * again and compares.  With TRACE both ends write one, TRACE.source and
 * TRACE.destination; the time that this takes at the end is not measured.
 *
 * The plain copy that counts reads into a buffer and copies from there into
 * the guest's memory, since a page that is paged out has no place that could
 * be read into: a hypervisor takes it from a buffer, as the fake does.  A
 * straight copy, read to where it belongs, is measured as well; nothing that
 * pages in can reach it.
 *
 * With --streams the push goes over N connections; with --over each of them is
 * made by a shell command that connects with the port $PORT; with --rate none
 * carries more than RATE MiB a second.  The plain copy goes over the first;
 * with --bare there is none.  Contents are those of contents.h, and pages are
 * compressed only with --compress.
 *
 * Modes:
 *
 *   push     postcopy at once, and the guest touches nothing
 *   precopy  one round while the guest runs, and stop
 *   faults   postcopy at once, and a vCPU waits for one page after another
 *   demand   the same, and nothing is sent that was not asked for
 *   points   no migration: what one point of a trace costs, off and on, beside
 *            a loop without one; MIB is how many millions of them, and TRACE
 *            is needed
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/hvm/params.h>

#include "clock.h"
#include "connections.h"
#include "contents.h"
#include "die.h"
#include "fake_hypervisor.h"
#include "fake_log.h"
#include "wire/channel.h"
#include "wire/wire.h"
#include "xlm.h"

#define CHUNK (1u << 20)
#define TOOLSTACK_PAGES 8
#define PINGS 2000
#define SAMPLE_US 20000

enum mode { MODE_PUSH, MODE_PRECOPY, MODE_FAULTS, MODE_DEMAND, MODE_COUNT };
static const char *const mode_names[] = {"push", "precopy", "faults",
                                         "demand"};

/* The resources that an end has used. */
struct usage {
    uint64_t at_us;
    uint64_t cpu_us;
};

/* The measurements of one end; the destination sends its own to the source. */
struct figures {
    struct usage straight[2]; /* before and after */
    struct usage plain[2];    /* through a buffer */
    struct usage copy[2];     /* the engine's part that is compared with it */
    uint64_t memory_kib;      /* resident, without the guest's */
    double transport_cpu_s;   /* of the processes between, of all copies */
    uint64_t ping_median_us;
    uint64_t ping_p99_us;
    struct xlm_stats stats;
};

struct end {
    enum mode mode;
    uint64_t guest_pages;
    int fd;
    struct fake_host *host;
    struct fake_domain *domain;
    struct xlm_context ctx;
    struct figures figures;
    uint64_t sampled_us;
    uint64_t kib_before; /* resident before the engine began */
    pthread_t vcpu;
    bool vcpu_runs;
    const char *trace; /* NULL: none */
    bool bare;         /* without a plain copy */
    enum xlm_compress compress;
    struct connections connections;
};

/* ---- measuring ---- */

static uint64_t rusage_us(const struct rusage *rusage)
{
    return (rusage->ru_utime.tv_sec + rusage->ru_stime.tv_sec) * 1000000ULL +
           rusage->ru_utime.tv_usec + rusage->ru_stime.tv_usec;
}

static struct usage use(void)
{
    struct usage usage = {.at_us = xlm_now_us()};
    struct rusage rusage;

    getrusage(RUSAGE_SELF, &rusage);
    usage.cpu_us = rusage_us(&rusage);
    return usage;
}

/* Memory of the process's own: the guest's is shared memory here, and not
 * counted on a real host either. */
static uint64_t resident_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long kib = 0;

    while (status && fgets(line, sizeof(line), status)) {
        if (sscanf(line, "RssAnon: %lu kB", &kib) == 1) {
            break;
        }
    }
    if (status) {
        fclose(status);
    }
    return kib;
}

static void sample_memory(struct end *end)
{
    uint64_t kib = resident_kib();

    kib = kib > end->kib_before ? kib - end->kib_before : 0;
    if (kib > end->figures.memory_kib) {
        end->figures.memory_kib = kib;
    }
    end->sampled_us = xlm_now_us();
}

/* Where the compared part begins and ends at an end. */
static void progress(enum xlm_phase phase, const struct xlm_stats *stats,
                     void *data)
{
    struct end *end = data;
    enum xlm_phase first =
        end->mode == MODE_PRECOPY ? XLM_PHASE_PRECOPY : XLM_PHASE_GO;

    (void)stats;
    if (phase == first && !end->figures.copy[0].at_us) {
        end->figures.copy[0] = use();
    }
    if (end->mode == MODE_PRECOPY && phase == XLM_PHASE_SUSPENDED) {
        end->figures.copy[1] = use();
    }
    if (xlm_now_us() - end->sampled_us > SAMPLE_US) {
        sample_memory(end);
    }
}

/* ---- the toolstack, as little of it as will do ---- */

static enum xlm_precopy_answer policy(const struct xlm_precopy_stats *stats,
                                      void *data)
{
    const struct end *end = data;

    if (end->mode != MODE_PRECOPY) {
        return XLM_PRECOPY_POSTCOPY;
    }
    return stats->in_round || stats->iteration < 1 ? XLM_PRECOPY_CONTINUE
                                                   : XLM_PRECOPY_STOP_AND_COPY;
}

static int switch_qemu_logdirty(bool enable, void *data)
{
    (void)enable, (void)data;
    return 0;
}

static int suspend(void *data)
{
    struct end *end = data;

    fake_domain_suspend(end->domain);
    return 0;
}

static int device_state(struct xlm_channel *channel, void *data)
{
    (void)channel, (void)data;
    return 0;
}

static int put_away(void *data)
{
    (void)data;
    return 0;
}

static int feed(const void *bytes, size_t length, void *data)
{
    (void)bytes, (void)length, (void)data;
    return 0;
}

static int await_domain(uint32_t *domid, void *data)
{
    const struct end *end = data;

    *domid = fake_domain_id(end->domain);
    return 0;
}

static int await_build(void *data)
{
    (void)data;
    return 0;
}

/* Touches all pages that have not come, in no order that the engine could
 * foresee. */
static void *run_vcpu(void *data)
{
    struct end *end = data;
    uint64_t pfn = 0;

    for (uint64_t i = 0; i < end->guest_pages; i++) {
        pfn = (pfn * 1664525 + 1013904223) % end->guest_pages;
        (void)fake_vcpu_access(end->domain, 0, pfn, false, NULL, NULL);
    }
    for (pfn = 0; end->mode == MODE_DEMAND && pfn < end->guest_pages; pfn++) {
        (void)fake_vcpu_access(end->domain, 0, pfn, false, NULL, NULL);
    }
    return NULL;
}

static int run(void *data)
{
    struct end *end = data;

    fake_domain_run(end->domain);
    if (end->mode == MODE_FAULTS || end->mode == MODE_DEMAND) {
        end->vcpu_runs = !pthread_create(&end->vcpu, NULL, run_vcpu, end);
    }
    return 0;
}

/* ---- the guest ---- */

static void put_state(struct end *end)
{
    static const struct xlm_wire_tsc_info tsc = {.mode = 1, .khz = 2000000};
    static const uint32_t params[] = {
        HVM_PARAM_STORE_PFN,    HVM_PARAM_CONSOLE_PFN,     HVM_PARAM_IOREQ_PFN,
        HVM_PARAM_BUFIOREQ_PFN, HVM_PARAM_PAGING_RING_PFN,
    };

    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        uint64_t pfn = end->guest_pages + i;

        fake_domain_put_param(end->domain, params[i], pfn);
        if (params[i] != HVM_PARAM_PAGING_RING_PFN) {
            fake_page_set(end->domain, pfn, FAKE_RAM);
        }
    }
    fake_domain_put_state(end->domain, XLM_STATE_CPUID_POLICY, "cpuid", 5);
    fake_domain_put_state(end->domain, XLM_STATE_MSR_POLICY, "msr", 3);
    fake_domain_put_state(end->domain, XLM_STATE_TSC_INFO, &tsc, sizeof(tsc));
    fake_domain_put_state(end->domain, XLM_STATE_HVM_CONTEXT, "context", 7);
}

static void fill_source(struct end *end)
{
    for (uint64_t pfn = 0; pfn < end->guest_pages; pfn++) {
        fake_page_set(end->domain, pfn, FAKE_RAM);
        contents_fill(fake_page_memory(end->domain, pfn), pfn);
    }
    put_state(end);
    fake_domain_run(end->domain);
}

static void check_destination(struct end *end)
{
    uint64_t expected[XLM_PAGE_SIZE / sizeof(uint64_t)];

    for (uint64_t pfn = 0; pfn < end->guest_pages; pfn++) {
        contents_fill(expected, pfn);
        if (fake_page_get(end->domain, pfn) != FAKE_RAM ||
            memcmp(fake_page_memory(end->domain, pfn), expected,
                   sizeof(expected))) {
            die("page %#" PRIx64 " is not what was sent", pfn);
        }
    }
}

static void open_trace(struct end *end, const char *name)
{
    char path[512];

    if (!end->trace) {
        return;
    }
    snprintf(path, sizeof(path), "%s.%s", end->trace, name);
    end->ctx.trace = xlm_trace_open(path);
    if (!end->ctx.trace) {
        die("%s: %s", path, strerror(errno));
    }
}

static void close_trace(struct end *end)
{
    if (xlm_trace_close(end->ctx.trace)) {
        die("the trace: %s", strerror(errno));
    }
    end->ctx.trace = NULL;
}

static void make_end(struct end *end)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    uint64_t pfns = end->guest_pages + TOOLSTACK_PAGES;

    end->host = fake_host_new(2 * pfns);
    fake_host_all_mapped(end->host);
    end->domain = fake_domain_new(end->host, pfns, pfns, 1);
    end->ctx = fresh;
    end->ctx.logger = fake_logger();
    end->ctx.hypervisor = fake_open(end->host);
}

/* ---- the plain copy, and the floor of all latencies ---- */

static void write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length) {
        ssize_t now = write(fd, at, length);

        if (now <= 0) {
            die("plain copy: %s", strerror(errno));
        }
        at += now;
        length -= now;
    }
}

static void read_all(int fd, void *bytes, size_t length)
{
    char *at = bytes;

    while (length) {
        ssize_t now = read(fd, at, length);

        if (now <= 0) {
            die("plain copy: %s", now ? strerror(errno) : "no more");
        }
        at += now;
        length -= now;
    }
}

static void send_plain(struct end *end, struct usage took[2])
{
    const char *memory = fake_page_memory(end->domain, 0);
    char done;

    read_all(end->fd, &done, 1);
    took[0] = use();
    for (uint64_t at = 0; at < end->guest_pages * XLM_PAGE_SIZE; at += CHUNK) {
        write_all(end->fd, memory + at, CHUNK);
    }
    read_all(end->fd, &done, 1);
    took[1] = use();
}

/* Straight to where it belongs, or to a buffer first. */
static void receive_plain(struct end *end, char *buffer, struct usage took[2])
{
    char *memory = fake_page_memory(end->domain, 0);

    took[0] = use();
    write_all(end->fd, "", 1);
    for (uint64_t at = 0; at < end->guest_pages * XLM_PAGE_SIZE; at += CHUNK) {
        read_all(end->fd, buffer ? buffer : memory + at, CHUNK);
        if (buffer) {
            memcpy(memory + at, buffer, CHUNK);
        }
    }
    write_all(end->fd, "", 1);
    took[1] = use();
}

static void receive_both(struct end *end)
{
    char *buffer = malloc(CHUNK);

    if (!buffer) {
        die("no memory for a buffer");
    }
    /* Neither end's time for getting memory from the kernel is measured. */
    memset(buffer, 1, CHUNK);
    memset(fake_page_memory(end->domain, 0), 1,
           end->guest_pages * XLM_PAGE_SIZE);
    receive_plain(end, NULL, end->figures.straight);
    receive_plain(end, buffer, end->figures.plain);
    free(buffer);
}

static int compare_times(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;

    return *a < *b ? -1 : *a > *b;
}

/* One page for eight octets, one after the other. */
static void ping(struct end *end)
{
    uint64_t times[PINGS];
    char page[XLM_PAGE_SIZE];

    for (size_t i = 0; i < PINGS; i++) {
        uint64_t began_us = xlm_now_us();

        write_all(end->fd, &began_us, sizeof(began_us));
        read_all(end->fd, page, sizeof(page));
        times[i] = xlm_now_us() - began_us;
    }
    qsort(times, PINGS, sizeof(times[0]), compare_times);
    end->figures.ping_median_us = times[PINGS / 2];
    end->figures.ping_p99_us = times[PINGS * 99 / 100];
}

static void pong(struct end *end)
{
    uint64_t request;

    for (size_t i = 0; i < PINGS; i++) {
        read_all(end->fd, &request, sizeof(request));
        write_all(end->fd, fake_page_memory(end->domain, i % end->guest_pages),
                  XLM_PAGE_SIZE);
    }
}

/* ---- what a point costs ---- */

#define MILLION 1000000

/* Keeps the loop, and has the pointer looked at each time. */
#define BARRIER() __asm__ volatile("" : : : "memory")

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static double bare_ns(uint64_t count)
{
    uint64_t began_ns = cpu_ns();

    for (uint64_t i = 0; i < count; i++) {
        BARRIER();
    }
    return (double)(cpu_ns() - began_ns) / count;
}

static double point_ns(struct xlm_context *ctx, uint64_t count)
{
    uint64_t began_ns = cpu_ns();

    for (uint64_t i = 0; i < count; i++) {
        XLM_TRACE(ctx, heard, i, 1);
        BARRIER();
    }
    return (double)(cpu_ns() - began_ns) / count;
}

static void keep_least(double *least, double value)
{
    *least = *least && *least < value ? *least : value;
}

/* The two take turns, and the least time of each counts: other work of the
 * processor is no cost of a point. */
static int measure_points(uint64_t millions, const char *path)
{
    static struct xlm_context off = XLM_CONTEXT_INIT, on = XLM_CONTEXT_INIT;
    double least[3] = {0};

    on.trace = xlm_trace_open(path);
    if (!on.trace) {
        die("%s: %s", path, strerror(errno));
    }
    for (uint64_t i = 0; i < millions; i++) {
        keep_least(&least[0], bare_ns(MILLION));
        keep_least(&least[1], point_ns(&off, MILLION));
        keep_least(&least[2], point_ns(&on, MILLION));
    }
    printf("{\"mode\": \"points\", \"bare_ns\": %.3f, \"off_ns\": %.3f, "
           "\"on_ns\": %.3f}\n",
           least[0], least[1], least[2]);
    return xlm_trace_close(on.trace) ? 1 : 0;
}

/* ---- both ends ---- */

static int use_stream(uint32_t index, int cancel_fd, int *in_fd, int *out_fd,
                      void *data)
{
    struct end *end = data;

    return connections_use_stream(index, cancel_fd, in_fd, out_fd,
                                  &end->connections);
}

static void run_source(struct end *end)
{
    const struct xlm_save_callbacks callbacks = {
        .connect_stream = use_stream,
        .precopy_policy = policy,
        .switch_qemu_logdirty = switch_qemu_logdirty,
        .suspend = suspend,
        .write_device_state = device_state,
        .put_away = put_away,
        .progress = progress,
        .data = end,
    };
    struct xlm_save_params params;
    struct rusage children;
    bool transitioned;

    fill_source(end);
    if (!end->bare) {
        send_plain(end, end->figures.straight);
        send_plain(end, end->figures.plain);
        pong(end);
    }
    xlm_save_params_init(&params);
    params.compress = end->compress;
    params.domid = fake_domain_id(end->domain);
    params.in_fd = params.out_fd = end->fd;
    params.streams = end->connections.count;
    if (end->mode == MODE_DEMAND) {
        params.no_push = true;
        params.neighbours_below = 0;
        params.neighbours_above = 0;
        params.neighbours_adapt = false;
    }
    open_trace(end, "source");
    end->kib_before = resident_kib();
    if (xlm_save(&end->ctx, &params, &callbacks, &end->figures.stats,
                 &transitioned)) {
        die("source: %s", end->ctx.reason);
    }
    if (!end->figures.copy[1].at_us) {
        end->figures.copy[1] = use();
    }
    sample_memory(end);
    close_trace(end);
    connections_end(&end->connections);
    getrusage(RUSAGE_CHILDREN, &children);
    end->figures.transport_cpu_s = rusage_us(&children) / 1e6;
}

static void run_destination(struct end *end)
{
    const struct xlm_restore_callbacks callbacks = {
        .feed = feed,
        .await_domain = await_domain,
        .await_build = await_build,
        .read_device_state = device_state,
        .run = run,
        .progress = progress,
        .data = end,
    };
    struct xlm_restore_params params = {.in_fd = end->fd, .out_fd = end->fd};
    bool resumed;

    if (!end->bare) {
        receive_both(end);
        ping(end);
    }
    params.relink = connections_join(&end->connections, &end->ctx);
    open_trace(end, "destination");
    end->kib_before = resident_kib();
    if (xlm_restore(&end->ctx, &params, &callbacks, &end->figures.stats,
                    &resumed)) {
        die("destination: %s", end->ctx.reason);
    }
    end->figures.copy[1] = use();
    connections_joined(&end->connections);
    sample_memory(end);
    if (end->vcpu_runs) {
        pthread_join(end->vcpu, NULL);
    }
    close_trace(end);
    check_destination(end);
}

/* ---- the report of one run ---- */

static double seconds(const struct usage usage[2])
{
    return (usage[1].at_us - usage[0].at_us) / 1e6;
}

static double cpu_seconds(const struct usage usage[2])
{
    return (usage[1].cpu_us - usage[0].cpu_us) / 1e6;
}

static void print_end(const char *name, const struct figures *figures)
{
    printf(", \"%s\": {\"plain_cpu_s\": %.6f, \"straight_cpu_s\": %.6f, "
           "\"cpu_s\": %.6f, \"memory_kib\": %" PRIu64 "}",
           name, cpu_seconds(figures->plain), cpu_seconds(figures->straight),
           cpu_seconds(figures->copy), figures->memory_kib);
}

static void print_report(const struct end *end, const struct figures *there)
{
    const struct figures *here = &end->figures;
    const struct xlm_stats *stats = &there->stats;

    printf("{\"mode\": \"%s\", \"mib\": %" PRIu64 ", \"plain_s\": %.6f, "
           "\"straight_s\": %.6f, \"engine_s\": %.6f",
           mode_names[end->mode], end->guest_pages >> 8, seconds(here->plain),
           seconds(here->straight), seconds(here->copy));
    print_end("source", here);
    print_end("destination", there);
    printf(", \"requested\": %" PRIu64 ", \"pushed\": %" PRIu64
           ", \"faults\": %" PRIu64 ", \"fault_median_us\": %" PRIu64
           ", \"fault_p99_us\": %" PRIu64 ", \"fault_max_us\": %" PRIu64,
           here->stats.requested_pages, here->stats.pushed_pages,
           stats->faults, stats->fault_median_us, stats->fault_p99_us,
           stats->fault_max_us);
    printf(", \"duplicates\": %" PRIu64 ", \"crossed_requests\": %" PRIu64,
           stats->duplicate_pages, here->stats.crossed_requests);
    printf(", \"behind_median\": %" PRIu64 ", \"behind_most\": %" PRIu64,
           stats->behind_median, stats->behind_most);
    printf(", \"streams\": %" PRIu64 ", \"stream_pages\": %" PRIu64
           ", \"transport_cpu_s\": %.6f",
           here->stats.streams, here->stats.stream_pages,
           here->transport_cpu_s);
    printf(", \"bytes_sent\": %" PRIu64 ", \"zero\": %" PRIu64
           ", \"repeated\": %" PRIu64 ", \"compressed\": %" PRIu64
           ", \"compressed_bytes\": %" PRIu64,
           here->stats.bytes_sent, here->stats.zero_pages,
           here->stats.repeated_pages, here->stats.compressed_pages,
           here->stats.compressed_bytes);
    printf(", \"ping_median_us\": %" PRIu64 ", \"ping_p99_us\": %" PRIu64
           "}\n",
           there->ping_median_us, there->ping_p99_us);
}

static enum mode mode_by_name(const char *name)
{
    enum mode mode = 0;

    while (mode < MODE_COUNT && strcmp(name, mode_names[mode])) {
        mode++;
    }
    return mode;
}

/* False: this is no option about contents. */
static bool read_contents(struct end *end, const char *option,
                          const char *value)
{
    static const char *const names[] = {
        [XLM_COMPRESS_OFF] = "off",
        [XLM_COMPRESS_AUTO] = "auto",
        [XLM_COMPRESS_ZSTD] = "zstd",
    };
    const int count = sizeof(names) / sizeof(names[0]);

    if (!strcmp(option, "--contents")) {
        return contents_choose(value);
    }
    for (int i = 0; i < count && !strcmp(option, "--compress"); i++) {
        if (!strcmp(value, names[i])) {
            end->compress = i;
            return true;
        }
    }
    return false;
}

/* The options behind MODE and MIB; false: they are none. */
static bool read_options(struct end *end, int argc, char **argv)
{
    struct connections *connections = &end->connections;

    connections->count = 1;
    end->compress = XLM_COMPRESS_OFF;
    if (argc == 1) {
        end->trace = argv[0];
        return true;
    }
    for (int i = 0; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--streams")) {
            connections->count = strtoul(argv[i + 1], NULL, 10);
        } else if (!strcmp(argv[i], "--over")) {
            connections->over = argv[i + 1];
        } else if (!strcmp(argv[i], "--rate")) {
            connections->most_rate = strtoull(argv[i + 1], NULL, 10) << 20;
        } else if (!strcmp(argv[i], "--bare")) {
            end->bare = true;
        } else if (!read_contents(end, argv[i], argv[i + 1])) {
            return false;
        }
    }
    return argc % 2 == 0 && connections->count &&
           connections->count <= XLM_STREAMS_MOST;
}

int main(int argc, char **argv)
{
    bool usable = argc >= 3;
    struct end end = {
        .mode = usable ? mode_by_name(argv[1]) : MODE_COUNT,
        .guest_pages = usable ? strtoull(argv[2], NULL, 10) << 8 : 0,
    };
    struct figures there;
    int report[2], status;
    pid_t child;

    if (argc == 4 && !strcmp(argv[1], "points") && end.guest_pages) {
        return measure_points(end.guest_pages >> 8, argv[3]);
    }
    if (end.mode == MODE_COUNT || !end.guest_pages ||
        !read_options(&end, argc - 3, argv + 3)) {
        die("usage: engine push|precopy|faults|demand|points MIB [TRACE] "
            "[--streams N] [--over COMMAND] [--rate MIB] [--compress HOW] "
            "[--contents WHAT] [--bare 1]");
    }
    connections_make(&end.connections);
    if (pipe(report) || (child = fork()) < 0) {
        die("two processes: %s", strerror(errno));
    }
    connections_keep(&end.connections, !child);
    end.fd = end.connections.ends[0][!child];
    make_end(&end);
    if (!child) {
        run_destination(&end);
        write_all(report[1], &end.figures, sizeof(end.figures));
        return 0;
    }
    close(report[1]);
    run_source(&end);
    read_all(report[0], &there, sizeof(there));
    waitpid(child, &status, 0);
    print_report(&end, &there);
    return status ? 1 : 0;
}
