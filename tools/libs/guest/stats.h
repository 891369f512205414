/*
 * What is told of a migration: its phase, and what it has come to.
 */
#ifndef XLM_STATS_H
#define XLM_STATS_H

#include <stdbool.h>
#include <stdint.h>

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
    uint32_t nr_vcpus;
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

/* Pages by the way they went, and what the destination said of its faults. */
struct xlm_stats {
    uint64_t guest_pages;     /* pages that the guest had */
    uint64_t precopy_pages;   /* sent while it ran */
    uint64_t left_out_pages;  /* not sent in a round: written again before */
    uint64_t stop_pages;      /* sent while it was stopped */
    uint64_t postcopy_pages;  /* outstanding when it went */
    uint64_t requested_pages; /* of these, sent on request */
    uint64_t channel_pages;   /* of requested_pages, over the fault channel */
    uint64_t pushed_pages;    /* of these, sent unasked ... */
    uint64_t neighbour_pages; /* ... beside a requested page */
    uint64_t unsent_pages;    /* of these, dropped by the guest before */
    uint64_t outstanding;     /* of these, still to be sent */
    uint64_t zero_pages;      /* of all that were sent, without contents */
    uint64_t bytes_sent;
    unsigned int iterations; /* precopy rounds made */
    uint64_t dirty_pages;    /* in precopy: still to be sent in the round */
    uint64_t send_rate;      /* in precopy: pages a second while sending ... */
    uint64_t dirty_rate;     /* ... and written by the guest in the round */
    /* The source's own clock, microseconds since the call. */
    uint64_t suspend_us;   /* when suspending began */
    uint64_t suspended_us; /* when the guest was stopped */
    uint64_t sent_us;      /* when its last pages and state were written */
    uint64_t ready_us;     /* when the destination said that it is ready */
    uint64_t go_us;        /* when the go was written */
    uint64_t running_us;   /* when the destination said that it runs */
    uint64_t end_us;
    /* From the destination; zero until it has reported. */
    uint64_t faults;
    uint64_t fault_median_us;
    uint64_t fault_p99_us;
    uint64_t fault_max_us;
    uint64_t dropped_pages;
    uint64_t outside; /* requests of others than the guest */
    /* At the destination only: pages that such wait for at the moment, the
     * longest of these waits, and of all. */
    uint64_t outside_waiting;
    uint64_t outside_wait_us;
    uint64_t outside_most_us;
    uint64_t blocked_us; /* all waits of all vCPUs */
    uint64_t
        duplicate_pages; /* arrived, and had been there: a fault of ours */
    /* Pages that arrived unasked while a vCPU waited for one. */
    uint64_t behind_median;
    uint64_t behind_most;
    struct xlm_waits waits;
    /* The source again: requests for pages that were on their way by then,
     * those that wait to be served, and how many did at the most. */
    uint64_t window_hits;
    uint64_t queue_depth;
    uint64_t queue_most;
    /* Of stop_pages those of the hot set, and what sending
     * these took. */
    uint64_t hot_pages;
    uint64_t hot_us;
    /* Once the destination is prepared: EARLY, or LATE and why. */
    enum xlm_build build;
    char late_reason[XLM_LATE_REASON_MAX];
    struct xlm_mark mark; /* of the source's domain, from the stop on */
};

#endif
