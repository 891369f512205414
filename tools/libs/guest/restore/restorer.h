/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination of a migration: what all of its parts share.
 */
#ifndef XLM_RESTORER_H
#define XLM_RESTORER_H

#include <stdatomic.h>

#include "hypervisor/platform.h"
#include "pager/pager.h"
#include "policy/pfn_set.h"
#include "wire/channel.h"
#include "wire/expand.h"
#include "wire/keepalive.h"
#include "wire/record.h"
#include "xlm.h"

/* A source that lives is silent while its guest suspends; the toolstack allows
 * the guest a minute. */
#define XLM_SOURCE_SILENCE_MS (3 * 60 * 1000)

/* When the source last sent or was told something: for any thread. */
struct xlm_restore_signs {
    _Atomic uint64_t told_us;  /* when the source last got statistics */
    _Atomic uint64_t heard_us; /* when anything last came ... */
    _Atomic uint64_t pages_us; /* ... and when pages came, from the go on */
    atomic_bool lost;          /* the connection stood still too long */
};

/* The domain that is made here.  It is the caller's thread's until the go;
 * from then on it is constant, and other threads read it. */
struct xlm_restore_domain {
    uint32_t domid;           /* valid after STATIC_DATA_END */
    bool held;                /* the toolstack waits for what starts devices */
    bool built;               /* the toolstack has completed the domain */
    bool rings_cleared;       /* the toolstack's pages have been cleared */
    uint64_t pages;           /* the domain's pages, as PREPARE said */
    uint64_t pfn_limit;       /* all pfns are below this */
    uint64_t max_guest_pages; /* most pages that the guest may get */
    uint64_t max_pages;       /* max_pages of the domain; 0: not known yet */
    struct {
        uint32_t major, minor;
    } source_xen; /* the source's release */
    struct xlm_platform platform;
    void *devices; /* for the toolstack, after its END; or NULL */
    size_t devices_length;
};

/* Sets of the guest's pages until the guest runs; only the caller's thread
 * uses them. */
struct xlm_restore_sets {
    struct xlm_pfn_set populated; /* this end gave the domain a page there */
    struct xlm_pfn_set toolstack; /* rings of this host: never overwritten */
    /* not evicted; the source does not know yet */
    struct xlm_pfn_set refusing;
    /* the same; the source knows, and sends them */
    struct xlm_pfn_set refused;
    bool listing; /* between PFNS_BEGIN and PFNS_END */
};

/* How far the restore is; the caller's thread's. */
struct xlm_restore_outcome {
    bool prepared;            /* PREPARE was answered: accepted ... */
    enum xlm_refusal refusal; /* ... or refused */
    bool done;
    bool gone;       /* the guest ran here and is gone */
    bool taken_away; /* ... and was suspended before it was destroyed */
    bool *resumed;   /* the caller's: true once the guest runs here */
};

struct xlm_restorer {
    struct xlm_context *ctx;
    const struct xlm_restore_params *params;
    const struct xlm_restore_callbacks *callbacks;
    struct xlm_channel channel;
    struct xlm_restore_signs signs;
    /* what makes pages absent on this host */
    const struct xlm_paging_ops *paging;
    struct xlm_pager *pager; /* NULL: not prepared */
    void *zeroes; /* a page for the hypervisor to read; NULL: none */

    /* All that follows is the caller's thread's. */
    struct xlm_record record;     /* the one being handled */
    struct xlm_expander expander; /* for its contents */
    enum xlm_reader_state state;
    struct xlm_stats *stats;
    uint64_t start_us;
    struct xlm_read_ahead *ahead; /* restore/ahead.c; NULL: not started */
    bool read_ahead; /* its thread reads the next record, or has read it */
    struct xlm_wire_evict_time evicted; /* how long evicting has taken */
    uint32_t owed;                      /* pages taken, and not yet credited */
    /* tells the source that this end lives; or NULL */
    struct xlm_keepalive *keepalive;
    struct xlm_fault_reader *faults; /* restore/faults.c; NULL: none */
    /* restore/streams.c; by index, NULL: not in use */
    struct xlm_stream_reader *streams[XLM_STREAMS_MOST];
    unsigned long *kept; /* the caller's, for a pager that takes over */
    struct xlm_restore_domain domain;
    struct xlm_restore_sets sets;
    struct xlm_restore_outcome outcome;
};

/* Make a restorer that waits for the beginning of a stream; sets *resumed to
 * false. */
void xlm_restore_begin(struct xlm_restorer *restorer, struct xlm_context *ctx,
                       const struct xlm_restore_params *params,
                       const struct xlm_restore_callbacks *callbacks,
                       struct xlm_stats *stats, bool *resumed);
/* Report that the source sent what it must not, with EPROTO: always -1. */
int xlm_restore_bad_stream(struct xlm_restorer *restorer, const char *what);
/* Start to tell the source that this end lives, on the current connection;
 * does nothing without a way back. */
void xlm_restore_keep_alive(struct xlm_restorer *restorer);
/* Tell the source in which forms pages may come. */
int xlm_restore_tell_features(struct xlm_restorer *restorer);
void xlm_restore_progress(struct xlm_restorer *restorer, enum xlm_phase phase);

#endif
