/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The source of a migration: what all of its parts share.
 */
#ifndef XLM_SAVER_H
#define XLM_SAVER_H

#include <pthread.h>

#include "hypervisor/platform.h"
#include "policy/pfn_set.h"
#include "policy/push_plan.h"
#include "wire/channel.h"
#include "wire/keepalive.h"
#include "wire/page_batch.h"
#include "wire/record.h"
#include "xlm.h"

/* The suspended domain as the guest left it: see save/source.c. */
struct xlm_source_mark {
    struct xlm_mark left; /* taken when the guest was suspended */
    bool lost;            /* a later look found a difference */
    /* Held to ask the hypervisor, by the threads that send after the go. */
    pthread_mutex_t asking;
};

/* The guest's domain here; the caller's thread's. */
struct xlm_save_domain {
    uint64_t nr_pfns;
    uint8_t uuid[16];
    uint64_t tot_pages; /* at the last look before the stop */
    uint64_t max_pages; /* the domain's, before it was held; 0: not held */
    bool logdirty;
    bool qemu_logdirty;
    bool suspended;   /* by this process; not handed over yet */
    bool handed_over; /* the go was sent, perhaps in vain */
    bool gone;        /* the destination had it, and it has ended there */
    /* as the destination's, which PREPARE built */
    struct xlm_hvm_params early;
    struct xlm_hvm_context context; /* of the suspended guest */
};

/* What the destination owes an answer to; the caller's thread's. */
struct xlm_save_asked {
    uint64_t prepared_pfns; /* as in PREPARE; 0: not sent yet */
    unsigned int lists;     /* lists of outstanding pages without an answer */
    uint64_t answered;      /* pages in the answer to the oldest of them */
    bool for_all;           /* TRANSITION was sent: only the go is left */
};

/* Eviction while the guest runs here, list by list: the caller's thread's. */
struct xlm_save_evicting {
    bool begun;      /* BEGIN was sent */
    uint64_t at;     /* where the next search for early pages begins */
    uint64_t listed; /* pages of the last list */
    struct xlm_wire_evict_time took; /* as the destination said last */
};

/* Sets of pages with the same limit.  They are the caller's thread's, but from
 * xlm_hot_start() to xlm_hot_stop() the watching thread's. */
struct xlm_save_sets {
    struct xlm_pfn_set present;   /* what the guest has */
    struct xlm_pfn_set toolstack; /* not the guest's: never sent */
    struct xlm_pfn_set resident;  /* must be there before the guest runs */
    struct xlm_pfn_set to_send;   /* in the current round */
    /* the destination knows that it lacks these */
    struct xlm_pfn_set outstanding;
    /* from the hypervisor's log, at the last look */
    struct xlm_pfn_set dirty;
    struct xlm_pfn_set fresh;       /* became pages since the list */
    struct xlm_pfn_set device_send; /* the device model's, still to send */
    /* What the guest wrote: last; shortly before; before that, while it
     * suspended; and all since the log began. */
    struct xlm_pfn_set recent[XLM_PUSH_RECENT];
};

/* Signs of life of the destination until the go; for any thread that uses the
 * channel. */
struct xlm_save_heard {
    pthread_mutex_t lock; /* guards the next two */
    uint64_t us;          /* when it last showed one */
    int unread;           /* octets from it that this end has not read */
};

struct xlm_saver {
    struct xlm_context *ctx;
    const struct xlm_save_params *params;
    const struct xlm_save_callbacks *callbacks;
    struct xlm_channel channel;
    struct xlm_save_heard heard;
    struct xlm_source_mark mark;

    /* All that follows is the caller's thread's. */
    struct xlm_record record; /* the last answer read */
    struct xlm_stats *stats;
    enum xlm_phase phase;
    uint64_t start_us;
    bool recovered; /* the guest runs there; this is another connection */
    enum xlm_precopy_answer answer; /* the policy's, when precopy ended */
    struct xlm_save_domain domain;
    struct xlm_save_asked asked;
    struct xlm_save_evicting evicting;
    struct xlm_save_sets sets;
    /* for the background; from the go on the threads that push share it, with
     * the lock of save/shared.h */
    struct xlm_rate_limit limit;
    uint32_t features; /* of the destination's: XLM_FEATURE_* */
    /* for the first connection; NULL: contents go as they are */
    struct xlm_compressor *compressor;
    /* tells the destination that this end lives; or NULL */
    struct xlm_keepalive *keepalive;
    struct xlm_pusher *pusher;        /* save/push.c; NULL: not opened yet */
    struct xlm_fault_channel *faults; /* save/faults.c; NULL: none */
    struct xlm_save_streams *streams; /* save/streams.c; NULL: none */
    /* octets that went over further connections */
    uint64_t further_bytes;
    /* save/pages.c keeps this from batch to batch; free() it. */
    struct xlm_save_batch *batch;
};

static inline bool xlm_two_way(const struct xlm_saver *saver)
{
    return saver->params->in_fd >= 0;
}

/* Make a saver for a call, and set the stats to zero; they must live as
 * long. */
void xlm_saver_begin(struct xlm_saver *saver, struct xlm_context *ctx,
                     const struct xlm_save_params *params,
                     const struct xlm_save_callbacks *callbacks,
                     struct xlm_stats *stats);
/* Report the end of the call; complete: the destination has all of the
 * guest. */
void xlm_saver_tell_end(struct xlm_saver *saver, bool complete);
/* Release all resources.  No thread may use the saver any more. */
void xlm_saver_dispose(struct xlm_saver *saver);
/* Make room in all sets for saver->domain.nr_pfns. */
int xlm_saver_make_sets(struct xlm_saver *saver);
/* Enter a phase, or report progress in it. */
void xlm_save_progress(struct xlm_saver *saver, enum xlm_phase phase);
/* ECANCELED when the caller's abort_fd is readable. */
int xlm_save_check_abort(struct xlm_saver *saver);
/* Does the domain exist, and has not shut down?  Fills in *info. */
int xlm_save_check_alive(struct xlm_saver *saver,
                         struct xlm_domain_info *info);
/* How long the background must wait; XLM_RATE_WAIT_EVER: until the rate
 * changes. */
uint64_t xlm_save_background_wait_us(struct xlm_saver *saver);
/* A change of the rate is noticed after this time at the latest. */
#define XLM_SAVE_HEED_US 100000

/* Tell the guest, before it runs on here, that its suspend was cancelled. */
void xlm_save_cancel_suspend(struct xlm_context *ctx, uint32_t domid);

#endif
