/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a migration reports: its phase, and its counters.
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
    XLM_PHASE_READY,    /* the destination needs only the go */
    XLM_PHASE_GO,       /* the source has handed the guest over */
    XLM_PHASE_POSTCOPY, /* the guest runs, pages follow */
    XLM_PHASE_COMPLETE,
};

/*
 * When the destination's toolstack starts the guest's devices.  Early: while
 * the guest still runs at the source, with a state that the final one
 * replaces.  Late: in the stop, with the final state.
 */
enum xlm_build {
    XLM_BUILD_ANY = 0, /* as a parameter: the destination decides */
    XLM_BUILD_EARLY = 1,
    XLM_BUILD_LATE = 2,
    XLM_BUILD_LATE_DEVICES = 3, /* as a parameter: the devices need it late */
};

#define XLM_LATE_REASON_MAX 60

/* Bucket i: from 2^i microseconds; the first also has 0, the last all
 * longer. */
#define XLM_WAIT_BUCKETS 32
/* Most vCPUs of a guest that can be paged. */
#define XLM_WAIT_VCPUS 128

/* How long the guest's vCPUs have waited for pages. */
struct xlm_waits {
    uint64_t histogram[XLM_WAIT_BUCKETS]; /* from 2^i up to 2^(i + 1) us */
    uint64_t nr_vcpus;
    uint64_t blocked_us[XLM_WAIT_VCPUS]; /* sum for each vCPU */
};

/* What is characteristic of a suspended domain: it differs once a program has
 * resumed or destroyed the domain. */
struct xlm_mark {
    bool is_set;
    uint64_t tot_pages;
    uint64_t cpu_ns;
    uint64_t anchor; /* a page that the domain has */
};

/* Waits of back ends for pages, at the destination. */
struct xlm_outside_stats {
#define XLM_FIELD(field, ...) uint64_t field;
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(XLM_FIELD)
#undef XLM_FIELD
};

/* When the destination starts the guest's devices: set once the domain is
 * prepared: EARLY, or LATE and why. */
struct xlm_devices_build {
    enum xlm_build build;
    char late_reason[XLM_LATE_REASON_MAX];
};

/* How evicting goes, while the guest runs at the source. */
struct xlm_eviction_stats {
    uint64_t rate;   /* pages a second; 0: not known yet */
    uint64_t absent; /* in precopy: pages absent at the destination now */
    uint64_t left;   /* while evicting: pages that precopy has left */
};

/* The stats belong to the thread that called the engine.  Other threads count
 * for themselves, and that thread collects their counts. */
struct xlm_stats {
    /* Counters of this end.  At the source the destination's counters are zero
     * until the destination has sent them. */
#define XLM_FIELD_SOURCE(field) uint64_t field;
#define XLM_FIELD_DESTINATION(field) uint64_t field;
#define XLM_FIELD_SHOWN(field) /* none: the layer above computes it */
#define XLM_FIELD(end, field, ...) XLM_FIELD_##end(field)
    LIBXL_LIVE_MIGRATE_COUNTERS(XLM_FIELD)
#undef XLM_FIELD
    struct xlm_waits waits;
    struct xlm_outside_stats back_ends;
    struct xlm_devices_build devices;
    struct xlm_eviction_stats eviction; /* the source's */
    struct xlm_mark mark; /* of the source's domain, from the stop on */
};

#endif
