/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which domains of this host are meant, and what has to be done with each.
 * Pure.
 */
#ifndef XL_SELECTION_H
#define XL_SELECTION_H

#include "evacuees.h"

/* A domain, as it was found. */
struct xl_candidate {
    uint32_t domid;
    char name[256]; /* the guest's own */
    bool shut_down; /* and it is not a half of a guest */
    int rc;         /* not 0: `part` could not be found out */
    libxl_live_migrate_inspection part;
    char *host;         /* where it is on its way to, or has been; NULL: not
                           known */
    uint64_t needed_kb; /* memory that a host must have for it */
    uint64_t stop_us;   /* how long it is expected to stand still */
};

struct xl_candidates {
    struct xl_candidate *list;
    size_t count;
    /* Migrations of this host that have ended, the newest last. */
    libxl_live_migrate_status *ended;
    int nr_ended;
};

/*
 * Add the guests that --only and --except ask for, in their order.  The hosts'
 * names must stay.  0; or -1 with a message on stderr: no guest may be moved.
 * *missing: --only names guests that are neither here nor gone; a message was
 * printed.
 */
int xl_select(struct xl_evacuation *evacuation,
              const struct xl_options *options,
              const struct xl_candidates *candidates, bool *missing);

/*
 * Add the guests that are paused on their way to the first host of the
 * evacuation; if there is none, the host may have another name, and all paused
 * guests are added.  0, or -1 with a message on stderr.
 */
int xl_select_paused(struct xl_evacuation *evacuation,
                     const struct xl_candidates *candidates);

/* How long the guest of that name stood still when it left this host last, in
 * microseconds; 0: not known. */
uint64_t xl_last_stop(const struct xl_candidates *candidates,
                      const char *name);

#endif
