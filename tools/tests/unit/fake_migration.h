/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A whole migration in one process: a guest on one fake host, xlm_save() in
 * one thread, xlm_restore() in another, a link between them, and the least of
 * a toolstack around both.
 *
 * A test makes one, changes what it needs, runs it once, and checks it.
 */
#ifndef FAKE_MIGRATION_H
#define FAKE_MIGRATION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fake_guest.h"
#include "fake_hypervisor.h"
#include "fake_link.h"
#include "fake_memory.h"
#include "wire/wire.h"
#include "xlm.h"

#define FAKE_RECOVERIES 8

/* Which of the toolstacks' callbacks should fail. */
enum fake_part {
    FAKE_PART_NONE,
    FAKE_PART_POLICY, /* aborts */
    FAKE_PART_QEMU_LOGDIRTY,
    FAKE_PART_EARLY_DEVICES,
    FAKE_PART_SUSPEND,
    FAKE_PART_WRITE_DEVICE_STATE,
    FAKE_PART_RECHECK,
    FAKE_PART_PUT_AWAY,
    FAKE_PART_FEED,
    FAKE_PART_AWAIT_DOMAIN,
    FAKE_PART_AWAIT_BUILD,
    FAKE_PART_READ_DEVICE_STATE,
    FAKE_PART_RUN,
    FAKE_PART_COUNT,
};

const char *fake_part_name(enum fake_part part);

struct fake_migration;
typedef void fake_moment(struct fake_migration *migration);
/* Plays one end of a fault channel.  The channel is closed when this returns.
 */
typedef void fake_liar(struct fake_migration *migration,
                       struct xlm_context *ctx, struct xlm_channel *channel);

/* The guest and both hosts; set before the run. */
struct fake_setup {
    struct fake_host *hosts[2];
    bool hosts_are_others;
    struct fake_domain *source;
    struct fake_guest *guest;
    uint64_t guest_pfns; /* the guest's pfns are below this */
    uint64_t nr_pfns;    /* with the toolstack's */
    unsigned int vcpus;
    struct xlm_save_params params;
    /* The destination's parameters, without its connection; at_pause may
     * change them for later connections. */
    struct xlm_restore_params restore_params;
    uint64_t max_pages; /* of the destination's domain */
    bool no_hap;        /* ... which has no HAP */
    bool device_model;  /* it has one, which starts early */
    const char *late;   /* why its devices start late at the destination */
    /* The suspended guest's. */
    const void *final_context;
    size_t final_length;
    struct fake_memory memory;          /* of the destination's process */
    const struct fake_mixture *mixture; /* of fake_mixed_new(); else NULL */
};

/* What the test wants to happen during the run: set before the run, and at its
 * moments. */
struct fake_script {
    /* The policy asks for this number of precopy rounds, then gives this
     * answer. */
    unsigned int rounds;
    enum xlm_precopy_answer answer;
    /* The policy's answer in the middle of a round; at_round may change it. */
    enum xlm_precopy_answer round_answer;
    struct fake_cut cut;
    bool narrow; /* the link holds as little as one can */
    enum fake_part failing;
    int failing_errno;
    /* The guest's own threads run all the time; 0: they do not. */
    unsigned int vcpu_seed;
    /* Starts the devices that start late: NULL, or false while it needs more
     * pages. */
    bool (*at_start)(struct fake_migration *migration);
    /* Moments at which a test may act; NULL: it does not. */
    fake_moment *at_policy; /* the guest runs at the source */
    fake_moment *at_round;  /* the same, in the middle of a round */
    /* the guest runs at the source for the last time */
    fake_moment *at_suspend;
    fake_moment *at_build; /* the destination's domain is built */
    fake_moment *at_run;   /* the guest runs at the destination */
    /* the guest runs there, and has lost its source */
    fake_moment *at_pause;
    /* before each recovery; `recovered` counts them */
    fake_moment *at_recovery;
    /* Called before and after each of the toolstacks' callbacks, in its
     * thread. */
    void (*at_part)(struct fake_migration *migration, enum fake_part part,
                    bool after);
    /* After the go another connection follows each one that ends, at most this
     * many.  A process makes it that knows only the domain and what xenstore
     * keeps. */
    unsigned int recoveries;
    struct fake_cut recovery_cuts[FAKE_RECOVERIES];
    /* The source's process leaves everything as a killed process does. */
    bool sender_dies;
    bool stays_silent; /* the destination does not know the migration */
    /* When a receiver is killed after the go, the next connection starts
     * another receiver. */
    bool has_heir;
    /* There is a fault channel, which ends in this way, or is refused. */
    bool fault_channel;
    struct fake_cut fault_cut;
    const char *fault_refusal;
    /* Plays the source, or the destination, on the fault channel; NULL: the
     * engine does, honestly. */
    fake_liar *fault_liars[2];
    /* The push goes over params.streams connections.  Stream n ends like this,
     * but not in a recovery; all are refused; stream n cannot be connected
     * (0: all can). */
    struct fake_cut stream_cuts[XLM_STREAMS_MOST];
    const char *stream_refusal;
    uint32_t stream_fails;
    /* Plays the source, or the destination, on each stream. */
    fake_liar *stream_liars[2];
};

/* The results: complete after the run, and at its moments up to then. */
struct fake_outcome {
    struct fake_domain *destination; /* NULL: it does not exist */
    struct fake_link *link;
    struct fake_link *recovery_links[FAKE_RECOVERIES];
    unsigned int recovered;         /* how many recoveries there were */
    enum xlm_guest_state found;     /* the answer to the last one */
    unsigned int heirs;             /* how many receivers took over */
    unsigned long *kept;            /* the pages that the receiver lacks ... */
    unsigned long *inherited;       /* ... when it was killed */
    struct fake_link *fault_link;   /* NULL: there was none */
    struct xlm_context contexts[2]; /* their reasons are of interest */
    struct xlm_stats stats[2];
    int save_rc;
    int restore_rc;
    bool transitioned;
    bool resumed;
    /* of the current policy call, or of the last one */
    unsigned int iteration;
    struct xlm_precopy_stats asked; /* the same */
    enum xlm_build asked_for;       /* of the destination */
    bool suspended;
    bool put_away;
    bool let_go;         /* the source has sent the go, or will at once */
    bool ran;            /* the run callback was called */
    atomic_bool dead[2]; /* see fake_migration_kill() */
    int qemu_logdirty;
};

/* The fakes' own, during the run. */
struct fake_run {
    struct fake_relink *relink;
    atomic_bool fault_joined;
    pthread_t fault_thread;
    struct fake_streams *streams;
    uint8_t *fed;
    size_t fed_length;
    size_t fed_taken;     /* of that, by the destination's toolstack */
    pthread_mutex_t lock; /* for the rest, and for let_go */
    pthread_cond_t changed;
    unsigned int ended;
};

struct fake_migration {
    struct fake_setup setup;
    struct fake_script script;
    struct fake_outcome outcome;
    struct fake_run run;
    void *data; /* the test's */
};

/* A guest with this many pages, some holes among them, and all state set; and
 * a watchdog. */
struct fake_migration *fake_migration_new(uint64_t guest_pfns,
                                          unsigned int vcpus);
/* The same in the other direction, on the hosts of another migration, which
 * must be freed last. */
struct fake_migration *fake_migration_against(
    const struct fake_migration *other);
void fake_migration_run(struct fake_migration *migration);
/*
 * The process of one end dies while it runs, as by SIGKILL: it sends, reads
 * and does nothing more.  Its threads run on in a world of their own, where
 * every call fails.
 */
void fake_migration_kill(struct fake_migration *migration, unsigned int end);
/* From at_suspend: wait until the source has looked twice at what the guest
 * writes. */
void fake_migration_await_samples(struct fake_migration *migration);
/* Wait until both ends have ended, or until the source has handed the guest
 * over: then true. */
bool fake_migration_await_go(struct fake_migration *migration);
/* Check what must hold whatever the outcome, and then do what the toolstack
 * does after a failure: resume the source, or leave it alone. */
void fake_migration_check_promise(struct fake_migration *migration);
/* Check that the migration succeeded, and that the guest is complete and runs
 * at the destination. */
void fake_migration_check_success(struct fake_migration *migration);
/* Check that all is well although the connection was lost: as after a success,
 * or the guest never ran there and is taken back. */
void fake_migration_check_recovered(struct fake_migration *migration);
/* After a success: prepare to move the guest back, with the same orders. */
void fake_migration_turn_round(struct fake_migration *migration);
/* Make the contents of a record part of a domain, as the stock toolstack does.
 */
void fake_build_record(struct fake_domain *domain, uint32_t type,
                       const uint8_t *body, uint32_t length);
/* The offsets at which records start in what went in one direction, and where
 * the last one ends; returns how many offsets. */
size_t fake_migration_records(struct fake_migration *migration,
                              enum fake_way way, size_t *offsets, size_t max);
/* Also stops the guest, and checks both hosts for violations. */
void fake_migration_free(struct fake_migration *migration);

#endif
