/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Live migration with postcopy, on top of libxenlight.
 *
 * The source calls libxl_domain_live_migrate(), the destination
 * libxl_domain_live_migrate_receive(), connected by a reliable byte stream
 * each way.  All state is in the arguments: different domains may be migrated
 * at the same time from different threads, each with a ctx of its own or with
 * a shared one.  While a call runs other threads may use the same ctx.
 *
 * With ao_how NULL a call returns when all is over.  With a callback in it the
 * call returns at once: 0, the work goes on in a thread of ours and the
 * callback comes exactly once, from that thread and perhaps before the call
 * has returned; or an error, nothing has happened and no callback comes.  What
 * the pointers point to, and the descriptors, must stay until the callback;
 * ao_how, params and the strings in those are copied.  The callback is the
 * last that is done: it may release all of it and the ctx, may call libxl and
 * these functions, and need not be quick.  All signals are blocked in it.  An
 * ao_how without a callback asks for an event, which libxl lets nobody else
 * post: ERROR_NI.
 *
 * Child processes: the calls use what the ctx was set to with
 * libxl_childproc_setmode(); what libxl starts gets the signal mask that the
 * calling thread had.  Signals: none is caught, none is left pending.
 * Descriptors: those handed in are non-blocking during the call, all others
 * are closed when it ends.
 */
#ifndef LIBXL_LIVE_MIGRATE_H
#define LIBXL_LIVE_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

#include "libxl_live_migrate_counters.h"

/* libxl_domain_live_migrate() */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE 1
/* libxl_domain_live_migrate_tuned() */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_TUNED 1
/* ao_how with a callback, at both ends */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_ASYNC 1
/* libxl_domain_live_migrate_receive() */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_RECEIVE 1
/* libxl_domain_live_migrate_recover(),
 * libxl_domain_live_migrate_receive_recover() and
 * libxl_domain_live_migrate_receive_clean_up() */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_RECOVER 1
/* libxl_domain_live_migrate_receive_settle(), and recovery takes the place of
 * a receiver that was killed */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_RECEIVE_SETTLE 1

/* connect_fault_channel in libxl_live_migrate_params, channel_pages in
 * libxl_live_migrate_stats */
#define LIBXL_HAVE_LIVE_MIGRATE_FAULT_CHANNEL 1

/* libxl_live_migrate_params has sent_config */
#define LIBXL_HAVE_LIVE_MIGRATE_SENT_CONFIG 1

/* libxl_live_migrate_params and _receive_params have trace */
#define LIBXL_HAVE_LIVE_MIGRATE_TRACE 1

/* A flag beside LIBXL_SUSPEND_*: move the guest first, its memory later. */
#define LIBXL_SUSPEND_POSTCOPY (1 << 16)

#define LIBXL_LIVE_MIGRATE_REASON_MAX 512

/*
 * Each enumeration here has two functions that turn it into text and back:
 *
 * _to_string() gives a short lower-case name in static storage, such as
 * "stop-and-copy"; NULL for a number that this library has no name for, as a
 * later one may have reported.  _from_string() takes such a name in letters of
 * either case and returns 0, or ERROR_INVAL for any other text, which leaves
 * *value as it is.  Both may be called from any thread, and need no ctx.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_STRINGS 1

/* ---- what both ends report ---- */

typedef enum libxl_live_migrate_phase {
    LIBXL_LIVE_MIGRATE_PHASE_START = 0,
    LIBXL_LIVE_MIGRATE_PHASE_PREPARING = 1, /* destination builds the domain */
    LIBXL_LIVE_MIGRATE_PHASE_PRECOPY = 2,
    LIBXL_LIVE_MIGRATE_PHASE_EVICTING = 3, /* destination makes its holes */
    LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED = 4,
    LIBXL_LIVE_MIGRATE_PHASE_READY = 5,    /* destination waits for the go */
    LIBXL_LIVE_MIGRATE_PHASE_GO = 6,       /* from here the guest is there */
    LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY = 7, /* runs there, pages follow */
    LIBXL_LIVE_MIGRATE_PHASE_COMPLETE = 8,
} libxl_live_migrate_phase;

const char *libxl_live_migrate_phase_to_string(libxl_live_migrate_phase value);
int libxl_live_migrate_phase_from_string(const char *name,
                                         libxl_live_migrate_phase *value);

/* libxl_live_migrate_stats has behind_median and behind_most */
#define LIBXL_HAVE_LIVE_MIGRATE_BEHIND 1

/* libxl_live_migrate_stats has waits, and the counters before it */
#define LIBXL_HAVE_LIVE_MIGRATE_WAITS 1
#define LIBXL_LIVE_MIGRATE_WAIT_BUCKETS 32
#define LIBXL_LIVE_MIGRATE_WAIT_VCPUS 128

/* How long the guest has waited for pages, each time and in all. */
typedef struct libxl_live_migrate_waits {
    /* Waits from 2^i up to 2^(i + 1) microseconds; the first also those of 0,
     * the last all that were longer. */
    uint64_t histogram[LIBXL_LIVE_MIGRATE_WAIT_BUCKETS];
    uint64_t nr_vcpus;
    uint64_t blocked_us[LIBXL_LIVE_MIGRATE_WAIT_VCPUS]; /* by vCPU */
} libxl_live_migrate_waits;

/* LIBXL_LIVE_MIGRATE_COUNTERS(), and the room for more of them */
#define LIBXL_HAVE_LIVE_MIGRATE_COUNTERS 1

/*
 * A field of 64 bits for each row of LIBXL_LIVE_MIGRATE_COUNTERS(), which says
 * what it counts.
 */
typedef struct libxl_live_migrate_stats {
#define LIBXL_LIVE_MIGRATE_FIELD_(end, field, ...) uint64_t field;
    LIBXL_LIVE_MIGRATE_COUNTERS(LIBXL_LIVE_MIGRATE_FIELD_)
#undef LIBXL_LIVE_MIGRATE_FIELD_
    uint64_t reserved[LIBXL_LIVE_MIGRATE_MAX_COUNTERS -
                      LIBXL_LIVE_MIGRATE_NR_COUNTERS];
    libxl_live_migrate_waits waits; /* more about the faults */
} libxl_live_migrate_stats;

/* libxl_live_migrate_params has build; libxl_live_migrate_result and
 * libxl_live_migrate_status have it and late_reason */
#define LIBXL_HAVE_LIVE_MIGRATE_BUILD 1
#define LIBXL_LIVE_MIGRATE_LATE_REASON_MAX 60

/*
 * When the destination starts the guest's devices: its device model, and what
 * serves its disks.  Early, while the guest still runs at the source: the stop
 * is shorter.  Late, in the stop, as is right for any device.
 */
typedef enum libxl_live_migrate_build {
    /* Of an order: early where the destination knows that to be safe.  Of a
     * result: not known. */
    LIBXL_LIVE_MIGRATE_BUILD_ANY = 0,
    LIBXL_LIVE_MIGRATE_BUILD_EARLY = 1,
    LIBXL_LIVE_MIGRATE_BUILD_LATE = 2,
} libxl_live_migrate_build;

const char *libxl_live_migrate_build_to_string(libxl_live_migrate_build value);
int libxl_live_migrate_build_from_string(const char *name,
                                         libxl_live_migrate_build *value);

typedef struct libxl_live_migrate_result {
    libxl_live_migrate_phase phase; /* the last one reached */
    libxl_live_migrate_stats stats;
    /* On failure: one line for a person, what is wrong and what to do. */
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    /* When the guest's devices were started, and if late, why. */
    libxl_live_migrate_build build;
    char late_reason[LIBXL_LIVE_MIGRATE_LATE_REASON_MAX];
    /* On failure after the go: what the guest lacks can never come, and
     * nothing is to be recovered. */
    bool lost;
    uint64_t reserved[7];
} libxl_live_migrate_result;

/* libxl_live_migrate_result has lost, and there is STATE_LOST */
#define LIBXL_HAVE_LIVE_MIGRATE_LOST 1

/* Called from the thread that does the work (the calling one, or ours), often:
 * must be quick, must not call libxl with the same domain. */
typedef void libxl_live_migrate_progress(libxl_live_migrate_phase phase,
                                         const libxl_live_migrate_stats *stats,
                                         void *user);

/* ---- the source ---- */

typedef enum libxl_live_migrate_strategy {
    /* Copy until little is left, then stop the guest for the rest. */
    LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY = 0,
    /* After the precopy rounds move the guest and let the rest follow. */
    LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY = 1,
    /* Precopy for as long as it will end in a short stop, by the rates at
     * which the guest writes and pages are sent; else postcopy, as soon as
     * that is seen. */
    LIBXL_LIVE_MIGRATE_STRATEGY_AUTO = 2,
} libxl_live_migrate_strategy;

const char *libxl_live_migrate_strategy_to_string(
    libxl_live_migrate_strategy value);
int libxl_live_migrate_strategy_from_string(
    const char *name, libxl_live_migrate_strategy *value);

typedef enum libxl_live_migrate_push_order {
    /* What the guest wrote last at the source comes first, by turns with what
     * lies around the pages that it has asked for. */
    LIBXL_LIVE_MIGRATE_PUSH_ORDER_RECENT = 0,
    /* From the bottom of memory up, or outwards from the pages that it has
     * asked for. */
    LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING = 1,
} libxl_live_migrate_push_order;

const char *libxl_live_migrate_push_order_to_string(
    libxl_live_migrate_push_order value);
int libxl_live_migrate_push_order_from_string(
    const char *name, libxl_live_migrate_push_order *value);

/* libxl_live_migrate_params has push_order, and windows that adapt */
#define LIBXL_HAVE_LIVE_MIGRATE_PUSH_ORDER 1

/* libxl_live_migrate_params has allow_exposed_backends */
#define LIBXL_HAVE_LIVE_MIGRATE_EXPOSED_BACKENDS 1

/*
 * Connect a second time: with a libxl_domain_live_migrate_receive_recover() at
 * the destination, which is receiving the domain by then.  Called once, from
 * the thread that does the work, while the domain runs here; must give up by
 * itself when the caller's abort_fd is readable.  0 with two descriptors,
 * which are the caller's and stay open until the migration is over; else there
 * is no such channel.  The migration goes on without one, or without one that
 * is lost, over the first connection: it loses nothing, and the log says so.
 */
typedef int libxl_live_migrate_connect(int *send_fd, int *recv_fd, void *user);

/*
 * Initialise with libxl_live_migrate_params_init() and change what is to
 * differ; fields are only ever added in place of reserved ones, where zero
 * means the default.
 */
typedef struct libxl_live_migrate_params {
    libxl_live_migrate_strategy strategy; /* STOP_AND_COPY */
    /* Precopy rounds at most.  0: none, the policy decides at once; with AUTO
     * 30. */
    uint32_t precopy_iterations; /* 0 */
    /* A precopy round after which no more than so many pages are left to
     * send ends in stop-and-copy, whatever the strategy. */
    uint64_t precopy_dirty_threshold; /* 50 */
    /* Readable: give up, when the go has not been given.  -1: never.  Never
     * read from: an eventfd serves any number of calls. */
    int abort_fd; /* -1 */
    /* What the domain is called here once it has been let go; NULL: its name
     * with "--migratedaway" added. */
    const char *away_name; /* NULL */
    /* Where messages go, beside the ctx's own; NULL: warnings to stderr.  Used
     * by several threads. */
    struct xentoollog_logger *logger;      /* NULL */
    libxl_live_migrate_progress *progress; /* NULL */
    void *progress_user;
    /* With postcopy: of the pages that the guest wrote last, it takes along so
     * many at most.  A current Linux guest does not survive without them.
     * 0: 256; LIBXL_LIVE_MIGRATE_NO_HOT_PAGES: none, for tests. */
    uint64_t hot_pages_max; /* 0 */
    /* With POSTCOPY and AUTO: precopy until then, in seconds, unless it ends
     * before by itself; precopy_iterations 0 sets no other limit.  0: off. */
    uint32_t postcopy_after; /* 0 */
    /* With AUTO and with postcopy_after: what can be sent in so many
     * milliseconds may be left for the stop.  0: 300. */
    uint32_t max_downtime_ms; /* 0 */
    /* Octets a second for what nobody waits for: precopy rounds, and pages
     * that follow unasked.  0: no limit. */
    uint64_t background_rate; /* 0 */
    /* Neighbours below and above a page that the guest asks for, which go
     * along with it.  0 for both: they adapt to what it asks for, from 8 and
     * 24 on, between 2 and 64.  Else they stay as set; UINT32_MAX: none; 0 for
     * one: its 8 or 24. */
    uint32_t window_before; /* 0 */
    uint32_t window_after;  /* 0 */
    /* Pages under way unasked at the most.  0: 1024. */
    uint32_t credit_pages; /* 0 */
    /* Only pages that the guest asks for follow it, and their neighbours: it
     * depends on the source until it has touched all of its memory. */
    bool no_background_push; /* false */
    /* Of what follows unasked. */
    libxl_live_migrate_push_order push_order; /* RECENT */
    /* After the go: seconds that the connection may stand still while the
     * destination owes an answer.  Then it is lost, as if it had been cut.  0:
     * for as long as the destination says that it is alive.  Nothing at all
     * for three minutes is always the end of a connection. */
    uint64_t link_timeout; /* 60 */
    /* Pages that the guest asks for go over a connection of their own. */
    libxl_live_migrate_connect *connect_fault_channel; /* NULL: none */
    void *fault_channel_user;
    /* With POSTCOPY and AUTO: also when a disk or network of the guest has a
     * front end that is not known to copy what it sends.  Until its memory is
     * whole it can harm the destination's dom0 then, and lose writes. */
    bool allow_exposed_backends; /* false */
    /* EARLY where the destination would not do so: at the caller's risk. */
    libxl_live_migrate_build build; /* ANY */
    /* The domain's own configuration, as libxl_domain_config_to_json() gives
     * it, of the moment at which what the destination is built with was made
     * of it: when it has changed by the stop, the domain is not moved.  NULL:
     * the one that it has when the call begins. */
    const char *sent_config; /* NULL */
    /* A file in which it says afterwards what happened when: see
     * xl-migrate-trace(1).  It is made, or emptied, when the call begins:
     * ERROR_INVAL when that cannot be done. */
    const char *trace; /* NULL: none */
    uint64_t reserved[4];
} libxl_live_migrate_params;

#define LIBXL_LIVE_MIGRATE_NO_HOT_PAGES UINT64_MAX

void libxl_live_migrate_params_init(libxl_live_migrate_params *params);
/* Releases nothing today: strings stay the caller's. */
void libxl_live_migrate_params_dispose(libxl_live_migrate_params *params);

/*
 * Move a domain out through send_fd.
 *
 * @param send_fd  where the stream goes; stays open and the caller's.
 * @param flags    LIBXL_SUSPEND_LIVE: precopy rounds, five at most;
 *                 LIBXL_SUSPEND_DEBUG: taken and ignored;
 *                 LIBXL_SUSPEND_POSTCOPY: postcopy, without precopy rounds.
 * @param recv_fd  what the destination answers; -1 without postcopy: the
 *                 stream is then an ordinary one that any libxl restores.
 * @param postcopy_transitioned  may not be NULL; written on every path.
 *                 On failure: false, the domain runs here as it did; true, it
 *                 was let go, may run at the destination, and must never be
 *                 resumed here by a program: see
 *                 libxl_domain_live_migrate_recover().
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 when the destination has all of the domain.  It is then still
 * here, suspended, under its away name, and for the caller to destroy with
 * libxl_domain_destroy(); no earlier moment is safe.  It also returns 0 when
 * the domain has ended at the destination before all of its memory was there:
 * the last phase is then POSTCOPY, and it is to be destroyed all the same.
 *
 * Otherwise a libxl error: ERROR_INVAL for arguments, ERROR_DOMAIN_NOTFOUND,
 * ERROR_NI for a guest that cannot be moved this way, ERROR_ABORTED,
 * ERROR_GUEST_TIMEDOUT when it did not suspend, else ERROR_FAIL.  Why is in
 * the log.
 */
int libxl_domain_live_migrate(libxl_ctx *ctx, uint32_t domid, int send_fd,
                              int flags, int recv_fd,
                              bool *postcopy_transitioned,
                              const libxl_asyncop_how *ao_how);

/*
 * The same with tunables, which take the place of the flags: these must be 0
 * or LIBXL_SUSPEND_DEBUG.  *result (may be NULL) is written on every path, as
 * postcopy_transitioned is: before the return or the callback.
 */
int libxl_domain_live_migrate_tuned(libxl_ctx *ctx, uint32_t domid,
                                    int send_fd, int flags, int recv_fd,
                                    const libxl_live_migrate_params *params,
                                    libxl_live_migrate_result *result,
                                    bool *postcopy_transitioned,
                                    const libxl_asyncop_how *ao_how);

/* ---- the source, after the connection was lost ---- */

typedef enum libxl_live_migrate_recovery {
    LIBXL_LIVE_MIGRATE_RECOVERY_NONE = 0, /* all is as it was: try again */
    /* The destination has all of it, or it has ended there: the suspended
     * domain here is for the caller to destroy. */
    LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE = 1,
    LIBXL_LIVE_MIGRATE_RECOVERY_ENDED = 2,
    /* It never ran there and never will: it runs here again, by its name. */
    LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK = 3,
} libxl_live_migrate_recovery;

const char *libxl_live_migrate_recovery_to_string(
    libxl_live_migrate_recovery value);
int libxl_live_migrate_recovery_from_string(
    const char *name, libxl_live_migrate_recovery *value);

/*
 * Go on with a migration over another connection, after one that failed with
 * *postcopy_transitioned true, or whose process died.  No more is needed of it
 * than the suspended domain and what xenstore keeps of the migration; so it
 * may be another process, and may be tried any number of times.
 *
 * @param domid    the suspended domain, as a rule under its away name.
 * @param send_fd, recv_fd  to and from a
 *                 libxl_domain_live_migrate_receive_recover(); stay the
 *                 caller's.
 * @param params   of these count abort_fd (until the destination has
 * answered), logger, progress, background_rate, the windows, credit_pages,
 *                 no_background_push and link_timeout.
 * @param result   may be NULL; written on every path.
 * @param recovery  may not be NULL; written on every path.
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 with one of the last three recoveries.  Else a libxl error:
 * ERROR_INVAL for arguments and for a domain that is not suspended,
 * ERROR_NOTFOUND when no migration of the domain is known here, ERROR_ABORTED,
 * else ERROR_FAIL: the connection was lost again, or the destination knows
 * nothing of the migration.  Thread-safe as all these functions.
 */
int libxl_domain_live_migrate_recover(libxl_ctx *ctx, uint32_t domid,
                                      int send_fd, int recv_fd,
                                      const libxl_live_migrate_params *params,
                                      libxl_live_migrate_result *result,
                                      libxl_live_migrate_recovery *recovery,
                                      const libxl_asyncop_how *ao_how);

/* ---- the destination ---- */

typedef struct libxl_live_migrate_receive_params {
    /* The domain is built under the name in its configuration and gets this
     * one when it is let run.  NULL: it keeps the first. */
    const char *final_name; /* NULL */
    /* Leave it paused instead of letting it run. */
    bool paused; /* false */
    /* When the host has not enough free memory: take it from dom0.  Else such
     * a domain is refused. */
    bool autoballoon;                      /* false */
    int abort_fd;                          /* -1; as at the source */
    struct xentoollog_logger *logger;      /* NULL; as at the source */
    libxl_live_migrate_progress *progress; /* NULL */
    void *progress_user;
    /* Of a recovery that takes the place of a receiver: which domain it is,
     * set from the phase GO on.  NULL */
    uint32_t *local_domid;
    /* After the go: seconds that the connection may stand still while the
     * guest waits for a page.  Then another one is waited for, as if it had
     * been cut; that has no end.  0: for as long as the source says that it is
     * alive; nothing at all for three minutes is always the end.  Who takes
     * the place of a receiver has what that had. */
    uint64_t link_timeout; /* 60 */
    /* As at the source; not of a recovery. */
    const char *trace; /* NULL */
    uint64_t reserved[13];
} libxl_live_migrate_receive_params;

void libxl_live_migrate_receive_params_init(
    libxl_live_migrate_receive_params *params);
void libxl_live_migrate_receive_params_dispose(
    libxl_live_migrate_receive_params *params);

/*
 * Build a domain from what libxl_domain_live_migrate() sends, or from the
 * libxl stream of an ordinary save image.
 *
 * @param config   the domain's configuration, as for
 *                 libxl_domain_create_restore(); stays the caller's.
 * @param domid    set when the domain exists at the end, and from the phase
 *                 GO on.
 * @param recv_fd  the stream, at its libxl header.
 * @param send_fd  the way back; -1: none, postcopy is then refused.
 * @param postcopy_resumed  may not be NULL; written on every path.  On
 * failure: false, nothing is left of the domain here; true, it runs here, some
 * of its memory may be missing for good, and it is the only copy: *domid is
 * set, never destroy it by a program.
 *
 * A connection that is lost once the domain runs here does not end the call:
 * it stays the domain's pager, and waits, for as long as it takes, for another
 * one that a libxl_domain_live_migrate_receive_recover() of any process of
 * this host brings it, or for the end of the domain.  The log says so and what
 * to do.  The process should not end meanwhile: the domain would stop where it
 * needs memory that has not come, until another takes its place.
 *
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 when the domain is here as a whole, or when somebody destroyed it
 * here after it had shut down: the last phase is then POSTCOPY and there is
 * no domain *domid.  A caller who wants that a shutdown in the postcopy phase
 * is acted upon at once watches the domain from that phase on.  Else a libxl
 * error:
 * ERROR_INVAL, ERROR_NOMEM when the host has not the memory, ERROR_ABORTED,
 * ERROR_FAIL.  *result (may be NULL) is written on every path.
 */
int libxl_domain_live_migrate_receive(
    libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid, int recv_fd,
    int send_fd, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, bool *postcopy_resumed,
    const libxl_asyncop_how *ao_how);

/*
 * Serve another connection of a migration: one from a
 * libxl_domain_live_migrate_recover(), or its fault channel.  Hand it to the
 * call that receives the migration, whatever process of this host makes that,
 * and wait until it has done with it; or answer that the migration has ended,
 * and how.  When the process that received it was killed after the go, this
 * call takes its place: it becomes the domain's pager, and goes on as
 * libxl_domain_live_migrate_receive() does from phase GO on, with the same
 * duties of the caller; that it does, the progress callback says.
 *
 * @param recv_fd, send_fd  from and to the source; stay the caller's, who is
 * to close them when the call has returned.
 * @param params   of these count abort_fd (until it is known what the
 * connection is for), logger and progress.
 * @param result   may be NULL; written on every path: the reason.
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 when the migration has ended, one way or the other, and the source
 * was told, or when the fault channel has done its service; ERROR_NOTFOUND
 * when nothing is known of it here; ERROR_ABORTED; else ERROR_FAIL: the
 * connection was lost again.
 */
int libxl_domain_live_migrate_receive_recover(
    libxl_ctx *ctx, int recv_fd, int send_fd,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, const libxl_asyncop_how *ao_how);

/*
 * A process died while it received a domain, which the caller watches over.
 * Both are synchronous.
 *
 * libxl_domain_live_migrate_receive_clean_up(), when the domain had not been
 * let run (the progress callback had not been called with phase GO, which the
 * caller must know): destroy what it had built, and note that the guest never
 * ran here, so that the source can take it back.
 * libxl_domain_live_migrate_receive_settle(), from phase GO on: the domain
 * runs on until it needs memory that has not come, and
 * libxl_domain_live_migrate_receive_recover() takes the place of the receiver.
 * One that lacks nothing loses its pager, and is complete; one that had not
 * been let run after all is destroyed as above.
 *
 * 0 when that is done; ERROR_INVAL for a domain that must not be destroyed;
 * else a libxl error.
 */
int libxl_domain_live_migrate_receive_clean_up(libxl_ctx *ctx, uint32_t domid);
int libxl_domain_live_migrate_receive_settle(libxl_ctx *ctx, uint32_t domid);

/* libxl_domain_live_migrate_receive_end() */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_RECEIVE_END 1

/*
 * The caller is about to destroy a domain, because its guest has ended or is
 * to end: what has not come of its memory is not needed any more.  A receiver
 * that lives sees that by itself; of one that was killed it is noted, so that
 * the source may destroy what it keeps.  Harmless on any other domain.
 * Synchronous.
 *
 * 0; ERROR_INVAL for a domain that is suspended, which has not ended; else a
 * libxl error: it could not be noted, and the source keeps what it has.
 */
int libxl_domain_live_migrate_receive_end(libxl_ctx *ctx, uint32_t domid);

/* ---- migrations under way, whoever does them ---- */

/*
 * Each migration is shown in xenstore and takes requests there: see
 * docs/specs/live-migrate-control.md.  These functions may be called from any
 * process of the toolstack's domain, and need no ctx.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_STATUS 1

typedef enum libxl_live_migrate_role {
    LIBXL_LIVE_MIGRATE_ROLE_SOURCE = 0,
    LIBXL_LIVE_MIGRATE_ROLE_DESTINATION = 1,
} libxl_live_migrate_role;

const char *libxl_live_migrate_role_to_string(libxl_live_migrate_role value);
int libxl_live_migrate_role_from_string(const char *name,
                                        libxl_live_migrate_role *value);

typedef enum libxl_live_migrate_state {
    LIBXL_LIVE_MIGRATE_STATE_RUNNING = 0,
    LIBXL_LIVE_MIGRATE_STATE_COMPLETE = 1,
    LIBXL_LIVE_MIGRATE_STATE_FAILED = 2, /* the guest is where it was */
    /* The connection was lost, and the guest is the destination's. */
    LIBXL_LIVE_MIGRATE_STATE_PAUSED = 3,
    LIBXL_LIVE_MIGRATE_STATE_KILLED = 4, /* the process has gone */
    /* What the guest lacks can never come: one of the halves was destroyed,
     * resumed, or taken away by another program. */
    LIBXL_LIVE_MIGRATE_STATE_LOST = 5,
} libxl_live_migrate_state;

const char *libxl_live_migrate_state_to_string(libxl_live_migrate_state value);
int libxl_live_migrate_state_from_string(const char *name,
                                         libxl_live_migrate_state *value);

#define LIBXL_LIVE_MIGRATE_RATE_UNLIMITED UINT64_MAX

/* libxl_live_migrate_status has outside */
#define LIBXL_HAVE_LIVE_MIGRATE_OUTSIDE 1

/* At the destination: a field for each row of
 * LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(). */
typedef struct libxl_live_migrate_outside {
#define LIBXL_LIVE_MIGRATE_FIELD_(field, ...) uint64_t field;
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(LIBXL_LIVE_MIGRATE_FIELD_)
#undef LIBXL_LIVE_MIGRATE_FIELD_
    uint64_t reserved[5];
} libxl_live_migrate_outside;

typedef struct libxl_live_migrate_status {
    uint32_t domid;
    int32_t pid;    /* of the process that does it; 0: not known */
    char name[256]; /* the guest's own, whatever the domain is called now */
    libxl_live_migrate_role role;
    libxl_live_migrate_state state;
    libxl_live_migrate_phase phase; /* the last one reached */
    uint64_t elapsed_us;
    /* Octets a second, or LIBXL_LIVE_MIGRATE_RATE_UNLIMITED; 0: held. */
    uint64_t background_rate;
    libxl_live_migrate_stats stats;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX]; /* when it has failed */
    libxl_live_migrate_outside outside;
    /* As in a result; ANY until the destination has chosen. */
    libxl_live_migrate_build build;
    char late_reason[LIBXL_LIVE_MIGRATE_LATE_REASON_MAX];
    /* Seconds since 1970, in the list of those that have ended; else 0. */
    uint64_t ended_at;
    uint64_t reserved[4];
} libxl_live_migrate_status;

/* The migrations of this host, those that have ended and are still shown
 * included.  *list is to be freed with the function below, also when there are
 * none; its elements may be copied, and outlive it then. */
int libxl_live_migrate_list(libxl_live_migrate_status **list, int *count);
/* Harmless with NULL, whatever the count. */
void libxl_live_migrate_status_list_free(libxl_live_migrate_status *list,
                                         int count);

/* libxl_live_migrate_list_completed() */
#define LIBXL_HAVE_LIVE_MIGRATE_LIST_COMPLETED 1

/* Those that have ended on this host since it was started, at either end, as
 * they were then, the newest last; one that is paused has not ended.  Some
 * hundreds are kept, for root.  *list as above. */
int libxl_live_migrate_list_completed(libxl_live_migrate_status **list,
                                      int *count);

/* A line of JSON without its end, malloc'ed; NULL: no memory.  A role, state
 * or phase that this library has no name for is null in it. */
char *libxl_live_migrate_status_to_json(
    const libxl_live_migrate_status *status);

/* libxl_live_migrate_inspect() */
#define LIBXL_HAVE_LIVE_MIGRATE_INSPECT 1

/* What a domain is of its guest.  While memory is in two places neither half
 * is a whole guest: whoever saves, copies, moves or destroys one loses it. */
typedef enum libxl_live_migrate_half {
    /* A guest of its own, as far as migrations with this library go. */
    LIBXL_LIVE_MIGRATE_HALF_NONE = 0,
    /* It runs here, and is about to move: before the go. */
    LIBXL_LIVE_MIGRATE_HALF_LEAVING = 1,
    /* Suspended for good: the guest is the destination's, or may be, as the
     * process was killed in the stop.  It must never run. */
    LIBXL_LIVE_MIGRATE_HALF_LEFT = 2,
    /* Paused and not complete: the guest runs at its source. */
    LIBXL_LIVE_MIGRATE_HALF_ARRIVING = 3,
    /* The guest is here, and lacks pages that are at its source. */
    LIBXL_LIVE_MIGRATE_HALF_ARRIVED = 4,
    /* Pages of it are paged out, and no migration is known that did it. */
    LIBXL_LIVE_MIGRATE_HALF_PAGED = 5,
} libxl_live_migrate_half;

const char *libxl_live_migrate_half_to_string(libxl_live_migrate_half value);
int libxl_live_migrate_half_from_string(const char *name,
                                        libxl_live_migrate_half *value);

typedef struct libxl_live_migrate_inspection {
    uint32_t domid;
    int32_t pid; /* of the process that is at work; 0: none, or not known */
    libxl_live_migrate_half half;
    bool attended; /* a process is at work */
    /* Something of this domain is needed: false with LEFT when the destination
     * has all of it, and with NONE. */
    bool needed;
    /* Pages that have not come; at the source as of the last second in which a
     * process showed them. */
    uint64_t outstanding;
    uint64_t time_left_us; /* 0: not known */
    char name[256];        /* the guest's own; empty: not known */
    /* A line for a person: what it is, and what brings it on; empty: NONE. */
    char text[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint64_t reserved[16];
} libxl_live_migrate_inspection;

/*
 * Find out which half of a guest a domain is, from xenstore, from what
 * receivers keep, and from the hypervisor: so what processes have left that
 * were killed is found as well.  Needs no ctx, and may be called from any
 * thread.
 *
 * 0, and *inspection is filled in; ERROR_DOMAIN_NOTFOUND; else a libxl error:
 * somebody could not be asked, so whether the domain is whole is not known.
 */
int libxl_live_migrate_inspect(uint32_t domid,
                               libxl_live_migrate_inspection *inspection);

/*
 * Can this library be used with the hypervisor of this host?  Where it cannot,
 * the calls above fail with the same reason; a program that asks libxl for a
 * domain first, which then fails as well and does not say why, asks this
 * before.  Needs no ctx, and may be called from any thread.
 *
 * @param reason   may be NULL; else it has LIBXL_LIVE_MIGRATE_REASON_MAX
 * octets and says on ERROR_FAIL what is wrong and what to do, in a line.
 *
 * 0, ERROR_FAIL or ERROR_NOMEM.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_CHECK_HOST 1
int libxl_live_migrate_check_host(char *reason);

/* libxl_live_migrate_can_receive() */
#define LIBXL_HAVE_LIVE_MIGRATE_CAN_RECEIVE 1

/* What keeps a guest from coming to a host by postcopy. */
typedef enum libxl_live_migrate_obstacle {
    LIBXL_LIVE_MIGRATE_OBSTACLE_NONE = 0,
    /* It cannot be reached, or is of another release of Xen. */
    LIBXL_LIVE_MIGRATE_OBSTACLE_HYPERVISOR = 1,
    LIBXL_LIVE_MIGRATE_OBSTACLE_TYPE = 2,   /* a PV guest */
    LIBXL_LIVE_MIGRATE_OBSTACLE_HAP = 3,    /* the host's, or the guest's */
    LIBXL_LIVE_MIGRATE_OBSTACLE_PAGING = 4, /* the hypervisor has none */
    /* More than may wait for memory where the hypervisor runs on shadow
     * stacks (CET). */
    LIBXL_LIVE_MIGRATE_OBSTACLE_VCPUS = 5,
    LIBXL_LIVE_MIGRATE_OBSTACLE_DEVICES = 6, /* passed through */
    LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY = 7,  /* not enough of it is free */
} libxl_live_migrate_obstacle;
const char *libxl_live_migrate_obstacle_to_string(
    libxl_live_migrate_obstacle value);
int libxl_live_migrate_obstacle_from_string(
    const char *name, libxl_live_migrate_obstacle *value);

typedef struct libxl_live_migrate_readiness {
    libxl_live_migrate_obstacle obstacle; /* the first that was found */
    /* vCPUs that a guest may have here; 0: as many as Xen allows, or not
     * known, as something else is in the way. */
    uint32_t vcpus_max;
    /* Of the host, and of the domain of the configuration; 0 without one, or
     * when something else is in the way. */
    uint64_t free_memkb;
    uint64_t needed_memkb;
    /* A line for a person: what is in the way, and what to do; empty: NONE. */
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint64_t reserved[16];
} libxl_live_migrate_readiness;

/*
 * Could this host receive a guest by postcopy?  For the moment at which a
 * daemon chooses a host, or prepares one, before a connection is made: the
 * destination finds out the same when the guest comes, and until then it may
 * change.  Changes nothing, and may be called from any thread.
 *
 * @param config   the domain's, as libxl_domain_live_migrate_receive() would
 *                 be given it; stays the caller's, and may be filled in with
 *                 defaults.  NULL: about the host alone.
 * @param params   as that would be given them; NULL: the defaults.  Of these
 *                 count the logger, and autoballoon: with it free memory that
 *                 is missing is no obstacle, as dom0 is to give it.
 * @param readiness  written on every path.
 *
 * 0: it can.  ERROR_NI: never as both are; ERROR_NOMEM: not at the moment;
 * else a libxl error: it could not be found out.
 */
int libxl_live_migrate_can_receive(
    libxl_ctx *ctx, libxl_domain_config *config,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_readiness *readiness);

typedef enum libxl_live_migrate_command {
    /* Move the guest now: in precopy, also in the middle of a round. */
    LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY = 0,
    LIBXL_LIVE_MIGRATE_COMMAND_ABORT = 1, /* until the guest is let go */
    /* Change the background rate, never that of pages that are asked for. */
    LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE = 2,
} libxl_live_migrate_command;

const char *libxl_live_migrate_command_to_string(
    libxl_live_migrate_command value);
int libxl_live_migrate_command_from_string(const char *name,
                                           libxl_live_migrate_command *value);

/*
 * Ask something of the migration of a domain, and wait for the answer.
 *
 * @param rate     with SET_RATE; as background_rate in the status.
 * @param timeout_ms  how long an answer is waited for; it can take as long as
 *                 a guest takes to suspend.
 * @param reason   may be NULL; else it has LIBXL_LIVE_MIGRATE_REASON_MAX
 * octets and says on failure what is wrong, in a line.
 *
 * 0 when it was done; ERROR_DOMAIN_NOTFOUND; ERROR_NOTFOUND when no migration
 * of it is under way; ERROR_TIMEDOUT; ERROR_INVAL when the migration
 * refuses: it is too late, for instance; else ERROR_FAIL.
 */
int libxl_live_migrate_request(uint32_t domid,
                               libxl_live_migrate_command command,
                               uint64_t rate, int timeout_ms, char *reason);

/*
 * Give a domain back to libxl that a migration has withheld from it.
 *
 * From its stop on libxl refuses to suspend, save, resume, unpause, shut down
 * and destroy the domain that the source keeps, and until the go the one that
 * the destination builds, whatever program asks; and the stock xl neither
 * saves nor migrates a domain before all of its memory is there.  The calls
 * above give everything back in time.  This is for a program that ends such a
 * domain by force, and knows that a guest may be lost with it: call it, then
 * libxl_domain_destroy().  Harmless on any other domain.
 *
 * 0, or a libxl error: the log says what could not be given back.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_RELEASE 1
int libxl_live_migrate_release(libxl_ctx *ctx, uint32_t domid);

/*
 * libxl_retrieve_domain_configuration(), of which libxl knows nothing from the
 * go until all of the domain's memory is here: for who watches over it.  Of
 * any other domain the same as that.  *config must be initialised.
 *
 * 0, or a libxl error.
 */
int libxl_live_migrate_retrieve_config(libxl_ctx *ctx, uint32_t domid,
                                       libxl_domain_config *config);

#endif
