/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line.  README.md describes the options. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "viridian.h"

#define OPTIONS_ALL UINT64_MAX
#define OPTIONS_MOST_VCPUS 16u /* also in entry.S */

struct options {
    uint64_t memory_mib;      /* OPTIONS_ALL: all there is */
    uint64_t working_set_mib; /* OPTIONS_ALL: all of that memory */
    uint64_t write_rate;      /* pages a second, or PACER_UNLIMITED */
    uint64_t check_rate;      /* the same */
    uint64_t heartbeat_us;
    uint64_t run_us;     /* 0: for ever */
    uint64_t watchdog_s; /* 0: none */
    uint64_t vcpus;
    uint64_t id;  /* what its lines start with; 0: nothing */
    bool drivers; /* false: as if Xen were not there */
    bool random_order;
    bool jumps; /* reads a word here and there, and does nothing else */
    bool to_port;
    bool to_ring;
    bool corrupt; /* break pages, to prove that it is seen */
    enum viridian_use viridian;
    bool pae;             /* one vCPU more, in 32-bit mode */
    uint64_t trade_pages; /* given back and got again; 0: none */
    uint64_t trade_us;    /* one each time */
    bool trade_same;      /* at the same pfn */
};

void options_default(struct options *options);

/*
 * Reads "name=value" words.  Returns where the first word starts that it does
 * not understand (the rest is read all the same), or NULL.
 */
const char *options_parse(struct options *options, const char *command_line);

#endif
