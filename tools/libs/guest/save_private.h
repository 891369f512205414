/*
 * The source of a migration, between its files.
 */
#ifndef XLM_SAVE_PRIVATE_H
#define XLM_SAVE_PRIVATE_H

#include <pthread.h>

#include "channel.h"
#include "keepalive.h"
#include "pfn_set.h"
#include "platform.h"
#include "push_plan.h"
#include "record.h"
#include "xlm.h"

/* The suspended domain, as the guest left it: see save_source.c. */
struct xlm_source_mark {
    struct xlm_mark left; /* as it was then */
    bool lost;            /* it was found not to be so any more */
    pthread_mutex_t lock;
};

struct xlm_saver {
    struct xlm_context *ctx;
    const struct xlm_save_params *params;
    const struct xlm_save_callbacks *callbacks;
    struct xlm_channel channel;
    struct xlm_record record; /* the last answer read */
    struct xlm_stats *stats;
    enum xlm_phase phase;
    uint64_t start_us;
    uint64_t nr_pfns;
    uint8_t uuid[16];
    bool recovered;         /* over another connection: the guest runs there */
    unsigned int lists;     /* of outstanding pages, not answered yet */
    uint64_t answered;      /* pages named in the answer to the oldest */
    uint64_t tot_pages;     /* when the guest's pages were listed last */
    uint64_t max_pages;     /* that it may have but for us; 0: not held */
    uint64_t prepared_pfns; /* as PREPARE said; 0: it was not sent */
    bool let_go;            /* the go was sent, or tried to */
    bool suspended;         /* by us, if at all, and not handed over yet */
    bool logdirty;
    bool qemu_logdirty;
    bool gone; /* it was handed over, and has ended over there */
    struct xlm_source_mark mark;
    struct xlm_hvm_params early;      /* as PREPARE's destination has them */
    struct xlm_hvm_context context;   /* of the suspended guest */
    struct xlm_rate_limit limit;      /* of the background */
    struct xlm_fault_channel *faults; /* save_faults.c; NULL: none */
    uint64_t fault_bytes;             /* octets that went over it */
    struct xlm_keepalive *keepalive;  /* says that we are alive; or NULL */
    pthread_mutex_t heard_lock;       /* of the next two */
    uint64_t heard_us; /* when the destination last showed a sign of life */
    int unread;        /* octets that it has sent, and that wait */
    /* Of save_pages.c, kept from one batch of pages to the next; free() it. */
    struct xlm_save_batch *batch;

    /* Sets of pages, all of one limit: */
    struct xlm_pfn_set present;     /* what the guest has */
    struct xlm_pfn_set toolstack;   /* not the guest's: never sent */
    struct xlm_pfn_set resident;    /* must be there before it runs */
    struct xlm_pfn_set to_send;     /* in the round under way */
    struct xlm_pfn_set outstanding; /* the destination knows it lacks them */
    struct xlm_pfn_set dirty;       /* as the hypervisor said last */
    struct xlm_pfn_set fresh;       /* the guest got them since the list */
    struct xlm_pfn_set device_send; /* the device model's: to send (again) */
    /* What the guest wrote: last, shortly before, while it suspended, and all
     * that was seen since the log began. */
    struct xlm_pfn_set recent[XLM_PUSH_RECENT];
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
/* The call is over; complete: the destination has all of the guest.  Says so,
 * and releases whatever the saver has come to. */
void xlm_saver_end(struct xlm_saver *saver, bool complete);
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

/* save_alive.c */

/* From here on, until the guest is to be suspended: say that we are alive, and
 * wait for a destination that says so.  Nothing without a way back. */
void xlm_save_keep_alive(struct xlm_saver *saver);
/* The guest is not to wait for a destination that is merely alive. */
void xlm_save_stop_keeping_alive(struct xlm_saver *saver);
/* While nothing is sent or read, now and then: ETIMEDOUT when the destination
 * shows no sign of life any more. */
int xlm_save_check_heard(struct xlm_saver *saver);
/* The next record that says more than that the destination is alive. */
int xlm_save_read_answer(struct xlm_saver *saver, enum xlm_reader_state state);

/* save_pages.c */

/* Find out which pages the guest has, and which of them it did not have at
 * the last call. */
int xlm_save_list_present(struct xlm_saver *saver);
/* Read, and clear when `clean`, which pages were dirtied; only pages that the
 * guest has are in saver->dirty afterwards, without the device's. */
int xlm_save_read_dirty(struct xlm_saver *saver, bool clean);
/* Move a set's members that are the device's over to what is to be sent. */
void xlm_save_split_device(struct xlm_saver *saver, struct xlm_pfn_set *set);
/* Send the members of a set as PAGE_DATA, taking them out of the set as they
 * go; `sent` counts those with contents. */
int xlm_save_send_set(struct xlm_saver *saver, struct xlm_pfn_set *set,
                      uint64_t *sent);
/* The same for the first of them from *at on, at most `most`; *at moves on. */
int xlm_save_send_some(struct xlm_saver *saver, struct xlm_pfn_set *set,
                       uint64_t *at, size_t most, uint64_t *sent);
/* Tell the destination that it lacks these pages: a list of POSTCOPY_PFNS
 * records from PFNS_BEGIN to PFNS_END; they become outstanding. */
int xlm_save_list_outstanding(struct xlm_saver *saver,
                              const struct xlm_pfn_set *set);
/* The same for those of saver->dirty that it does not expect yet; the others
 * are taken out. */
int xlm_save_list_dirty(struct xlm_saver *saver);
/* Take POSTCOPY_EVICTED: what it names is resident from now on.  *last: no
 * further one belongs to the same answer. */
int xlm_save_take_evicted(struct xlm_saver *saver, bool *last);
/* The same in answer to no list, once all was sent but the go: pages that the
 * destination needs to become ready. */
int xlm_save_take_needed(struct xlm_saver *saver);

/* Of pfns from `first` up to, without, `end` those that are pages and were none
 * join saver->present and saver->fresh. */
int xlm_save_find_new(struct xlm_saver *saver, uint64_t first, uint64_t end);

/* save_hold.c */

/* From here on the guest gets no page, until xlm_save_let_go(). */
int xlm_save_hold(struct xlm_saver *saver);
/* It may have again what it might before; harmless when it was not held. */
void xlm_save_let_go(struct xlm_saver *saver);
/* The guest runs: when its memory is another than at the last look, or `list`,
 * list its pages anew, and have those that were not known sent. */
int xlm_save_look_again(struct xlm_saver *saver, bool list);
/* The same of the suspended guest; they are in saver->fresh. */
int xlm_save_recheck_pages(struct xlm_saver *saver);
/* Firmware may have told the hypervisor of pages that it needs since: they join
 * saver->resident. */
int xlm_save_recheck_resident(struct xlm_saver *saver);

/* save.c */

/* Room in all sets for saver->nr_pfns. */
int xlm_save_make_sets(struct xlm_saver *saver);

/* save_recheck.c */

/* The guest is stopped, nothing final is sent: see whether what was read while
 * it ran still holds.  Fails when the migration must not go on. */
int xlm_save_recheck_in_stop(struct xlm_saver *saver);
/* The same of what can only be refused: before the go, or END without a way
 * back. */
int xlm_save_recheck_before_go(struct xlm_saver *saver);

/* save_source.c */

/* The guest is suspended: from here on nothing of the domain may change. */
int xlm_save_mark_source(struct xlm_saver *saver);
/* Is it as it was marked?  -1: it is not, and its memory is lost, which
 * ctx->lost says as well.  Before the mark: 0.  What was read of it before the
 * call is what the guest left. */
int xlm_save_check_source(struct xlm_saver *saver);
/* The same without consequences, from any thread. */
bool xlm_save_source_is_sound(struct xlm_saver *saver);
/* As xlm_save_check_source(), after a page was found not to be there: it never
 * was, when this returns 0.  From the thread that reads page types. */
int xlm_save_check_memory(struct xlm_saver *saver);

/* save_precopy.c */

/* Read the log: what it says is kept for the next round. */
int xlm_save_keep_dirty(struct xlm_saver *saver);
/* Rounds of to_send, until the policy has another answer than to go on.
 * What is then in to_send was never sent, or was written since. */
int xlm_save_precopy(struct xlm_saver *saver, enum xlm_precopy_answer *answer);

/* save_hot.c */

struct xlm_hot;

/* Watch what the guest writes from now on, telling the destination what it
 * does not expect, in a thread of its own: until xlm_hot_stop() the caller
 * writes no record and uses none of the sets.  NULL with a reason. */
struct xlm_hot *xlm_hot_start(struct xlm_saver *saver);
/*
 * The guest has stopped.  Leaves in saver->dirty what it wrote since the last
 * look, and in `hottest` the pages that it wrote last, at most hot_pages_max
 * of them.  Ends the watching also when it fails.
 */
int xlm_hot_stop(struct xlm_hot *hot, struct xlm_pfn_set *hottest);

/* save_context.c */

/* Read the context of the suspended guest, and add to to_send what the
 * destination lacks of the pages that it needs at once: those that loading the
 * context looks for, always, and where the vCPUs go on, unless no page is to go
 * for being hot. */
int xlm_save_add_context_pages(struct xlm_saver *saver);

/* save_faults.c */

/* PREPARED has come: connect a fault channel when the caller has a way to.  When
 * that fails the log says why, and there is none. */
void xlm_save_connect_faults(struct xlm_saver *saver);
void xlm_save_close_faults(struct xlm_saver *saver);

/* What the threads of the postcopy phase share. */
struct xlm_push_shared {
    pthread_mutex_t *lock;
    pthread_cond_t *wake; /* of the pushing thread */
    struct xlm_push_plan *plan;
};

/* All of these are harmless when there is no channel (NULL). */

/* Serve what is asked for over it, in a thread of its own, until
 * xlm_faults_stop(). */
void xlm_faults_start(struct xlm_fault_channel *faults,
                      const struct xlm_push_shared *shared);
void xlm_faults_stop(struct xlm_fault_channel *faults);
/* From the pushing thread, now and then: tell the destination when the channel is
 * lost.  Fails when the first connection does. */
int xlm_faults_look_after(struct xlm_fault_channel *faults);
/* These two with the lock held.  Pages went over it of which it is not known
 * that they have come. */
bool xlm_faults_pending(const struct xlm_fault_channel *faults);
/* Add what went over it since the last call. */
void xlm_faults_count(struct xlm_fault_channel *faults,
                      struct xlm_stats *stats);
/* POSTCOPY_CHANNEL_END: what did not come is outstanding again. */
int xlm_faults_take_end(struct xlm_saver *saver,
                        const struct xlm_record *record);

/* save_push.c */

struct xlm_pusher;

/* Make ready for the postcopy phase: all that can fail for want of memory
 * fails here, before the go.  NULL with a reason. */
struct xlm_pusher *xlm_pusher_open(struct xlm_saver *saver);
void xlm_pusher_close(struct xlm_pusher *pusher);
/* The postcopy phase, from the go to POSTCOPY_COMPLETE. */
int xlm_pusher_run(struct xlm_pusher *pusher);

#endif
