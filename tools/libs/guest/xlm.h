/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Live migration with postcopy: the engine of the guest layer.
 *
 * xlm_save() moves the memory and state of a running domain out over a pair of
 * descriptors; xlm_restore() receives them.  Callbacks do what the engine
 * needs from the toolstack above.  All state is in the caller's objects: two
 * migrations may run in one process, from different threads.
 *
 * The caller must ignore or block SIGPIPE.
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
#include "policy/compression.h"
#include "policy/rate_limit.h"
#include "stats.h"
#include "wire/wire.h"

/* Identifies a migration as long as either end knows of it. */
struct xlm_identity {
    uint8_t id[16];   /* random, chosen by the source */
    uint8_t uuid[16]; /* the guest's, at the source */
    /* highest pfn plus one; in a kept file: room for this many */
    uint64_t pfns;
};

/* Do both name the same migration?  The pfns are no part of the name: the
 * source's domain may get a higher one at any time. */
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
    unsigned int iteration; /* rounds completed; 0 before the first */
    /* The call comes in the middle of the next round, which any answer but
     * CONTINUE ends. */
    bool in_round;
    uint64_t total_written; /* pages sent so far */
    /* Pages to send in the next round.  In a round: pages that the guest has
     * written since it began, so they are in the next. */
    uint64_t dirty_count;
    uint64_t guest_pages;
    uint64_t round_pages; /* to send when the last or current round began */
    uint64_t round_sent;  /* sent of these */
    uint64_t elapsed_us;  /* since precopy began */
    uint64_t send_rate;   /* pages a second while sending; 0: not known yet */
    /* pages a second that the guest writes, each page counted once a round */
    uint64_t dirty_rate;
    /* What postcopy would leave outstanding if precopy ended now ... */
    uint64_t left_pages;
    /* ... and how long evicting these takes, but for those that have been
     * evicted; 0: not known yet. */
    uint64_t evict_us;
};

/* ---- the source ---- */

/* What another thread may change while a migration is under way. */
struct xlm_control {
    /* Switch from precopy to postcopy at once: true never becomes false
     * again. */
    atomic_bool switch_now;
    /* Octets a second for precopy rounds and pushed pages, for which the guest
     * does not wait; 0: nothing goes. */
    _Atomic uint64_t background_rate;
};

#define XLM_CONTROL_INIT \
    { \
        .background_rate = XLM_RATE_UNLIMITED, \
    }

/* max_pages of a domain that must get no pages.  Any number below what guests
 * have would do; no other program chooses this one. */
#define XLM_HELD_PAGES 1u

struct xlm_channel;

/*
 * The thread that called xlm_save() makes all these calls, but for
 * connect_stream().  Functions that return int return 0, or -1 after having
 * logged the reason.
 */
struct xlm_save_callbacks {
    /* Called before the domain is held, so that it gets no pages while it
     * moves: note what it may have.  If this process is killed, another one
     * can restore the limit from the note.  The function may replace *pages by
     * what an earlier note says.  Called again when a program has set another
     * limit.  May be NULL. */
    int (*note_max_pages)(uint64_t *pages, void *data);
    /* Called before each precopy round, after the last one, and now and then
     * in each. */
    enum xlm_precopy_answer (*precopy_policy)(
        const struct xlm_precopy_stats *stats, void *data);
    /* Start or stop logging the device model's writes.  Called with true
     * before the first page is read, and with false at the end, also after
     * failures.  A no-op for guests without a device model. */
    int (*switch_qemu_logdirty)(bool enable, void *data);
    /* Return the devices of the running guest, in records of the layer above,
     * from which the destination starts them early; the engine frees *records.
     * The final state follows later.  Length 0: no devices.  May be NULL. */
    int (*early_devices)(void **records, size_t *length, void *data);
    /* Suspend the guest: on 0 the domain is shut down with reason suspend.  On
     * failure the guest runs on, or the caller of xlm_save() must resume
     * it. */
    int (*suspend)(void *data);
    /* The guest is suspended: write the records of the layer above (device
     * model state), which follow POSTCOPY_TRANSITION or, in a stream without
     * one, END. */
    int (*write_device_state)(struct xlm_channel *channel, void *data);
    /* The guest is suspended, under its name: does what the destination was
     * told about it (its configuration, its devices) still hold?  Called once,
     * while the destination loads the state: before put_away() and the go, or
     * before END in a stream without a way back. -1, with the reason in the
     * context: the migration ends before the go, and the guest runs on here.
     * May be NULL. */
    int (*recheck)(void *data);
    /* The guest is suspended and all of its state is under way: prepare to
     * hand it over (rename the domain) while the destination becomes ready.
     * Not called without a way back.  If the go is not sent after all,
     * xlm_save() returns with *transitioned false, and the caller must undo
     * this. */
    int (*put_away)(void *data);
    /* Connect a fault channel: the destination listens for it, and the guest
     * still runs.  0 with two descriptors, which stay the caller's and must
     * stay open until xlm_save() has returned; otherwise there is no fault
     * channel.  Called at most once; may be NULL. */
    int (*connect_faults)(int *in_fd, int *out_fd, void *data);
    /* The same for stream `index` of the push, from 1: called at most once for
     * each, in a thread of its own, at any time from then on; several calls
     * may run at once.  Must give up soon when cancel_fd is readable.  May be
     * NULL: the push goes over the first connection only. */
    int (*connect_stream)(uint32_t index, int cancel_fd, int *in_fd,
                          int *out_fd, void *data);
    /* Show progress: called once as each phase begins, and often after that.
     * Must be quick.  May be NULL. */
    void (*progress)(enum xlm_phase phase, const struct xlm_stats *stats,
                     void *data);
    void *data;
};

/* The pfns from first up to, but without, end. */
struct xlm_pfn_range {
    uint64_t first;
    uint64_t end;
};

#define XLM_DEVICE_RANGES 2

struct xlm_save_params {
    uint32_t domid;
    int out_fd;
    int in_fd;      /* -1: no way back; the stream is an ordinary one */
    uint8_t id[16]; /* identifies the migration: random */
    /* A device model may map pages in these ranges: it needs them before it
     * starts, and they cannot be evicted. {0, 0}: unused. */
    struct xlm_pfn_range device_ranges[XLM_DEVICE_RANGES];
    /* Postcopy is likely: the destination begins to evict during precopy. */
    bool evict_early;
    /* Tuning; xlm_save_params_init() sets values that suit most guests. */
#define TUNABLE(type, field, ...) type field;
#include "tunables.def"
    struct xlm_control *control; /* the caller's; NULL: no changes */
    enum xlm_build build;        /* what the source asks of the destination */
    /* For xlm_recover(): from the stats of the call that suspended the domain.
     * Not set: the domain is taken as it is. */
    struct xlm_mark mark;
};

void xlm_save_params_init(struct xlm_save_params *params);

/*
 * Move a domain out.  Returns 0 when the destination has all of it or, in
 * XLM_PHASE_POSTCOPY, when the guest has ended there before.  On -1
 * *transitioned says whose the guest is.  False: it is suspended or runs here,
 * and never ran anywhere else.  True: the go was sent, and no one may resume
 * it here.  *transitioned is written on every path.  Closes no descriptor.
 */
int xlm_save(struct xlm_context *ctx, const struct xlm_save_params *params,
             const struct xlm_save_callbacks *callbacks,
             struct xlm_stats *stats, bool *transitioned);

/*
 * Over another connection, go on with a migration whose connection was lost
 * after the go, or find out what has become of it. domid is the suspended
 * domain; params->id is the migration's.  Parameters for the time before the
 * go are ignored, and so are all callbacks but progress and connect_stream.
 *
 * Returns 0 with *state XLM_GUEST_NEVER_RAN, and it never will (it may be
 * taken back with xlm_take_back()), or with XLM_GUEST_COMPLETE or
 * XLM_GUEST_ENDED: the domain is not needed here any more.  On -1 nothing has
 * changed: with XLM_GUEST_RUNS the guest lacks pages, and the call may be made
 * again; with XLM_GUEST_UNKNOWN nothing is known.
 */
int xlm_recover(struct xlm_context *ctx, const struct xlm_save_params *params,
                const struct xlm_save_callbacks *callbacks,
                struct xlm_stats *stats, enum xlm_guest_state *state);

/* Call before a domain that never ran elsewhere is resumed here: stops the log
 * of its writes, and tells the guest that its suspend was cancelled. */
void xlm_take_back(struct xlm_context *ctx, uint32_t domid);

/* ---- the destination ---- */

/* Other connections for a guest that runs here and has lost its own. */
struct xlm_relink {
    /* Readable: there is another connection, and the current one is not waited
     * for any more.  Only await() may read from it. */
    int fd;
    /* Wait a while for another connection.  0: there is one, and
     * POSTCOPY_RECOVER was read from it; it stays open until the next call or
     * the end.  1: not yet, call again. -1: there will be none. */
    int (*await)(int *in_fd, int *out_fd, void *data);
    /* The connection is in use: the source knows what is missing. */
    void (*resumed)(void *data);
    /* Has a fault channel joined?  Never waits.  0: it has; it stays open
     * until drop_faults(), which is called once then.  Any other value: it has
     * not.  Both may be NULL. */
    int (*take_faults)(int *in_fd, int *out_fd, void *data);
    void (*drop_faults)(void *data);
    /* Has this stream joined?  As take_faults(): never waits, and the stream
     * stays open until drop_streams(), which closes all that have joined by
     * then.  Called at any time from the go on.  Both may be NULL. */
    int (*take_stream)(uint32_t index, int *in_fd, int *out_fd, void *data);
    void (*drop_streams)(void *data);
    void *data;
};

/* The thread that called xlm_restore() makes all these calls; 0, or -1 with a
 * reason in the context. */
struct xlm_restore_callbacks {
    /* Called before the domain is built, with what identifies the migration.
     * May be NULL. */
    int (*identify)(const struct xlm_identity *identity, void *data);
    /* Return xlm_kept_words(pfns) words, all 0, that outlive this process.
     * The engine keeps there the outstanding and requested pages and the
     * waiting vCPUs, for xlm_take_over().  Called once, after identify(); the
     * words must stay until xlm_restore() returns.  If it returns NULL the
     * restore fails.  May be NULL: no process can take over. */
    unsigned long *(*keep)(uint64_t pfns, void *data);
    /* NULL: the devices can start early.  Otherwise they start late, and the
     * text says why in a few words; it must stay until xlm_restore() returns.
     * Called once, after identify().  May be NULL: the devices start early. */
    const char *(*why_late)(enum xlm_build asked, void *data);
    /* Feed the toolstack that builds the domain: headers and records in the
     * order of the stream, everything but page data. */
    int (*feed)(const void *bytes, size_t length, void *data);
    /* Feed the records of early_devices(), after all others. */
    int (*feed_devices)(const void *records, size_t length, void *data);
    /* All static data was fed: wait until the domain exists. */
    int (*await_domain)(uint32_t *domid, void *data);
    /* The last record was fed: wait until the domain is built, with its
     * devices, and is paused. */
    int (*await_build)(void *data);
    /* If the devices start late, these take the place of await_build().
     * await_fed() waits until the toolstack has read all that was fed, which
     * is not all there is. poll_build() is called again and again from the
     * last record on: 1, the domain is built; 0, not yet after timeout_ms; -1,
     * building failed. */
    int (*await_fed)(void *data);
    int (*poll_build)(int timeout_ms, void *data);
    /* Read the records of the layer above: after POSTCOPY_TRANSITION, when the
     * domain is built; or, in a stream without one, after END, when the
     * toolstack still needs them to build. */
    int (*read_device_state)(struct xlm_channel *channel, void *data);
    /* The guest is this host's: give it its name and let it run, or leave it
     * paused if the caller wants that. */
    int (*run)(void *data);
    /* As above; XLM_PHASE_GO comes before run(). */
    void (*progress)(enum xlm_phase phase, const struct xlm_stats *stats,
                     void *data);
    void *data;
};

struct xlm_restore_params {
    /* Read the next record while one is paged in, however few processors
     * there are; otherwise only where there are more than two. */
    bool read_ahead;
    enum xlm_mechanism pager; /* how pages become absent */
    int in_fd;
    int out_fd;                      /* -1: no way back (an image in a file) */
    const struct xlm_relink *relink; /* NULL: no other connection can come */
    /* Most pages that the guest can have by its configuration; 0: not known.
     * Bounds what is allocated for the guest, whatever the source says. */
    uint64_t max_pages;
    /* After the go, a connection counts as lost when the guest waits for a
     * page and nothing has come for this number of milliseconds; 0: never. */
    uint32_t link_timeout_ms;
    /* How often this end says that it lives; 0: every 20 s. */
    uint32_t keepalive_ms;
    /* A PVH guest: when all of it is here, give it superpages again. */
    bool superpages;
    bool superpages_at_once; /* without letting it run in between: for tests */
};

/*
 * Receive a domain.  Returns 0 when it is here as a whole or, in
 * XLM_PHASE_POSTCOPY, when it ran here and was destroyed before: then the
 * source has been told, and ctx->reason says so.  On -1 with *resumed false it
 * never ran, and the caller must destroy what was built.  With *resumed true
 * the guest runs here and is the only copy: never destroy it.
 */
int xlm_restore(struct xlm_context *ctx,
                const struct xlm_restore_params *params,
                const struct xlm_restore_callbacks *callbacks,
                struct xlm_stats *stats, bool *resumed);

/*
 * Could a guest whose domain does not exist yet come to this host by postcopy?
 * Changes nothing. -1 with the reason in the context, and in *refusal what its
 * source would be told: OTHER, it has too many vCPUs.  *most_vcpus is written
 * on 0 and in that case: how many the guest may have; 0: no limit.
 */
int xlm_check_restore(struct xlm_context *ctx, enum xlm_mechanism pager,
                      bool hap, unsigned int vcpus, enum xlm_refusal *refusal,
                      unsigned int *most_vcpus);

/* A guest that runs here and whose receiver was killed. */
struct xlm_orphan {
    uint32_t domid;
    uint64_t pfns;
    unsigned long *kept; /* the words that keep() returned for that receiver */
};

/*
 * Become the pager of a guest whose receiver was killed, and go on with its
 * migration over the connection in the params, from which POSTCOPY_RECOVER has
 * been read, and over others after it.  Only this process brings the guest's
 * pages: it must not end.  Only run() and progress() are called; run() when
 * the pager is in place and the guest may run.
 *
 * Returns as xlm_restore() with *resumed true.  With *resumed false run() was
 * not called, and another call may succeed.
 */
int xlm_take_over(struct xlm_context *ctx,
                  const struct xlm_restore_params *params,
                  const struct xlm_orphan *orphan,
                  const struct xlm_restore_callbacks *callbacks,
                  struct xlm_stats *stats, bool *resumed);

/* End the paging of a complete guest whose receiver was killed while it was
 * still the pager.  A vCPU may wait for an answer although its page is there:
 * it gets the answer, and the domain has no pager any more.  A region that the
 * receiver had away for a superpage is put back first. */
int xlm_end_paging(struct xlm_context *ctx, const struct xlm_orphan *orphan);

/* What another connection of a migration is for. */
enum xlm_purpose {
    XLM_FOR_RECOVERY,
    XLM_FOR_FAULTS, /* the fault channel */
    XLM_FOR_STREAM, /* of the push */
};

struct xlm_errand {
    enum xlm_purpose purpose;
    uint32_t stream; /* FOR_STREAM: from 1 up to XLM_STREAMS_MOST - 1 */
};

/* Read the first record of another connection, which says what the connection
 * is for. */
int xlm_read_recover(struct xlm_context *ctx, int in_fd,
                     struct xlm_identity *identity, struct xlm_errand *errand);
/* Answer a recovery whose guest no process here receives, or receives any
 * more. */
int xlm_answer_recover(struct xlm_context *ctx, int out_fd,
                       enum xlm_guest_state state, const char *text);
/* Answer a fault channel or a stream: NULL, it has joined the migration; else
 * why not. */
int xlm_answer_channel(struct xlm_context *ctx, int out_fd, const char *why);

#endif
