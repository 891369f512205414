/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A trace: what happened when, at a fixed number of points, so that one fault
 * can be followed.  The trace is kept in memory and written to a file at the
 * end; see docs/specs/live-migrate-trace.md, and xl-migrate-trace(1), which
 * joins those of both ends.
 *
 * trace_points.def lists the points.  XLM_TRACE() marks each in the code.  It
 * costs a look at a pointer while nothing is traced.  With <sys/sdt.h> the
 * point is also a probe of the provider `xlm`, which is a no-op until a tool
 * attaches to it.
 */
#ifndef XLM_TRACE_H
#define XLM_TRACE_H

#include <stdint.h>

#if defined(__has_include) && !defined(XLM_NO_PROBES)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif

enum xlm_point {
#define POINT(name, kind) XLM_POINT_##name,
#include "trace_points.def"
    XLM_POINTS,
};

/* Stands for "no page" or "no value". */
#define XLM_TRACE_NONE UINT64_MAX

/* Most entries to keep: the latest ones about pages, and the first others. */
#define XLM_TRACE_PAGES (1u << 18)
#define XLM_TRACE_MARKS 512u

#define XLM_TRACE_SOURCE "source"
#define XLM_TRACE_DESTINATION "destination"

struct xlm_trace;

/* Create or empty the file at once, so that a wrong path is found before
 * anything has begun.  NULL with errno. */
struct xlm_trace *xlm_trace_open(const char *path);

/* Note which end of which migration this is; harmless with NULL.  Call before
 * two threads use `end`. */
void xlm_trace_identify(struct xlm_trace *trace, const char *role,
                        const uint8_t id[16]);

/* Called by XLM_TRACE(), from any thread, at the same time. */
void xlm_trace_put(struct xlm_trace *trace, enum xlm_point point, uint64_t pfn,
                   uint64_t value);

/* Write the file and free the trace.  No thread may use it any more.  0, or -1
 * with errno: the file is not complete. */
int xlm_trace_close(struct xlm_trace *trace);

#ifdef DTRACE_PROBE2
#define XLM_PROBE(name, pfn, value) DTRACE_PROBE2(xlm, name, pfn, value)
#else
#define XLM_PROBE(name, pfn, value) ((void)0)
#endif

/* The point `name` of the list, with a pfn (XLM_TRACE_NONE: no page) and a
 * value.  Both are evaluated only while something is traced, or where probes
 * exist. */
#define XLM_TRACE(ctx, name, pfn, value) \
    do { \
        struct xlm_trace *trace_ = (ctx)->trace; \
\
        XLM_PROBE(name, pfn, value); \
        if (__builtin_expect(trace_ != NULL, 0)) { \
            xlm_trace_put(trace_, XLM_POINT_##name, pfn, value); \
        } \
    } while (0)

#define XLM_MARK(ctx, name) \
    XLM_TRACE(ctx, name, XLM_TRACE_NONE, XLM_TRACE_NONE)

#endif
