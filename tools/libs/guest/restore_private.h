/*
 * The destination of a migration, between its files.
 */
#ifndef XLM_RESTORE_PRIVATE_H
#define XLM_RESTORE_PRIVATE_H

#include <stdatomic.h>

#include "channel.h"
#include "keepalive.h"
#include "pager.h"
#include "pfn_set.h"
#include "platform.h"
#include "record.h"
#include "xlm.h"

/* A source that is alive is silent while it waits for its guest to suspend,
 * for which the toolstack gives it a minute. */
#define XLM_SOURCE_SILENCE_MS (3 * 60 * 1000)

struct xlm_restorer {
    struct xlm_context *ctx;
    const struct xlm_restore_params *params;
    const struct xlm_restore_callbacks *callbacks;
    struct xlm_channel channel;
    struct xlm_record record; /* the one being handled */
    struct xlm_stats *stats;
    uint64_t start_us;
    uint32_t owed; /* pages taken that the source has no credit for yet */
    _Atomic uint64_t told_us;        /* when the source heard of faults last */
    _Atomic uint64_t heard_us;       /* when something came last ... */
    _Atomic uint64_t pages_us;       /* ... and pages, from the go on */
    struct xlm_keepalive *keepalive; /* says that we are alive; or NULL */
    atomic_bool lost; /* the connection stood still for too long */
    enum xlm_reader_state state;
    bool prepared;    /* PREPARE was answered, one way ... */
    uint32_t refusal; /* ... or the other: with this enum xlm_refusal */
    bool runs;        /* the guest was let run, or could not be */
    bool done;
    bool gone;  /* the guest ran here and is no more */
    bool taken; /* ... and whoever destroyed it had suspended it */
    bool *resumed;

    uint32_t domid;     /* valid once the static data has ended */
    bool held;          /* the toolstack waits for what starts the devices */
    bool built;         /* the toolstack has finished the domain */
    bool rings_cleared; /* the toolstack's pages are as it wants them */
    uint64_t pages;     /* that the guest may hold, as the source said */
    uint64_t limit;     /* pfns are below */
    uint64_t most;      /* pages that the guest may get */
    uint64_t max_pages; /* that the domain may hold; 0: not known yet */
    struct xlm_platform platform;
    void *devices; /* records for the toolstack, after its END; or NULL */
    size_t devices_length;
    unsigned long *kept;     /* the caller's, for what is outstanding */
    struct xlm_pager *pager; /* NULL: not prepared */
    struct xlm_fault_reader *faults; /* restore_faults.c; NULL: none */
    void *zeroes; /* a page that the hypervisor reads; NULL: none */

    struct xlm_pfn_set populated; /* we gave the domain a page there */
    struct xlm_pfn_set toolstack; /* rings of this host: never overwritten */
    struct xlm_pfn_set refusing;  /* cannot be evicted, source not told yet */
    struct xlm_pfn_set refused;   /* the same, told: awaited before READY */
    bool listing;                 /* between PFNS_BEGIN and PFNS_END */
};

/* restore.c */

/* A restorer that waits for the beginning of a stream; nothing is *resumed. */
void xlm_restore_begin(struct xlm_restorer *restorer, struct xlm_context *ctx,
                       const struct xlm_restore_params *params,
                       const struct xlm_restore_callbacks *callbacks,
                       struct xlm_stats *stats, bool *resumed);
/* Take the stream, and others that come when it is lost, to the end. */
int xlm_restore_follow(struct xlm_restorer *restorer);
/* Release all that the restorer has, and say how it ended, with this rc, which
 * is returned. */
int xlm_restore_end(struct xlm_restorer *restorer, int rc);

/* EPROTO, for what a source must not send: always -1. */
int xlm_restore_bad_stream(struct xlm_restorer *restorer, const char *what);
/* Say now and then that we are alive, on the connection in use; nothing without
 * a way back. */
void xlm_restore_keep_alive(struct xlm_restorer *restorer);
void xlm_restore_progress(struct xlm_restorer *restorer, enum xlm_phase phase);

/* restore_build.c */

/* These octets of the stream are for the toolstack. */
int xlm_restore_feed(struct xlm_restorer *restorer, const void *bytes,
                     size_t length);
/* CPUID_POLICY, MSR_POLICY. */
int xlm_restore_take_static(struct xlm_restorer *restorer);
/* STATIC_DATA_END: from here on the domain is there. */
int xlm_restore_take_static_end(struct xlm_restorer *restorer);
/* POSTCOPY_DEVICES: what the toolstack starts the devices with. */
int xlm_restore_take_devices(struct xlm_restorer *restorer);
/* POSTCOPY_PREPARE: the domain is built, gets its pager, and is answered for. */
int xlm_restore_take_prepare(struct xlm_restorer *restorer);
/* The end of an ordinary stream: the domain is built. */
int xlm_restore_build_ordinary(struct xlm_restorer *restorer);
/* The libxl records with the state of the devices come next. */
int xlm_restore_read_device_state(struct xlm_restorer *restorer);
/* The libxc records that the toolstack needs to build a domain without memory,
 * but for END, once the platform state is complete; and END. */
int xlm_restore_feed_early(struct xlm_restorer *restorer);
int xlm_restore_feed_end(struct xlm_restorer *restorer);
/* The toolstack has failed: always -1. */
int xlm_restore_fail_to_build(struct xlm_restorer *restorer);
/* The host keeps memory for all of the guest's pages that it has not yet. */
int xlm_restore_claim(struct xlm_restorer *restorer);

/* restore_context.c */

/* The new domain is there, has not crashed, and waits for the go. */
int xlm_restore_check_alive(struct xlm_restorer *restorer);
/* Load the state of the suspended guest into the domain; the pages that it
 * names have to be there. */
int xlm_restore_load_context(struct xlm_restorer *restorer);

/* restore_late.c */

/* Whether the devices start late, by the flags of PREPARE. */
void xlm_restore_choose_build(struct xlm_restorer *restorer, uint32_t flags);
/* PREPARE of such a guest: the toolstack has all but what starts the devices. */
int xlm_restore_hold_build(struct xlm_restorer *restorer);
/* POSTCOPY_TRANSITION of such a guest: the devices start. */
int xlm_restore_build_late(struct xlm_restorer *restorer);

/* restore_postcopy.c */

/* POSTCOPY_GO: the guest is ours, and runs. */
int xlm_restore_take_go(struct xlm_restorer *restorer);
/* The part of it that lets the guest run. */
void xlm_restore_run(struct xlm_restorer *restorer);
/* POSTCOPY_PAGE_DATA, POSTCOPY_ZERO_PAGES: they are brought in, and the source
 * hears what there is to tell it. */
int xlm_restore_take_late_pages(struct xlm_restorer *restorer);
/* While nothing comes that would show it: what is known by now is progress. */
void xlm_restore_refresh(struct xlm_restorer *restorer);
/* END: every page is here. */
int xlm_restore_complete(struct xlm_restorer *restorer);
/* Tell the source of the guest's faults when it has not heard of them lately:
 * for the thread that reads the fault channel, after pages. */
int xlm_restore_tell_stats(struct xlm_restorer *restorer);

/* restore_gone.c */

/* The guest ran here and is destroyed, or about to be. */
bool xlm_restore_guest_is_gone(struct xlm_restorer *restorer);
/* Then.  0: it has ended, what has not come is not needed, and the source is
 * told that.  -1: somebody has taken it away half; the source is told to keep
 * what it has. */
int xlm_restore_end_with_guest(struct xlm_restorer *restorer);
/* POSTCOPY_SOURCE_LOST: what has not come never will.  Always -1. */
int xlm_restore_take_source_lost(struct xlm_restorer *restorer);
/* Every page is here.  -1: the domain was suspended by somebody before that, and
 * is not given back to its guest. */
int xlm_restore_await_guest(struct xlm_restorer *restorer);

/* restore_recover.c */

/* From the go on, on each connection: how long it is believed in. */
void xlm_restore_set_link_timeout(struct xlm_restorer *restorer);

/* The guest runs here and the connection is lost, or what it brought was bad:
 * wait for another one.  0: it is there, and the source was told what is
 * missing; -1: there will be none, or the guest is gone. */
int xlm_restore_recover(struct xlm_restorer *restorer);

/* restore_faults.c */

/* The guest is about to run: when a fault channel has joined, have requests go
 * over it, and a thread bring in what it brings.  Else, or when that fails, they
 * go over the first connection. */
void xlm_restore_open_faults(struct xlm_restorer *restorer);
/* POSTCOPY_CHANNEL_LOST: the source has lost it. */
int xlm_restore_take_channel_lost(struct xlm_restorer *restorer);
/* Nothing more comes over it; its thread has ended when this returns.  Harmless
 * when there is none. */
void xlm_restore_close_faults(struct xlm_restorer *restorer);

/* restore_pages.c */

/* Make room in the sets for pfns below this one. */
int xlm_restore_reserve(struct xlm_restorer *restorer, uint64_t pfns);

/* Give the domain its pages at these pfns where it has none. */
int xlm_restore_populate(struct xlm_restorer *restorer, size_t count,
                         const uint64_t *pfns);
/* PAGE_DATA, POSTCOPY_ZERO_PAGES: contents of pages that must be there before
 * the guest runs. */
int xlm_restore_take_pages(struct xlm_restorer *restorer);
/* POSTCOPY_PFNS: pages that come later. */
int xlm_restore_take_outstanding(struct xlm_restorer *restorer);
/* POSTCOPY_PFNS_END: say what could not be evicted. */
int xlm_restore_answer_evicted(struct xlm_restorer *restorer);
/* The same without credit, from whatever connection: with a record and a context
 * of its own each, two threads may do so at the same time.  *pages: how many. */
int xlm_restore_bring_in(struct xlm_restorer *restorer,
                         struct xlm_context *ctx,
                         const struct xlm_record *record, uint32_t *pages);
/* POSTCOPY_PAGE_DATA, POSTCOPY_ZERO_PAGES: pages for a guest that runs. */
int xlm_restore_take_postcopy_pages(struct xlm_restorer *restorer);
/* Give the source the credit that is owed ... */
int xlm_restore_pay_credit(struct xlm_restorer *restorer);
/* ... and from here on each time before waiting for more. */
void xlm_restore_pay_before_waits(struct xlm_restorer *restorer);
/* See to it that the contents of pages are paged in from where this record is
 * read to, which it need not: without memory for that they are copied. */
void xlm_restore_lend_contents(struct xlm_context *ctx,
                               struct xlm_record *record);
void xlm_restore_dispose_record(struct xlm_context *ctx,
                                struct xlm_record *record);
/* The same for the restorer's own record, and that pages of zeroes are paged in
 * from one. */
void xlm_restore_lend(struct xlm_restorer *restorer);
void xlm_restore_dispose_lent(struct xlm_restorer *restorer);

#endif
