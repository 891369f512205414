/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which half of a guest a domain is: what is known about the domain, and what
 * follows from that.
 */
#ifndef LM_HALF_H
#define LM_HALF_H

#include <stdbool.h>
#include <stdint.h>

#include "keeping/kept.h"
#include "libxl_live_migrate.h"

/* What xenstore, the hypervisor and the files say about a domain. -1 in a
 * field of the nodes: there is no such node. */
struct lm_witnesses {
    uint32_t domid;
    struct xlm_domain_info info;
    /* xenstore */
    int role;
    int state;
    int phase;
    bool busy;        /* the nodes say that a process is at work ... */
    bool owner_lives; /* ... and it is alive */
    int32_t pid;
    uint64_t outstanding;
    uint64_t time_left_us;
    char name[LM_KEPT_NAME_SIZE]; /* the guest's own; empty: not known */
    bool has_id;
    uint8_t id[LM_ID_SIZE]; /* the migration's */
    /* The file that a receiver keeps. */
    bool has_kept;
    struct lm_kept_view kept;
};

/* 0, or a libxl error: one of the three does not answer, and nothing may be
 * concluded. */
int lm_half_look(struct xlm_hypervisor *hv, uint32_t domid,
                 struct lm_witnesses *seen);

/* What follows from all that.  Pure. */
libxl_live_migrate_half lm_half_judge(const struct lm_witnesses *seen,
                                      bool *needed);

/* Fill in all that the public function returns. */
void lm_half_describe(const struct lm_witnesses *seen,
                      libxl_live_migrate_inspection *found);

#endif
