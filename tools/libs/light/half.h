/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which half of a guest a domain is: what is known of it, and what follows.
 */
#ifndef LM_HALF_H
#define LM_HALF_H

#include <stdbool.h>
#include <stdint.h>

#include "kept.h"
#include "libxl_live_migrate.h"

/* What each of those says that know of a domain; -1 in a field of the nodes:
 * there is none. */
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
    uint8_t id[LM_ID_SIZE]; /* of the migration */
    /* The file of a receiver. */
    bool has_kept;
    struct lm_kept_view kept;
};

/* A libxl error: one of them cannot be asked, and nothing may be concluded. */
int lm_half_look(struct xlm_hypervisor *hv, uint32_t domid,
                 struct lm_witnesses *seen);

/* Pure. */
libxl_live_migrate_half lm_half_judge(const struct lm_witnesses *seen,
                                      bool *needed);

/* All that the public function tells. */
void lm_half_describe(const struct lm_witnesses *seen,
                      libxl_live_migrate_inspection *found);

#endif
