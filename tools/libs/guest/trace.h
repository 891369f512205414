/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A trace: what happened when, at a fixed number of points, so that one fault
 * can be followed.  It is kept in memory and written to a file at the end; see
 * docs/specs/live-migrate-trace.md, and xl-migrate-trace(1), which joins those
 * of both ends.
 *
 * The points are trace_points.def's.  At each stands XLM_TRACE(), which costs
 * a look at a pointer while nothing is traced; where there is <sys/sdt.h> it
 * is a probe of the provider `xlm` as well, a no-op until somebody looks.
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

/* In place of a pfn or a value: there is none. */
#define XLM_TRACE_NONE UINT64_MAX

/* Kept at the most: of pages the latest, of all else the first. */
#define XLM_TRACE_PAGES (1u << 18)
#define XLM_TRACE_MARKS 512u

#define XLM_TRACE_SOURCE "source"
#define XLM_TRACE_DESTINATION "destination"

struct xlm_trace;

/* The file is made, or emptied, at once, so that a path that does not do is
 * found before anything has begun.  NULL with errno. */
struct xlm_trace *xlm_trace_open(const char *path);

/* Which end of which migration it is of; harmless with NULL.  Before the end
 * is called from two threads. */
void xlm_trace_identify(struct xlm_trace *trace, const char *role,
                        const uint8_t id[16]);

/* From any thread, at the same time; by XLM_TRACE(). */
void xlm_trace_put(struct xlm_trace *trace, enum xlm_point point, uint64_t pfn,
                   uint64_t value);

/* Write the file and free the trace, when no thread puts anything into it any
 * more.  0, or -1 with errno: the file is not whole. */
int xlm_trace_close(struct xlm_trace *trace);

#ifdef DTRACE_PROBE2
#define XLM_PROBE(name, pfn, value) DTRACE_PROBE2(xlm, name, pfn, value)
#else
#define XLM_PROBE(name, pfn, value) ((void)0)
#endif

/* At the point `name` of the list: of this pfn (XLM_TRACE_NONE: of no page),
 * with a value that says more.  Both are evaluated only when something is
 * traced, or where probes are. */
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
