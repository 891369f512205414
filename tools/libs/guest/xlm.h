/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Live migration with postcopy: the engine of the guest layer.
 *
 * xlm_save() moves the memory and state of a running domain out over a pair
 * of descriptors, xlm_restore() receives it.  What they need from the
 * toolstack above them they get as callbacks.  All state is in the objects
 * handed in: two migrations may run in one process, from different threads.
 *
 * The caller must have SIGPIPE ignored or blocked.
 */
#ifndef XLM_H
#define XLM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xentoollog.h>

#include "context.h"
#include "hypervisor/hypervisor.h"
#include "policy/rate_limit.h"
#include "stats.h"
#include "wire/wire.h"

/* Which migration this is, for as long as either end knows of it. */
struct xlm_identity {
    uint8_t id[16];   /* random, the source's choice */
    uint8_t uuid[16]; /* the guest's, at the source */
    uint64_t pfns;    /* one more than its highest; kept: room for so many */
};

/* Do both name one migration?  Its pfns are no part of its name: the domain at
 * the source may come to have a higher one at any time. */
static inline bool xlm_is_same(const struct xlm_identity *one,
                               const struct xlm_identity *other)
{
    return !memcmp(one->id, other->id, sizeof(one->id)) &&
           !memcmp(one->uuid, other->uuid, sizeof(one->uuid));
}

/* ---- precopy policy ---- */

enum xlm_precopy_answer {
    XLM_PRECOPY_CONTINUE,
    XLM_PRECOPY_STOP_AND_COPY,
    XLM_PRECOPY_POSTCOPY,
    XLM_PRECOPY_ABORT,
};

struct xlm_precopy_stats {
    unsigned int iteration; /* rounds finished; 0 before the first */
    /* Asked in the middle of the next round, which any answer but CONTINUE
     * ends. */
    bool in_round;
    uint64_t total_written; /* pages sent so far */
    /* Pages to send in the next round.  In a round: those that the guest has
     * written since its beginning, and that will be in the next. */
    uint64_t dirty_count;
    uint64_t guest_pages;
    uint64_t round_pages; /* to send when the last round began, or this one */
    uint64_t round_sent;  /* of these, sent */
    uint64_t elapsed_us;  /* since precopy began */
    uint64_t send_rate;   /* pages a second while sending; 0: not known yet */
    uint64_t dirty_rate;  /* pages a second that the guest wrote, each counted
                             once a round */
};

/* ---- the source ---- */

/* What may be changed of a migration under way, from any thread. */
struct xlm_control {
    /* Leave precopy for postcopy, at once: never back to false. */
    atomic_bool switch_now;
    /* Octets a second for what nobody waits for, precopy rounds and unasked
     * pages after the go; 0 holds both. */
    _Atomic uint64_t background_rate;
};

#define XLM_CONTROL_INIT \
    { \
        .background_rate = XLM_RATE_UNLIMITED, \
    }

/* max_pages of a domain that is kept from getting pages: any number below what
 * a guest has would do, and nobody else chooses this one. */
#define XLM_HELD_PAGES 1u

struct xlm_channel;

/*
 * All are called from the thread that called xlm_save().  Those that return
 * int answer 0, or -1 for failure, after having said why in the log.
 */
struct xlm_save_callbacks {
    /* Before the domain is kept from getting pages, for the time of the move:
     * note what it may have, so that whoever finds it so after this process
     * was killed can allow it again.  *pages may be replaced by what such a
     * note says.  Again whenever somebody has allowed it another number.  May
     * be NULL. */
    int (*note_max_pages)(uint64_t *pages, void *data);
    /* Before each precopy round, after the last, and now and then in each. */
    enum xlm_precopy_answer (*precopy_policy)(
        const struct xlm_precopy_stats *stats, void *data);
    /* Have the device model log its writes, or stop that.  Called with true
     * before the first page is read and with false at the end, also after
     * failures.  A no-op for guests without a device model. */
    int (*switch_qemu_logdirty)(bool enable, void *data);
    /* The devices of the running guest, in records of the layer above, for
     * the destination to build the domain with, unless it is to do so late;
     * malloc'ed.  Their final state
     * takes their place later.  Length 0: there are none.  May be NULL. */
    int (*early_devices)(void **records, size_t *length, void *data);
    /* Stop the guest for good order: when it returns 0 the domain is shut
     * down with reason suspend.  On failure the guest runs on, or is for the
     * caller to resume. */
    int (*suspend)(void *data);
    /* The guest is suspended: write the records of the layer above (device
     * model state), which follow POSTCOPY_TRANSITION and, in a stream that
     * ends without one, END. */
    int (*write_device_state)(struct xlm_channel *channel, void *data);
    /* The guest is suspended, under its name: does what the caller told the
     * destination of it before (its configuration, its devices) still hold?
     * Called once, before put_away() and the go, or before END in a stream
     * without a way back, while the destination loads the state.  -1, with the
     * reason in the context: the migration ends before the go, and the guest
     * runs on here.  May be NULL. */
    int (*recheck)(void *data);
    /* The guest is suspended and all of its state is on the way: make ready
     * to let go of it (rename it away), while the destination gets ready to
     * run it.  Not called without a way back.  When the go is not sent after
     * all, xlm_save() returns without *transitioned, and it is for the caller
     * to undo. */
    int (*put_away)(void *data);
    /* Connect a fault channel: the destination listens for it, the guest still
     * runs.  0 with two descriptors, which stay open and the caller's until
     * xlm_save() has returned; else the migration does without.  Called once
     * at the most; may be NULL. */
    int (*connect_faults)(int *in_fd, int *out_fd, void *data);
    /* Shown progress: each phase once as it begins, and then often; must be
     * quick.  May be NULL. */
    void (*progress)(enum xlm_phase phase, const struct xlm_stats *stats,
                     void *data);
    void *data;
};

/* pfns from first up to, without, end. */
struct xlm_pfn_range {
    uint64_t first;
    uint64_t end;
};

#define XLM_DEVICE_RANGES 2

struct xlm_save_params {
    uint32_t domid;
    int out_fd;
    int in_fd;      /* -1: no way back; the stream is an ordinary one */
    uint8_t id[16]; /* what the migration is known by: random */
    /* What a device model keeps mapped lies in there: it must have those
     * pages before it starts, and they cannot be evicted.  {0, 0}: unused. */
    struct xlm_pfn_range device_ranges[XLM_DEVICE_RANGES];
    /* Tuning; xlm_save_params_init() sets what is good for most. */
    uint32_t credit_pages;  /* background pages in flight at the most */
    uint32_t hot_pages_max; /* hot set sent during the stop */
    uint32_t window_before; /* neighbours sent beside a request ... */
    uint32_t window_after;
    bool window_adapts;        /* ... to begin with */
    uint32_t background_share; /* one background batch after so many
                                    requested ones, even under load */
    bool no_push;              /* nothing but requests and neighbours */
    bool push_recent;          /* what the guest wrote last comes first */
    /* A page that is under way on the fault channel for longer has been lost
     * with it. */
    uint32_t faults_stall_ms;
    struct xlm_control *control; /* the caller's; NULL: nothing changes */
    enum xlm_build build;        /* what the destination is asked for */
    /* Longest silence of the destination, in milliseconds, until the go, and
     * until it has answered a recovery.  While the guest runs a word that it
     * is alive is enough. */
    uint32_t silence_ms;
    /* How often this end says that it is alive; 0: every 20 s. */
    uint32_t keepalive_ms;
    /* After the go, a connection on which the destination has not answered for
     * so many milliseconds is taken for lost; 0: never. */
    uint32_t link_timeout_ms;
    /* Of xlm_recover(): as the stats of the call had it that suspended the
     * domain. Not set: the domain counts as it is found. */
    struct xlm_mark mark;
};

void xlm_save_params_init(struct xlm_save_params *params);

/*
 * Move a domain out.  Returns 0 when the destination has all of it, or in
 * XLM_PHASE_POSTCOPY when the guest has ended there before.  On -1
 * *transitioned says whose the guest is: false, it is suspended or running
 * here and never ran anywhere else; true, the go was sent and it must not be
 * resumed here.  *transitioned is written on every path.  Closes nothing.
 */
int xlm_save(struct xlm_context *ctx, const struct xlm_save_params *params,
             const struct xlm_save_callbacks *callbacks,
             struct xlm_stats *stats, bool *transitioned);

/*
 * Go on with a migration whose connection was lost after the go, over another
 * one, or find out what has become of it.  The domain is the suspended one;
 * params->id is that of the migration, and what is only needed before the go
 * is ignored, as are all callbacks but progress.
 *
 * Returns 0 with *state XLM_GUEST_NEVER_RAN (and never will: it may be taken
 * back with xlm_take_back()), XLM_GUEST_COMPLETE or XLM_GUEST_ENDED (it is not
 * needed here any more).  On -1 nothing has changed: XLM_GUEST_RUNS, it lacks
 * pages and can be asked again; XLM_GUEST_UNKNOWN, nothing is known.
 */
int xlm_recover(struct xlm_context *ctx, const struct xlm_save_params *params,
                const struct xlm_save_callbacks *callbacks,
                struct xlm_stats *stats, enum xlm_guest_state *state);

/* Before a domain that never ran elsewhere is resumed here: stop logging its
 * writes, and tell it that its suspend came to nothing. */
void xlm_take_back(struct xlm_context *ctx, uint32_t domid);

/* ---- the destination ---- */

/* What comes after the connection of a guest that runs here was lost. */
struct xlm_relink {
    /* Readable: there is another connection, the one in use is not waited for
     * any more.  Nobody reads from it but await(). */
    int fd;
    /* Wait a while for another connection.  0: there it is, with
     * POSTCOPY_RECOVER read from it; it stays open until the next call or the
     * end.  1: not yet, call again.  -1: there will be none. */
    int (*await)(int *in_fd, int *out_fd, void *data);
    /* It has been told of, and serves. */
    void (*resumed)(void *data);
    /* Has a fault channel joined?  Never waits.  0: here it is; it stays open
     * until drop_faults(), which is called once then; else there is none. Both
     * may be NULL. */
    int (*take_faults)(int *in_fd, int *out_fd, void *data);
    void (*drop_faults)(void *data);
    void *data;
};

/* Called from the thread that called xlm_restore(); 0, or -1 with a reason
 * in the context. */
struct xlm_restore_callbacks {
    /* What the migration is known by; before the domain is built.  May be
     * NULL. */
    int (*identify)(const struct xlm_identity *identity, void *data);
    /* Words that outlive this process, xlm_kept_words(pfns) of them, all 0:
     * what is outstanding, what was asked for and who waits is kept there, for
     * xlm_take_over().  Once, after identify(); stays valid until
     * xlm_restore() returns.  NULL: there is none, and it cannot go on.  May
     * be NULL: nobody will take over. */
    unsigned long *(*keep)(uint64_t pfns, void *data);
    /* NULL: the devices can start early.  Else they start late, and this says
     * why in a few words: it stays valid until xlm_restore() returns.  Once,
     * after identify().  May be NULL: they start early. */
    const char *(*why_late)(enum xlm_build asked, void *data);
    /* Records for the toolstack that builds the domain, in stream order,
     * headers first: everything but page data. */
    int (*feed)(const void *bytes, size_t length, void *data);
    /* The records of early_devices(), after the last that is fed. */
    int (*feed_devices)(const void *records, size_t length, void *data);
    /* All static data was fed: wait until the domain exists. */
    int (*await_domain)(uint32_t *domid, void *data);
    /* The last record was fed: wait until the domain is built, with its
     * devices, and paused. */
    int (*await_build)(void *data);
    /* When it builds late, in place of await_build(): await_fed(), wait until
     * the toolstack has taken all that was fed, which is not the last.
     * poll_build(), from the last record on, again and again: 1, the domain is
     * built; 0, it is not yet after timeout_ms; -1, it will not be. */
    int (*await_fed)(void *data);
    int (*poll_build)(int timeout_ms, void *data);
    /* Read the records of the layer above: after POSTCOPY_TRANSITION, when
     * the domain is built, or in a stream without one after END, when what
     * they say is still wanted for building. */
    int (*read_device_state)(struct xlm_channel *channel, void *data);
    /* The guest is ours: give it its name and let it run (or leave it
     * paused when asked to). */
    int (*run)(void *data);
    /* As above; XLM_PHASE_GO comes before run(). */
    void (*progress)(enum xlm_phase phase, const struct xlm_stats *stats,
                     void *data);
    void *data;
};

struct xlm_restore_params {
    int in_fd;
    int out_fd;                      /* -1: no way back (an image in a file) */
    const struct xlm_relink *relink; /* NULL: one connection and no other */
    /* Pages that the guest can have by its configuration; 0: not known.  It
     * bounds what is kept for the guest, whatever the source says. */
    uint64_t max_pages;
    /* After the go, a connection is taken for lost on which nothing has come
     * for so many milliseconds while the guest waits for a page; 0: never. */
    uint32_t link_timeout_ms;
    /* How often this end says that it is alive; 0: every 20 s. */
    uint32_t keepalive_ms;
};

/*
 * Receive a domain.  Returns 0 when it is here as a whole, or in
 * XLM_PHASE_POSTCOPY when it ran here and was destroyed before: the source
 * has then been told, and ctx->reason says it.  On -1 with
 * *resumed false the caller must destroy what was built: it never ran.  With
 * *resumed true the guest runs here and is the only copy: never destroy it.
 */
int xlm_restore(struct xlm_context *ctx,
                const struct xlm_restore_params *params,
                const struct xlm_restore_callbacks *callbacks,
                struct xlm_stats *stats, bool *resumed);

/*
 * Could a guest come to this host by postcopy whose domain is not there yet?
 * Changes nothing.  -1 with the reason in the context, and *refusal what its
 * source would be told: OTHER, it has too many vCPUs.  *most_vcpus is written
 * with 0, and when it is these that are too many: how many it may have; 0: as
 * many as there can be.
 */
int xlm_check_restore(struct xlm_context *ctx, bool hap, unsigned int vcpus,
                      enum xlm_refusal *refusal, unsigned int *most_vcpus);

/* A guest that runs here, whose receiver was killed. */
struct xlm_orphan {
    uint32_t domid;
    uint64_t pfns;
    unsigned long *kept; /* what keep() gave out for that receiver */
};

/*
 * Become the pager of a guest whose receiver was killed, and go on with its
 * migration over the connection of the params, from which POSTCOPY_RECOVER has
 * been read, and others after it.  The guest has no process beside this that
 * brings its pages: see to it.  Of the callbacks run() and progress() are
 * called, run() when the pager is in place: the guest may run.
 *
 * Returns as xlm_restore() with *resumed true.  With *resumed false run() was
 * not called, and another call may do better.
 */
int xlm_take_over(struct xlm_context *ctx,
                  const struct xlm_restore_params *params,
                  const struct xlm_orphan *orphan,
                  const struct xlm_restore_callbacks *callbacks,
                  struct xlm_stats *stats, bool *resumed);

/* The receiver of a guest that lacks nothing was killed before it had ceased
 * to be the pager: a vCPU may wait for an answer of it, though its page is
 * there. It gets that, and nobody is the pager any more. */
int xlm_end_paging(struct xlm_context *ctx, const struct xlm_orphan *orphan);

/* The first record of another connection, by which it is known what it is for:
 * *for_faults, it is a migration's fault channel; else it is a recovery. */
int xlm_read_recover(struct xlm_context *ctx, int in_fd,
                     struct xlm_identity *identity, bool *for_faults);
/* Answer it for a guest that is not, or no more, received here. */
int xlm_answer_recover(struct xlm_context *ctx, int out_fd,
                       enum xlm_guest_state state, const char *text);
/* Answer a fault channel: NULL, it has joined the migration; else why not. */
int xlm_answer_channel(struct xlm_context *ctx, int out_fd, const char *why);

#endif
