/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Many guests at a time from this host to others: what is known of each guest
 * and of each host.
 */
#ifndef XL_EVACUEES_H
#define XL_EVACUEES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libxl_live_migrate.h"
#include "options.h"

#define XL_WHY_MAX LIBXL_LIVE_MIGRATE_REASON_MAX
#define XL_NO_HOST (-1)
#define XL_UNLIMITED LIBXL_LIVE_MIGRATE_RATE_UNLIMITED

/* ---- a host that guests go to ---- */

enum xl_host_state {
    XL_HOST_TO_ASK, /* its room is not known */
    XL_HOST_ASKED,  /* it has not answered yet */
    XL_HOST_OPEN,
    XL_HOST_CLOSED,   /* it takes no guest; `why` has the reason */
    XL_HOST_RECOVERY, /* the command line does not name it: it gets only guests
                         that were on their way to it */
};

struct xl_host {
    const char *name; /* stays the caller's */
    enum xl_host_state state;
    bool knows_room;  /* false: every guest counts as fitting */
    uint64_t free_kb; /* its last answer: free memory */
    uint64_t more_kb; /* ... and what its dom0 would give beside that */
    char why[XL_WHY_MAX];
};

/* ---- a guest ---- */

enum xl_job {
    XL_JOB_MOVE,
    XL_JOB_RECOVER, /* an earlier migration is paused */
    XL_JOB_FOLLOW,  /* another process moves the guest */
};

enum xl_fate {
    XL_FATE_WAITS,
    XL_FATE_UNDER_WAY,
    XL_FATE_COULD_GO, /* with --check: nothing is in the way */
    XL_FATE_GONE,     /* the destination has all of the guest */
    XL_FATE_SHELL,    /* the same, and the shell is left here */
    /* `why` has the reason for these: */
    XL_FATE_STAYS,  /* the guest runs here as before */
    XL_FATE_PAUSED, /* the guest has to be recovered */
    XL_FATE_LOST,   /* the guest runs nowhere */
    XL_FATE_LEFT,   /* another process goes on with the guest */
    XL_FATES,
};

struct xl_guest {
    uint32_t domid;
    char name[256]; /* the guest's own; hostile to terminals */
    enum xl_job job;
    enum xl_fate fate;
    int host;           /* XL_NO_HOST: not chosen */
    bool guesses;       /* to be recovered, at a host that is not known */
    uint64_t tried;     /* a bit for each host that has refused the guest */
    uint64_t needed_kb; /* memory that the host must have */
    uint64_t turn;      /* the guest with the lowest one goes first */
    bool counted;       /* the host's last answer excludes needed_kb already */
    /* The migration: */
    uint64_t rate; /* what the background was given */
    bool deaf;     /* it has not taken a rate since it was seen last */
    bool seen;     /* `status` shows it running, so it takes requests */
    libxl_live_migrate_status status;
    uint64_t since_us; /* when the guest came to be under way */
    uint64_t ended_us; /* when its fate became final */
    char why[XL_WHY_MAX];
};

/* ---- all of it ---- */

struct xl_evacuation {
    struct xl_guest *guests; /* in the order in which they go */
    size_t nr_guests;
    struct xl_host hosts[XL_HOSTS_MAX];
    size_t nr_hosts;
    uint32_t parallel; /* moves at a time; recoveries do not count */
    uint64_t rate;     /* for the background of all guests; XL_UNLIMITED */
    bool looks_only;   /* --check */
    bool recovers;     /* moves no guest, only recovers */
    bool stopping;     /* starts no more guests */
    uint64_t now_us;   /* the time of the last xl_evacuation_next() */
};

/* ---- what to do next ---- */

enum xl_what {
    XL_DO_WAIT,  /* until there is something to tell */
    XL_DO_ASK,   /* ask the host; then xl_evacuation_room() or its like */
    XL_DO_START, /* start the guest's job, with this host and rate */
    XL_DO_RATE,  /* set the guest's rate; then xl_evacuation_rate_set() or
                    _deaf() */
    XL_DO_END,   /* nothing is left to do */
};

struct xl_action {
    enum xl_what what;
    size_t guest;
    int host;
    uint64_t rate;
};

#endif
