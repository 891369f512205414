/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Live migration with postcopy, on top of libxenlight.
 *
 * The source calls libxl_domain_live_migrate(), the destination calls
 * libxl_domain_live_migrate_receive().  A reliable byte stream in each
 * direction connects the two calls.  All state is in the arguments: a program
 * may migrate different domains at the same time from different threads, with
 * one ctx for each or with a shared one.  Other threads may use the ctx while
 * a call runs.
 *
 * With ao_how NULL a call returns when all is over.  With a callback in ao_how
 * the call returns at once.  When it returns 0, a thread of the library does
 * the work, and calls the callback exactly once, perhaps before the call has
 * returned.  When it returns an error, nothing has happened and the callback
 * is never called.  The caller must keep the descriptors, and what the
 * pointers point to, until the callback; the library copies ao_how, params and
 * the strings in params.  The callback is the last thing that the library does
 * for the call: it may release all arguments and the ctx, may call libxl and
 * these functions, and may take its time.  All signals are blocked in it.  An
 * ao_how without a callback asks for an event, which no other library than
 * libxl can post: such a call returns ERROR_NI.
 *
 * Child processes: the calls follow what libxl_childproc_setmode() set in the
 * ctx.  A process that libxl starts gets the signal mask of the calling
 * thread.  Signals: the calls catch none and leave none pending.  Descriptors:
 * those of the caller are non-blocking during the call; the library closes all
 * that it opened when the call ends.
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
/* libxl_domain_live_migrate_receive_end_paging(), and recovery takes the place
 * of a receiver that was killed */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_RECEIVE_END_PAGING 1

/* connect_fault_channel in libxl_live_migrate_params, channel_pages in
 * libxl_live_migrate_stats */
#define LIBXL_HAVE_LIVE_MIGRATE_FAULT_CHANNEL 1

/* libxl_live_migrate_params has sent_config */
#define LIBXL_HAVE_LIVE_MIGRATE_SENT_CONFIG 1

/* libxl_live_migrate_params and _receive_params have trace */
#define LIBXL_HAVE_LIVE_MIGRATE_TRACE 1

/* streams and connect_stream in libxl_live_migrate_params, streams and
 * stream_pages in libxl_live_migrate_stats */
#define LIBXL_HAVE_LIVE_MIGRATE_STREAMS 1
/* Most streams, with the first connection. */
#define LIBXL_LIVE_MIGRATE_MAX_STREAMS 16

/* A flag beside LIBXL_SUSPEND_*: move the guest first, its memory later. */
#define LIBXL_SUSPEND_POSTCOPY (1 << 16)

#define LIBXL_LIVE_MIGRATE_REASON_MAX 512

/*
 * Each enumeration here has two functions that convert it to text and back:
 *
 * _to_string() returns a short lower-case name in static storage, such as
 * "stop-and-copy", or NULL for a number that this library has no name for,
 * which a later library may have reported. _from_string() accepts such a name,
 * in letters of either case, and returns 0.  For any other text it returns
 * ERROR_INVAL and leaves *value alone.  Any thread may call both functions;
 * they need no ctx.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_STRINGS 1

/* ---- what both ends report ---- */

typedef enum libxl_live_migrate_phase {
    LIBXL_LIVE_MIGRATE_PHASE_START = 0,
    LIBXL_LIVE_MIGRATE_PHASE_PREPARING = 1, /* destination builds the domain */
    LIBXL_LIVE_MIGRATE_PHASE_PRECOPY = 2,
    LIBXL_LIVE_MIGRATE_PHASE_EVICTING = 3, /* destination evicts pages */
    LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED = 4,
    LIBXL_LIVE_MIGRATE_PHASE_READY = 5,    /* destination waits for the go */
    LIBXL_LIVE_MIGRATE_PHASE_GO = 6,       /* the guest is the destination's */
    LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY = 7, /* the guest runs, pages follow */
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

/* How long the guest has waited for pages: each wait, and the sums. */
typedef struct libxl_live_migrate_waits {
    /* Bucket i counts the waits from 2^i up to 2^(i + 1) microseconds.  The
     * first bucket also counts waits of 0, the last one all longer waits. */
    uint64_t histogram[LIBXL_LIVE_MIGRATE_WAIT_BUCKETS];
    uint64_t nr_vcpus;
    uint64_t blocked_us[LIBXL_LIVE_MIGRATE_WAIT_VCPUS]; /* by vCPU */
} libxl_live_migrate_waits;

/* LIBXL_LIVE_MIGRATE_COUNTERS(), and fields in reserve for more counters */
#define LIBXL_HAVE_LIVE_MIGRATE_COUNTERS 1

/*
 * One field of 64 bits for each row of LIBXL_LIVE_MIGRATE_COUNTERS(); the row
 * says what the field counts.
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
 * When the destination starts the guest's devices: the device model, and the
 * processes that serve the disks.  Early, while the guest still runs at the
 * source, makes the stop shorter.  Late, in the stop, is right for any device.
 */
typedef enum libxl_live_migrate_build {
    /* As a parameter: early if the destination knows that to be safe.  In a
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
    /* On failure: one line that says what is wrong and what to do. */
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    /* When the destination started the guest's devices, and why if late. */
    libxl_live_migrate_build build;
    char late_reason[LIBXL_LIVE_MIGRATE_LATE_REASON_MAX];
    /* On failure after the go: memory that the guest lacks can never come.  A
     * recovery has nothing to bring. */
    bool lost;
    uint64_t reserved[7];
} libxl_live_migrate_result;

/* libxl_live_migrate_result has lost, and LIBXL_LIVE_MIGRATE_STATE_LOST
 * exists */
#define LIBXL_HAVE_LIVE_MIGRATE_LOST 1

/* The thread that does the work (the calling one, or the library's) calls this
 * often.  It must return quickly, and must not call libxl for the same
 * domain. */
typedef void libxl_live_migrate_progress(libxl_live_migrate_phase phase,
                                         const libxl_live_migrate_stats *stats,
                                         void *user);

/* ---- the source ---- */

typedef enum libxl_live_migrate_strategy {
    /* Copy until little is left, then stop the guest for the rest. */
    LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY = 0,
    /* After the precopy rounds, move the guest and let the rest follow. */
    LIBXL_LIVE_MIGRATE_STRATEGY_POSTCOPY = 1,
    /* Precopy while the rates at which the guest writes and the source sends
     * promise a short stop; else postcopy, as soon as the rates show that. */
    LIBXL_LIVE_MIGRATE_STRATEGY_AUTO = 2,
} libxl_live_migrate_strategy;

const char *libxl_live_migrate_strategy_to_string(
    libxl_live_migrate_strategy value);
int libxl_live_migrate_strategy_from_string(
    const char *name, libxl_live_migrate_strategy *value);

typedef enum libxl_live_migrate_push_order {
    /* First the pages that the guest wrote last at the source, in turn with
     * pages around those that it has requested. */
    LIBXL_LIVE_MIGRATE_PUSH_ORDER_RECENT = 0,
    /* From the lowest page up, or outwards from the pages that the guest has
     * requested. */
    LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING = 1,
} libxl_live_migrate_push_order;

const char *libxl_live_migrate_push_order_to_string(
    libxl_live_migrate_push_order value);
int libxl_live_migrate_push_order_from_string(
    const char *name, libxl_live_migrate_push_order *value);

/* Whether the contents of pages are compressed on their way, if the
 * destination can expand them.  Pages that the guest has requested never
 * are. */
typedef enum libxl_live_migrate_compress {
    LIBXL_LIVE_MIGRATE_COMPRESS_OFF = 0,
    /* Where a trial shows that more pages get through.  */
    LIBXL_LIVE_MIGRATE_COMPRESS_AUTO = 1,
    LIBXL_LIVE_MIGRATE_COMPRESS_ZSTD = 2, /* always */
} libxl_live_migrate_compress;

const char *libxl_live_migrate_compress_to_string(
    libxl_live_migrate_compress value);
int libxl_live_migrate_compress_from_string(
    const char *name, libxl_live_migrate_compress *value);

/* libxl_live_migrate_params has compress; repeated_pages, compressed_pages and
 * compressed_bytes in libxl_live_migrate_stats */
#define LIBXL_HAVE_LIVE_MIGRATE_COMPRESS 1

/* How the destination stops a vCPU at a page that has not come. */
typedef enum libxl_live_migrate_pager {
    LIBXL_LIVE_MIGRATE_PAGER_PAGING = 0, /* the hypervisor's memory paging */
    /* Access rights to pages, on Intel processors, for PVH guests whose front
     * ends copy what they send.  Experimental: what other programs of the host
     * or the hypervisor read of a page that has not come is zeroes. */
    LIBXL_LIVE_MIGRATE_PAGER_ACCESS = 1,
} libxl_live_migrate_pager;

const char *libxl_live_migrate_pager_to_string(libxl_live_migrate_pager value);
int libxl_live_migrate_pager_from_string(const char *name,
                                         libxl_live_migrate_pager *value);

/* libxl_live_migrate_receive_params has pager, and libxl_live_migrate_stats
 * unseen_writes */
#define LIBXL_HAVE_LIVE_MIGRATE_PAGER 1

/* libxl_live_migrate_params has push_order, and neighbours that adapt */
#define LIBXL_HAVE_LIVE_MIGRATE_PUSH_ORDER 1

/* libxl_live_migrate_params has allow_exposed_backends */
#define LIBXL_HAVE_LIVE_MIGRATE_EXPOSED_BACKENDS 1

/*
 * Connect the fault channel: a second connection, to a
 * libxl_domain_live_migrate_receive_recover() at the destination, which is
 * already receiving the domain.  The thread that does the work calls this
 * once, while the domain runs at the source.  The function must give up by
 * itself when the caller's abort_fd is readable.  It returns 0 with two
 * descriptors, which stay the caller's and must stay open until the migration
 * is over; any other value means that there is no fault channel.  Without a
 * fault channel, or when it is lost, the migration goes on over the first
 * connection and loses nothing; the log says so.
 */
typedef int libxl_live_migrate_connect(int *send_fd, int *recv_fd, void *user);

/*
 * Connect stream `stream` of the push, from 1: a further connection, to a
 * libxl_domain_live_migrate_receive_recover() at the destination, as above.
 * Threads that the call has made call this, once for each stream, and several
 * at once: the streams of a migration while the domain runs at the source,
 * those of a recovery while the push is under way.  The function must give up
 * when cancel_fd is readable; it must not read from it.  It returns as above;
 * without a stream the push goes over the others.
 */
typedef int libxl_live_migrate_connect_stream(uint32_t stream, int cancel_fd,
                                              int *send_fd, int *recv_fd,
                                              void *user);

/*
 * Initialise with libxl_live_migrate_params_init(), then change what should
 * differ.  New fields only ever take the place of reserved ones, in which zero
 * means the default.
 */
typedef struct libxl_live_migrate_params {
    libxl_live_migrate_strategy strategy; /* STOP_AND_COPY */
    /* Most precopy rounds.  0: none, the strategy decides at once; with AUTO
     * 30. */
    uint32_t precopy_iterations; /* 0 */
    /* After a precopy round that leaves at most this number of pages to send,
     * the migration ends in stop-and-copy, whatever the strategy. */
    uint64_t precopy_dirty_threshold; /* 50 */
    /* When this is readable, the call gives up, unless the go has been given.
     * -1: never.  The call never reads from it, so one eventfd may serve any
     * number of calls. */
    int abort_fd; /* -1 */
    /* The name of the domain here once the guest is handed over.  NULL: its
     * name with "--migratedaway" appended. */
    const char *away_name; /* NULL */
    /* Gets messages, beside the ctx's own logger, from several threads.  NULL:
     * warnings go to stderr. */
    struct xentoollog_logger *logger;      /* NULL */
    libxl_live_migrate_progress *progress; /* NULL */
    void *progress_user;
    /* With postcopy: how many of the pages that the guest wrote last are sent
     * in the stop, at most.  A current Linux guest does not survive without
     * them.  0: 256; LIBXL_LIVE_MIGRATE_NO_HOT_PAGES: none, for tests. */
    uint64_t hot_pages_max; /* 0 */
    /* With POSTCOPY and AUTO: switch to postcopy after this number of seconds,
     * unless precopy has ended by then.  With precopy_iterations 0 there is no
     * other limit.  0: off. */
    uint32_t postcopy_after; /* 0 */
    /* With AUTO and with postcopy_after: precopy may leave as much for the
     * stop as can be sent in this number of milliseconds.  0: 300. */
    uint32_t max_downtime_ms; /* 0 */
    /* Octets a second for precopy rounds and pushed pages, for which the guest
     * does not wait.  0: no limit. */
    uint64_t background_rate; /* 0 */
    /* How many neighbours below and above a requested page go along with it.
     * Both 0: the numbers adapt to the guest's requests, start at 8 and 24,
     * and stay between 2 and 64.  Otherwise they are fixed: UINT32_MAX means
     * none, and a single 0 means 8 below or 24 above. */
    uint32_t neighbours_below; /* 0 */
    uint32_t neighbours_above; /* 0 */
    /* Most pushed pages under way at a time, while the guest requests others.
     * 0: 1024, and by a path whose round trip is 20 ms or more as many as
     * fill the path, up to 16 times that. */
    uint32_t credit_pages; /* 0 */
    /* Push nothing: only requested pages and their neighbours follow the
     * guest, which depends on the source until it has touched all of its
     * memory. */
    bool no_background_push; /* false */
    /* The order of pushed pages. */
    libxl_live_migrate_push_order push_order; /* RECENT */
    /* After the go: how many seconds the connection may stand still while the
     * destination owes an answer.  Then it counts as lost.  0: for as long as
     * the destination says that it is alive.  A connection that carries
     * nothing at all for three minutes is always lost. */
    uint64_t link_timeout; /* 60 */
    /* Opens a connection of its own for requested pages. */
    libxl_live_migrate_connect *connect_fault_channel; /* NULL: none */
    void *fault_channel_user;
    /* With POSTCOPY and AUTO: move also a guest with a disk or network front
     * end that is not known to copy what it sends.  Until its memory is
     * complete such a guest can harm the destination's dom0, and lose
     * writes. */
    bool allow_exposed_backends; /* false */
    /* EARLY overrides the destination's choice, at the caller's risk. */
    libxl_live_migrate_build build; /* ANY */
    /* The domain's configuration, as libxl_domain_config_to_json() gave it
     * when the caller made the configuration for the destination from it.  If
     * the domain's configuration differs from this at the stop, the domain is
     * not moved.  NULL: the configuration at the beginning of the call. */
    const char *sent_config; /* NULL */
    /* A file to which the call writes, at its end, what happened when: see
     * xl-migrate-trace(1).  The call creates or empties the file when it
     * begins, and returns ERROR_INVAL if it cannot. */
    const char *trace; /* NULL: none */
    /* Push pages over this many connections, with the first one, 16 at most:
     * of use where one processor limits a connection, as it does with ssh.
     * 0: 1. */
    uint64_t streams; /* 0 */
    /* Opens the further ones. */
    libxl_live_migrate_connect_stream *connect_stream; /* NULL: none */
    void *stream_user;
    libxl_live_migrate_compress compress; /* OFF */
    uint32_t reserved[1];
} libxl_live_migrate_params;

#define LIBXL_LIVE_MIGRATE_NO_HOT_PAGES UINT64_MAX

void libxl_live_migrate_params_init(libxl_live_migrate_params *params);
/* Releases nothing at present: the strings stay the caller's. */
void libxl_live_migrate_params_dispose(libxl_live_migrate_params *params);

/*
 * Move a domain out through send_fd.
 *
 * @param send_fd  where the stream goes; stays open and the caller's.
 * @param flags    LIBXL_SUSPEND_LIVE: precopy rounds, five at most;
 *                 LIBXL_SUSPEND_DEBUG: accepted and ignored;
 *                 LIBXL_SUSPEND_POSTCOPY: postcopy, without precopy rounds.
 * @param recv_fd  carries the destination's answers; -1 without postcopy: the
 *                 stream is then an ordinary one that any libxl restores.
 * @param postcopy_transitioned  must not be NULL; written on every path.
 *                 On failure, false means that the domain runs here as before.
 *                 True means that it was handed over and may run at the
 *                 destination. No program may resume it here: see
 *                 libxl_domain_live_migrate_recover().
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 when the destination has all of the domain. The domain is then
 * still here, suspended, under its away name. The caller must destroy it with
 * libxl_domain_destroy(); no earlier moment is safe. The call also returns 0
 * when the domain ended at the destination before all of its memory was there:
 * the last phase is then POSTCOPY, and the caller must destroy the domain here
 * all the same.
 *
 * Otherwise returns a libxl error: ERROR_INVAL for arguments,
 * ERROR_DOMAIN_NOTFOUND, ERROR_NI for a guest that cannot be moved this way,
 * ERROR_ABORTED, ERROR_GUEST_TIMEDOUT when the guest did not suspend, else
 * ERROR_FAIL. The log says why.
 */
int libxl_domain_live_migrate(libxl_ctx *ctx, uint32_t domid, int send_fd,
                              int flags, int recv_fd,
                              bool *postcopy_transitioned,
                              const libxl_asyncop_how *ao_how);

/*
 * The same with parameters in place of the flags, which must be 0 or
 * LIBXL_SUSPEND_DEBUG.  *result (may be NULL) and *postcopy_transitioned are
 * written on every path, before the call returns or the callback is called.
 */
int libxl_domain_live_migrate_tuned(libxl_ctx *ctx, uint32_t domid,
                                    int send_fd, int flags, int recv_fd,
                                    const libxl_live_migrate_params *params,
                                    libxl_live_migrate_result *result,
                                    bool *postcopy_transitioned,
                                    const libxl_asyncop_how *ao_how);

/* ---- the source, after the connection was lost ---- */

typedef enum libxl_live_migrate_recovery {
    LIBXL_LIVE_MIGRATE_RECOVERY_NONE = 0, /* all is as before: try again */
    /* The destination has the whole guest, or the guest has ended there: the
     * caller must destroy the suspended domain here. */
    LIBXL_LIVE_MIGRATE_RECOVERY_COMPLETE = 1,
    LIBXL_LIVE_MIGRATE_RECOVERY_ENDED = 2,
    /* The guest never ran at the destination and never will: it runs here
     * again, under its own name. */
    LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK = 3,
} libxl_live_migrate_recovery;

const char *libxl_live_migrate_recovery_to_string(
    libxl_live_migrate_recovery value);
int libxl_live_migrate_recovery_from_string(
    const char *name, libxl_live_migrate_recovery *value);

/*
 * Go on with a migration over another connection, after one that failed with
 * *postcopy_transitioned true, or whose process died. The call needs no more
 * than the suspended domain and what xenstore keeps of the migration, so
 * another process may make it, any number of times.
 *
 * @param domid    the suspended domain, as a rule under its away name.
 * @param send_fd, recv_fd  to and from a
 *                 libxl_domain_live_migrate_receive_recover(); stay the
 *                 caller's.
 * @param params   abort_fd (until the destination has answered), logger,
 *                 progress, background_rate, the neighbours, credit_pages,
 *                 no_background_push and link_timeout count, others do not.
 * @param result   may be NULL; written on every path.
 * @param recovery  must not be NULL; written on every path.
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 with one of the last three recoveries. Otherwise returns a libxl
 * error: ERROR_INVAL for arguments and for a domain that is not suspended,
 * ERROR_NOTFOUND when this host knows no migration of the domain,
 * ERROR_ABORTED, else ERROR_FAIL: the connection was lost again, or the
 * destination knows nothing of the migration. Thread-safe, like all these
 * functions.
 */
int libxl_domain_live_migrate_recover(libxl_ctx *ctx, uint32_t domid,
                                      int send_fd, int recv_fd,
                                      const libxl_live_migrate_params *params,
                                      libxl_live_migrate_result *result,
                                      libxl_live_migrate_recovery *recovery,
                                      const libxl_asyncop_how *ao_how);

/* ---- the destination ---- */

typedef struct libxl_live_migrate_receive_params {
    /* The domain is built under the name in its configuration, and renamed to
     * this when it may run.  NULL: no other name. */
    const char *final_name; /* NULL */
    /* Leave the domain paused instead of letting it run. */
    bool paused; /* false */
    /* When the host has too little free memory, take memory from dom0.
     * Otherwise such a domain is refused. */
    bool autoballoon;                      /* false */
    int abort_fd;                          /* -1; as at the source */
    struct xentoollog_logger *logger;      /* NULL; as at the source */
    libxl_live_migrate_progress *progress; /* NULL */
    void *progress_user;
    /* A recovery that takes the place of a receiver stores its domain here,
     * from the phase GO on.  NULL */
    uint32_t *local_domid;
    /* After the go: how many seconds the connection may stand still while the
     * guest waits for a page.  Then the connection counts as lost, and the
     * call waits for another one without limit.  0: for as long as the source
     * says that it is alive.  A connection that carries nothing at all for
     * three minutes is always lost.  A call that takes the place of a killed
     * receiver uses that receiver's value. */
    uint64_t link_timeout; /* 60 */
    /* As at the source.  In a recovery it is written only by a call that takes
     * the place of a killed receiver, from that moment on; if it cannot be
     * written, the log says so, and the call goes on. */
    const char *trace; /* NULL */
    /* When all of a PVH guest is here and the source has been told, give the
     * guest superpages of 2 MiB again, region by region, with the domain
     * paused for each; the call returns after that.  A guest of another kind,
     * or one whose receiver was killed, keeps pages of 4 KiB. */
    bool superpages; /* false */
    /* For a guest that comes by postcopy.  A call that takes the place of a
     * killed receiver uses that receiver's.  With ACCESS a guest with devices
     * other than disks, networks and consoles is refused. */
    libxl_live_migrate_pager pager; /* PAGING */
    uint64_t reserved[12];
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
 * @param send_fd  the way back; -1: none, and postcopy is refused.
 * @param postcopy_resumed  must not be NULL; written on every path. On
 *                 failure, false means that nothing of the domain is left
 *                 here. True means that the domain runs here, is the only
 *                 copy, and may lack memory for good: *domid is set, and no
 *                 program may destroy it.
 *
 * A connection that is lost while the domain runs here does not end the call.
 * The call stays the domain's pager, and waits without limit for another
 * connection, which a libxl_domain_live_migrate_receive_recover() of any
 * process of this host brings, or for the end of the domain. The log says so,
 * and what to do. The process should not end meanwhile: the domain would stop
 * at the first page that has not come, until another process takes its place.
 *
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 when the domain is here as a whole, and when a program destroyed
 * it here after it had shut down: the last phase is then POSTCOPY, and there
 * is no domain *domid. A caller that must act upon a shutdown in the postcopy
 * phase at once should watch the domain from that phase on. Otherwise returns
 * a libxl error: ERROR_INVAL, ERROR_NOMEM when the host has too little memory,
 * ERROR_ABORTED, ERROR_FAIL. *result (may be NULL) is written on every path.
 */
int libxl_domain_live_migrate_receive(
    libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid, int recv_fd,
    int send_fd, const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, bool *postcopy_resumed,
    const libxl_asyncop_how *ao_how);

/*
 * Serve another connection of a migration: one from a
 * libxl_domain_live_migrate_recover(), or the fault channel. The call hands
 * the connection to the call that receives the migration, in whatever process
 * of this host, and waits until that has done with the connection; or it
 * answers that the migration has ended, and how. When the process that
 * received it was killed after the go, this call takes its place: it becomes
 * the domain's pager, and goes on as libxl_domain_live_migrate_receive() does
 * from phase GO on, with the same duties of the caller. The progress callback
 * says that it does so.
 *
 * @param recv_fd, send_fd  from and to the source; stay the caller's, who must
 *                 close them after the call.
 * @param params   abort_fd (until the call knows what the connection is for),
 *                 logger, progress and trace count; the rest does not.
 * @param result   may be NULL; written on every path: the reason.
 * @param ao_how   see above; NULL: return when all is over.
 *
 * Returns 0 when the migration has ended, one way or the other, and the source
 * was told, or when the fault channel is not needed any more; ERROR_NOTFOUND
 * when this host knows nothing of the migration; ERROR_ABORTED; else
 * ERROR_FAIL: the connection was lost again.
 */
int libxl_domain_live_migrate_receive_recover(
    libxl_ctx *ctx, int recv_fd, int send_fd,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_result *result, const libxl_asyncop_how *ao_how);

/*
 * A process died while it received a domain, and the caller watches over that
 * domain.  Both calls are synchronous.
 *
 * Call libxl_domain_live_migrate_receive_clean_up() if the domain had not been
 * let run.  The caller must know that: the progress callback had not been
 * called with phase GO.  The call destroys what the process had built, and
 * notes that the guest never ran here, so that the source can take it back.
 *
 * Call libxl_domain_live_migrate_receive_end_paging() from phase GO on.  The
 * domain runs on until it needs memory that has not come, and
 * libxl_domain_live_migrate_receive_recover() takes the place of the receiver.
 * A domain that lacks nothing loses its pager and is complete; one that had
 * not been let run after all is destroyed as above.
 *
 * Both return 0 when that is done, ERROR_INVAL for a domain that must not be
 * destroyed, else a libxl error.
 */
int libxl_domain_live_migrate_receive_clean_up(libxl_ctx *ctx, uint32_t domid);
int libxl_domain_live_migrate_receive_end_paging(libxl_ctx *ctx,
                                                 uint32_t domid);

/* libxl_domain_live_migrate_receive_end() */
#define LIBXL_HAVE_DOMAIN_LIVE_MIGRATE_RECEIVE_END 1

/*
 * Call before destroying a domain because its guest has ended or should end:
 * memory that has not come is not needed any more.  A receiver that lives sees
 * that by itself; for one that was killed the call notes it, so that the
 * source may destroy what it keeps.  Harmless on any other domain.
 * Synchronous.
 *
 * Returns 0; ERROR_INVAL for a domain that is suspended, which has not ended;
 * else a libxl error: the note could not be made, and the source keeps what it
 * has.
 */
int libxl_domain_live_migrate_receive_end(libxl_ctx *ctx, uint32_t domid);

/* ---- migrations under way, in any process ---- */

/*
 * Each migration shows itself in xenstore and accepts requests there: see
 * docs/specs/live-migrate-control.md.  Any process of the toolstack's domain
 * may call these functions; they need no ctx.
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
    LIBXL_LIVE_MIGRATE_STATE_FAILED = 2, /* the guest stayed at the source */
    /* The connection was lost, and the guest is the destination's. */
    LIBXL_LIVE_MIGRATE_STATE_PAUSED = 3,
    LIBXL_LIVE_MIGRATE_STATE_KILLED = 4, /* the process is gone */
    /* Memory that the guest lacks can never come: a program destroyed, resumed
     * or took away one of the halves. */
    LIBXL_LIVE_MIGRATE_STATE_LOST = 5,
} libxl_live_migrate_state;

const char *libxl_live_migrate_state_to_string(libxl_live_migrate_state value);
int libxl_live_migrate_state_from_string(const char *name,
                                         libxl_live_migrate_state *value);

#define LIBXL_LIVE_MIGRATE_RATE_UNLIMITED UINT64_MAX

/* libxl_live_migrate_status has outside */
#define LIBXL_HAVE_LIVE_MIGRATE_OUTSIDE 1

/* At the destination: one field for each row of
 * LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(). */
typedef struct libxl_live_migrate_outside {
#define LIBXL_LIVE_MIGRATE_FIELD_(field, ...) uint64_t field;
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(LIBXL_LIVE_MIGRATE_FIELD_)
#undef LIBXL_LIVE_MIGRATE_FIELD_
    uint64_t reserved[5];
} libxl_live_migrate_outside;

typedef struct libxl_live_migrate_status {
    uint32_t domid;
    int32_t pid;    /* the process that migrates; 0: not known */
    char name[256]; /* the guest's own, whatever name the domain has now */
    libxl_live_migrate_role role;
    libxl_live_migrate_state state;
    libxl_live_migrate_phase phase; /* the last one reached */
    uint64_t elapsed_us;
    /* Octets a second, or LIBXL_LIVE_MIGRATE_RATE_UNLIMITED; 0: nothing
     * goes. */
    uint64_t background_rate;
    libxl_live_migrate_stats stats;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX]; /* of a failed migration */
    libxl_live_migrate_outside outside;
    /* As in a result; ANY until the destination has chosen. */
    libxl_live_migrate_build build;
    char late_reason[LIBXL_LIVE_MIGRATE_LATE_REASON_MAX];
    /* Seconds since 1970 for a migration that has ended; else 0. */
    uint64_t ended_at;
    uint64_t reserved[4];
} libxl_live_migrate_status;

/* List the migrations of this host, including those that have ended and are
 * still shown.  The caller must free *list with the function below, also when
 * it has no elements.  Elements may be copied, and a copy outlives the
 * list. */
int libxl_live_migrate_list(libxl_live_migrate_status **list, int *count);
/* Harmless with NULL, whatever the count. */
void libxl_live_migrate_status_list_free(libxl_live_migrate_status *list,
                                         int count);

/* libxl_live_migrate_list_completed() */
#define LIBXL_HAVE_LIVE_MIGRATE_LIST_COMPLETED 1

/* List the migrations that have ended on this host since it booted, at either
 * end, each in its last state, the newest last.  A paused migration has not
 * ended.  Some hundreds are kept; only root may read them.  *list as above. */
int libxl_live_migrate_list_completed(libxl_live_migrate_status **list,
                                      int *count);

/* Returns one line of JSON without its line end, which the caller must free();
 * NULL: no memory.  A role, state or phase that this library has no name for
 * is null in the JSON. */
char *libxl_live_migrate_status_to_json(
    const libxl_live_migrate_status *status);

/* libxl_live_migrate_inspect() */
#define LIBXL_HAVE_LIVE_MIGRATE_INSPECT 1

/* Which part of a guest a domain is.  While memory is in two places neither
 * half is a whole guest: a program that saves, copies, moves or destroys one
 * half loses the guest. */
typedef enum libxl_live_migrate_half {
    /* A guest of its own, as far as this library knows. */
    LIBXL_LIVE_MIGRATE_HALF_NONE = 0,
    /* The guest runs here, and is about to move: before the go. */
    LIBXL_LIVE_MIGRATE_HALF_LEAVING = 1,
    /* Suspended for good: the guest is the destination's, or may be, because
     * the process was killed in the stop.  It must never run. */
    LIBXL_LIVE_MIGRATE_HALF_LEFT = 2,
    /* Paused and not complete: the guest runs at its source. */
    LIBXL_LIVE_MIGRATE_HALF_ARRIVING = 3,
    /* The guest is here, and lacks pages that are at its source. */
    LIBXL_LIVE_MIGRATE_HALF_ARRIVED = 4,
    /* Pages of the domain are paged out, and no known migration did that. */
    LIBXL_LIVE_MIGRATE_HALF_PAGED = 5,
} libxl_live_migrate_half;

const char *libxl_live_migrate_half_to_string(libxl_live_migrate_half value);
int libxl_live_migrate_half_from_string(const char *name,
                                        libxl_live_migrate_half *value);

typedef struct libxl_live_migrate_inspection {
    uint32_t domid;
    int32_t pid; /* the process at work; 0: none, or not known */
    libxl_live_migrate_half half;
    bool attended; /* a process is at work */
    /* Some page of this domain is needed at the other end.  False with NONE,
     * and with LEFT when the destination has everything. */
    bool needed;
    /* Pages that have not come.  At the source: as a process last showed them,
     * at most a second before it ended. */
    uint64_t outstanding;
    uint64_t time_left_us; /* 0: not known */
    char name[256];        /* the guest's own; empty: not known */
    /* One line: what the domain is, and how it becomes whole; empty: NONE. */
    char text[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint64_t reserved[16];
} libxl_live_migrate_inspection;

/*
 * Find out which half of a guest a domain is, from xenstore, from what
 * receivers keep, and from the hypervisor.  So the call also finds what killed
 * processes have left.  Any thread may call it; it needs no ctx.
 *
 * Returns 0 and fills in *inspection; ERROR_DOMAIN_NOTFOUND; else a libxl
 * error: one of the sources did not answer, and it is not known whether the
 * domain is whole.
 */
int libxl_live_migrate_inspect(uint32_t domid,
                               libxl_live_migrate_inspection *inspection);

/*
 * Can this library be used with the hypervisor of this host? Where it cannot,
 * the calls above fail with the same reason. libxl itself then fails as well,
 * and does not say why: a program that asks libxl for a domain first should
 * call this before. Any thread may call it; it needs no ctx.
 *
 * @param reason   may be NULL; else it must have room for
 *                 LIBXL_LIVE_MIGRATE_REASON_MAX octets, and says on ERROR_FAIL
 *                 in one line what is wrong and what to do.
 *
 * Returns 0, ERROR_FAIL or ERROR_NOMEM.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_CHECK_HOST 1
int libxl_live_migrate_check_host(char *reason);

/* libxl_live_migrate_can_receive() */
#define LIBXL_HAVE_LIVE_MIGRATE_CAN_RECEIVE 1

/* Why a guest cannot come to a host by postcopy. */
typedef enum libxl_live_migrate_obstacle {
    LIBXL_LIVE_MIGRATE_OBSTACLE_NONE = 0,
    /* The hypervisor does not answer, or is of another release of Xen. */
    LIBXL_LIVE_MIGRATE_OBSTACLE_HYPERVISOR = 1,
    LIBXL_LIVE_MIGRATE_OBSTACLE_TYPE = 2, /* a PV guest */
    /* missing at the host, or in the guest */
    LIBXL_LIVE_MIGRATE_OBSTACLE_HAP = 3,
    LIBXL_LIVE_MIGRATE_OBSTACLE_PAGING = 4, /* the hypervisor has none */
    /* More vCPUs than may wait for memory where the hypervisor runs on shadow
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
    /* Most vCPUs that a guest may have here.  0: as many as Xen allows; or not
     * known, because another obstacle came first. */
    uint32_t vcpus_max;
    /* The host's free memory, and what the domain of the configuration needs;
     * 0 without a configuration, or when another obstacle came first. */
    uint64_t free_memkb;
    uint64_t needed_memkb;
    /* One line: the obstacle, and what to do; empty: NONE. */
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint64_t reserved[16];
} libxl_live_migrate_readiness;

/*
 * Could this host receive a guest by postcopy? For a daemon that chooses or
 * prepares a host before it connects. The destination checks the same when the
 * guest comes, and the answer may change until then. The call changes nothing;
 * any thread may call it.
 *
 * @param config   the domain's configuration, as for
 *                 libxl_domain_live_migrate_receive(); stays the caller's, and
 *                 the call may fill in defaults. NULL: ask about the host
 *                 alone.
 * @param params   as for that call; NULL: the defaults. Only the logger and
 *                 autoballoon count: with autoballoon a lack of free memory is
 *                 no obstacle, because dom0 will give memory.
 * @param readiness  written on every path.
 *
 * Returns 0: yes; ERROR_NI: never, as guest and host are now; ERROR_NOMEM: not
 * at the moment; else a libxl error: the call could not find out.
 */
int libxl_live_migrate_can_receive(
    libxl_ctx *ctx, libxl_domain_config *config,
    const libxl_live_migrate_receive_params *params,
    libxl_live_migrate_readiness *readiness);

/* libxl_live_migrate_host_profile(), libxl_live_migrate_fits() */
#define LIBXL_HAVE_LIVE_MIGRATE_FITS 1

/*
 * Describe this host, for libxl_live_migrate_fits() at another one: what its
 * processors and hypervisor give an HVM or PVH guest, and which device model
 * libxl starts. Changes nothing; any thread may call it.
 *
 * @param config   of the guest that may come; stays the caller's.  NULL: no
 *                 device model is described.
 * @param profile  lines of plain text; the caller must free it.  NULL on
 *                 failure.
 *
 * Returns 0, or a libxl error.
 */
int libxl_live_migrate_host_profile(const libxl_domain_config *config,
                                    char **profile);

/* Each of the two: 0, it fits; ERROR_NI, it does not; another libxl error, it
 * is not known.  The reasons are one line each, and may be empty. */
typedef struct libxl_live_migrate_fit {
    int cpu;          /* the guest may use no more than the host gives */
    int device_model; /* the host's takes the state of the guest's */
    char cpu_reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    char device_model_reason[LIBXL_LIVE_MIGRATE_REASON_MAX];
    uint64_t reserved[16];
} libxl_live_migrate_fit;

/*
 * Would the state of a domain of this host fit a host of that profile? No
 * other call checks this, because a guest need not use what it may use, and a
 * device model may take more than its version promises. Changes nothing, and
 * the guest runs on; any thread may call it.
 *
 * @param profile  as the other host's libxl_live_migrate_host_profile() gave
 *                 it.  It need not be trusted.
 * @param fit      written on every path.
 *
 * Returns 0 when both were looked at, or a libxl error.
 */
int libxl_live_migrate_fits(libxl_ctx *ctx, uint32_t domid,
                            const char *profile, libxl_live_migrate_fit *fit);

typedef enum libxl_live_migrate_command {
    /* Switch to postcopy now, also in the middle of a precopy round. */
    LIBXL_LIVE_MIGRATE_COMMAND_START_POSTCOPY = 0,
    LIBXL_LIVE_MIGRATE_COMMAND_ABORT = 1, /* until the guest is handed over */
    /* Change the background rate.  Requested pages have no limit. */
    LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE = 2,
} libxl_live_migrate_command;

const char *libxl_live_migrate_command_to_string(
    libxl_live_migrate_command value);
int libxl_live_migrate_command_from_string(const char *name,
                                           libxl_live_migrate_command *value);

/*
 * Send a request to the migration of a domain, and wait for the answer.
 *
 * @param rate     for SET_RATE: as background_rate in the status.
 * @param timeout_ms  how long to wait for an answer, which can take as long as
 *                 the guest takes to suspend.
 * @param reason   may be NULL; else it must have room for
 *                 LIBXL_LIVE_MIGRATE_REASON_MAX octets, and says on failure in
 *                 one line what is wrong.
 *
 * Returns 0 when the request was carried out; ERROR_DOMAIN_NOTFOUND;
 * ERROR_NOTFOUND when no migration of the domain is under way; ERROR_TIMEDOUT;
 * ERROR_INVAL when the migration refuses, because it is too late for instance;
 * else ERROR_FAIL.
 */
int libxl_live_migrate_request(uint32_t domid,
                               libxl_live_migrate_command command,
                               uint64_t rate, int timeout_ms, char *reason);

/*
 * Give back to libxl a domain that a migration has withheld from it.
 *
 * From the stop on libxl refuses to suspend, save, resume, unpause, shut down
 * and destroy the source's domain, whatever program asks; until the go it
 * refuses the same for the destination's domain.  The stock xl neither saves
 * nor migrates a domain whose memory is not complete.  The calls above give
 * every domain back in time.  This call is for a program that ends such a
 * domain by force, and accepts that a guest may be lost: it must call this
 * first, then libxl_domain_destroy().  Harmless on any other domain.
 *
 * Returns 0, or a libxl error: the log says what could not be given back.
 */
#define LIBXL_HAVE_LIVE_MIGRATE_RELEASE 1
int libxl_live_migrate_release(libxl_ctx *ctx, uint32_t domid);

/*
 * As libxl_retrieve_domain_configuration(), which fails from the go until all
 * of the domain's memory is here.  For a program that watches over such a
 * domain; for any other domain both do the same.  *config must be initialised.
 *
 * Returns 0, or a libxl error.
 */
int libxl_live_migrate_retrieve_config(libxl_ctx *ctx, uint32_t domid,
                                       libxl_domain_config *config);

#endif
