/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What is told of a migration: its phase, and what it has come to.
 */
#ifndef XLM_STATS_H
#define XLM_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "libxl_live_migrate_counters.h"

enum xlm_phase {
    XLM_PHASE_START,
    XLM_PHASE_PREPARING, /* the destination builds the domain */
    XLM_PHASE_PRECOPY,
    XLM_PHASE_EVICTING, /* postcopy decided, the guest still runs */
    XLM_PHASE_SUSPENDED,
    XLM_PHASE_READY,    /* the destination has all but the go */
    XLM_PHASE_GO,       /* the source has let go of the guest */
    XLM_PHASE_POSTCOPY, /* the destination runs it, pages follow */
    XLM_PHASE_COMPLETE,
};

/*
 * When the destination's toolstack starts the guest's devices.  Early: while
 * the guest still runs at the source, with a state that the final one
 * replaces. Late: in the stop, with the final state.
 */
enum xlm_build {
    XLM_BUILD_ANY = 0, /* of an order: as the destination sees fit */
    XLM_BUILD_EARLY = 1,
    XLM_BUILD_LATE = 2,
    XLM_BUILD_LATE_DEVICES = 3, /* of an order: late, as its devices want it */
};

#define XLM_LATE_REASON_MAX 60

/* log2 of microseconds, the last for all that is longer; 0 us is with 1 us. */
#define XLM_WAIT_BUCKETS 32
/* As many as a guest that can be paged has at the most. */
#define XLM_WAIT_VCPUS 128

/* How long the guest's vCPUs have waited for pages. */
struct xlm_waits {
    uint64_t histogram[XLM_WAIT_BUCKETS]; /* from 2^i up to 2^(i + 1) us */
    uint64_t nr_vcpus;
    uint64_t blocked_us[XLM_WAIT_VCPUS]; /* each vCPU in all */
};

/* A suspended domain, as the guest left it: what differs once somebody has
 * resumed or destroyed it. */
struct xlm_mark {
    bool is_set;
    uint64_t tot_pages;
    uint64_t cpu_ns;
    uint64_t anchor; /* a page that it has */
};

/* Of back ends that wait for pages, at the destination. */
struct xlm_outside_stats {
#define XLM_FIELD(field, ...) uint64_t field;
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(XLM_FIELD)
#undef XLM_FIELD
};

/* When the destination starts the guest's devices: once it is prepared EARLY,
 * or LATE and why. */
struct xlm_devices_build {
    enum xlm_build build;
    char late_reason[XLM_LATE_REASON_MAX];
};

/* All of it is of the thread that called the engine: what other threads count
 * is theirs until that thread collects it. */
struct xlm_stats {
    /* What is counted at this end; at the source, those of the destination are
     * zero until it has told them. */
#define XLM_FIELD_SOURCE(field) uint64_t field;
#define XLM_FIELD_DESTINATION(field) uint64_t field;
#define XLM_FIELD_SHOWN(field) /* none: the layer above works it out */
#define XLM_FIELD(end, field, ...) XLM_FIELD_##end(field)
    LIBXL_LIVE_MIGRATE_COUNTERS(XLM_FIELD)
#undef XLM_FIELD
    struct xlm_waits waits;
    struct xlm_outside_stats back_ends;
    struct xlm_devices_build devices;
    struct xlm_mark mark; /* of the source's domain, from the stop on */
};

#endif
