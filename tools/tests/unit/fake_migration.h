/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A whole migration in one process: a guest on one fake host, xlm_save() in
 * one thread, xlm_restore() in another, a link between them, and the fewest
 * of a toolstack around both.
 *
 * A test makes one, changes what it wants, runs it once, and looks at it.
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
#include "xlm.h"

#define FAKE_RECOVERIES 8

/* Which of the toolstacks' parts is to fail. */
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
/* Plays an end of a fault channel that has joined; the channel is closed when
 * it returns. */
typedef void fake_liar(struct fake_migration *migration,
                       struct xlm_context *ctx, struct xlm_channel *channel);

/* What is moved, and from where to where: before the run. */
struct fake_setup {
    struct fake_host *hosts[2];
    bool hosts_are_others;
    struct fake_domain *source;
    struct fake_guest *guest;
    uint64_t guest_pfns; /* pfns below are the guest's */
    uint64_t nr_pfns;    /* with those of the toolstack */
    unsigned int vcpus;
    struct xlm_save_params params;
    /* Of the destination, but for its connection; at_pause may change them for
     * those to come. */
    struct xlm_restore_params restore_params;
    uint64_t max_pages; /* of the domain at the destination */
    bool no_hap;        /* and that has none */
    bool device_model;  /* its devices go early */
    const char *late; /* they start late at the destination, for this reason */
    /* Of the suspended guest. */
    const void *final_context;
    size_t final_length;
    struct fake_memory memory;          /* of the process at the destination */
    const struct fake_mixture *mixture; /* of fake_mixed_new(); else NULL */
};

/* What happens on the way: before the run, and at its moments. */
struct fake_script {
    /* Rounds of precopy, then this. */
    unsigned int rounds;
    enum xlm_precopy_answer answer;
    /* In the middle of a round; at_round may change it. */
    enum xlm_precopy_answer round_answer;
    struct fake_cut cut;
    enum fake_part failing;
    int failing_errno;
    /* The guest's own threads run during all of it; 0: they do not. */
    unsigned int vcpu_seed;
    /* What starts the devices that start late: NULL, or false for as long as
     * it needs more. */
    bool (*at_start)(struct fake_migration *migration);
    /* Moments at which a test may act; NULL: does not. */
    fake_moment *at_policy;   /* the guest runs at the source */
    fake_moment *at_round;    /* the same, in the middle of a round */
    fake_moment *at_suspend;  /* it still does, for the last time */
    fake_moment *at_build;    /* the destination's domain is built */
    fake_moment *at_run;      /* the guest runs at the destination */
    fake_moment *at_pause;    /* it still does, and has lost its source */
    fake_moment *at_recovery; /* before each; `recovered` counts it */
    /* Before and after each of the toolstacks' parts, in its thread. */
    void (*at_part)(struct fake_migration *migration, enum fake_part part,
                    bool after);
    /* After the go a connection that ends is followed by others, at most so
     * many, each asked for by a process that knows no more than the domain and
     * what xenstore keeps. */
    unsigned int recoveries;
    struct fake_cut recovery_cuts[FAKE_RECOVERIES];
    bool sender_dies;  /* leaving things as a killed one does */
    bool stays_silent; /* nothing of it is known at the destination */
    /* A receiver that was killed after the go is replaced by another, which
     * the next connection starts. */
    bool has_heir;
    /* There is a fault channel, which ends like this, or is refused. */
    bool fault_channel;
    struct fake_cut fault_cut;
    const char *fault_refusal;
    /* In place of the source, or of the destination, there; NULL: nobody lies.
     */
    fake_liar *fault_liars[2];
};

/* What has become of it: after the run, and at its moments so far. */
struct fake_outcome {
    struct fake_domain *destination; /* NULL: it came to none */
    struct fake_link *link;
    struct fake_link *recovery_links[FAKE_RECOVERIES];
    unsigned int recovered;     /* how many there were */
    enum xlm_guest_state found; /* by the last one */
    unsigned int heirs;         /* how many there were */
    unsigned long *kept;        /* what is outstanding, by the receiver ... */
    unsigned long *inherited;   /* ... as it was when that was killed */
    struct fake_link *fault_link;   /* NULL: it came to none */
    struct xlm_context contexts[2]; /* their reasons are of interest */
    struct xlm_stats stats[2];
    int save_rc;
    int restore_rc;
    bool transitioned;
    bool resumed;
    unsigned int iteration; /* of the policy call under way, or the last */
    struct xlm_precopy_stats asked; /* the same */
    enum xlm_build asked_for;       /* of the destination */
    bool suspended;
    bool put_away;
    bool let_go;         /* the source has sent the go, or is about to */
    bool ran;            /* the run callback was called */
    atomic_bool dead[2]; /* see fake_migration_kill() */
    int qemu_logdirty;
};

/* The fakes' own, while it runs. */
struct fake_run {
    struct fake_relink *relink;
    atomic_bool fault_joined;
    pthread_t fault_thread;
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

/* A guest with so many pages, some holes among them, all state set; and the
 * watchdog is. */
struct fake_migration *fake_migration_new(uint64_t guest_pfns,
                                          unsigned int vcpus);
/* The same the other way on the hosts of another, which is freed last. */
struct fake_migration *fake_migration_against(
    const struct fake_migration *other);
void fake_migration_run(struct fake_migration *migration);
/*
 * The process of an end dies while it runs, as by SIGKILL: it says, hears and
 * does nothing more.  Its threads run on in a world of their own, where every
 * call fails.
 */
void fake_migration_kill(struct fake_migration *migration, unsigned int end);
/* Wait until both ends have ended, or the source has handed the guest over:
 * then true. */
bool fake_migration_await_go(struct fake_migration *migration);
/* What must hold however it ended; then what the toolstack does with a
 * failure: resume the source, or leave it alone. */
void fake_migration_check_promise(struct fake_migration *migration);
/* It worked, and the guest is whole and runs at the destination. */
void fake_migration_check_success(struct fake_migration *migration);
/* The connection was lost, and all is well for all that: it is as after a
 * success, or the guest never ran there and is taken back. */
void fake_migration_check_recovered(struct fake_migration *migration);
/* After a success: make ready to move the guest back, with the same orders. */
void fake_migration_turn_round(struct fake_migration *migration);
/* As the stock toolstack: make what a record says part of a domain. */
void fake_build_record(struct fake_domain *domain, uint32_t type,
                       const uint8_t *body, uint32_t length);
/* Where records start in what was heard of one way, and where the last one
 * ends: the number of these offsets. */
size_t fake_migration_records(struct fake_migration *migration,
                              enum fake_way way, size_t *offsets, size_t max);
/* Also stops the guest and checks both hosts for violations. */
void fake_migration_free(struct fake_migration *migration);

#endif
