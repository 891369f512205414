/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What happened when.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROLE_MAX 16

/* Each writer has a place of its own, until the ring has gone round once.
 * From then on two threads may write to the same place, which can spoil a
 * point but no memory. */
struct event {
    _Atomic uint64_t ns;
    _Atomic uint64_t pfn;
    _Atomic uint64_t value;
    _Atomic uint32_t point; /* and 1; 0: empty */
};

struct xlm_trace {
    FILE *file;
    char role[ROLE_MAX];
    uint8_t id[16];
    uint64_t began_ns;
    uint64_t began_real_ns;
    atomic_ullong nr_pages; /* how many were put */
    atomic_ullong nr_marks;
    struct event *pages;
    struct event marks[XLM_TRACE_MARKS];
};

static const struct {
    const char *name;
    bool is_page;
} points[] = {
#define PAGE true
#define MARK false
#define POINT(name, kind) {#name, kind},
#include "trace_points.def"
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* ---- opening ---- */

/* Open a new file, or an existing one: no device, and no link that another
 * user has made. */
static FILE *open_file(const char *path)
{
    int fd = open(
        path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat status;
    FILE *file = NULL;

    if (fd < 0) {
        return NULL;
    }
    if (!fstat(fd, &status) && !S_ISREG(status.st_mode)) {
        errno = EINVAL;
    } else if (!ftruncate(fd, 0)) {
        file = fdopen(fd, "w");
    }
    if (!file) {
        int saved_errno = errno;

        close(fd);
        errno = saved_errno;
    }
    return file;
}

struct xlm_trace *xlm_trace_open(const char *path)
{
    struct xlm_trace *trace = calloc(1, sizeof(*trace));

    if (!trace) {
        return NULL;
    }
    /* Touched here, so that no fault waits for the kernel to find memory. */
    trace->pages = malloc(XLM_TRACE_PAGES * sizeof(*trace->pages));
    trace->file = trace->pages ? open_file(path) : NULL;
    if (!trace->file) {
        free(trace->pages);
        free(trace);
        return NULL;
    }
    memset(trace->pages, 0, XLM_TRACE_PAGES * sizeof(*trace->pages));
    strcpy(trace->role, "none");
    trace->began_ns = now_ns(CLOCK_MONOTONIC);
    trace->began_real_ns = now_ns(CLOCK_REALTIME);
    return trace;
}

void xlm_trace_identify(struct xlm_trace *trace, const char *role,
                        const uint8_t id[16])
{
    if (trace) {
        snprintf(trace->role, sizeof(trace->role), "%s", role);
        memcpy(trace->id, id, sizeof(trace->id));
    }
}

/* ---- putting ---- */

static struct event *place(struct xlm_trace *trace, enum xlm_point point)
{
    uint64_t number;

    if (points[point].is_page) {
        number = atomic_fetch_add_explicit(&trace->nr_pages, 1,
                                           memory_order_relaxed);
        return &trace->pages[number % XLM_TRACE_PAGES];
    }
    number =
        atomic_fetch_add_explicit(&trace->nr_marks, 1, memory_order_relaxed);
    return number < XLM_TRACE_MARKS ? &trace->marks[number] : NULL;
}

void xlm_trace_put(struct xlm_trace *trace, enum xlm_point point, uint64_t pfn,
                   uint64_t value)
{
    uint64_t ns = now_ns(CLOCK_MONOTONIC);
    struct event *event = place(trace, point);

    if (event) {
        atomic_store_explicit(&event->ns, ns, memory_order_relaxed);
        atomic_store_explicit(&event->pfn, pfn, memory_order_relaxed);
        atomic_store_explicit(&event->value, value, memory_order_relaxed);
        atomic_store_explicit(&event->point, point + 1, memory_order_relaxed);
    }
}

/* ---- writing ---- */

static uint64_t write_events(FILE *file, const struct event *events,
                             size_t first, uint64_t count, size_t room)
{
    uint64_t written = 0;

    for (uint64_t i = 0; i < count; i++) {
        const struct event *event = &events[(first + i) % room];
        uint32_t point = atomic_load(&event->point);
        uint64_t pfn = atomic_load(&event->pfn);
        uint64_t value = atomic_load(&event->value);

        if (!point) {
            continue;
        }
        fprintf(file, "%" PRIu64 " %s", atomic_load(&event->ns),
                points[point - 1].name);
        if (pfn != XLM_TRACE_NONE) {
            fprintf(file, " %#" PRIx64, pfn);
        }
        if (value != XLM_TRACE_NONE) {
            fprintf(file, " %s%" PRIu64, pfn == XLM_TRACE_NONE ? "- " : "",
                    value);
        }
        fputc('\n', file);
        written++;
    }
    return written;
}

static void write_head(const struct xlm_trace *trace, uint64_t lost)
{
    fprintf(trace->file, "xl-migrate-trace 1\nrole %s\nid ", trace->role);
    for (size_t i = 0; i < sizeof(trace->id); i++) {
        fprintf(trace->file, "%02x", trace->id[i]);
    }
    fprintf(trace->file, "\nbegan %" PRIu64 " %" PRIu64 "\nlost %" PRIu64 "\n",
            trace->began_ns, trace->began_real_ns, lost);
}

static uint64_t more_than(uint64_t number, uint64_t room)
{
    return number > room ? number - room : 0;
}

static void write_all(const struct xlm_trace *trace)
{
    uint64_t nr_pages = atomic_load(&trace->nr_pages);
    uint64_t nr_marks = atomic_load(&trace->nr_marks);
    uint64_t lost_pages = more_than(nr_pages, XLM_TRACE_PAGES);
    uint64_t lost_marks = more_than(nr_marks, XLM_TRACE_MARKS);
    uint64_t count;

    write_head(trace, lost_pages + lost_marks);
    count = write_events(trace->file, trace->marks, 0, nr_marks - lost_marks,
                         XLM_TRACE_MARKS);
    count +=
        write_events(trace->file, trace->pages, lost_pages % XLM_TRACE_PAGES,
                     nr_pages - lost_pages, XLM_TRACE_PAGES);
    fprintf(trace->file, "end %" PRIu64 "\n", count);
}

int xlm_trace_close(struct xlm_trace *trace)
{
    int error;

    if (!trace) {
        return 0;
    }
    write_all(trace);
    errno = 0;
    error = fflush(trace->file) || ferror(trace->file) ? errno : 0;
    if (fclose(trace->file) && !error) {
        error = errno;
    }
    free(trace->pages);
    free(trace);
    errno = error;
    return error ? -1 : 0;
}
