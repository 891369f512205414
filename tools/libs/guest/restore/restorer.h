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
#include "wire/keepalive.h"
#include "wire/record.h"
#include "xlm.h"

/* A source that is alive is silent while it waits for its guest to suspend,
 * for which the toolstack gives it a minute. */
#define XLM_SOURCE_SILENCE_MS (3 * 60 * 1000)

/* When what was last seen of the source, or told to it: for any thread. */
struct xlm_restore_signs {
    _Atomic uint64_t told_us;  /* when the source heard of faults last */
    _Atomic uint64_t heard_us; /* when something came last ... */
    _Atomic uint64_t pages_us; /* ... and pages, from the go on */
    atomic_bool lost;          /* the connection stood still for too long */
};

/* The domain that is made here: the caller's thread's until the go.  From then
 * on nothing of it changes, and others read it. */
struct xlm_restore_domain {
    uint32_t domid;     /* valid once the static data has ended */
    bool held;          /* the toolstack waits for what starts the devices */
    bool built;         /* the toolstack has finished the domain */
    bool rings_cleared; /* the toolstack's pages are as it wants them */
    uint64_t pages;     /* that the guest may hold, as the source said */
    uint64_t limit;     /* pfns are below */
    uint64_t most;      /* pages that the guest may get */
    uint64_t max_pages; /* that the domain may hold; 0: not known yet */
    struct {
        uint32_t major, minor;
    } source_xen; /* the source's release */
    struct xlm_platform platform;
    void *devices; /* records for the toolstack, after its END; or NULL */
    size_t devices_length;
};

/* Its pages, until the guest runs: the caller's thread's. */
struct xlm_restore_sets {
    struct xlm_pfn_set populated; /* we gave the domain a page there */
    struct xlm_pfn_set toolstack; /* rings of this host: never overwritten */
    struct xlm_pfn_set refusing;  /* cannot be evicted, source not told yet */
    struct xlm_pfn_set refused;   /* the same, told: awaited before READY */
    bool listing;                 /* between PFNS_BEGIN and PFNS_END */
};

/* How far it has come: the caller's thread's. */
struct xlm_restore_outcome {
    bool prepared;            /* PREPARE was answered, one way ... */
    enum xlm_refusal refusal; /* ... or the other */
    bool done;
    bool gone;     /* the guest ran here and is no more */
    bool taken;    /* ... and whoever destroyed it had suspended it */
    bool *resumed; /* the caller's: the guest runs here */
};

struct xlm_restorer {
    struct xlm_context *ctx;
    const struct xlm_restore_params *params;
    const struct xlm_restore_callbacks *callbacks;
    struct xlm_channel channel;
    struct xlm_restore_signs signs;
    const struct xlm_paging_ops *paging; /* what makes pages absent here */
    struct xlm_pager *pager;             /* NULL: not prepared */
    void *zeroes; /* a page that the hypervisor reads; NULL: none */

    /* All else is the caller's thread's. */
    struct xlm_record record; /* the one being handled */
    enum xlm_reader_state state;
    struct xlm_stats *stats;
    uint64_t start_us;
    uint32_t owed; /* pages taken that the source has no credit for yet */
    struct xlm_keepalive *keepalive; /* says that we are alive; or NULL */
    struct xlm_fault_reader *faults; /* restore/faults.c; NULL: none */
    unsigned long *kept; /* the caller's, for what is outstanding */
    struct xlm_restore_domain domain;
    struct xlm_restore_sets sets;
    struct xlm_restore_outcome outcome;
};

/* A restorer that waits for the beginning of a stream; nothing is *resumed. */
void xlm_restore_begin(struct xlm_restorer *restorer, struct xlm_context *ctx,
                       const struct xlm_restore_params *params,
                       const struct xlm_restore_callbacks *callbacks,
                       struct xlm_stats *stats, bool *resumed);
/* EPROTO, for what a source must not send: always -1. */
int xlm_restore_bad_stream(struct xlm_restorer *restorer, const char *what);
/* Say now and then that we are alive, on the connection in use; nothing
 * without a way back. */
void xlm_restore_keep_alive(struct xlm_restorer *restorer);
void xlm_restore_progress(struct xlm_restorer *restorer, enum xlm_phase phase);

#endif
