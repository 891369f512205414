/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the parts of bench/scale share.
 */
#ifndef SCALE_H
#define SCALE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "die.h"
#include "policy/pfn_set.h"

#define PAGES_A_GIB (UINT64_C(1) << 18)

/* What the bookkeeping knows about a guest. */
struct shape {
    uint64_t pages; /* all pfns are below this */
    bool sparse;    /* an eighth of them are pages, in runs of 2 MiB */
};

struct figures {
    double request_us;
    double choose_us;
    double choose_most_us;
    double stop_ms;
    double log_ms;
    double lacking_ms;
    double lacking_mib;
    double source_mib;
};

/* Processor time of this thread or of all threads, because other programs run,
 * too. */
double spent_us(clockid_t clock);
/* Resident memory of this process. */
double resident_mib(void);

bool has_page(const struct shape *shape, uint64_t pfn);
uint64_t any_page(const struct shape *shape);
void make_set(struct xlm_pfn_set *set, const struct shape *shape);

/* scale_stop.c: the table's rows about the stop, the log and the source. */
void measure_stop(const struct shape *shape, struct figures *figures);

#endif
