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
#include "wire/record.h"
#include "xlm.h"

/* The suspended domain, as the guest left it: see save/source.c. */
struct xlm_source_mark {
    struct xlm_mark left; /* as it was then */
    bool lost;            /* it was found not to be so any more */
    /* One at a time asks the hypervisor for it: the caller's thread, or that
     * of a fault channel. */
    pthread_mutex_t asking;
};

/* The guest's domain here: the caller's thread's. */
struct xlm_save_domain {
    uint64_t nr_pfns;
    uint8_t uuid[16];
    uint64_t tot_pages; /* as it was seen last, before the stop */
    uint64_t max_pages; /* that it may have but for us; 0: not held */
    bool logdirty;
    bool qemu_logdirty;
    bool suspended; /* by us, if at all, and not handed over yet */
    bool let_go;    /* the go was sent, or tried to */
    bool gone;      /* it was handed over, and has ended over there */
    struct xlm_hvm_params early;    /* as PREPARE's destination has them */
    struct xlm_hvm_context context; /* of the suspended guest */
};

/* What the destination owes an answer to: the caller's thread's. */
struct xlm_save_asked {
    uint64_t prepared_pfns; /* as PREPARE said; 0: it was not sent */
    unsigned int lists;     /* of outstanding pages, not answered yet */
    uint64_t answered;      /* pages named in the answer to the oldest */
};

/* Sets of pages, all of one limit: the caller's thread's, but for the time
 * from xlm_hot_start() to xlm_hot_stop(), when they are the watcher's. */
struct xlm_save_sets {
    struct xlm_pfn_set present;     /* what the guest has */
    struct xlm_pfn_set toolstack;   /* not the guest's: never sent */
    struct xlm_pfn_set resident;    /* must be there before it runs */
    struct xlm_pfn_set to_send;     /* in the round under way */
    struct xlm_pfn_set outstanding; /* the destination knows it lacks them */
    struct xlm_pfn_set dirty;       /* as the hypervisor said last */
    struct xlm_pfn_set fresh;       /* the guest got them since the list */
    struct xlm_pfn_set device_send; /* the device model's: to send (again) */
    /* What the guest wrote: last, shortly before, before that while it
     * suspended, and all that was seen since the log began. */
    struct xlm_pfn_set recent[XLM_PUSH_RECENT];
};

/* The destination's signs of life until the go, for any thread that uses the
 * channel. */
struct xlm_save_heard {
    pthread_mutex_t lock; /* of these two */
    uint64_t us;          /* when it last showed one */
    int unread;           /* octets that it has sent, and that wait */
};

struct xlm_saver {
    struct xlm_context *ctx;
    const struct xlm_save_params *params;
    const struct xlm_save_callbacks *callbacks;
    struct xlm_channel channel;
    struct xlm_save_heard heard;
    struct xlm_source_mark mark;

    /* All else is the caller's thread's. */
    struct xlm_record record; /* the last answer read */
    struct xlm_stats *stats;
    enum xlm_phase phase;
    uint64_t start_us;
    bool recovered; /* over another connection: the guest runs there */
    enum xlm_precopy_answer answer; /* of the policy, when precopy ended */
    struct xlm_save_domain domain;
    struct xlm_save_asked asked;
    struct xlm_save_sets sets;
    struct xlm_rate_limit limit;      /* of the background */
    struct xlm_keepalive *keepalive;  /* says that we are alive; or NULL */
    struct xlm_pusher *pusher;        /* save/push.c; NULL: not made yet */
    struct xlm_fault_channel *faults; /* save/faults.c; NULL: none */
    uint64_t fault_bytes;             /* octets that went over it */
    /* Of save/pages.c, kept from one batch of pages to the next; free() it. */
    struct xlm_save_batch *batch;
};

static inline bool xlm_two_way(const struct xlm_saver *saver)
{
    return saver->params->in_fd >= 0;
}

/* A saver for a call, which lives as long as the stats: they begin at zero. */
void xlm_saver_begin(struct xlm_saver *saver, struct xlm_context *ctx,
                     const struct xlm_save_params *params,
                     const struct xlm_save_callbacks *callbacks,
                     struct xlm_stats *stats);
/* The call is over; complete: the destination has all of the guest.  Says so.
 */
void xlm_saver_tell_end(struct xlm_saver *saver, bool complete);
/* Release whatever the saver has come to.  No thread uses it any more. */
void xlm_saver_dispose(struct xlm_saver *saver);
/* Room in all sets for saver->domain.nr_pfns. */
int xlm_saver_make_sets(struct xlm_saver *saver);
/* Enter a phase, or tell of progress in it. */
void xlm_save_progress(struct xlm_saver *saver, enum xlm_phase phase);
/* ECANCELED when the caller asked to give up. */
int xlm_save_check_abort(struct xlm_saver *saver);
/* The domain is there and has not shut down; info is filled in. */
int xlm_save_check_alive(struct xlm_saver *saver,
                         struct xlm_domain_info *info);
/* How long the background has to wait; XLM_RATE_WAIT_EVER: until it is let go
 * on. */
uint64_t xlm_save_background_wait_us(struct xlm_saver *saver);
/* The longest wait until a change of the rate is noticed. */
#define XLM_SAVE_HEED_US 100000

/* The guest is about to run on here. */
void xlm_save_cancel_suspend(struct xlm_context *ctx, uint32_t domid);

#endif
